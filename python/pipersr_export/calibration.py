# SPDX-License-Identifier: MIT
"""One range a tensor, from pictures: for runtimes whose int8 has one scale for a whole activation."""

import numpy

from pipersr_export import reference
from pipersr_export.model import Coding


def _coding(low, high):
    low, high = min(low, 0.0), max(high, 1e-6)
    scale = numpy.float32((high - low) / 255)
    return Coding(numpy.array([scale]), numpy.array([round(-low / scale)], "u1"))


def per_tensor(model, pictures):
    """pictures: [3, H, W] float32 in 0..1 each. Returns a Coding for every tensor of reference.run().

    The range is all that was seen. Pictures and sigmoids have the range that they have by definition.
    """
    ranges = {}

    def observe(name, values):
        low, high = ranges.get(name, (0.0, 0.0))
        ranges[name] = min(low, float(values.min())), max(high, float(values.max()))

    for picture in pictures:
        reference.run(model, picture, observe)
    for name in ranges:
        if name == "x" or name.startswith("s."):
            ranges[name] = 0.0, 1.0
    return {name: _coding(*ends) for name, ends in ranges.items()}


def from_file(model):
    """The codings that the model file holds, one scale a channel, by the names of onnx_file.py."""
    codings = {}
    for n, (conv1, conv2) in enumerate(model.blocks):
        for name, conv in ((f"h.{n}", conv1), (f"m.{n}", conv2)):
            if conv.coding is None:
                return None
            codings[name] = conv.coding
    return codings
