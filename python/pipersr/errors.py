"""What can go wrong, as exceptions. Their text is one line: what, why, and what to do."""

from __future__ import annotations

from typing import Any

from pipersr._native import ffi, lib


class Error(Exception):
    """Anything that this package reports by itself."""


class ArgumentError(Error, ValueError):
    """A parameter is out of its documented range, or an array is none that can be upscaled."""


class OutOfMemoryError(Error, MemoryError):
    """No memory, or ``memory_limit`` is too small."""


class InputError(Error, ValueError):
    """A picture or a model file is missing, damaged or of an unknown kind."""


class UnsupportedError(Error):
    """Intact, but not handled on this CPU, in this build or by this version of Pillow."""


class StateError(Error, RuntimeError):
    """Calls in the wrong order, or in a process that did not make the object."""


class Cancelled(Error):
    """``Upscaler.cancel()`` was called."""


class VideoError(Error):
    """The program ``pipersr`` could not upscale a video. ``status`` is its exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ProgramMissingError(Error):
    """Something needs the program ``pipersr``, which is not installed."""


_BY_STATUS: dict[int, type[Error]] = {
    lib.PIPERSR_ERROR_ARGUMENT: ArgumentError,
    lib.PIPERSR_ERROR_MEMORY: OutOfMemoryError,
    lib.PIPERSR_ERROR_IO: InputError,
    lib.PIPERSR_ERROR_MODEL: InputError,
    lib.PIPERSR_ERROR_UNSUPPORTED: UnsupportedError,
    lib.PIPERSR_ERROR_STATE: StateError,
    lib.PIPERSR_ERROR_CANCELLED: Cancelled,
}


def text(characters: Any) -> str:
    """A C string as a Python one; "" for NULL."""
    return "" if characters == ffi.NULL else str(ffi.string(characters).decode("utf-8", "replace"))


def check(status: int, message: Any, context: str = "") -> None:
    """Raises what the library's status means, with its message (a C string, may be empty)."""
    if status == lib.PIPERSR_OK:
        return
    line = text(message) or text(lib.pipersr_status_name(status))
    if context and context not in line:
        line = f"{context}: {line}"
    raise _BY_STATUS.get(status, Error)(line)
