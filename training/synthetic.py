#!/usr/bin/env python3
"""Makes pictures with what small collections of photos lack: straight repeated structure and text.

    python3 training/synthetic.py --out FOLDER --count 8       writes some as PNG, to be looked at

Five kinds: facades and grids in perspective, text in the fonts of the system, line drawings, dead leaves
(discs that cover each other), woven patterns. All are drawn at three times their size and made smaller, so that
their edges are antialiased as a camera's are. A picture is fixed by its number.
"""

import argparse
import functools
import math
import pathlib

import numpy
from PIL import Image, ImageDraw, ImageFilter, ImageFont

OVERSAMPLING = 3
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "C:/Windows/Fonts")
WORDS = (
    "the quick brown fox jumps over a lazy dog while seven wizards pack my box with five dozen jugs "
    "SALE Platform 9 Exit OPEN Hotel 1984 Bakery 24h Museum No. 17 Street 50% North-East km/h 3.14 &c."
).split()


def font_files():
    """TrueType files of the system, and those that matplotlib brings along."""
    folders = [pathlib.Path(folder) for folder in FONT_FOLDERS]
    try:
        import matplotlib

        folders.append(pathlib.Path(matplotlib.get_data_path()) / "fonts" / "ttf")
    except ImportError:
        pass
    files = [path for folder in folders for path in folder.rglob("*.ttf") if "STIXSiz" not in path.name]
    return sorted(files, key=lambda path: path.name)


@functools.lru_cache(maxsize=64)
def _font(path, size):
    return ImageFont.truetype(str(path), size) if path else ImageFont.load_default()


def colour(random, low=0, high=256):
    """Mostly muted, as in photos."""
    grey = random.integers(low, high)
    spread = int(random.choice([0, 12, 40, 120]))
    return tuple(int(numpy.clip(grey + random.integers(-spread, spread + 1), 0, 255)) for _ in range(3))


def contrasting(random, other):
    light = sum(other) / 3
    return colour(random, 0, 90) if light > 128 else colour(random, 166, 256)


def gradient(random, side):
    """A background whose light falls off to one side."""
    y, x = numpy.mgrid[0:side, 0:side] / side
    angle = random.uniform(0, 2 * math.pi)
    fall = (math.cos(angle) * x + math.sin(angle) * y) * random.uniform(0, 60)
    base = numpy.array(colour(random, 40, 220), dtype=float)
    return Image.fromarray((base + fall[..., None]).clip(0, 255).astype(numpy.uint8))


# ---------------------------------------------------------------------------------------- drawings


