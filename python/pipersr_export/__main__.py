# SPDX-License-Identifier: MIT
"""The command behind `pipersr export`: python3 -m pipersr_export --model FILE --format F -o OUTPUT."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import tempfile

# The program's exit statuses (cli/exit_status.h).
EXIT_INPUT, EXIT_UNSUPPORTED, EXIT_OUTPUT = 3, 4, 5

try:
    from pipersr_export import calibration, coreml_package, model, onnx_file
except ModuleNotFoundError as missing:
    print(f"pipersr: this Python lacks {missing.name}: pip install {missing.name}", file=sys.stderr)
    sys.exit(EXIT_UNSUPPORTED)


class Failure(Exception):
    """(exit status, one line)"""


def _size(text):
    if text == "any":
        return None
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if not match or not all(1 <= int(side) <= 65536 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"takes WIDTHxHEIGHT or any, not '{text}'")
    return tuple(map(int, match.groups()))


class _Parser(argparse.ArgumentParser):
    """Messages in the form of the program's other commands."""

    def error(self, message):
        self.exit(2, f"pipersr: {message}; see 'pipersr export --help'\n")


def _parse(arguments):
    parser = _Parser(
        prog="pipersr export",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Writes a model as a file of another format: ONNX, or a Core ML package for Apple's machines.",
        epilog="Exit status: 0 done, 2 wrong usage, 3 bad model file, 4 a Python package or coding is missing,\n"
        "5 the output cannot be written.",
    )
    parser.add_argument("--format", required=True, choices=("onnx", "coreml"))
    parser.add_argument("-o", "--output", required=True, metavar="OUTPUT", help="MODEL.onnx or MODEL.mlpackage")
    parser.add_argument("-f", "--force", action="store_true", help="overwrite it if it exists")
    parser.add_argument("--model", required=True, metavar="NAME|FILE", help="the weights (default: the default model)")
    parser.add_argument(
        "--precision",
        choices=("fp32", "fp16", "int8"),
        help="ONNX: fp32 (default), fp16, or int8 with the model's own codings; Core ML: fp16 alone",
    )
    parser.add_argument(
        "--size",
        type=_size,
        default="any",
        metavar="WxH",
        help="of the input, such as 640x360 (best for the Neural Engine) or 128x128 (tiles); default: any",
    )
    options = parser.parse_args(arguments)
    if options.format == "coreml" and options.precision not in (None, "fp16"):
        parser.error("a Core ML package is in fp16: leave --precision out")
    if not os.path.basename(options.output):
        parser.error("-o takes the name of a file")
    return options


def _write_onnx(source, options):
    precision = options.precision or "fp32"
    codings = calibration.from_file(source) if precision == "int8" else None
    if precision == "int8" and codings is None:
        raise Failure(EXIT_UNSUPPORTED, "this model file has no int8 codings: run pipersr calibrate first")
    folder = os.path.dirname(os.path.abspath(options.output))
    handle, temporary = tempfile.mkstemp(prefix=".pipersr-", dir=folder)
    os.close(handle)
    try:
        onnx_file.write(source, temporary, precision, options.size, codings)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, options.output)
    except BaseException:
        os.unlink(temporary)
        raise


def export(options):
    if os.path.lexists(options.output) and not options.force:
        raise Failure(EXIT_OUTPUT, f"{options.output}: exists; --force overwrites it")
    try:
        source = model.load(options.model, options.precision or "fp32")
    except (OSError, model.ModelError) as error:
        raise Failure(EXIT_INPUT, str(error)) from error
    try:
        if options.format == "onnx":
            _write_onnx(source, options)
        else:
            coreml_package.write(source, options.output, options.size, options.force)
    except coreml_package.MissingPackage as error:
        raise Failure(EXIT_UNSUPPORTED, str(error)) from error
    except OSError as error:
        raise Failure(EXIT_OUTPUT, f"{options.output}: cannot be written: {error.strerror or error}") from error


def main(arguments=None):
    options = _parse(arguments)
    try:
        export(options)
    except Failure as failure:
        status, line = failure.args
        print(f"pipersr: {line}", file=sys.stderr)
        return status
    except KeyboardInterrupt:
        return 130
    return 0


def _end(number, _frame):
    sys.exit(128 + number)


if __name__ == "__main__":
    # So that what is half-written is taken away, as after Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    sys.exit(main())
