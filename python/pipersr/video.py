"""Videos, through the program `pipersr`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

from pipersr import program
from pipersr.errors import VideoError
from pipersr.upscaler import Progress, ProgressCallback

#: How long the program may take to tidy up when it is stopped.
_STOP_SECONDS = 10


@dataclass(frozen=True)
class VideoResult:
    """What was written."""

    path: str
    width: int
    height: int
    frames: int
    seconds: float


def upscale_video(
    video: Union[str, os.PathLike[str]],
    output: Union[None, str, os.PathLike[str]] = None,
    *,
    progress: Optional[ProgressCallback] = None,
    scale: Optional[int] = None,
    model: Union[None, str, os.PathLike[str]] = None,
    precision: str = "auto",
    threads: int = 0,
    codec: Optional[str] = None,
    crf: Optional[int] = None,
    preset: Optional[str] = None,
    overwrite: bool = False,
    options: Sequence[str] = (),
) -> VideoResult:
    """Enlarges a video with its sound, as ``pipersr upscale`` does; needs that program to be installed.

    :param output: None: ``clip_2x.mp4`` beside ``clip.mp4``
    :param progress: called with a ``Progress`` in frames, about twice a second; what it raises ends the work
    :param codec: "h264", "hevc", "av1", "vp9", "ffv1", or an encoder of FFmpeg
    :param options: further options of ``pipersr upscale``, as on its command line
    :raises VideoError: with the program's message; no output is left then
    :raises ProgramMissingError: where the program is not installed
    """
    command = [program.require("upscale_video()"), "upscale", "--json", "-i", _as_argument(video)]
    if output is not None:
        command += ["-o", _as_argument(output)]
    for name, value in (
        ("scale", scale),
        ("model", model),
        ("precision", precision),
        ("threads", threads),
        ("codec", codec),
        ("crf", crf),
        ("preset", preset),
    ):
        if value is not None:
            command.append(f"--{name}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
    command += ["--force"] if overwrite else []
    return _run([*command, *options], progress)


def _as_argument(path: Union[str, os.PathLike[str]]) -> str:
    """A name that is not taken for an option or a stream."""
    name = os.fspath(path)
    return f"./{name}" if name.startswith("-") else name


def _run(command: Sequence[str], progress: Optional[ProgressCallback]) -> VideoResult:
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages, encoding="utf-8"
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "progress" and progress is not None:
                    progress(_progress(event))
                elif event["event"] == "note":
                    warnings.warn(f"{event['input']}: {event['message']}", stacklevel=3)
                elif event["event"] in ("done", "failed"):
                    last = event
            status = process.wait()
        except BaseException:
            _stop(process)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
        if last.get("event") != "done" or status != 0:
            raise VideoError(_message(last, messages, status), status)
    return VideoResult(last["output"], last["width"], last["height"], last["frames"], last["seconds"])


def _progress(event: dict[str, Any]) -> Progress:
    return Progress(event["done"], event["total"], event["unit"], event["seconds"], event["seconds_left"])


def _message(last: dict[str, Any], messages: Any, status: int) -> str:
    if last.get("error"):
        return f"{last['input']}: {last['error']}"
    messages.seek(0)
    lines = messages.read().decode("utf-8", "replace").strip().splitlines()
    text: str = lines[-1] if lines else f"the program ended with status {status} and no message"
    return text[len("pipersr: ") :] if text.startswith("pipersr: ") else text


def _stop(process: subprocess.Popen[str]) -> None:
    """Asks the program to end, which removes what it has written, and waits for that."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
