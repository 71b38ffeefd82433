"""Paths of a camera that pans over a photo: where each frame's window lies."""

import numpy


def path(random, n_frames, room, fastest_px=7):
    """int [n_frames][2], x and y of windows that have `room` (x, y) pixels to move in.

    A steady pan with a shaking hand, at times a standing camera or one that turns back at the photo's edge.
    """
    speed = random.uniform(-fastest_px, fastest_px, 2) if random.random() < 0.85 else numpy.zeros(2)
    shake = random.choice([0, 0.4, 1.2])
    place = random.uniform(0, 1, 2) * room
    places = []
    for _ in range(n_frames):
        places.append(place.round().astype(int).clip(0, room))
        place = place + speed + random.normal(0, 1, 2) * shake
        speed = numpy.where((place < 0) | (place > room), -speed, speed)
    return numpy.array(places)
