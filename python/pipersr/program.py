"""Finds the program `pipersr`, the C one, which reads and writes videos."""

from __future__ import annotations

import os
from typing import Optional

from pipersr.errors import ProgramMissingError

#: Names the program, whatever is on PATH.
VARIABLE = "PIPERSR_PROGRAM"
_INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "pipersr")


def _is_ours(path: str) -> bool:
    """Is it a console script of this package, in this environment or in another?"""
    try:
        with open(path, "rb") as file:
            head = file.read(2048)
    except OSError:
        return True
    return head.startswith(b"#!") and b"pipersr.command" in head


def find() -> Optional[str]:
    """$PIPERSR_PROGRAM, or that which was built into the package, or the first on PATH; None without any."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return named or None
    candidates = [_INSIDE]
    candidates += [os.path.join(folder, "pipersr") for folder in os.get_exec_path() if folder]
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK) and not _is_ours(path):
            return path
    return None


def require(what: str) -> str:
    """The same, or an error that says what is to be done."""
    found = find()
    if found is None:
        raise ProgramMissingError(
            f"{what} needs the program pipersr, which links to libvips and FFmpeg and so is not part of the wheel:"
            f" install it, so that it is on PATH, or name it in {VARIABLE}"
        )
    return found
