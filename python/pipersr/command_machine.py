"""`pipersr info` and `pipersr bench speed`."""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from typing import Any

import PIL
from PIL import Image

import pipersr
from pipersr import pixels
from pipersr.command_options import OK, Parser, add_engine_options, fail, integer, new_parser, not_empty, open_upscaler
from pipersr.errors import Error
from pipersr.machine import peak_gflops
from pipersr.model import ModelInfo, choose
from pipersr.pixels import Layout

_COMMON = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "AVIF")
_NO_VIDEOS = "none: the program pipersr is not installed"
_MAX_AT_ONCE = 256


def _pictures() -> str:
    Image.init()
    reads = ", ".join(name for name in _COMMON if name in Image.OPEN)
    writes = ", ".join(name for name in _COMMON if name in Image.SAVE)
    return f"Pillow {PIL.__version__}; reads {reads}; writes {writes}"


def _auto(model: pipersr.Model, video_model: pipersr.Model) -> dict[str, tuple[str, str]]:
    return {
        "photos": pipersr.auto_precision(model, "photo"),
        "videos": pipersr.auto_precision(video_model, "video"),
    }


def info(arguments: list[str]) -> int:
    parser = new_parser(
        "info",
        "pipersr info [--model NAME|FILE] [--json]\n       pipersr info --models [--json]",
        "Shows the version, the model, the CPU features in use, and the libraries with their formats.",
    )
    parser.add_argument("--model", metavar="NAME|FILE", type=not_empty, help="describe this model, not the default")
    parser.add_argument("--models", action="store_true", help="list the built-in models; the default is marked")
    parser.add_argument("--json", action="store_true", help="one JSON object: version, model, cpu, libraries; or models")
    options = parser.parse_args(arguments)
    if options.models and options.model:
        parser.error("--models and --model exclude each other")
    if options.models:
        return _list_models(options.json)
    try:
        default = next(each.name for each in pipersr.models() if each.default)
        for_videos = next(each.name for each in pipersr.models() if each.default_for_videos)
        model = pipersr.Model(options.model or default)
        chosen = _auto(model, model if options.model else pipersr.Model(for_videos))
    except (Error, OSError) as error:
        fail(error)
    (_print_json if options.json else _print_text)(model.info, chosen)
    return OK


def _print_text(model: ModelInfo, chosen: dict[str, tuple[str, str]]) -> None:
    cpu = pipersr.cpu()
    lines = [
        f"pipersr {pipersr.__version__}",
        f"model     {model.name}: x{model.scale}, {model.channels} channels, {model.blocks} blocks,"
        f" {model.parameters} parameters",
        f"          {model.macs_per_px} multiply-accumulates per input pixel, radius {model.radius_px} pixels",
        f"          for: {model.description}" if model.description else "",
        f"          precisions: {', '.join(model.precisions)}",
        f"          trained: {model.training}" if model.training else "",
        f"          licence: {model.licence}" if model.licence else "",
        f"CPU       {cpu.threads} threads, instruction set {cpu.isa}",
        f"          features: {cpu.features or 'unknown'}",
        "          --precision auto: {} for photos ({})".format(*chosen["photos"]),
        "                            {} for videos ({})".format(*chosen["videos"]),
        f"pictures  {_pictures()}",
        f"videos    {_NO_VIDEOS}",
    ]
    print("\n".join(line for line in lines if line))


def _as_json(model: ModelInfo) -> dict[str, Any]:
    return {**vars(model), "precisions": list(model.precisions)}


def _print_json(model: ModelInfo, chosen: dict[str, tuple[str, str]]) -> None:
    automatic = {use: {"precision": precision, "reason": reason} for use, (precision, reason) in chosen.items()}
    facts = {
        "version": pipersr.__version__,
        "model": _as_json(model),
        "cpu": {**vars(pipersr.cpu()), "auto_precision": automatic},
        "libraries": {"pictures": _pictures(), "videos": _NO_VIDEOS},
    }
    print(json.dumps(facts, separators=(",", ":")))


def _mark(each: pipersr.BuiltInModel) -> str:
    """What it is the choice for."""
    if each.default or each.default_for_videos:
        return "*" if each.default else "v"
    return str(each.scale) if choose(None, "photo", each.scale).info.name == each.name else " "


