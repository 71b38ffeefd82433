# SPDX-License-Identifier: MIT
"""A model file (docs/model-format.md) as a folded graph: convolutions with a bias, and no batch norm."""

from __future__ import annotations

import dataclasses
import json
import math
import struct

import numpy

# BF16 has no NumPy type: its bits are read as integers and widened.
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "U8": "u1", "I8": "i1"}
_INT8 = "int8."  # begins the names of the tensors that int8 has for itself


class ModelError(Exception):
    """The file is not a model that this program knows. The text says why, in one line."""


@dataclasses.dataclass(frozen=True)
class Coding:
    """A tensor as unsigned bytes: code = clamp(round(x / scale) + zero, 0, 255).

    scale: float32, [1] for the whole tensor or [channels]; zero: uint8, the same shape.
    """

    scale: numpy.ndarray
    zero: numpy.ndarray

    @property
    def per_channel(self):
        return len(self.scale) > 1


@dataclasses.dataclass(frozen=True)
class Conv:
    """weight: float32 [out, in, 3, 3]; bias: float32 [out]; coding: the input's in int8, or None."""

    weight: numpy.ndarray
    bias: numpy.ndarray
    coding: Coding | None = None


@dataclasses.dataclass(frozen=True)
class Model:
    """h0 = head(x); h = h0; for each block: h += conv2(silu(conv1(h))); y = shuffle(tail(h + h0)).

    about: the file's metadata, text by key.
    """

    name: str
    scale: int
    head: Conv
    blocks: list  # of (Conv, Conv)
    tail: Conv
    about: dict

    @property
    def channels(self):
        return len(self.head.bias)

    def convs(self):
        """Every convolution in the order in which they run, under its name in the model file."""
        yield "head", self.head
        for number, pair in enumerate(self.blocks):
            yield f"body.{number}.conv1", pair[0]
            yield f"body.{number}.conv2", pair[1]
        yield "tail", self.tail


def _read_tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8 or (size := struct.unpack("<Q", data[:8])[0]) > len(data) - 8:
        raise ModelError(f"{path}: shorter than a safetensors header: give a model file of pipersr")
    try:
        header = json.loads(data[8 : 8 + size])
        about = header.pop("__metadata__", {})
        tensors = {name: _tensor(data[8 + size :], entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: not a readable safetensors file: {error}") from error
    return about, tensors


def _tensor(payload, entry):
    begin, end = entry["data_offsets"]
    values = numpy.frombuffer(payload[begin:end], _DTYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    if entry["dtype"] != "U8":
        values = values.astype("f4")
    if math.prod(entry["shape"]) != values.size:
        raise ValueError("a tensor's bytes do not fit its shape")
    return values.reshape(entry["shape"])


def _conv(tensors, name, norm, eps, out_channels, in_channels):
    weight = tensors[f"{name}.weight"]
    if weight.shape != (out_channels, in_channels, 3, 3):
        raise ValueError(f"{name}.weight has the shape {list(weight.shape)}")
    bias = tensors.get(f"{name}.bias", numpy.zeros(out_channels, "f4") if norm else None)
    if bias is None:
        raise KeyError(f"{name}.bias")
    if norm and f"{norm}.weight" in tensors:
        scale = tensors[f"{norm}.weight"] / numpy.sqrt(tensors[f"{norm}.running_var"] + numpy.float32(eps))
        weight = weight * scale[:, None, None, None]
        bias = (bias - tensors[f"{norm}.running_mean"]) * scale + tensors[f"{norm}.bias"]
    coding = None
    if f"{name}.input_scale" in tensors:
        coding = Coding(tensors[f"{name}.input_scale"], tensors[f"{name}.input_zero"])
    return Conv(weight, bias, coding)


def _of_int8(tensors):
    """The tensors as int8 runs with them: its own parameters where it has some."""
    found = dict(tensors)
    for name, values in tensors.items():
        layer, _, part = name.removeprefix(_INT8).rpartition(".")
        if not name.startswith(_INT8) or part == "weight_scale":
            continue
        if f"{name}_scale" in tensors:
            over = tensors[f"{name}_scale"][:, None, None, None] / tensors[f"{layer}.input_scale"][:, None, None]
            values = values * over
        found[f"{layer}.{part}"] = values
    return found


def load(path, precision="fp32"):
    """Reads a model file, with the parameters that this precision runs with; raises ModelError or OSError."""
    about, tensors = _read_tensors(path)
    if precision == "int8":
        tensors = _of_int8(tensors)
    if about.get("architecture") != "pipersr" or about.get("version") != "1":
        raise ModelError(f"{path}: not a model of pipersr, version 1")
    try:
        channels, blocks, scale = (int(about[key]) for key in ("channels", "blocks", "scale"))
        eps = float(about.get("batch_norm_eps", "1e-5"))
        body = [
            tuple(
                _conv(tensors, f"body.{n}.conv{k}", f"body.{n}.bn{k}", eps, channels, channels) for k in (1, 2)
            )
            for n in range(blocks)
        ]
        head = _conv(tensors, "head", None, eps, channels, 3)
        tail = _conv(tensors, "tail", None, eps, 3 * scale * scale, channels)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path}: {error} is missing or wrong: see docs/model-format.md") from error
    return Model(about.get("name", f"pipersr-x{scale}"), scale, head, body, tail, about)
