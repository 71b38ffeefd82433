"""The console script `pipersr`.

It is the program `pipersr`, the C one, wherever that is installed. Where it is not, photos are upscaled here, with
the same options and exit statuses; what needs the program says so.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, Optional

import pipersr
from pipersr import command_export, command_machine, command_upscale, program
from pipersr.command_options import EXIT_HELP, INTERNAL, OK, UNSUPPORTED, USAGE, Exit, complain, exit_status

_HELP = f"""\
Usage: pipersr upscale INPUT... [-o OUTPUT]   double the size of photos
       pipersr -i photo.png -o photo_2x.png   the same, in short
       pipersr info                           model, CPU features and libraries in use
       pipersr export --format F -o MODEL     a model as an ONNX file or a Core ML package
       pipersr bench speed                    how fast the network runs here

  -h, --help     this text; each command has its own, e.g. pipersr upscale --help
  -V, --version  the version

This is the Python package's own command. Where the program pipersr is installed, it is run instead: videos,
animations, 'calibrate', 'segment', 'bench quality', 'bench video', 'serve' and 'mcp' need it.

{EXIT_HELP}"""

_OF_THE_PROGRAM = ("calibrate", "segment", "serve", "mcp")
_BENCHES_OF_THE_PROGRAM = ("quality", "video")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command line; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Python writes these files in either case, and this is one that has what it takes.
    installed = None if arguments[:1] == ["export"] else program.find()
    if installed is not None:
        try:
            os.execv(installed, [installed, *arguments])
        except OSError as error:
            complain(f"{installed}: cannot be run: {error.strerror}")
            return INTERNAL
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        return _run(list(arguments))
    except Exit as end:
        return end.status
    except KeyboardInterrupt:
        complain("interrupted; nothing half-written is left")
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Nobody reads: Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain("standard output cannot be written: Broken pipe")
        return exit_status(BrokenPipeError())


def _end(number: int, _frame: Any) -> None:
    complain("interrupted; nothing half-written is left")
    raise Exit(128 + number)


def _run(arguments: list[str]) -> int:
    if not arguments:
        complain("nothing to do: name a file, as in 'pipersr upscale photo.png'; see 'pipersr --help'")
        return USAGE
    word = arguments[0]
    if word in ("--help", "-h"):
        print(_HELP, end="")
        return OK
    if word in ("--version", "-V"):
        print(f"pipersr {pipersr.__version__}")
        return OK
    if word == "upscale" or word.startswith("-"):
        return command_upscale.run(arguments[word == "upscale" :])
    if word == "info":
        return command_machine.info(arguments[1:])
    if word == "bench" and arguments[1:2] == ["speed"]:
        return command_machine.bench_speed(arguments[2:])
    if word == "export":
        return command_export.run(arguments[1:])
    if word in _OF_THE_PROGRAM or (word == "bench" and arguments[1:2] and arguments[1] in _BENCHES_OF_THE_PROGRAM):
        try:
            program.require(" ".join(["pipersr", *arguments[: 1 + (word == "bench")]]))
        except pipersr.ProgramMissingError as error:
            complain(str(error))
        return UNSUPPORTED
    words = " ".join(arguments[: 1 + (word == "bench")])
    complain(f"unknown command '{words}' (to upscale a file: pipersr upscale FILE); see 'pipersr --help'")
    return USAGE
