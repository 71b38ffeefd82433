"""An ONNX file read and run without ONNX: the wire format of protobuf, and the operators in NumPy.

Written from onnx.proto3 and the operators' specification (https://onnx.ai/onnx/operators), apart
from the writer under test, so that a mistake there is not repeated here.
"""

import struct

import numpy

_ELEMENTS = {1: "<f4", 2: "u1", 3: "i1", 7: "<i8", 10: "<f2"}


def _fields(data):
    """A protobuf message as {field number: [values]}: integers, floats or bytes."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        assert kind in (0, 2, 5), f"wire type {kind} at byte {at}"
        if kind == 0:
            value = varint()
        else:
            size = 4 if kind == 5 else varint()
            value, at = data[at : at + size], at + size
            assert len(value) == size
            if kind == 5:
                value = struct.unpack("<f", value)[0]
        fields.setdefault(key >> 3, []).append(value)
    return fields


def _tensor(data):
    fields = _fields(data)
    values = numpy.frombuffer(fields[9][0], _ELEMENTS[fields[2][0]])
    return fields[8][0].decode(), values.reshape(fields.get(1, []))


def _attributes(node):
    attributes = {}
    for data in node.get(5, []):
        fields = _fields(data)
        slot = {1: 2, 2: 3, 3: 4, 7: 8}[fields[20][0]]
        values = fields[slot]
        attributes[fields[1][0].decode()] = values if slot == 8 else values[0]
    return attributes


def _shape(value_info):
    tensor_type = _fields(_fields(_fields(value_info)[2][0])[1][0])
    dims = [_fields(dim) for dim in _fields(tensor_type[2][0])[1]]
    return [dim[1][0] if 1 in dim else dim[2][0].decode() for dim in dims]


class Graph:
    """inputs, outputs: {name: shape}; a free side is a name. nodes: (operator, inputs, output, attributes)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            model = _fields(file.read())
        graph = _fields(model[7][0])
        self.constants = dict(_tensor(data) for data in graph[5])
        self.inputs, self.outputs = (
            {_fields(data)[1][0].decode(): _shape(data) for data in graph[field]} for field in (11, 12)
        )
        self.nodes = []
        for node in map(_fields, graph[1]):
            inputs = [name.decode() for name in node[1]]
            self.nodes.append((node[4][0].decode(), inputs, node[2][0].decode(), _attributes(node)))

    def run(self, x):
        values = dict(self.constants, x=x)
        for operator, inputs, output, attributes in self.nodes:
            assert output not in values, f"{output} is made twice"
            values[output] = _OPERATORS[operator](attributes, *(values[name] for name in inputs))
        return values["out"]


def _along(parameter, attributes, values):
    """A parameter of QuantizeLinear, one for each entry of its axis, so that it broadcasts."""
    if parameter.ndim == 0:
        return parameter
    return parameter.reshape([-1 if axis == attributes["axis"] else 1 for axis in range(values.ndim)])


def _quantize(attributes, x, scale, zero):
    steps = numpy.rint(x / _along(scale, attributes, x)) + _along(zero, attributes, x).astype("f4")
    ends = numpy.iinfo(zero.dtype)
    return numpy.clip(steps, ends.min, ends.max).astype(zero.dtype)


def _dequantize(attributes, codes, scale, zero):
    steps = codes.astype("i4") - _along(zero, attributes, codes).astype("i4")
    return steps.astype("f4") * _along(scale, attributes, codes)


def _conv(attributes, x, weight, bias):
    assert attributes["pads"] == [1, 1, 1, 1] and attributes["kernel_shape"] == [3, 3]
    height, width = x.shape[2:]
    padded = numpy.pad(x[0].astype("f4"), ((0, 0), (1, 1), (1, 1)))
    out = numpy.zeros((len(bias), height, width), "f4") + bias[:, None, None]
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + height, dx : dx + width]
            out += numpy.tensordot(weight[:, :, dy, dx].astype("f4"), window, 1)
    return out[None].astype(x.dtype)


def _depth_to_space(attributes, x):
    assert attributes["mode"] == b"CRD"
    size = attributes["blocksize"]
    _, channels, height, width = x.shape
    x = x.reshape(channels // size**2, size, size, height, width).transpose(0, 3, 1, 4, 2)
    return x.reshape(1, -1, height * size, width * size)


_OPERATORS = {
    "Add": lambda _, a, b: a + b,
    "Clip": lambda _, x, low, high: numpy.clip(x, low, high),
    "Conv": _conv,
    "DepthToSpace": _depth_to_space,
    "DequantizeLinear": _dequantize,
    "Mul": lambda _, a, b: a * b,
    "QuantizeLinear": _quantize,
    "Sigmoid": lambda _, x: (1 / (1 + numpy.exp(-x))).astype(x.dtype),
}
