"""Frames of compressed clips, as video_clips.py stores them: the low-resolution frames after decoding, and where
in which photo their originals lie.

A chunk is a zip file with clips.json and a PNG for each frame. An entry of clips.json:

    name, crf, photo (file name), factor (size of the photo's copy the clip was cut from),
    width, height (of the low-resolution frames), frames: [{name, file, x, y}] (x, y in that copy)
"""

import io
import json
import zipfile

import numpy
from PIL import Image

import resize

SCALE = 2
ABOUT = "clips.json"


def by_photo(chunks):
    """{photo: [(entry, {frame name: bytes of its PNG})]} of all chunks."""
    found = {}
    for path in chunks:
        with zipfile.ZipFile(path) as chunk:
            for entry in json.loads(chunk.read(ABOUT)):
                files = {frame["name"]: chunk.read(frame["file"]) for frame in entry["frames"]}
                found.setdefault(entry["photo"], []).append((entry, files))
    return found


def copy_of(picture, factor):
    """The copy of a photo that clips are cut from; the same wherever it is made."""
    if factor == 1:
        return picture
    height, width = (int(side * factor) for side in picture.shape[:2])
    return resize.resize(picture, height, width, factor)


def frames_of(photo_clips, picture):
    """Yields clip name, frame name, original [2h][2w][3] and compressed [h][w][3] of one photo's clips."""
    copies = {}
    for entry, files in photo_clips:
        factor = entry["factor"]
        if factor not in copies:
            copies[factor] = copy_of(picture, factor)
        for frame in entry["frames"]:
            x, y = frame["x"], frame["y"]
            high = copies[factor][y : y + SCALE * entry["height"], x : x + SCALE * entry["width"]]
            low = numpy.asarray(Image.open(io.BytesIO(files[frame["name"]])).convert("RGB"))
            if high.shape[:2] != (SCALE * low.shape[0], SCALE * low.shape[1]):
                raise SystemExit(f"{entry['photo']}: clip {entry['name']} does not fit into this photo")
            yield entry["name"], frame["name"], numpy.ascontiguousarray(high), low
