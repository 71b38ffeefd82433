"""SOAP: Adam in the axes of each kernel's gradients (Vyas et al., "SOAP: Improving and Stabilizing Shampoo using
Adam", 2024, algorithm 3, with a third axis for the taps).

Along each of a kernel's axes (outputs, inputs, taps) the gradient's second moments are averaged; Adam's own second
moments are kept, and its change is made, in their eigenvectors. The gradients of convolutions that come one behind the
other are far from uncorrelated, which Adam takes them to be. What is no kernel, such as biases, stays with Adam.
"""

import torch

from optimiser import BETA2, EPSILON, Adam

BETA_AXES = 0.95  # of the averages along the axes
REFRESH = 10  # steps between corrections of the eigenvectors


def _along(x, axes, mode):
    """x [n][o][i][t] in other axes [n][length][length] of mode 1, 2 or 3, which are columns."""
    n, o, i, t = x.shape
    if mode == 1:
        return torch.bmm(axes.transpose(1, 2), x.reshape(n, o, i * t)).view(n, o, i, t)
    if mode == 2:
        moved = x.transpose(1, 2).reshape(n, i, o * t)
        return torch.bmm(axes.transpose(1, 2), moved).view(n, i, o, t).transpose(1, 2)
    return torch.bmm(x.reshape(n, o * i, t), axes).view(n, o, i, t)


def _second_moments(x, mode):
    rows = x.movedim(mode, 1).flatten(2)
    return torch.bmm(rows, rows.transpose(1, 2))


class _Kernels:
    """All kernels of one shape, [o][i][t], so that they are turned together."""

    MODES = (1, 2, 3)

    def __init__(self, places, shape, device):
        self.places, self.shape = places, (len(places), *shape)
        self.moments = [torch.zeros(len(places), length, length, device=device) for length in shape]
        self.axes = [torch.eye(length, device=device).repeat(len(places), 1, 1) for length in shape]
        self.square = torch.zeros(self.shape, device=device)

    def of(self, vector):
        return torch.stack([vector[begin:end].view(self.shape[1:]) for begin, end in self.places])

    def change(self, gradient, mean, mean_correction, square_correction):
        gradient, mean = self.of(gradient), self.of(mean)
        for mode, moments in zip(self.MODES, self.moments):
            moments.mul_(BETA_AXES).add_(_second_moments(gradient, mode), alpha=1 - BETA_AXES)
        for mode, axes in zip(self.MODES, self.axes):
            gradient, mean = _along(gradient, axes, mode), _along(mean, axes, mode)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        change = mean * mean_correction / ((self.square * square_correction).sqrt() + EPSILON)
        for mode, axes in zip(self.MODES, self.axes):
            change = _along(change, axes.transpose(1, 2), mode)
        return change

    def refresh(self, first):
        for axes, moments in zip(self.axes, self.moments):
            if first:
                axes.copy_(torch.linalg.eigh(moments)[1].flip(2))
            else:
                axes.copy_(torch.linalg.qr(torch.bmm(moments, axes))[0])


class Soap(Adam):
    BETA1 = 0.95  # as its authors have it

    def __init__(self, module, clip_norm, rate_factors=None):
        super().__init__(module, clip_norm, rate_factors)
        places = {}
        for parameter, begin, end in self.places:
            if parameter.dim() == 4:
                shape = (*parameter.shape[:2], parameter[0, 0].numel())
                places.setdefault(shape, []).append((begin, end))
        self.kernels = [_Kernels(mine, shape, self.weights.device) for shape, mine in places.items()]

    def state(self):
        tensors = super().state()
        for n, kernels in enumerate(self.kernels):
            tensors[f"square.{n}"] = kernels.square
            for mode in range(3):
                tensors[f"moments.{n}.{mode}"], tensors[f"axes.{n}.{mode}"] = kernels.moments[mode], kernels.axes[mode]
        return tensors

    def _change(self, gradient, mean_correction, square_correction):
        change = super()._change(gradient, mean_correction, square_correction)
        for kernels in self.kernels:
            made = kernels.change(gradient, self.mean, mean_correction, square_correction)
            for (begin, end), part in zip(kernels.places, made):
                change[begin:end] = part.reshape(-1)
        return change

    @torch.no_grad()
    def refresh(self, step):
        if step % REFRESH == 0:
            for kernels in self.kernels:
                kernels.refresh(step == 0)
