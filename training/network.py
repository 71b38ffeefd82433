"""The network in PyTorch, and its safetensors file.

The graph (see docs/model-format.md): head, `blocks` residual blocks of conv-SiLU-conv, the long
skip from the head, tail, pixel shuffle.
"""

import json
import struct

import numpy
import torch
from torch import nn

import whole_file


class Block(nn.Module):
    def __init__(self, channels, batch_norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()

    def forward(self, h):
        return h + self.bn2(self.conv2(nn.functional.silu(self.bn1(self.conv1(h)))))


class PiperSR(nn.Module):
    """N x 3 x H x W in 0..1 -> N x 3 x (scale H) x (scale W), not clamped."""

    def __init__(self, channels=64, blocks=6, scale=2, batch_norm=False):
        super().__init__()
        self.channels, self.blocks, self.scale, self.batch_norm = channels, blocks, scale, batch_norm
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(Block(channels, batch_norm) for _ in range(blocks)))
        self.tail = nn.Conv2d(channels, 3 * scale * scale, 3, padding=1)

    def forward(self, x):
        h0 = self.head(x)
        return nn.functional.pixel_shuffle(self.tail(self.body(h0) + h0), self.scale)


_DTYPES = {"F32": numpy.float32, "F16": numpy.float16, "U8": numpy.uint8, "I8": numpy.int8}
_INT8 = "int8."  # begins the names of the tensors that int8 has for itself


def weight_codes(weight, input_scale):
    """int8's codes of a body convolution's weights [o][i][3][3], as floats, and the scale [o] of each output channel."""
    scaled = weight / (1 / input_scale).view(1, -1, 1, 1)
    largest = scaled.detach().abs().flatten(1).amax(1)
    scale = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return rounded(scaled / scale.view(-1, 1, 1, 1)), scale


def rounded(x):
    """To the nearest whole number; gradients pass as if it were not there."""
    return x + (torch.round(x) - x).detach()


def _int8_tensors(model, codings):
    """({name: floats}, {name: tensors that keep their type}) of parameters for int8 alone."""
    floats, kept = {}, {}
    for name, values in model.state_dict().items():
        if name.startswith("body.") and name.endswith(".weight"):
            codes, scale = weight_codes(values.detach(), codings[name.replace(".weight", ".input_scale")])
            kept[f"{_INT8}{name}"], kept[f"{_INT8}{name}_scale"] = codes.to(torch.int8), scale
        else:
            floats[f"{_INT8}{name}"] = values
    return floats, kept


def save(model, path, dtype="F16", codings=None, int8_model=None, **metadata):
    """Writes a model file; `metadata` adds to what describes the graph (name, description, licence, training).

    `codings` are int8's: {name: tensor}, of fp32 or uint8, which keep their type. They belong to `int8_model`, a folded
    network of the same shape whose parameters int8 runs with, where it is not None, else to `model`.
    """
    own, own_kept = _int8_tensors(int8_model, codings) if int8_model else ({}, {})
    tensors = {k: v.detach().cpu().float().numpy() for k, v in {**model.state_dict(), **own}.items()}
    tensors = {k: v for k, v in sorted(tensors.items()) if not k.endswith("num_batches_tracked")}
    header = {
        "__metadata__": {
            "architecture": "pipersr",
            "version": "1",
            "channels": str(model.channels),
            "blocks": str(model.blocks),
            "scale": str(model.scale),
            "activation": "silu",
            "long_skip": "true",
            "colour_order": "RGB",
            "value_range": "0..1",
            **({"batch_norm_eps": repr(model.body[0].bn1.eps)} if model.batch_norm else {}),
            **metadata,
        }
    }
    items = [(name, values, dtype) for name, values in tensors.items()]
    extra = [(name, values.cpu().numpy()) for name, values in sorted({**(codings or {}), **own_kept}.items())]
    # Bytes last: floats then stay aligned.
    for kind, code in (("F32", "f4"), ("U8", "u1"), ("I8", "i1")):
        items += [(name, values, kind) for name, values in extra if values.dtype == code]
    payload = b""
    for name, values, dtype in items:
        if dtype == "BF16":
            # Round to nearest even on the upper half of the fp32 bits.
            bits = values.astype("<f4").view("<u4").astype(numpy.uint64)
            data = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
        else:
            data = values.astype(_DTYPES[dtype]).tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(values.shape),
            "data_offsets": [len(payload), len(payload) + len(data)],
        }
        payload += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with whole_file.written(path) as file:
        file.write(struct.pack("<Q", len(text)) + text + payload)


def load(path):
    """Reads a model file back into a PiperSR in fp32. int8's codings are left out: see read()."""
    return read(path)[0]


def read(path):
    """(PiperSR in fp32, {name: tensor} of int8's codings) of a model file. Codings that are of int8's own weights are left
    out: see read_int8()."""
    model, state, codings, own = _read(path)
    model.load_state_dict(state, strict=False)
    return model.eval(), {} if own else codings


def read_int8(path):
    """(PiperSR with the weights that int8 runs with, {name: tensor} of its codings) of a model file."""
    model, state, codings, own = _read(path)
    for name in [name for name in own if name.endswith(".weight_scale")]:
        layer = name[: -len(".weight_scale")]
        over = own.pop(name).view(-1, 1, 1, 1) / codings[f"{layer}.input_scale"].view(1, -1, 1, 1)
        own[f"{layer}.weight"] = own[f"{layer}.weight"] * over
    model.load_state_dict(own or state, strict=False)
    return model.eval(), codings


def _read(path):
    """(PiperSR without its weights, its tensors, codings, the tensors of int8 alone without their prefix)"""
    with open(path, "rb") as file:
        data = file.read()
    try:
        size = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + size])
        about = header.pop("__metadata__")
    except (struct.error, ValueError, KeyError):
        raise SystemExit(f"{path}: not a model file (docs/model-format.md)") from None
    model = PiperSR(
        int(about["channels"]), int(about["blocks"]), int(about["scale"]), "body.0.bn1.weight" in header
    )
    state = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            bits = numpy.frombuffer(data[begin:end], "<u2").astype("<u4") << 16
            values = bits.view("<f4")
        else:
            values = numpy.frombuffer(data[begin:end], _DTYPES[entry["dtype"]])
            values = values if entry["dtype"] == "U8" else values.astype("f4")
        state[name] = torch.from_numpy(values.reshape(entry["shape"]).copy())
    codings = {k: state.pop(k) for k in list(state) if k.endswith((".input_scale", ".input_zero"))}
    own = {k[len(_INT8) :]: state.pop(k) for k in list(state) if k.startswith(_INT8)}
    return model, state, codings, own