def tile_of_facade(random, size):
    """One bay of a building: wall, window with frame and glazing bars, sill."""
    wall = colour(random, 60, 230)
    tile = Image.new("RGB", size, wall)
    draw = ImageDraw.Draw(tile)
    width, height = size
    left, top = random.uniform(0.08, 0.3, 2)
    box = [left * width, top * height, (1 - left) * width, (1 - top * random.uniform(0.3, 1)) * height]
    glass, frame = colour(random, 0, 150), contrasting(random, wall)
    draw.rectangle(box, fill=glass, outline=frame, width=max(1, width // 40))
    for column in range(1, random.integers(1, 5)):
        x = box[0] + (box[2] - box[0]) * column / 4
        draw.line([x, box[1], x, box[3]], fill=frame, width=max(1, width // 60))
    for row in range(1, random.integers(1, 6)):
        y = box[1] + (box[3] - box[1]) * row / 5
        draw.line([box[0], y, box[2], y], fill=frame, width=max(1, width // 60))
    if random.random() < 0.5:
        draw.rectangle([box[0] - 3, box[3], box[2] + 3, box[3] + height // 20], fill=contrasting(random, glass))
    if random.random() < 0.4:  # courses of brick
        step = max(4, height // int(random.integers(8, 24)))
        for y in range(0, height, step):
            draw.line([0, y, width, y], fill=colour(random, 60, 140), width=1)
    return tile


def tile_of_grid(random, size):
    """Checks, stripes, bars or dots."""
    ground = colour(random)
    ink = contrasting(random, ground)
    tile = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(tile)
    width, height = size
    kind = random.integers(4)
    if kind == 0:
        draw.rectangle([0, 0, width // 2 - 1, height // 2 - 1], fill=ink)
        draw.rectangle([width // 2, height // 2, width, height], fill=ink)
    elif kind == 1:
        draw.rectangle([0, 0, int(width * random.uniform(0.15, 0.6)), height], fill=ink)
    elif kind == 2:
        bar = max(1, int(min(size) * random.uniform(0.06, 0.3)))
        draw.rectangle([0, 0, width, bar], fill=ink)
        draw.rectangle([0, 0, bar, height], fill=ink)
    else:
        radius = min(size) * random.uniform(0.2, 0.45)
        draw.ellipse([width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius], fill=ink)
    return tile


def repeated(random, side, make_tile, cells):
    """The plane covered with one tile (each copy a little lighter or darker), larger than the picture."""
    plane = int(side * 1.6)
    width = plane // cells
    height = int(width * random.uniform(0.6, 1.6))
    tile = numpy.asarray(make_tile(random, (max(6, width), max(6, height))), dtype=numpy.int16)
    rows, columns = -(-plane // tile.shape[0]), -(-plane // tile.shape[1])
    picture = numpy.tile(tile, (rows, columns, 1))[:plane, :plane]
    if random.random() < 0.5:
        shades = random.integers(-18, 19, (rows, columns)).astype(numpy.int16)
        shades = shades.repeat(tile.shape[0], 0).repeat(tile.shape[1], 1)[:plane, :plane]
        picture = picture + shades[..., None]
    return Image.fromarray(picture.clip(0, 255).astype(numpy.uint8))


def in_perspective(random, plane, side):
    """The plane seen from a side: its quadrilateral with a few per cent to 40 % of foreshortening."""
    width, height = plane.size
    near = numpy.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    corners = 0.5 + (near - 0.5) * 0.62
    corners += random.uniform(-1, 1, (4, 2)) * random.choice([0.02, 0.08, 0.15])
    angle = random.choice([0, random.uniform(-0.15, 0.15), random.uniform(-math.pi, math.pi)])
    turn = numpy.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    source = (0.5 + (corners - 0.5) @ turn.T).clip(0, 1) * [width, height]
    target = near * side
    rows = []
    for (x, y), (u, v) in zip(target, source):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients = numpy.linalg.solve(numpy.array(rows), source.ravel())
    return plane.transform((side, side), Image.PERSPECTIVE, coefficients.tolist(), Image.BICUBIC)


def facade(random, side):
    return in_perspective(random, repeated(random, side, tile_of_facade, int(random.integers(4, 22))), side)


def grid(random, side):
    return in_perspective(random, repeated(random, side, tile_of_grid, int(random.integers(8, 70))), side)


def text(random, side):
    files = font_files() or [None]
    picture = gradient(random, side) if random.random() < 0.4 else Image.new("RGB", (side, side), colour(random, 180))
    draw = ImageDraw.Draw(picture)
    y = 0
    while y < side:
        size = int(random.choice([8, 9, 10, 12, 14, 18, 24, 36, 60]) * OVERSAMPLING)
        font = _font(files[random.integers(len(files))], size)
        ink = contrasting(random, picture.getpixel((side // 2, min(y, side - 1))))
        line = " ".join(random.choice(WORDS, 200 * OVERSAMPLING // size * 2 + 2))
        draw.text((int(random.integers(-20, 40)), y), line, fill=ink, font=font)
        y += int(size * random.uniform(1.1, 1.6))
    return picture.rotate(random.uniform(-12, 12), Image.BICUBIC) if random.random() < 0.3 else picture


def lines(random, side):
    """Strokes, polygons, circles and fans of lines on a plain ground."""
    ground = colour(random)
    picture = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(20, 90))):
        ink = contrasting(random, ground) if random.random() < 0.6 else colour(random)
        width = int(random.choice([1, 2, 3, 4, 6, 10]) * OVERSAMPLING * random.uniform(0.4, 1))
        points = [tuple(point) for point in random.uniform(-0.1, 1.1, (int(random.integers(2, 6)), 2)) * side]
        kind = random.integers(5)
        if kind == 0:
            draw.line(points, fill=ink, width=max(1, width), joint="curve")
        elif kind == 1 and len(points) > 2:
            draw.polygon(points, fill=colour(random), outline=ink)
        elif kind == 2:
            (x, y), radius = points[0], random.uniform(0.01, 0.2) * side
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=ink, width=max(1, width))
        elif kind == 3:
            (x, y), reach = points[0], random.uniform(0.1, 0.5) * side
            count = int(random.integers(8, 60))
            for i in range(count):
                angle = 2 * math.pi * i / count
                tip = [x + reach * math.cos(angle), y + reach * math.sin(angle)]
                draw.line([x, y, *tip], fill=ink, width=max(1, width // 2))
        else:
            (x, y), step = points[0], max(2, 2 * width)
            for i in range(int(random.integers(4, 24))):
                tip = [x + i * step + side // 8, y + side // 3]
                draw.line([x + i * step, y, *tip], fill=ink, width=max(1, width // 2))
    return picture


def dead_leaves(random, side):
    """Discs and squares whose sizes follow a power law, each with a gradient or a fine texture."""
    picture = gradient(random, side)
    draw = ImageDraw.Draw(picture)
    # Sizes with a density of 1 / r^3 cover every scale alike.
    low, high = 0.006 * side, 0.3 * side
    for _ in range(2500):
        radius = 1 / math.sqrt(random.uniform(1 / high**2, 1 / low**2))
        x, y = random.uniform(-0.1, 1.1, 2) * side
        box = [x - radius, y - radius, x + radius, y + radius]
        if random.random() < 0.7:
            draw.ellipse(box, fill=colour(random))
        else:
            draw.rectangle(box, fill=colour(random))
    noise = random.normal(0, random.choice([0, 2, 6]), (side // OVERSAMPLING, side // OVERSAMPLING, 1))
    small = numpy.asarray(picture.resize(noise.shape[:2], Image.BOX), dtype=float) + noise
    return Image.fromarray(small.clip(0, 255).astype(numpy.uint8))


def weave(random, side):
    """Curved stripes: sinus gratings with a wandering phase, as in fabric, hair and water."""
    y, x = numpy.mgrid[0:side, 0:side] / side
    total = numpy.zeros((side, side))
    for _ in range(int(random.integers(1, 4))):
        angle, cycles = random.uniform(0, math.pi), random.uniform(8, 110)
        along = math.cos(angle) * x + math.sin(angle) * y
        wander = random.uniform(0, 0.06) * numpy.sin(2 * math.pi * (random.uniform(0.5, 3) * (x - y) + random.random()))
        total += numpy.sin(2 * math.pi * cycles * (along + wander))
    share = 0.5 + 0.5 * numpy.tanh(total * random.uniform(0.7, 5))
    one, two = (numpy.array(colour(random), dtype=float) for _ in range(2))
    return Image.fromarray((one + (two - one) * share[..., None]).astype(numpy.uint8))


KINDS = (facade, facade, grid, text, lines, dead_leaves, weave)


def make(number, side=512):
    """Picture `number` as uint8 [side][side][3]."""
    random = numpy.random.default_rng([20260322, number])
    picture = KINDS[number % len(KINDS)](random, side * OVERSAMPLING)
    if picture.width != side:
        picture = picture.resize((side, side), Image.BOX)
    if random.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.7)))
    return numpy.asarray(picture)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=len(KINDS))
    parser.add_argument("--side", type=int, default=512, help="pixels (512)")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.count):
        Image.fromarray(make(number, options.side)).save(options.out / f"synthetic_{number:04d}.png")


if __name__ == "__main__":
    main()
