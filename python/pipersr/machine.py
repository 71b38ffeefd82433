"""What this machine has and the library makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipersr._native import ffi, lib
from pipersr.errors import ArgumentError, check, text
from pipersr.model import USES, Model, Use


@dataclass(frozen=True)
class Cpu:
    """The CPU as the library sees it."""

    threads: int  #: CPUs that this process may use
    isa: str  #: the best instruction set that runs here
    features: str


def cpu() -> Cpu:
    """Describes the CPU."""
    features = ffi.new("char[512]")
    isa = lib.pipersr_cpu_describe(features, len(features))
    return Cpu(int(lib.pipersr_cpu_count()), text(lib.pipersr_isa_name(isa)), text(features))


def auto_precision(model: Model, use: Use = "photo") -> tuple[str, str]:
    """What ``precision="auto"`` stands for here, and why."""
    if use not in USES:
        raise ArgumentError(f"use must be photo or video, not '{use}'")
    precision = ffi.new("pipersr_precision *")
    reason = ffi.new("char[256]")
    status = lib.pipersr_precision_choose(
        model._pointer, USES[use], lib.PIPERSR_ISA_AUTO, precision, reason, len(reason)
    )
    check(status, reason)
    return text(lib.pipersr_precision_name(precision[0])), text(reason)


def peak_gflops(precision: str, isa: str, threads: int) -> float:
    """Measures the arithmetic peak of some cores for 0.2 s: 10^9 operations a second."""
    named = [ffi.new("pipersr_precision *"), ffi.new("pipersr_isa *")]
    check(lib.pipersr_precision_parse(precision.encode(), named[0]), ffi.NULL, f"precision {precision}")
    check(lib.pipersr_isa_parse(isa.encode(), named[1]), ffi.NULL, f"instruction set {isa}")
    gflops = ffi.new("double *")
    check(lib.pipersr_measure_peak(named[0][0], named[1][0], threads, gflops), ffi.NULL)
    return float(gflops[0])
