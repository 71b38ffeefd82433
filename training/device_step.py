"""One training step on the device, from the choice of patches to the average of the weights.

On a GPU the network is compiled (PyTorch 2) and the whole step recorded once as a CUDA graph, so that a step is a
copy of two small tensors and one launch. Where either does not work the step runs without it, with a warning.
"""

import contextlib
import warnings

import torch

from picture_quality import Y_WEIGHTS

MSE_FACTOR = 20.0  # brings the gradient of MSE near that of L1 at an error of 1/40


def loss_of(made, wanted, y_share, mse):
    """L1 on R, G, B and on Y, with a share of MSE; NCHW in 0..1."""
    error = made - wanted
    # Numbers, not a tensor of them: that would have to be sent to the device while the step is recorded.
    error_y = Y_WEIGHTS[0] * error[:, 0] + Y_WEIGHTS[1] * error[:, 1] + Y_WEIGHTS[2] * error[:, 2]

    def size(e):
        return (1 - mse) * e.abs().mean() + mse * MSE_FACTOR * e.square().mean()

    return (1 - y_share) * size(error) + y_share * size(error_y)


@contextlib.contextmanager
def matrix_precision(precision, one_size=False):
    """Lets fp32 convolutions and products on the GPU round their inputs to TF32, or not. With `one_size` the fastest
    algorithm for the sizes at hand is searched for, which pays where they stay the same."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark
    cudnn.allow_tf32 = products.allow_tf32 = precision != "fp32"
    cudnn.benchmark = one_size
    try:
        yield
    finally:
        cudnn.allow_tf32, products.allow_tf32, cudnn.benchmark = flags


class DeviceStep:
    def __init__(self, model, optimiser, corpus, phase, y_share, compiled=True, graph=True):
        self.model, self.optimiser, self.corpus, self.phase, self.y_share = model, optimiser, corpus, phase, y_share
        self.device = corpus.device
        self.choices = torch.zeros(phase.batch, 5, dtype=torch.int64, device=self.device)
        self.numbers = torch.zeros(4, device=self.device)
        self.loss_sum = torch.zeros((), device=self.device)
        self.run = self._forward_and_loss
        self.graph = None
        on_gpu = self.device.type == "cuda"
        if on_gpu and compiled and hasattr(torch, "compile"):
            self.run = torch.compile(self._forward_and_loss, dynamic=False)
        self.wants_graph = on_gpu and graph

    def _forward_and_loss(self, low, high):
        dtype = torch.bfloat16 if self.phase.precision == "bf16" else None
        outputs = self.model.outputs(low, dtype)
        return sum(share * loss_of(made, high, self.y_share, self.phase.mse) for share, made in outputs)

    def _step(self):
        low, high = self.corpus.patches(self.choices, self.phase.patch_px)
        loss = self.run(low, high)
        loss.backward()
        self.loss_sum += loss.detach()
        self.optimiser.step(self.numbers)

    def prepare(self, choices):
        """Compiles and records; the weights stay as they are. `choices` of any step."""
        if self.device.type != "cuda":
            return
        kept = {name: tensor.clone() for name, tensor in self.optimiser.state().items()}
        self.choices.copy_(choices)
        self.numbers.zero_()
        with matrix_precision(self.phase.precision, one_size=True):
            self._warm_up()
            if self.wants_graph:
                self._record()
        self.optimiser.load(kept)
        self.optimiser.gradient.zero_()
        self.loss_sum.zero_()

    def _warm_up(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            try:
                for _ in range(3):
                    self._step()
            except Exception as error:
                if self.run == self._forward_and_loss:
                    raise
                warnings.warn(f"the network could not be compiled, it runs without: {error}")
                self.run = self._forward_and_loss
                self.optimiser.gradient.zero_()
                for _ in range(3):
                    self._step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()

    def _record(self):
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._step()
            self.graph = graph
        except Exception as error:
            warnings.warn(f"the step could not be recorded as a CUDA graph, it runs without: {error}")
            torch.cuda.synchronize()

    def __call__(self, choices, numbers):
        """Tensors on the device, or on the CPU where that is the device."""
        self.choices.copy_(choices, non_blocking=True)
        self.numbers.copy_(numbers, non_blocking=True)
        if self.graph:
            self.graph.replay()
        else:
            with matrix_precision(self.phase.precision, one_size=True):
                self._step()

    def take_loss_sum(self):
        """Sum of the losses since the last call; waits for the device."""
        value = float(self.loss_sum)
        self.loss_sum.zero_()
        return value
