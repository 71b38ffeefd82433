#!/usr/bin/env python3
"""What libpipersr shows to the outside: the shared library exports pipersr_* only, the static one
has no global name outside pipersr_* and psr_*, so that it cannot clash with a program's own names.

`python3 tests/checks/exported_symbols.py BUILD_FOLDER` prints the faults; exit status 1 if any.
"""

import pathlib
import re
import subprocess
import sys

SHARED_NAME = re.compile(r"pipersr_\w+")
STATIC_NAME = re.compile(r"(pipersr|psr)_\w+")
# Put there by the linker and by the sanitizers' own instrumentation, not by the source.
TOOLCHAIN_NAME = re.compile(r"_init|_fini|_edata|_end|__bss_start|__(asan|ubsan|odr_asan|sanitizer|start|stop)_?.*")
DECLARATION = re.compile(r"PIPERSR_API[^;(]*?\b(pipersr_\w+)\s*\(", re.DOTALL)


def defined_globals(path, *nm_options):
    """Names of the global symbols that a library defines."""
    command = ["nm", "--defined-only", "--extern-only", "--format=posix", *nm_options, str(path)]
    listing = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    fields = (line.split() for line in listing.splitlines() if line and not line.endswith(":"))
    # A version suffix (@@VERSION) is not part of the name.
    return {field[0].split("@")[0] for field in fields if len(field) >= 2}


def faults_in_shared(path, declared):
    exported = {name for name in defined_globals(path, "--dynamic") if not TOOLCHAIN_NAME.fullmatch(name)}
    for name in sorted(exported - declared):
        yield f"{path}: exports {name}, which pipersr.h does not declare"
    for name in sorted(declared - exported):
        yield f"{path}: does not export {name}, which pipersr.h declares"
    for name in sorted(name for name in exported if not SHARED_NAME.fullmatch(name)):
        yield f"{path}: exports {name}, which does not start with pipersr_"


def faults_in_static(path):
    for name in sorted(defined_globals(path)):
        if not STATIC_NAME.fullmatch(name) and not TOOLCHAIN_NAME.fullmatch(name):
            yield f"{path}: global name {name} starts with neither pipersr_ nor psr_"


def declared_functions(header):
    return set(DECLARATION.findall(pathlib.Path(header).read_text(encoding="utf-8")))


def faults(root, build):
    declared = declared_functions(pathlib.Path(root) / "include" / "pipersr.h")
    build = pathlib.Path(build)
    return [
        *faults_in_shared(build / "src" / "libpipersr.so", declared),
        *faults_in_static(build / "src" / "libpipersr.a"),
    ]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = faults(pathlib.Path(__file__).resolve().parents[2], sys.argv[1])
    print("\n".join(lines) if lines else "only what pipersr.h declares is exported")
    sys.exit(1 if lines else 0)
