#!/usr/bin/env python3
"""Makes tests/golden: small models and pictures with what PyTorch computes from them.

    python3 training/make_golden.py

Each case is a model file and a binary file of little-endian fp32:
height, width, scale, input [height][width][3], output [scale height][scale width][3], clamped.
The default model is among the cases through its own file in models/; its pictures are parts of a photo, as noise drives
trained weights to numbers that say nothing about them.
"""

import pathlib
import struct

import numpy
import torch

import network
import photos

ROOT = pathlib.Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
PHOTO = ROOT / "samples" / "butterfly.png"

# (model, height, width): sizes around nothing, around the receptive field, around every tile size.
CASES = [
    ("default", 1, 1),
    ("default", 1, 37),
    ("default", 29, 2),
    ("default", 13, 15),
    ("default", 31, 47),
    ("bn-f32", 17, 11),
    ("bn-bf16", 5, 23),
    ("x3-c16", 9, 31),
    ("x4-c48", 11, 14),
    ("x2-c128", 6, 9),
]


def make_models():
    """Random models beside the default one, weights kept in a range where the sums stay sane."""
    torch.manual_seed(20260322)
    models = {
        "bn-f32": (network.PiperSR(16, 2, 2, batch_norm=True), "F32"),
        "bn-bf16": (network.PiperSR(32, 1, 2, batch_norm=True), "BF16"),
        "x3-c16": (network.PiperSR(16, 1, 3), "F16"),
        "x4-c48": (network.PiperSR(48, 1, 4), "F16"),
        "x2-c128": (network.PiperSR(128, 1, 2), "F16"),
    }
    for name, (model, dtype) in models.items():
        for key, values in model.state_dict().items():
            if key.endswith("running_var"):
                values.uniform_(0.2, 2.0)
            elif key.endswith(("running_mean", "bn1.weight", "bn2.weight", "bn1.bias", "bn2.bias")):
                values.normal_(0.3, 0.3)
        network.save(model, GOLDEN / f"{name}.safetensors", dtype, name=name, licence="MIT")


def noise(generator, height, width):
    """Smooth areas, edges, noise and the two extremes all occur."""
    picture = generator.random((height, width, 3), dtype=numpy.float32)
    picture[: height // 2] = numpy.round(picture[: height // 2])
    return picture


def part_of_photo(generator, height, width):
    photo = photos.decode(PHOTO.read_bytes())
    y, x = (int(generator.integers(end - side)) for end, side in zip(photo.shape, (height, width)))
    return photo[y : y + height, x : x + width].astype(numpy.float32) / 255


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    make_models()
    generator = numpy.random.default_rng(453388)
    for name, height, width in CASES:
        path = ROOT / "models" / "pipersr-x2.safetensors" if name == "default" else GOLDEN / f"{name}.safetensors"
        model = network.load(path).eval()
        picture = (part_of_photo if name == "default" else noise)(generator, height, width)
        x = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None]
        with torch.no_grad():
            # In fp64, so that the reference's own rounding does not count.
            y = model.double()(x.double()).clamp(0, 1).float()[0].numpy().transpose(1, 2, 0)
        with open(GOLDEN / f"{name}-{height}x{width}.bin", "wb") as file:
            file.write(struct.pack("<3f", height, width, model.scale))
            file.write(picture.astype("<f4").tobytes() + numpy.ascontiguousarray(y, "<f4").tobytes())


if __name__ == "__main__":
    main()
