"""The training step in C: in bf16 for CPUs that multiply such numbers, in tiles (AMX) or in vectors (AVX512-BF16), in
fp32 by Winograd's filtering for all x86 CPUs with AVX2 or AVX-512.

The library in native/ is compiled when it is first wanted, by `cc` (or $CC), to a folder of its sources' hash. It
takes the same choices of patches and changes the same optimiser's vectors as PyTorch would; checkpoints are those of
every other run.
"""

import ctypes
import dataclasses
import hashlib
import os
import pathlib
import subprocess
import tempfile

import torch

import optimiser
from trainable import Trainable

SOURCES = pathlib.Path(__file__).resolve().parent / "native"
BUILT = pathlib.Path(__file__).resolve().parents[1] / "build-training" / "native"
FLAGS = ["-std=gnu11", "-O2", "-fno-math-errno", "-fopenmp-simd", "-Wno-psabi", "-fPIC", "-shared", "-pthread"]
CPU_INFO = pathlib.Path("/proc/cpuinfo")
PRECISIONS = ("bf16", "bf16x3", "fp32")  # enum step_precision of native/step.h


@dataclasses.dataclass(frozen=True)
class Way:
    features: tuple  # that it needs of the CPU, as CPU_INFO names them
    flags: tuple  # the compiler's
    precisions: tuple  # that it computes fast, the fastest first


# Fastest first. Loops need no feature, and are for tests: PyTorch is faster. Dots halve the work of a product where
# Winograd's filtering quarters it: on a Zen 4 a step takes 0.59 s of a core in bf16 and 0.37 s in fp32.
WAYS = {
    "tiles": Way(("amx_bf16",), ("-march=sapphirerapids",), PRECISIONS),
    "dots": Way(("avx512_bf16",), ("-march=x86-64-v4", "-mavx512bf16"), ("fp32", "bf16", "bf16x3")),
    "avx512": Way(("avx512f", "avx512bw", "avx512dq", "avx512vl"), ("-march=x86-64-v4",), ("fp32",)),
    "avx2": Way(("avx2", "fma"), ("-march=x86-64-v3",), ("fp32",)),
    "loops": Way((), (), PRECISIONS),
}
SIDE_MULTIPLE, CHANNEL_MULTIPLE = 16, 32


class AdamArguments(ctypes.Structure):
    """struct step_adam of native/step.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("weights", "gradient", "mean", "square", "average", "rates")),
        *((name, ctypes.c_float) for name in ("rate", "mean_correction", "square_correction", "average_share")),
        *((name, ctypes.c_float) for name in ("clip_norm", "beta1", "beta2", "epsilon")),
        ("count", ctypes.c_size_t),
    ]


def compiled(flags, folder=BUILT):
    """The library's path, compiled now unless it is there. RuntimeError with the compiler's words."""
    sources = sorted(SOURCES.glob("*.c"))
    texts = b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.[ch]")))
    compiler = os.environ.get("CC", "cc")
    key = hashlib.sha256(texts + " ".join([compiler, *FLAGS, *flags]).encode()).hexdigest()[:16]
    path = folder / f"step-{key}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        made = pathlib.Path(work) / "step.so"
        command = [compiler, *FLAGS, *flags, *map(str, sources), "-o", str(made)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(getattr(error, "stderr", None) or str(error)) from error
        made.rename(path)
    return path


def library(way, folder=BUILT):
    """The loaded library of one of WAYS; RuntimeError where it can't be compiled or the system forbids its use."""
    loaded = ctypes.CDLL(str(compiled(WAYS[way].flags, folder)))
    pointer, u32, f32 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_float
    loaded.step_new.restype, loaded.step_new.argtypes = pointer, [u32] * 6
    loaded.step_free.restype, loaded.step_free.argtypes = None, [pointer]
    loaded.step_weights.restype, loaded.step_weights.argtypes = ctypes.c_size_t, [pointer]
    loaded.step_adam.restype, loaded.step_adam.argtypes = None, [pointer, ctypes.POINTER(AdamArguments)]
    loaded.step_run.restype = ctypes.c_double
    loaded.step_run.argtypes = [pointer] * 5 + [u32, f32, f32, pointer]
    if loaded.step_tiles() < 0:
        raise RuntimeError("the system does not grant the use of tile registers")
    loaded.precisions = WAYS[way].precisions
    return loaded


def cpu_has(way):
    try:
        return set(CPU_INFO.read_text().split()).issuperset(WAYS[way].features)
    except OSError:
        return not WAYS[way].features


def best_way():
    """This CPU's of WAYS."""
    return next(way for way in WAYS if cpu_has(way))


def fits(model, phase, loaded):
    """Whether the library has this network and these patches, and is fast in the phase's precision."""
    return (
        isinstance(model, Trainable)
        and not model.batch_norm
        and model.channels % CHANNEL_MULTIPLE == 0
        and phase.patch_px % SIDE_MULTIPLE == 0
        and phase.precision in loaded.precisions
    )


class NativeStep:
    """As DeviceStep. `loaded` is library()'s."""

    def __init__(self, model, adam, corpus, phase, y_share, loaded, threads=None):
        self.model, self.optimiser, self.corpus, self.phase, self.y_share = model, adam, corpus, phase, y_share
        self.library = loaded
        threads = threads or torch.get_num_threads()
        precision = PRECISIONS.index(phase.precision)
        self.step = loaded.step_new(model.channels, model.blocks, model.scale, phase.patch_px, threads, precision)
        if not self.step:
            raise RuntimeError(f"no memory for {phase}")
        self.convolutions = [model.head, *(c for block in model.body for c in block), model.tail]
        self.loss_sum = 0.0
        if model.expand:
            count = loaded.step_weights(self.step)
            self.weights, self.gradient = torch.empty(count), torch.empty(count)

    def __del__(self):
        if getattr(self, "step", None):
            self.library.step_free(self.step)

    def prepare(self, choices):
        pass

    def _run(self, choices, weights, gradient):
        choices = choices.contiguous()
        self.loss_sum += self.library.step_run(
            self.step, weights.data_ptr(), self.corpus.low.data_ptr(), self.corpus.high.data_ptr(),
            choices.data_ptr(), len(choices), self.y_share, self.phase.mse, gradient.data_ptr(),
        )

    def add_gradient(self, choices):
        """To the optimiser's."""
        if self.model.expand:
            # The library sees the kernels as they are published; PyTorch takes their gradient on to their factors.
            parts = [part for c in self.convolutions for part in (c.weight(), c.bias)]
            torch.cat([part.detach().reshape(-1) for part in parts], out=self.weights)
            self.gradient.zero_()
            self._run(choices, self.weights, self.gradient)
            gradients = self.gradient.split([part.numel() for part in parts])
            torch.autograd.backward(parts, [g.view_as(part) for g, part in zip(gradients, parts)])
        else:
            self._run(choices, self.optimiser.weights, self.optimiser.gradient)

    def __call__(self, choices, numbers):
        self.add_gradient(choices)
        mine = self.optimiser
        if type(mine) is not optimiser.Adam:
            return mine.step(numbers)
        vectors = (mine.weights, mine.gradient, mine.mean, mine.square, mine.average, mine.rates)
        constants = (mine.clip_norm, mine.BETA1, optimiser.BETA2, optimiser.EPSILON)
        arguments = AdamArguments(
            *(vector.data_ptr() for vector in vectors), *numbers.tolist(), *constants, mine.weights.numel()
        )
        self.library.step_adam(self.step, arguments)

    def take_loss_sum(self):
        value, self.loss_sum = self.loss_sum, 0.0
        return value
