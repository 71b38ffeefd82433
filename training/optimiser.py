"""Adam with gradient clipping and an average of the weights, over one vector that holds all parameters.

One vector makes a step a dozen operations whatever the network's depth, with no number that the host would have
to wait for, and a checkpoint four vectors.
"""

import torch

BETA2, EPSILON = 0.99, 1e-8


class Adam:
    BETA1 = 0.9

    def __init__(self, module, clip_norm, rate_factors=None):
        """`rate_factors`: {part of a parameter's name: factor on its learning rate}."""
        parameters = list(module.named_parameters())
        device = parameters[0][1].device
        count = sum(parameter.numel() for _, parameter in parameters)
        self.clip_norm = clip_norm
        self.weights = torch.empty(count, device=device)
        self.gradient = torch.zeros(count, device=device)
        self.rates = torch.ones(count, device=device)
        self.places = []
        begin = 0
        for name, parameter in parameters:
            end = begin + parameter.numel()
            self.weights[begin:end] = parameter.detach().reshape(-1)
            parameter.data = self.weights[begin:end].view_as(parameter)
            parameter.grad = self.gradient[begin:end].view_as(parameter)
            for part, factor in (rate_factors or {}).items():
                if part in name:
                    self.rates[begin:end] = factor
            self.places.append((parameter, begin, end))
            begin = end
        self.mean, self.square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self.average = self.weights.clone()

    def state(self):
        return {"weights": self.weights, "mean": self.mean, "square": self.square, "average": self.average}

    def load(self, state):
        for name, tensor in self.state().items():
            if name not in state:
                raise SystemExit("the checkpoint is of a run with another --optimiser")
            if state[name].shape != tensor.shape:
                raise SystemExit(f"the checkpoint has {state[name].numel()} weights, the network {tensor.numel()}")
            tensor.copy_(state[name])

    @classmethod
    def numbers(cls, step, rate, average_decay):
        """The four numbers of step 0, 1, ...: learning rate, both bias corrections, share of the new average."""
        decay = min(average_decay, (1 + step) / (10 + step))
        return [rate, 1 / (1 - cls.BETA1 ** (step + 1)), 1 / (1 - BETA2 ** (step + 1)), 1 - decay]

    def _change(self, gradient, mean_correction, square_correction):
        """What the weights change by at a rate of 1; `mean` has the gradient already."""
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        return self.mean * mean_correction / ((self.square * square_correction).sqrt() + EPSILON)

    def refresh(self, step):
        """What is to be done now and then, after step 0, 1, ..., and no CUDA graph can hold."""

    @torch.no_grad()
    def step(self, numbers):
        """`numbers` is numbers() as a tensor on the device. A gradient that is not finite changes nothing."""
        rate, mean_correction, square_correction, share = numbers.unbind()
        norm = self.gradient.norm()
        usable = torch.isfinite(norm)
        factor = (self.clip_norm / (norm + 1e-12)).clamp(max=1.0)
        gradient = torch.where(usable, self.gradient * factor, torch.zeros_like(self.gradient))
        self.mean.mul_(self.BETA1).add_(gradient, alpha=1 - self.BETA1)
        change = self._change(gradient, mean_correction, square_correction)
        self.weights.sub_(change * self.rates * (rate * usable))
        self.average.add_((self.weights - self.average) * share)
        self.gradient.zero_()

    def use_average(self):
        """A context in which the module's parameters are the average."""
        return _Averaged(self)


class _Averaged:
    def __init__(self, optimiser):
        self.optimiser = optimiser

    def _point(self, vector):
        for parameter, begin, end in self.optimiser.places:
            parameter.data = vector[begin:end].view_as(parameter)

    def __enter__(self):
        self._point(self.optimiser.average)

    def __exit__(self, *_):
        self._point(self.optimiser.weights)
