"""What OpenBLAS, by which Debian's PyTorch multiplies matrices, has to be told before it is loaded.

A version older than the CPU does not know its model, and takes the kernels of the first CPU with SSE3 for it: SOAP's
change, which is such products, then takes twice as long (bench/training_step.py).
"""

import os
import pathlib

CPU_INFO = pathlib.Path("/proc/cpuinfo")
CORES = (("avx512bw", "SKYLAKEX"), ("avx2", "HASWELL"))  # the feature that a core's kernels need, best first


def core_of(cpu_info):
    """The name of the kernels for a CPU of Intel's that is described in the words of Linux; else None."""
    words = set(cpu_info.split())
    if "GenuineIntel" not in words:
        return None  # others' models, when unknown, are taken for Zen, which is right
    return next((core for feature, core in CORES if feature in words), None)


def prepare(environment=os.environ):
    """Sets what the user has not set."""
    # Of the small matrices here: the threads wait for each other longer than they multiply.
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        core = core_of(CPU_INFO.read_text())
    except OSError:
        return
    if core:
        environment.setdefault("OPENBLAS_CORETYPE", core)
