"""What OpenBLAS is told of the CPU."""

import pytest

import openblas


@pytest.mark.parametrize(
    "words,core",
    [
        ("GenuineIntel fma avx2 avx512f avx512bw", "SKYLAKEX"), ("GenuineIntel avx2", "HASWELL"),
        ("GenuineIntel sse3 avx", None), ("AuthenticAMD avx2 avx512bw", None), ("0x41 asimd", None), (None, None),
    ],
)
def test_it_is_told_of_the_kernels_for_intels_cpus(tmp_path, monkeypatch, words, core):
    monkeypatch.setattr(openblas, "CPU_INFO", tmp_path / "cpuinfo")
    if words:
        vendor, *flags = words.split()
        openblas.CPU_INFO.write_text(f"vendor_id: {vendor}\nflags: fpu {' '.join(flags)}\n")
    environment = {}
    openblas.prepare(environment)
    assert environment.get("OPENBLAS_CORETYPE") == core
    assert environment["OPENBLAS_NUM_THREADS"] == "1"


def test_what_the_user_says_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(openblas, "CPU_INFO", tmp_path / "cpuinfo")
    openblas.CPU_INFO.write_text("vendor_id: GenuineIntel\nflags: avx2\n")
    told = {"OPENBLAS_CORETYPE": "ZEN", "OPENBLAS_NUM_THREADS": "2"}
    environment = dict(told)
    openblas.prepare(environment)
    assert environment == told
