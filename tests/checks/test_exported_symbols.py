"""The library exports what pipersr.h declares and nothing else; the check notices what should not be."""

import subprocess

import exported_symbols
import pytest


def compile_library(folder, source, *flags):
    (folder / "made_up.c").write_text(source)
    output = folder / "made_up.so"
    subprocess.run(["cc", "-fPIC", *flags, "-o", str(output), str(folder / "made_up.c")], check=True)
    return output


def test_the_built_library(root, build):
    faults = exported_symbols.faults(root, build)
    assert not faults, "\n".join(faults)


def test_the_header_is_understood(root):
    declared = exported_symbols.declared_functions(root / "include" / "pipersr.h")
    assert {"pipersr_upscale", "pipersr_version", "pipersr_model_free", "pipersr_rows_push"} <= declared


@pytest.mark.parametrize(
    "source, reason",
    [
        ("int pipersr_a(void) { return 1; } int stray;", "exports stray"),
        ("int pipersr_a(void) { return 1; } int psr_private(void) { return 1; }", "exports psr_private"),
        ("int pipersr_b(void) { return 1; } int pipersr_a(void) { return 1; }", "exports pipersr_b"),
        ("static int pipersr_a(void) { return 1; } int (*pipersr_c)(void) = pipersr_a;", "does not export pipersr_a"),
    ],
)
def test_a_wrong_shared_library_is_noticed(tmp_path, source, reason):
    library = compile_library(tmp_path, source, "-shared")
    assert any(reason in fault for fault in exported_symbols.faults_in_shared(library, {"pipersr_a"}))


def test_a_right_shared_library_passes(tmp_path):
    library = compile_library(tmp_path, "static int own; int pipersr_a(void) { return ++own; }", "-shared")
    assert list(exported_symbols.faults_in_shared(library, {"pipersr_a"})) == []


def test_a_stray_global_in_a_static_library_is_noticed(tmp_path):
    library = compile_library(tmp_path, "int psr_fine; int pipersr_fine; int helper; static int own;", "-c")
    (fault,) = exported_symbols.faults_in_static(library)
    assert "global name helper" in fault
