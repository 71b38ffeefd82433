"""Photos: found in folders, decoded to 8-bit RGB, and split into training and validation."""

import hashlib
import io
import pathlib

import numpy
from PIL import Image, ImageOps

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
VALIDATION_SHARE = 20  # one photo of so many


def photos_in(folder):
    """Paths of the photos in a folder and the folders in it, in order of name."""
    paths = [path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise SystemExit(f"{folder}: no photos in it ({' '.join(sorted(SUFFIXES))})")
    return sorted(paths)


def decode(data):
    """The bytes of an image file -> uint8 [h][w][3], upright."""
    with Image.open(io.BytesIO(data)) as image:
        return numpy.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def is_validation(name):
    """Fixed by the file's name without its ending, whatever else is in the folder: the whole photo, and
    everything made from it, belongs to one side."""
    stem = pathlib.PurePath(name).stem
    return int.from_bytes(hashlib.sha256(stem.encode()).digest()[:8], "big") % VALIDATION_SHARE == 0
