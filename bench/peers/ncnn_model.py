# SPDX-License-Identifier: MIT
"""The network as ncnn's two files: a text of layers (.param) and their weights (.bin).

Layer parameters: https://github.com/Tencent/ncnn/wiki/operators and
https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure.
"""

import struct

import numpy

_PARAM_MAGIC = 7767517
_RAW_FLOAT, _INT8 = 0, 0x000D4B38  # the word before a convolution's weights
_BINARY_ADD, _BINARY_MUL = 0, 2


class _Network:
    def __init__(self):
        self.layers, self.weights, self.copies = [], [], {}

    def add(self, kind, inputs, output, *parameters):
        numbered = [f"{index}={value}" for index, value in parameters]
        ends = [str(len(inputs)), "1", *inputs, output]
        self.layers.append([kind, f"{kind}_{output}", *ends, *numbered])
        return output

    def conv(self, source, output, conv, largest_input):
        """largest_input: of the absolute values that an int8 convolution reads; None in float."""
        weight = conv.weight.astype("<f4")
        shape = [(0, len(weight)), (1, 3), (4, 1), (5, 1), (6, weight.size)]
        if largest_input is None:
            self.weights += [struct.pack("<I", _RAW_FLOAT), weight.tobytes(), conv.bias.astype("<f4").tobytes()]
            return self.add("Convolution", [source], output, *shape)
        scales = (127 / numpy.maximum(abs(weight).max(axis=(1, 2, 3)), 1e-12)).astype("<f4")
        codes = numpy.clip(numpy.rint(weight * scales[:, None, None, None]), -127, 127).astype("i1")
        input_scale = numpy.array([127 / largest_input], "<f4")
        data = codes.tobytes()
        self.weights += [struct.pack("<I", _INT8), data + b"\0" * (-len(data) % 4), conv.bias.astype("<f4").tobytes()]
        self.weights += [scales.tobytes(), input_scale.tobytes()]
        return self.add("Convolution", [source], output, *shape, (8, 2))

    def param_text(self):
        """A blob that several layers read is given to each by a Split layer, as ncnn's format wants it."""
        readers = {}
        for layer in self.layers:
            for blob in layer[4 : 4 + int(layer[2])]:
                readers[blob] = readers.get(blob, 0) + 1
        taken, lines, blobs = {}, [], 0
        for layer in self.layers:
            for index in range(4, 4 + int(layer[2])):
                blob = layer[index]
                if readers[blob] > 1:
                    layer[index] = f"{blob}_{taken.setdefault(blob, 0)}"
                    taken[blob] += 1
            output = layer[4 + int(layer[2])]
            lines.append(" ".join(layer))
            blobs += 1
            if readers.get(output, 0) > 1:
                copies = [f"{output}_{number}" for number in range(readers[output])]
                lines.append(" ".join(["Split", f"split_{output}", "1", str(len(copies)), output, *copies]))
                blobs += len(copies)
        return f"{_PARAM_MAGIC}\n{len(lines)} {blobs}\n" + "\n".join(lines) + "\n"


def write(model, param_path, bin_path, ranges=None):
    """ranges: for int8, by tensor (pipersr_export.onnx_file), the largest absolute value; None: float."""

    def largest(tensor):
        return ranges[tensor] if ranges else None

    net = _Network()
    net.add("Input", [], "x")
    h = net.conv("x", "h.0", model.head, largest("x"))
    for n, (conv1, conv2) in enumerate(model.blocks):
        a = net.conv(h, f"a.{n}", conv1, largest(f"h.{n}"))
        m = net.add("Swish", [a], f"m.{n}")
        b = net.conv(m, f"b.{n}", conv2, largest(f"m.{n}"))
        h = net.add("BinaryOp", [h, b], f"h.{n + 1}", (0, _BINARY_ADD))
    t = net.add("BinaryOp", [h, "h.0"], "t", (0, _BINARY_ADD))
    y = net.conv(t, "y", model.tail, largest("t"))
    shuffled = net.add("PixelShuffle", [y], "shuffled", (0, model.scale))
    net.add("Clip", [shuffled], "out", (0, 0.0), (1, 1.0))
    with open(param_path, "w", encoding="ascii") as file:
        file.write(net.param_text())
    with open(bin_path, "wb") as file:
        file.write(b"".join(net.weights))
