"""The network as the C program runs it in int8, differentiable, so that it can be trained for that.

src/kernels/kernels.h has the scheme. What a body convolution reads is coded channel by channel,

    code = clamp(round(x / input_scale) + input_zero, 0, 255),

its weights are multiplied by the input's scales and rounded to -127..127 steps of the output channel's
largest / 127; sums of products are whole numbers. Trunk, long skip, head, tail, biases and SiLU are fp32.

Rounding passes gradients as if it were not there; clamping passes those of what it leaves alone. An input's
scale is learned through both places where it stands (its logarithm, so that it stays positive); its code of 0 is
fixed when the ranges are chosen.
"""

import torch
from torch import nn
from torch.nn import functional

import network

RANGE_STEPS, SHORTEST_RANGE = 15, 0.3  # the ranges that are tried at either end, as in src/coding.c
MOST_VALUES = 1 << 13  # of each channel that a choice looks at, beside its extremes
FIRST_PENALTY = 128.0  # an error by clipping counts so many by rounding in the first layer, 1 in the last


class Int8Convolution(nn.Module):
    """Weights [o][i][3][3], bias [o], scale [i], zero [i]: all fp32, zero whole numbers 0..255."""

    def __init__(self, kernel, bias, scale, zero):
        super().__init__()
        self.kernel, self.bias = nn.Parameter(kernel.clone()), nn.Parameter(bias.clone())
        self.log_scale = nn.Parameter(scale.log())
        self.register_buffer("zero", zero.float())

    def input_codes(self, x):
        """code - zero"""
        scale, zero = self.log_scale.exp().view(1, -1, 1, 1), self.zero.view(1, -1, 1, 1)
        return torch.minimum(torch.maximum(network.rounded(x * (1 / scale)), -zero), 255 - zero)

    def forward(self, x, coded):
        if not coded:
            return functional.conv2d(x, self.kernel, self.bias, padding=1)
        codes, scale = network.weight_codes(self.kernel, self.log_scale.exp())
        # Whole numbers up to 255: exact in fp32, and on the GPU in TF32 as well.
        total = functional.conv2d(self.input_codes(x), codes, padding=1)
        return total * scale.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)


class Int8Network(nn.Module):
    """A published network in int8, with the interface of trainable.Trainable.

    `fp32_share` of the loss is measured on what the same weights give in fp32, so that one file is good in both.
    """

    def __init__(self, plain, codings, fp32_share=0.0):
        super().__init__()
        self.fp32_share = fp32_share
        self.channels, self.blocks, self.scale = plain.channels, plain.blocks, plain.scale
        self.head, self.tail = plain.head, plain.tail
        self.body = nn.ModuleList()
        for n, block in enumerate(plain.body):
            for k, conv in ((1, block.conv1), (2, block.conv2)):
                name = f"body.{n}.conv{k}"
                coding = (codings.get(f"{name}.input_{part}") for part in ("scale", "zero"))
                self.body.append(Int8Convolution(conv.weight.detach(), conv.bias.detach(), *coding))

    def outputs(self, x, dtype=None):
        made = [(1 - self.fp32_share, self(x))]
        return made + [(self.fp32_share, self(x, coded=False))] if self.fp32_share else made

    def forward(self, x, dtype=None, coded=True):
        h0 = self.head(x)
        h = h0
        for first, second in zip(self.body[0::2], self.body[1::2]):
            h = h + second(functional.silu(first(h, coded)), coded)
        return functional.pixel_shuffle(self.tail(h + h0), self.scale)

    def describe(self):
        return {name: getattr(self, name) for name in ("channels", "blocks", "scale")}

    @torch.no_grad()
    def collapsed(self):
        """The weights as a published network in fp32."""
        plain = network.PiperSR(self.channels, self.blocks, self.scale)
        plain.head.load_state_dict(self.head.state_dict())
        plain.tail.load_state_dict(self.tail.state_dict())
        convolutions = [conv for block in plain.body for conv in (block.conv1, block.conv2)]
        for mine, its in zip(self.body, convolutions):
            its.weight.copy_(mine.kernel)
            its.bias.copy_(mine.bias)
        return plain.eval().to(self.head.weight.device)

    @torch.no_grad()
    def codings(self):
        found = {}
        for i, conv in enumerate(self.body):
            name = f"body.{i // 2}.conv{i % 2 + 1}"
            found[f"{name}.input_scale"] = conv.log_scale.exp()
            found[f"{name}.input_zero"] = conv.zero.byte()
        return found

    def for_validation(self):
        return self


# ------------------------------------------------------------------------------- choice of ranges


@torch.no_grad()
def _what_is_read(plain, pictures):
    """[body convolutions] of [channels][values]: what each reads, over NCHW pictures."""
    seen = [[] for _ in range(2 * plain.blocks)]
    for x in pictures:
        h0 = plain.head(x)
        h = h0
        for n, block in enumerate(plain.body):
            inner = functional.silu(block.conv1(h))
            for layer, values in ((2 * n, h), (2 * n + 1, inner)):
                seen[layer].append(values.transpose(0, 1).flatten(1))
            h = h + block.conv2(inner)
    return [torch.cat(values, 1) for values in seen]


def _choose(values, penalty):
    """(scale, zero) of each channel: the range with the least squared error, values [channels][n]."""
    low, high = values.amin(1).clamp(max=0), values.amax(1).clamp(min=0)
    values = values[:, :: values.shape[1] // MOST_VALUES | 1]  # odd, so that all columns are met
    silent = high - low < 1e-30
    high = torch.where(silent, torch.ones_like(high), high)
    shares = torch.linspace(1, SHORTEST_RANGE, RANGE_STEPS, device=values.device)
    least = torch.full_like(low, float("inf"))
    best_scale, best_zero = torch.ones_like(low), torch.zeros_like(low)
    for low_share in shares if bool((low < 0).any()) else shares[:1]:
        for high_share in shares:
            bottom, top = low * low_share, high * high_share
            scale = (top - bottom) / 255
            zero = torch.floor(-bottom / scale + 0.5).clamp(0, 255)
            places = torch.round(values / scale[:, None]) + zero[:, None]
            codes = places.clamp(0, 255)
            error = ((codes - zero[:, None]) * scale[:, None] - values).square()
            cost = (error * torch.where(codes == places, 1.0, penalty)).sum(1)
            better = cost < least
            least = torch.where(better, cost, least)
            best_scale, best_zero = torch.where(better, scale, best_scale), torch.where(better, zero, best_zero)
    # A channel that is always 0 gets the finest scale: a large one would coarsen the others' weights.
    finest = best_scale[~silent].amin() if bool((~silent).any()) else best_scale.new_tensor(1.0)
    return torch.where(silent, finest, best_scale).clamp(1e-11, 1e11), best_zero


@torch.no_grad()
def choose_codings(plain, pictures):
    """int8's tensors by name, for a published network, from NCHW pictures in 0..1."""
    layers = _what_is_read(plain, pictures)
    found = {}
    for i, values in enumerate(layers):
        penalty = FIRST_PENALTY ** ((len(layers) - 1 - i) / (len(layers) - 1))
        scale, zero = _choose(values, penalty)
        name = f"body.{i // 2}.conv{i % 2 + 1}"
        found[f"{name}.input_scale"], found[f"{name}.input_zero"] = scale, zero.byte()
    return found
