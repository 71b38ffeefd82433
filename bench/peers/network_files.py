# SPDX-License-Identifier: MIT
"""What the peers read: pictures, and the network in their formats. All of it goes into one folder."""

import functools
import pathlib
import sys

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

import ncnn_model
from pipersr_export import calibration, model, onnx_file, reference

PICTURE = ROOT / "samples" / "butterfly.png"
_CROP_PX = 128


def _planes(image):
    return numpy.ascontiguousarray(numpy.asarray(image.convert("RGB"), "f4").transpose(2, 0, 1) / 255)


def _crops():
    """Squares of the sample and of its half: one set of ranges for all sizes and runtimes."""
    crops = []
    with Image.open(PICTURE) as picture:
        for divisor in (1, 2):
            planes = _planes(picture.resize((picture.width // divisor, picture.height // divisor), Image.Resampling.BICUBIC))
            _, height, width = planes.shape
            crops += [
                planes[:, y : y + _CROP_PX, x : x + _CROP_PX]
                for y in range(0, height - _CROP_PX + 1, _CROP_PX)
                for x in range(0, width - _CROP_PX + 1, _CROP_PX)
            ]
    return crops


class NetworkFiles:
    def __init__(self, model_path, folder):
        self.model, self.folder = model.load(model_path), pathlib.Path(folder)
        # With the parameters that int8 has for itself, where it has some: those are easier to code.
        self.int8_model = model.load(model_path, "int8")
        self.folder.mkdir(parents=True, exist_ok=True)
        crops = _crops()
        self.codings = calibration.per_tensor(self.int8_model, crops)
        # ncnn codes symmetrically, so it wants the larger end alone.
        self.largest = {}
        for crop in crops:
            reference.run(self.int8_model, crop, self._observe)

    def _observe(self, name, values):
        self.largest[name] = max(self.largest.get(name, 1e-6), float(abs(values).max()))

    @functools.cache
    def frame(self, size):
        """The sample at this size: (path of a PNG, path of [1, 3, H, W] float32 as .npy)."""
        png, array = (self.folder / f"frame-{size[0]}x{size[1]}.{kind}" for kind in ("png", "npy"))
        with Image.open(PICTURE) as picture:
            frame = picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        frame.save(png)
        numpy.save(array, _planes(frame)[None])
        return png, array

    @functools.cache
    def networks(self, size):
        """Paths by what runtimes.py calls them; sizes are fixed, as all peers are faster then."""
        name = f"{size[0]}x{size[1]}"
        paths = {kind: str(self.folder / f"{kind}-{name}.onnx") for kind in ("float", "inputs", "trunk", "everything")}
        onnx_file.write(self.model, paths["float"], "fp32", size)
        onnx_file.write(self.int8_model, paths["inputs"], "int8", size, self.codings)
        # Runtimes that compute SiLU with the convolution before it want no bytes between the two.
        trunk = {tensor: coding for tensor, coding in self.codings.items() if not tensor.startswith(("a.", "s."))}
        onnx_file.write(self.int8_model, paths["trunk"], "int8", size, trunk, code_where_made=True)
        onnx_file.write(self.int8_model, paths["everything"], "int8", size, self.codings, code_where_made=True)
        for kind, ranges in (("ncnn", None), ("ncnn-int8", self.largest)):
            paths[kind] = [str(self.folder / f"{kind}.{end}") for end in ("param", "bin")]
            ncnn_model.write(self.int8_model if ranges else self.model, *paths[kind], ranges)
        return paths


def planes_of(path):
    with Image.open(path) as picture:
        return _planes(picture)


def psnr_db(result, expected_png):
    """result: float32 [3, H, W] in 0..1, rounded to 8 bits before it is compared with the PNG."""
    with Image.open(expected_png) as picture:
        expected = numpy.asarray(picture.convert("RGB"), "f4").transpose(2, 0, 1)
    if result.shape != expected.shape:
        return 0.0
    codes = numpy.rint(numpy.clip(numpy.nan_to_num(result), 0, 1) * 255)
    error = float(((codes - expected) ** 2).mean(dtype=float))
    return 10 * numpy.log10(255**2 / error) if error else 120.0
