"""The network while it is trained: fp32 weights, body in 16 bits if wanted, kernels expanded if wanted.

The trunk, the long skip, head and tail stay in fp32 whatever the body computes in: in 16 bits they would cost
more than training gains. An expanded convolution has, beside its 3x3 kernel, a 3x3 one to `expand` times as
many channels followed by a 1x1 one back; both are linear, so they are multiplied into one kernel at every step and
pixels see 3x3 only. Batch norms are multiplied into the kernels when the network is published.
"""

import math

import torch
from torch import nn
from torch.nn import functional

import bicubic_start
import network


class Convolution(nn.Module):
    def __init__(self, c_in, c_out, expand=0):
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(c_out, c_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(c_out))
        nn.init.kaiming_normal_(self.kernel, nonlinearity="linear")
        self.expand = expand
        if expand:
            self.wide = nn.Parameter(torch.empty(expand * c_out, c_in, 3, 3))
            self.narrow = nn.Parameter(torch.zeros(c_out, expand * c_out))
            nn.init.normal_(self.wide, std=1 / math.sqrt(9 * c_in))

    def weight(self):
        if not self.expand:
            return self.kernel
        return self.kernel + (self.narrow @ self.wide.flatten(1)).view_as(self.kernel)

    def forward(self, x, dtype=None):
        weight, bias = self.weight(), self.bias
        if dtype:
            x, bias = x.to(dtype), bias.to(dtype)
            weight = weight.to(dtype, memory_format=torch.channels_last)
        return functional.conv2d(x, weight, bias, padding=1)


class BatchNorm(nn.Module):
    """After a convolution: each channel by its mean and variance in the batch, then by `factor` and `offset`. The running
    statistics are parameters without a gradient, so that the weights' average and checkpoints have them as well."""

    EPSILON, MOMENTUM = 1e-5, 0.1

    def __init__(self, channels, factor=1.0):
        super().__init__()
        self.factor, self.offset = nn.Parameter(torch.full((channels,), factor)), nn.Parameter(torch.zeros(channels))
        self.mean, self.variance = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.ones(channels))

    def forward(self, x):
        running = self.mean.detach(), self.variance.detach()
        return functional.batch_norm(x, *running, self.factor, self.offset, True, self.MOMENTUM, self.EPSILON)

    def folded(self, weight, bias):
        """What the convolution before it is with the running statistics."""
        factor = self.factor / (self.variance + self.EPSILON).sqrt()
        return weight * factor.view(-1, 1, 1, 1), (bias - self.mean) * factor + self.offset


class Trainable(nn.Module):
    """N x 3 x H x W in 0..1 -> N x 3 x (scale H) x (scale W), not clamped. Starts as bicubic interpolation, or with all
    kernels drawn (He et al., 2015), as networks usually do."""

    def __init__(self, channels=64, blocks=6, scale=2, expand=0, bicubic=True, batch_norm=False):
        super().__init__()
        self.channels, self.blocks, self.scale, self.expand = channels, blocks, scale, expand
        self.batch_norm = batch_norm
        self.head = Convolution(3, channels)
        self.body = nn.ModuleList(
            nn.ModuleList([Convolution(channels, channels, expand), Convolution(channels, channels, expand)])
            for _ in range(blocks)
        )
        if batch_norm:
            last = 0.0 if bicubic else 1.0  # a start of zeros has no variance to be divided by
            self.norms = nn.ModuleList(
                nn.ModuleList([BatchNorm(channels), BatchNorm(channels, last)]) for _ in range(blocks)
            )
        self.tail = Convolution(channels, 3 * scale * scale)
        if bicubic:
            self._start_bicubic()

    @torch.no_grad()
    def _start_bicubic(self):
        bicubic_start.set_bicubic(self.head.kernel, self.head.bias, self.tail.kernel, self.tail.bias, self.scale)
        for _, second in self.body if not self.batch_norm else ():
            second.kernel.zero_()

    def trunk(self, x, dtype=None):
        """What the tail reads."""
        h0 = self.head(x)
        h = h0
        for (first, second), (norm1, norm2) in zip(self.body, self._norms()):
            h = h + norm2(second(functional.silu(norm1(first(h, dtype))), dtype))
        return h + h0

    def _norms(self):
        return self.norms if self.batch_norm else [(nn.Identity(), nn.Identity())] * self.blocks

    def forward(self, x, dtype=None):
        return functional.pixel_shuffle(self.tail(self.trunk(x, dtype)), self.scale)

    def outputs(self, x, dtype=None):
        """[(share of the loss, output)]."""
        return [(1.0, self(x, dtype))]

    def describe(self):
        """What another process needs to make the same network."""
        names = ("channels", "blocks", "scale", "expand", "batch_norm")
        return {name: getattr(self, name) for name in names}

    @torch.no_grad()
    def collapsed(self):
        """The network as it is published."""
        plain = network.PiperSR(self.channels, self.blocks, self.scale).to(self.head.bias.device)
        pairs = [(self.head, plain.head), (self.tail, plain.tail)]
        for (first, second), block in zip(self.body, plain.body):
            pairs += [(first, block.conv1), (second, block.conv2)]
        for mine, its in pairs:
            its.weight.copy_(mine.weight())
            its.bias.copy_(mine.bias)
        for norms, block in zip(self.norms if self.batch_norm else (), plain.body):
            for norm, its in zip(norms, (block.conv1, block.conv2)):
                weight, bias = norm.folded(its.weight, its.bias)
                its.weight.copy_(weight)
                its.bias.copy_(bias)
        return plain.eval()

    def codings(self):
        """int8's tensors for the model file: none."""
        return {}

    def for_validation(self):
        return self.collapsed()

    @torch.no_grad()
    def start_from(self, plain):
        """Takes the weights of a published network (batch norms folded) of the same channels and blocks; its tail only
        if it has the same scale."""
        for name in ("channels", "blocks"):
            if getattr(plain, name) != getattr(self, name):
                raise SystemExit(f"the start has {name} {getattr(plain, name)}, this run {getattr(self, name)}")
        if plain.batch_norm:
            raise SystemExit("the start has batch norms: only folded networks can be trained on")
        pairs = [(self.head, plain.head)]
        if plain.scale == self.scale:
            pairs.append((self.tail, plain.tail))
        for (first, second), block in zip(self.body, plain.body):
            pairs += [(first, block.conv1), (second, block.conv2)]
        for mine, its in pairs:
            mine.kernel.copy_(its.weight - (mine.weight() - mine.kernel))
            mine.bias.copy_(its.bias)
