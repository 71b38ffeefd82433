"""`pipersr upscale` for photos, where the program is not installed."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from PIL import Image

from pipersr import photo
from pipersr.command_options import (
    OK,
    USAGE,
    Exit,
    OutputError,
    add_engine_options,
    byte_count,
    complain,
    describe,
    exit_status,
    integer,
    new_parser,
    not_empty,
    one_line,
    open_upscaler,
    pixel_count,
)
from pipersr.errors import Error, InputError, UnsupportedError
from pipersr.result import Result, format_of
from pipersr.upscaler import Progress, Upscaler

_UPSCALED = re.compile(r".*_[0-9]{1,2}x")
_EVENT_SECONDS, _DRAW_SECONDS = 0.5, 0.1
_MAX_PIXELS = 1 << 32


@dataclass
class _Input:
    path: str
    relative: str  #: its name below the folder that was named
    from_folder: bool = False


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = new_parser(
        "upscale",
        "pipersr upscale INPUT... [-o OUTPUT] [options]\n       pipersr -i INPUT [-i INPUT]... [-o OUTPUT] [options]",
        "Doubles the width and height of photos. Each output is photo_2x.png beside photo.png unless -o says otherwise.",
    )
    add = parser.add_argument
    add("inputs", nargs="*", metavar="INPUT", help="a file; - is standard input")
    add("-i", "--input", action="append", default=[], metavar="FILE", help="an input, like one without -i")
    add("-o", "--output", type=not_empty, metavar="OUTPUT", help="file, folder, or - for standard output")
    add("-r", "--recursive", action="store_true", help="take the files in folders, and in the folders in them")
    add("-f", "--force", action="store_true", help="overwrite outputs that exist")
    add("--skip-existing", action="store_true", help="pass over inputs whose output exists")
    add("--format", type=not_empty, metavar="F", help="png, jpg, webp, tiff, ...")
    add("--scale", type=integer(2, 16), metavar="N", help="2 or 4 (default: the model's own)")
    add_engine_options(parser)
    add("--memory-limit", type=byte_count, default=0, metavar="SIZE", help="of the network's memory, such as 512M")
    add("--max-pixels", type=pixel_count, default=_MAX_PIXELS, metavar="N", help="refuse larger pictures, such as 500M")
    add("--quality", type=integer(1, 100), metavar="N", help="for JPEG, WebP, AVIF (default 92, 90, 80)")
    add("--lossless", action="store_true", help="WebP and AVIF without loss")
    add("--strip", action="store_true", help="drop profile, EXIF, XMP and other metadata")
    add("-q", "--quiet", action="store_true", help="errors only")
    add("--json", action="store_true", help="one JSON object a line: events progress, note, done, failed, skipped")
    options = parser.parse_args(arguments)
    options.inputs = options.input + options.inputs
    if not options.inputs:
        parser.error("no input given")
    if "" in options.inputs:
        parser.error("the name of an input is empty")
    if options.inputs.count("-") > 1:
        parser.error("standard input can be an input only once")
    if "-" in options.inputs and not options.output:
        parser.error("standard input needs -o OUTPUT (-o - for standard output)")
    if options.force and options.skip_existing:
        parser.error("--force and --skip-existing exclude each other")
    if options.output == "-" and (len(options.inputs) > 1 or options.recursive):
        parser.error("standard output takes one input, without -r")
    if options.output == "-" and sys.stdout.isatty():
        parser.error("standard output is a terminal; redirect it or give a file")
    return options


def _inputs(options: argparse.Namespace, left_out: list[str]) -> Iterator[_Input]:
    for name in options.inputs:
        if not (options.recursive and os.path.isdir(name)):
            yield _Input(name, os.path.basename(name))
            continue
        for folder, folders, files in os.walk(name):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            if options.output and os.path.isdir(options.output):
                folders[:] = [each for each in folders if not _same(os.path.join(folder, each), options.output)]
            for each in sorted(file for file in files if not file.startswith(".")):
                path = os.path.join(folder, each)
                if _UPSCALED.fullmatch(os.path.splitext(each)[0]):
                    left_out.append(path)
                else:
                    yield _Input(path, os.path.relpath(path, name), True)


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _is_video(head: bytes) -> bool:
    marks = (b"\x1a\x45\xdf\xa3", b"YUV4MPEG2", b"FLV\x01", b"OggS", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
    heif = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
    mp4 = head[4:8] in (b"ftyp", b"moov", b"mdat") and head[8:12] not in heif
    return head.startswith(marks) or mp4 or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")


def _open(entry: _Input) -> Any:
    """What photo.read() takes; videos are refused by their own name."""
    if entry.path == "-":
        data = sys.stdin.buffer.read()
        if not data:
            raise InputError("standard input: there is nothing in it")
        head, source = data[:16], io.BytesIO(data)
    else:
        if os.path.isdir(entry.path):
            raise InputError("this is a folder; add -r to take the files in it")
        with open(entry.path, "rb") as file:
            head = file.read(16)
        if not head:
            raise InputError("the file is empty")
        source = entry.path  # type: ignore[assignment]
    if _is_video(head):
        raise UnsupportedError("a video, which needs the program pipersr; it is not installed")
    return source


class _Run:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, upscaler: Upscaler) -> None:
        self.options = options
        self.upscaler = upscaler
        self.to_stdout = options.output == "-"
        self.scale = options.scale or upscaler.scale
        self.claimed: set[str] = set()
        self.status = OK
        self.counts = {"done": 0, "skipped": 0, "failed": 0}
        several = len(options.inputs) > 1 or (options.recursive and any(map(os.path.isdir, options.inputs)))
        is_folder = bool(options.output) and (os.path.isdir(options.output) or options.output.endswith("/"))
        self.folder = options.output if options.output and not self.to_stdout and (several or is_folder) else None
        if self.folder and os.path.exists(self.folder) and not os.path.isdir(self.folder):
            complain(f"-o {self.folder} is a file; several inputs need a folder; see 'pipersr upscale --help'")
            raise Exit(USAGE)

    # -------------------------------------------------------------------------------- messages

    def event(self, name: str, entry: _Input, target: Optional[str], **facts: object) -> None:
        if self.options.json:
            event = {"event": name, "input": entry.path, "output": target, "kind": "picture", **facts}
            stream = sys.stderr if self.to_stdout else sys.stdout
            print(json.dumps(event, separators=(",", ":")), file=stream, flush=True)

    def say(self, line: str) -> None:
        if not (self.options.json or self.options.quiet):
            print(one_line(line), file=sys.stderr)

    def progress(self, entry: _Input, target: Optional[str]) -> Any:
        shown = [time.monotonic()]
        draws = sys.stderr.isatty() and not (self.options.json or self.options.quiet)

        def report(progress: Progress) -> None:
            interval = _DRAW_SECONDS if draws else _EVENT_SECONDS
            if not (draws or self.options.json) or time.monotonic() - shown[0] < interval:
                return
            shown[0] = time.monotonic()
            if draws:
                share = progress.done / (progress.total or 1)
                print(f"\r{one_line(entry.path)}  {share:4.0%}\033[K", end="\r", file=sys.stderr, flush=True)
            else:
                self.event("progress", entry, target, **vars(progress))

        return report

    # ------------------------------------------------------------------------------- one input

    def target_of(self, entry: _Input) -> Optional[str]:
        if self.to_stdout:
            return None
        if self.options.output and not self.folder:
            return str(self.options.output)
        stem, extension = os.path.splitext("stdin" if entry.path == "-" else entry.relative)
        if self.options.format:
            extension = f".{self.options.format}"
        else:
            try:
                format_of(f"x{extension}", None)
            except UnsupportedError:
                extension = ".png"
        return os.path.join(self.folder or os.path.dirname(entry.path), f"{stem}_{self.scale}x{extension}")

    def claim(self, entry: _Input, target: str) -> bool:
        """May the target be written? False: it exists and is to be skipped."""
        if _same(entry.path, target):
            raise OutputError("the output is the input itself; give another name")
        if self.folder:
            folder = os.path.dirname(target)
            try:
                if not os.path.isdir(self.folder):
                    os.mkdir(self.folder)  # its parent has to be there: a slip of the pen makes no tree
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise OutputError(f"the folder {folder} cannot be made: {error.strerror}") from None
        name = os.path.realpath(target)
        if name in self.claimed:
            raise OutputError(f"its output {target} is already that of an earlier input; upscale it with -o")
        self.claimed.add(name)
        if os.path.lexists(target):
            if self.options.skip_existing:
                return False
            if not self.options.force:
                raise OutputError(
                    f"'{target}' exists already; use --force to overwrite it or -o for another name"
                )
        return True

    def upscale(self, entry: _Input, target: Optional[str]) -> Result:
        options = self.options
        passes = photo.passes(self.upscaler.scale, options.scale)
        source = photo.read(_open(entry), options.max_pixels)
        result = photo.result(self.upscaler, source, passes, self.progress(entry, target))
        try:
            result.save(
                sys.stdout.buffer if target is None else target,
                options.format or ("png" if target is None else None),
                quality=options.quality,
                lossless=options.lossless,
                strip=options.strip,
            )
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"the output {target or ''} cannot be written: {error.strerror or error}") from None
        return result

    def run(self, entry: _Input) -> None:
        started = time.monotonic()
        target = None
        try:
            target = self.target_of(entry)
            try:
                format_of(target or "", self.options.format or ("png" if target is None else None))
            except UnsupportedError:
                _open(entry)  # of a video there is more to be said
                raise
            if target is not None and not self.claim(entry, target):
                return self.skip(entry, target, "its output exists")
            with warnings.catch_warnings(record=True) as notes:
                warnings.simplefilter("always", UserWarning)
                result = self.upscale(entry, target)
        except BrokenPipeError:
            raise
        except (Error, OSError, OutputError, MemoryError) as error:
            if entry.from_folder and isinstance(error, InputError) and "not a picture" in str(error):
                return self.skip(entry, target, "not a picture")
            return self.fail(entry, target, error, time.monotonic() - started)
        seconds = time.monotonic() - started
        for note in notes:
            self.event("note", entry, target, message=str(note.message))
            self.say(f"note: {note.message}")
        self.counts["done"] += 1
        size = {"width": result.width, "height": result.height, "frames": 1}
        self.event("done", entry, target, status=OK, error=None, **size, seconds=seconds, fps=1 / seconds)
        self.say(f"{entry.path} -> {target or 'standard output'}  {result.width}x{result.height}  {seconds:.1f} s")

    def skip(self, entry: _Input, target: Optional[str], reason: str) -> None:
        self.counts["skipped"] += 1
        self.event("skipped", entry, target, reason=reason)
        self.say(f"{entry.path}: skipped: {reason}")

    def fail(self, entry: _Input, target: Optional[str], error: BaseException, seconds: float) -> None:
        self.counts["failed"] += 1
        status = exit_status(error)
        self.status = self.status or status
        name = "standard input" if entry.path == "-" else entry.path
        nothing = {"width": None, "height": None, "frames": None, "seconds": seconds, "fps": None}
        self.event("failed", entry, target, status=status, error=describe(error), **nothing)
        if not (self.options.json and self.to_stdout):
            complain(describe(error, name))


def run(arguments: list[str]) -> int:
    options = _parse(arguments)
    Image.MAX_IMAGE_PIXELS = None  # --max-pixels says what is too large
    with open_upscaler(options, options.memory_limit, options.scale) as upscaler:
        try:
            photo.passes(upscaler.scale, options.scale)
            if options.format:
                format_of("", options.format)
        except Error as error:
            complain(f"--{error}" if str(error).startswith(("scale", "format")) else str(error))
            return USAGE
        left_out: list[str] = []
        state = _Run(options, upscaler)
        entries = list(_inputs(options, left_out))
        for entry in entries:
            state.run(entry)
        state.counts["skipped"] += len(left_out)
        if not (left_out or state.counts["done"] or state.counts["failed"] or options.skip_existing):
            complain(f"{options.inputs[0]}: no picture in this folder")
            return exit_status(InputError())
        if len(entries) != 1 or left_out:
            state.say("{done} done, {skipped} skipped, {failed} failed".format(**state.counts))
        sys.stdout.flush()
        return state.status
