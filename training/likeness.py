#!/usr/bin/env python3
"""Looks for test pictures among training photos; exit status 1 if there is one.

    python3 training/likeness.py PHOTOS TEST_SETS

Compares a 256-bit difference hash of every photo with that of every test picture and of its mirror image.
The hash finds copies that were scaled, recompressed or changed in colour. It does not find crops: those have
to be looked for when a corpus is put together.
"""

import argparse
import pathlib
import sys

import numpy
from PIL import Image

import photos

HASH_SIDE = 16
# Of 256 bits. Different photos differ in about 128; copies in fewer than 20.
LEAST_DISTANCE = 40


def difference_hash(picture):
    """uint8 [h][w][3] -> 256 booleans: is each cell of a 16x16 grid darker than its right neighbour?"""
    grey = Image.fromarray(picture).convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.BOX)
    cells = numpy.asarray(grey, dtype=int)
    return (cells[:, :-1] < cells[:, 1:]).ravel()


def hashes_of_sets(folder):
    """Names and hashes of all pictures below `folder`, each with its mirror image; LR copies are as good."""
    names, hashes = [], []
    for path in photos.photos_in(folder):
        picture = photos.decode(path.read_bytes())
        for mirrored in (picture, picture[:, ::-1]):
            names.append(path.relative_to(folder).as_posix())
            hashes.append(difference_hash(numpy.ascontiguousarray(mirrored)))
    return names, numpy.array(hashes)


def nearest(picture, test_hashes):
    """(index, distance in bits) of the most similar test picture."""
    distances = (difference_hash(picture) != test_hashes).sum(axis=1)
    index = int(distances.argmin())
    return index, int(distances[index])


def refuse_test_pictures(named_pictures, test_sets):
    """Raises SystemExit that names the photos which are in the test sets. Returns the least distance."""
    names, hashes = hashes_of_sets(test_sets)
    found, least = [], HASH_SIDE * HASH_SIDE
    for name, picture in named_pictures:
        index, distance = nearest(picture, hashes)
        least = min(least, distance)
        if distance < LEAST_DISTANCE:
            found.append(f"{name} looks like {names[index]} ({distance} of 256 bits differ)")
    if found:
        raise SystemExit("\n".join([*found, "test pictures must not be trained on: take these photos out"]))
    return least


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("test_sets", type=pathlib.Path)
    options = parser.parse_args()
    paths = photos.photos_in(options.photos)
    least = refuse_test_pictures(((p.name, photos.decode(p.read_bytes())) for p in paths), options.test_sets)
    print(f"{len(paths)} photos, none in {options.test_sets}: the nearest differs in {least} of 256 bits")


if __name__ == "__main__":
    sys.exit(main())
