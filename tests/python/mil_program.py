# SPDX-License-Identifier: MIT
"""A Core ML package read and run without Core ML: the operations of its ML program in NumPy.

Values of 16 bits are rounded to 16 bits after every operation; sums within a convolution are of 32 bits.
Written from the protocol buffers that coremltools carries and the definitions of the operations in its
documentation, apart from the writer under test.
"""

import struct

import numpy
from coremltools.proto import MIL_pb2, Model_pb2

_TYPES = {
    MIL_pb2.FLOAT16: "f2",
    MIL_pb2.FLOAT32: "f4",
    MIL_pb2.INT32: "i4",
    MIL_pb2.STRING: "str",
    MIL_pb2.BOOL: "bool",
}
_BLOB_MARK = 0xDEADBEEF
_BLOB_FLOAT16 = 1


def _blob(weights, offset):
    """The 16-bit floats whose descriptor is at `offset` of weight.bin."""
    mark, kind, size, at = struct.unpack_from("<IIQQ", weights, offset)
    assert (mark, kind) == (_BLOB_MARK, _BLOB_FLOAT16)
    return numpy.frombuffer(weights[at : at + size], "<f2")


def _value(value, weights):
    tensor = value.type.tensorType
    shape = [dimension.constant.size for dimension in tensor.dimensions]
    if value.WhichOneof("value") == "blobFileValue":
        assert _TYPES[tensor.dataType] == "f2"
        return _blob(weights, value.blobFileValue.offset).reshape(shape)
    kind = value.immediateValue.tensor.WhichOneof("value")
    if kind == "bytes":
        return numpy.frombuffer(value.immediateValue.tensor.bytes.values, _TYPES[tensor.dataType]).reshape(shape)
    values = list(getattr(value.immediateValue.tensor, kind).values)
    return values[0] if not shape else numpy.array(values).reshape(shape)


def _conv(x, weight, bias, pad_type, pad, strides, dilations, groups):
    assert pad_type == "custom" and list(pad) == [1, 1, 1, 1] and groups == 1
    assert list(strides) == list(dilations) == [1, 1] and weight.shape[2:] == (3, 3) and x.shape[0] == 1
    _, _, height, width = x.shape
    padded = numpy.pad(x[0].astype("f4"), ((0, 0), (1, 1), (1, 1)))
    rows = weight.astype("f4").reshape(len(bias), -1)
    out = numpy.empty((1, len(bias), height, width), x.dtype)
    for top in range(0, height, 32):  # in bands, as the columns of a whole picture are large
        band = padded[:, top : top + 34]
        size = band.shape[1] - 2
        taps = [band[:, dy : dy + size, dx : dx + width] for dy in range(3) for dx in range(3)]
        columns = numpy.stack(taps, axis=1).reshape(-1, size * width)
        sums = rows @ columns + bias.astype("f4")[:, None]
        out[0, :, top : top + size] = sums.reshape(-1, size, width)
    return out


def _silu(x):
    wide = x.astype("f4")
    return (wide / (1 + numpy.exp(-wide))).astype(x.dtype)


def _pixel_shuffle(x, upscale_factor):
    n, channels, height, width = x.shape
    r = int(upscale_factor)
    x = x.reshape(n, channels // r**2, r, r, height, width).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, channels // r**2, height * r, width * r)


_OPERATIONS = {
    "cast": lambda x, dtype: x.astype({"fp16": "f2", "fp32": "f4"}[dtype]),
    "conv": _conv,
    "silu": _silu,
    "add": lambda x, y: x + y,
    "pixel_shuffle": _pixel_shuffle,
}


class Program:
    """inputs, outputs: {name: shape, [] where it is free}; ranges: {input: [(lowest, highest)]};
    operations: their types in the order they run, constants left out."""

    def __init__(self, path):
        data = path / "Data" / "com.apple.CoreML"
        self.model = Model_pb2.Model.FromString((data / "model.mlmodel").read_bytes())
        weights = (data / "weights" / "weight.bin").read_bytes()
        described = self.model.description
        self.inputs, self.outputs = (
            {feature.name: list(feature.type.multiArrayType.shape) for feature in features}
            for features in (described.input, described.output)
        )
        self.ranges = {
            feature.name: [
                (size.lowerBound, size.upperBound)
                for size in feature.type.multiArrayType.shapeRange.sizeRanges
            ]
            for feature in described.input
        }
        (function,) = self.model.mlProgram.functions.values()
        (block,) = function.block_specializations.values()
        self._constants, self._steps = {}, []
        for operation in block.operations:
            (output,) = operation.outputs
            if operation.type == "const":
                self._constants[output.name] = _value(operation.attributes["val"], weights)
            else:
                arguments = {key: binding.arguments[0].name for key, binding in operation.inputs.items()}
                self._steps.append((operation.type, arguments, output))
        self.operations = [kind for kind, _, _ in self._steps]
        (self._result,) = block.outputs

    def run(self, **inputs):
        """Every output tensor has the type that the program declares for it."""
        values = {**self._constants, **inputs}
        for kind, arguments, output in self._steps:
            found = {key: values[name] for key, name in arguments.items()}
            values[output.name] = _OPERATIONS[kind](**found)
            assert values[output.name].dtype == _TYPES[output.type.tensorType.dataType], output.name
        return values[self._result]
