# SPDX-License-Identifier: MIT
"""The network in NumPy, tensor by tensor: what the ranges of activations are taken from."""

import numpy


def _conv3x3(x, conv):
    """x: [C, H, W] float32; zero padding of one pixel; the sum over taps is one matrix product."""
    _, height, width = x.shape
    padded = numpy.pad(x, ((0, 0), (1, 1), (1, 1)))
    taps = [padded[:, dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    columns = numpy.stack(taps, axis=1).reshape(-1, height * width)
    out = conv.weight.reshape(len(conv.bias), -1) @ columns + conv.bias[:, None]
    return out.reshape(-1, height, width)


def _shuffle(y, scale):
    channels, height, width = y.shape
    y = y.reshape(channels // scale**2, scale, scale, height, width)
    return y.transpose(0, 3, 1, 4, 2).reshape(-1, height * scale, width * scale)


def run(model, x, observe=lambda name, values: None):
    """x: [3, H, W] float32 in 0..1. Returns [3, scale H, scale W] in 0..1.

    observe(name, values) sees every tensor that int8 may code; the names are those of onnx_file.py.
    """

    def seen(name, values):
        observe(name, values)
        return values

    h = h0 = seen("h.0", _conv3x3(seen("x", x), model.head))
    for n, (conv1, conv2) in enumerate(model.blocks):
        a = seen(f"a.{n}", _conv3x3(h, conv1))
        sigmoid = seen(f"s.{n}", 1 / (1 + numpy.exp(-a)))
        b = seen(f"b.{n}", _conv3x3(seen(f"m.{n}", a * sigmoid), conv2))
        h = seen(f"h.{n + 1}", h + b)
    y = seen("y", _conv3x3(seen("t", h + h0), model.tail))
    return numpy.clip(_shuffle(y, model.scale), 0, 1)
