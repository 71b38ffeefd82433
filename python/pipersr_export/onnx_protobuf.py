# SPDX-License-Identifier: MIT
"""The few messages of ONNX that a graph needs, as protobuf bytes.

Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx), which never change.
"""

import struct

import numpy

ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7, "float16": 10}
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS = 1, 2, 3, 7


def _varint(value):
    value &= (1 << 64) - 1  # negative numbers in two's complement
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number, value):
    """Integers as varints, floats as 32 bits; text and bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _attribute(name, value):
    if isinstance(value, float):
        kind, fields = _ATTRIBUTE_FLOAT, _field(2, value)
    elif isinstance(value, int):
        kind, fields = _ATTRIBUTE_INT, _field(3, value)
    elif isinstance(value, str):
        kind, fields = _ATTRIBUTE_STRING, _field(4, value)
    else:
        kind, fields = _ATTRIBUTE_INTS, b"".join(_field(8, item) for item in value)
    return _field(1, name) + fields + _field(20, kind)


def node(operator, name, inputs, outputs, attributes):
    fields = [_field(1, item) for item in inputs] + [_field(2, item) for item in outputs]
    fields += [_field(3, name), _field(4, operator)]
    fields += [_field(5, _attribute(key, value)) for key, value in attributes.items()]
    return b"".join(fields)


def tensor(name, values):
    little_endian = numpy.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
    dims = b"".join(_field(1, size) for size in values.shape)
    return dims + _field(2, ELEMENT_TYPES[values.dtype.name]) + _field(8, name) + _field(9, little_endian.tobytes())


def value_info(name, element_type, shape):
    """shape: a number for each dimension that is fixed, a name for each that is not."""
    dims = b"".join(_field(1, _field(2 if isinstance(size, str) else 1, size)) for size in shape)
    tensor_type = _field(1, ELEMENT_TYPES[element_type]) + _field(2, dims)
    return _field(1, name) + _field(2, _field(1, tensor_type))


def model(graph_name, nodes, tensors, inputs, outputs, opset, ir_version, producer, metadata):
    """nodes, tensors, inputs, outputs: bytes from the functions above, nodes in the order they run."""
    graph = [_field(1, item) for item in nodes] + [_field(2, graph_name)]
    graph += [_field(5, item) for item in tensors]
    graph += [_field(11, item) for item in inputs] + [_field(12, item) for item in outputs]
    message = _field(1, ir_version) + _field(2, producer) + _field(7, b"".join(graph))
    message += _field(8, _field(1, "") + _field(2, opset))
    for key, value in metadata.items():
        message += _field(14, _field(1, key) + _field(2, value))
    return message
