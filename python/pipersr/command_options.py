"""What the sub-commands share: exit statuses, options and messages, those of the program `pipersr`."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Callable, NoReturn, Optional

from pipersr import errors
from pipersr.model import choose
from pipersr.upscaler import Upscaler

OK, INTERNAL, USAGE, INPUT, UNSUPPORTED, OUTPUT, MEMORY = range(7)

EXIT_HELP = """\
Exit status: 0 all done, 1 internal error, 2 wrong usage, 3 bad input or model file,
4 unsupported format or CPU, 5 output cannot be written, 6 out of memory, 130 interrupted
by Ctrl-C (128 plus the signal). With several inputs: that of the first failure.
"""


class OutputError(Exception):
    """An output cannot be written."""


_STATUS_OF: tuple[tuple[type[BaseException], int], ...] = (
    (errors.OutOfMemoryError, MEMORY),
    (MemoryError, MEMORY),
    (errors.UnsupportedError, UNSUPPORTED),
    (errors.ProgramMissingError, UNSUPPORTED),
    (errors.InputError, INPUT),
    (errors.ArgumentError, USAGE),
    (OutputError, OUTPUT),
    (BrokenPipeError, OUTPUT),
    (OSError, INPUT),
)


class Exit(BaseException):
    """Ends the command with this status; a signal's, or of wrong usage. No `except Exception` stops it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def exit_status(error: BaseException) -> int:
    for kind, status in _STATUS_OF:
        if isinstance(error, kind):
            return status
    return INTERNAL


def one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "?", text)


def complain(text: str) -> None:
    print(f"pipersr: {one_line(text)}", file=sys.stderr)


class Parser(argparse.ArgumentParser):
    """Wrong usage is one line and status 2."""

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument (\S+?)(/\S+)?: ", r"\1: ", message)
        message = message.replace("unrecognized arguments", "unknown here (options of videos need the program pipersr)")
        complain(f"{message}; see '{self.prog} --help'")
        raise Exit(USAGE)


def new_parser(command: str, usage: str, description: str) -> Parser:
    return Parser(
        prog=f"pipersr {command}",
        usage=usage,
        description=description,
        epilog=EXIT_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]+", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"takes {low} to {high}, not '{text}'")
        return int(text)

    return parse


def one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"takes {', '.join(names[:-1])} or {names[-1]}, not '{text}'")
        return text

    return parse


def not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("takes a name, not ''")
    return text


def byte_count(text: str) -> int:
    """Digits and K, M, G or T, which are powers of 1024."""
    match = re.fullmatch(r"([0-9]+)(?:([KMGT])(?:i?B)?)?", text, re.IGNORECASE)
    if not match:
        raise argparse.ArgumentTypeError(f"takes a size like 512M or 2G, not '{text}'")
    return int(match[1]) << 10 * " KMGT".index((match[2] or " ").upper())


def pixel_count(text: str) -> int:
    """Digits and k, M or G, which are powers of 1000."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)", text, re.IGNORECASE)
    if not match or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"takes a number like 500M, not '{text}'")
    return int(match[1]) * int(1000 ** ("KMG".find(match[2].upper()) + 1 if match[2] else 0))


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--threads", metavar="N", type=integer(0, 1024), default=0, help="worker threads (default 0: all CPUs)")
    add(
        "--precision", metavar="P", type=one_of("auto", "fp32", "bf16", "int8"), default="auto",
        help="auto (default): the fastest that loses at most 0.05 dB, and for photos 16 bits or more; fp32, bf16, int8",
    )  # fmt: skip
    add(
        "--isa", metavar="NAME", type=one_of("auto", "c", "avx2", "avx512", "amx", "neon"), default="auto",
        help="instruction set: auto (default), c, avx2, avx512, amx, neon",
    )  # fmt: skip
    add("--model", metavar="NAME|FILE", type=not_empty, help="the weights; pipersr info --models lists the names")


def open_upscaler(options: argparse.Namespace, memory_limit: int = 0, scale: Optional[int] = None) -> Upscaler:
    """Complains and ends where it cannot be made."""
    try:
        return Upscaler(
            model=choose(options.model, "photo", scale),
            precision=options.precision,
            threads=options.threads,
            isa=options.isa,
            memory_limit=memory_limit,
        )
    except (errors.Error, OSError) as error:
        fail(error)


def fail(error: BaseException, name: Optional[str] = None) -> NoReturn:
    complain(describe(error, name))
    raise Exit(exit_status(error))


def describe(error: BaseException, name: Optional[str] = None) -> str:
    """What an exception says, with the file's name in front unless it is in there."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename or name or 'it'}: cannot be read: {error.strerror}"
    text = text or type(error).__name__
    return f"{name}: {text}" if name and name not in text else text