def _list_models(as_json: bool) -> int:
    if as_json:
        print(json.dumps({"models": [_as_json(each) for each in pipersr.models()]}, separators=(",", ":")))
        return OK
    row = "{} {:18} {:5}  {:8}  {:>10}  {:>9}  {:14}  {}"
    print(row.format(" ", "name", "scale", "network", "parameters", "size", "precisions", "description"))
    for each in pipersr.models():
        print(
            row.format(
                _mark(each),
                each.name,
                f"x{each.scale}",
                f"{each.channels} x {each.blocks}",
                each.parameters,
                f"{(each.size_bytes + 1023) // 1024} KiB",
                " ".join(each.precisions),
                each.description,
            )
        )
    print("without --model: * for all, v for videos, 4 with --scale 4; network: channels x blocks")
    return OK


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})[xX]([0-9]{1,5})", text)
    if not match or not all(1 <= int(side) <= 65536 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"takes WIDTHxHEIGHT like 640x360, not '{text}'")
    return int(match[1]), int(match[2])


def _at_once(text: str) -> int:
    return 0 if text == "auto" else integer(1, _MAX_AT_ONCE)(text)


def _speed_parser() -> Parser:
    parser = new_parser(
        "bench speed",
        "pipersr bench speed [options]",
        "Median time of a frame in memory, and its share of the arithmetic peak of as many cores.",
    )
    parser.add_argument("--size", metavar="WxH", type=_size, default=(640, 360), help="of the input (default 640x360)")
    parser.add_argument("--frames", metavar="N", type=integer(1, 100000), default=5, help="frames (default 5)")
    parser.add_argument("--at-once", metavar="N", type=_at_once, default=1, help="frames in flight: 1 to 256, or auto")
    add_engine_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _noise(layout: Layout) -> bytearray:
    """Neither zeros, on which a CPU is faster, nor the same everywhere."""
    data = pixels.allocate(layout)
    for row in range(layout.height):
        start = row * layout.row_bytes
        data[start : start + layout.row_bytes] = bytes((7 * i * i + 5 * row) % 251 for i in range(layout.row_bytes))
    return data


def bench_speed(arguments: list[str]) -> int:
    options = _speed_parser().parse_args(arguments)
    with open_upscaler(options) as upscaler:
        width, height = options.size
        layout = Layout(width, height, 3, "uint8")
        at_once = options.at_once or upscaler.frames_at_once(width, height)
        seconds = []
        try:
            data = _noise(layout)
            sources = [pixels.of_buffer(bytes(data), layout) for _ in range(at_once)]
            bigger = layout.enlarged(upscaler.scale)
            targets = [pixels.of_buffer(pixels.allocate(bigger), bigger, writable=True) for _ in range(at_once)]
            # The first batch warms caches and memory up and does not count.
            for _ in range(1 + -(-options.frames // at_once)):
                started = time.perf_counter()
                upscaler._run_frames(sources, targets)
                seconds.append((time.perf_counter() - started) / at_once)
            median = statistics.median(seconds[1:])
            peak = peak_gflops(upscaler.precision, upscaler.isa, upscaler.threads)
        except Error as error:
            fail(error)
        gflops = 2 * upscaler.model.info.macs_per_px * layout.width * layout.height / median * 1e-9
        facts = {
            "width": layout.width,
            "height": layout.height,
            "precision": upscaler.precision,
            "isa": upscaler.isa,
            "threads": upscaler.threads,
            "frames": options.frames,
            "at_once": at_once,
            "ms_per_frame": 1e3 * median,
            "fps": 1 / median,
            "gflops": gflops,
            "peak_gflops": peak,
            "peak_share": gflops / peak,
        }
    if options.json:
        print(json.dumps(facts, separators=(",", ":")))
        return OK
    together = f", {at_once} at once" if at_once > 1 else ""
    print(
        "{width}x{height}  {precision}  {isa}  {threads} threads  median of {frames} frames".format(**facts) + together
        + "\n{ms_per_frame:.1f} ms/frame  {fps:.3f} frames/s  {gflops:.1f} GFLOP/s".format(**facts)
        + f"  {100 * gflops / peak:.1f} % of this machine's {peak:.1f}"
    )  # fmt: skip
    return OK
