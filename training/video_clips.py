#!/usr/bin/env python3
"""Makes compressed clips to train on: windows that pan over photos, made smaller, encoded by x264, decoded again.

    python3 training/video_clips.py PHOTOS --out clips.zip [--clips 600] [--limit-mib 56]

Each clip has 12 frames, H.264 4:2:0 at a CRF of 18 to 35 with P and B frames, some slightly blurred before. Two frames
of each are kept, as PNG, with the place of their originals in the photo (clips.py). Made and read with BT.709
matrices; needs the ffmpeg program with libx264.
"""

import argparse
import io
import json
import pathlib
import subprocess
import zipfile

import numpy
from PIL import Image, ImageFilter

import clips
import panning
import photos
import resize

FRAMES, KEPT = 12, (4, 5, 7, 8, 10)  # the first frames are I and P; later ones mix P and B
SMALLEST_PX, LARGEST_PX = 96, 224  # of a low-resolution frame
FACTORS = (1.0, 1.0, 0.7, 0.5)
PRESETS = ("veryfast", "faster", "medium", "slow")
CONVERSION = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


def ffmpeg(arguments, data):
    command = ["ffmpeg", "-v", "error", "-nostdin", *map(str, arguments), "-"]
    done = subprocess.run(command, input=data, capture_output=True)
    if done.returncode:
        raise SystemExit(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
    return done.stdout


def compress(frames, crf, preset, b_frames):
    """uint8 [n][h][w][3] -> the same after H.264; h and w even."""
    n, height, width, _ = frames.shape
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", 25, "-i", "-"]
    to_yuv = f"scale=out_color_matrix=bt709:out_range=tv:flags={CONVERSION},format=yuv420p"
    x264 = ["-c:v", "libx264", "-crf", crf, "-preset", preset, "-bf", b_frames, "-g", 250, "-threads", 1, "-f", "h264"]
    stream = ffmpeg([*raw, "-vf", to_yuv, *x264], frames.tobytes())
    to_rgb = f"scale=in_color_matrix=bt709:in_range=tv:flags={CONVERSION},format=rgb24"
    decoded = ffmpeg(["-threads", 1, "-f", "h264", "-i", "-", "-vf", to_rgb, "-f", "rawvideo"], stream)
    made = numpy.frombuffer(decoded, numpy.uint8)
    if made.size != frames.size:
        raise SystemExit(f"ffmpeg gave {made.size} bytes for {n} frames of {width}x{height}")
    return made.reshape(frames.shape)


def windows(picture, places, width, height):
    """Low-resolution frames of the windows at `places`, whose size in the picture is twice width x height."""
    return numpy.stack([
        resize.shrink(numpy.ascontiguousarray(picture[y : y + 2 * height, x : x + 2 * width]), 2) for x, y in places
    ])


def make_clip(number, name, picture):
    """(entry of clips.json, {file name: PNG}) of clip `number` over one photo, or None if the photo is too small."""
    random = numpy.random.default_rng([20260322, number])
    factor = float(random.choice(FACTORS))
    copy = clips.copy_of(picture, factor)
    if min(copy.shape[:2]) < 2 * SMALLEST_PX:
        factor, copy = 1.0, picture
    sides = [min(LARGEST_PX, side // 2) // 2 * 2 for side in copy.shape[1::-1]]
    if min(sides) < SMALLEST_PX:
        return None
    width, height = (int(random.integers(SMALLEST_PX, side + 1)) // 2 * 2 for side in sides)
    room = numpy.array([copy.shape[1] - 2 * width, copy.shape[0] - 2 * height])
    places = panning.path(random, FRAMES, room)
    frames = windows(copy, places, width, height)
    if random.random() < 0.15:
        blur = ImageFilter.GaussianBlur(random.uniform(0.3, 0.8))
        frames = numpy.stack([numpy.asarray(Image.fromarray(frame).filter(blur)) for frame in frames])
    crf = int(random.integers(18, 36))
    frames = compress(frames, crf, str(random.choice(PRESETS)), int(random.choice([0, 2, 3])))
    kept, files = [], {}
    for index in sorted(random.choice(KEPT, 2, replace=False)):
        with io.BytesIO() as png:
            Image.fromarray(frames[index]).save(png, "PNG", optimize=True)
            file = f"clips/{number:05d}-{index}.png"
            files[file] = png.getvalue()
        kept.append({"name": str(index), "file": file, "x": int(places[index][0]), "y": int(places[index][1])})
    entry = {
        "name": f"clip_{number:05d}", "crf": crf, "photo": name, "factor": factor,
        "width": width, "height": height, "frames": kept,
    }
    return entry, files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--clips", type=int, default=600, help="how many (600)")
    parser.add_argument("--limit-mib", type=float, default=56, help="stop before the file is larger (56)")
    options = parser.parse_args()
    paths = photos.photos_in(options.photos)
    order = numpy.random.default_rng(7).permutation(len(paths))
    entries, size, number = [], 0, 0
    temporary = options.out.with_name(options.out.name + ".part")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as chunk:
        for number in range(options.clips):
            photo = paths[order[number % len(paths)]]
            made = make_clip(number, photo.name, photos.decode(photo.read_bytes()))
            if not made:
                continue
            entry, files = made
            size += sum(len(data) + 400 for data in files.values())
            if size > (options.limit_mib - 0.5) * 2**20:
                break
            for file, data in files.items():
                chunk.writestr(file, data)
            entries.append(entry)
            if number % 50 == 49:
                print(f"{number + 1} clips, {size / 2**20:.1f} MiB", flush=True)
        chunk.writestr(clips.ABOUT, json.dumps(entries))
    temporary.replace(options.out)
    print(f"{options.out}: {len(entries)} clips, {options.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
