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


_Path = Union[str, "os.PathLike[str]"]
#: Seconds, or a text such as "1:30" or "0:01:30.5".
_Time = Union[float, str]


@dataclass(frozen=True)
class VideoResult:
    """What was written."""

    path: str
    width: int
    height: int
    frames: int
    seconds: float
    damaged_frames: int  #: frames that the decoder called faulty
    damaged_packets: int  #: pieces of the file that could not be decoded, or only with errors


def upscale_video(
    video: _Path,
    output: Optional[_Path] = None,
    *,
    progress: Optional[ProgressCallback] = None,
    scale: Optional[int] = None,
    model: Optional[_Path] = None,
    precision: str = "auto",
    threads: int = 0,
    isa: Optional[str] = None,
    memory_limit: Optional[int] = None,
    start: Optional[_Time] = None,
    duration: Optional[_Time] = None,
    to: Optional[_Time] = None,
    codec: Optional[str] = None,
    crf: Optional[int] = None,
    preset: Optional[str] = None,
    pix_fmt: Optional[str] = None,
    encoder_opts: Optional[str] = None,
    encoder_threads: Optional[int] = None,
    framerate: Union[None, float, str] = None,
    start_number: Optional[int] = None,
    deinterlace: Optional[str] = None,
    max_height: Optional[int] = None,
    allow_lossy: Union[None, str, Sequence[str]] = None,
    strict: bool = False,
    strip: bool = False,
    reuse: bool = True,
    resume: bool = False,
    segment_frames: Optional[int] = None,
    overwrite: bool = False,
    options: Sequence[str] = (),
) -> VideoResult:
    """Enlarges a video with its sound, as ``pipersr upscale`` does; needs that program to be installed.

    Parameters are the options of the command line under their own names (``pipersr upscale --help``); ``reuse=False``
    is ``--no-reuse``, ``overwrite`` is ``--force``.

    :param output: None: ``clip_2x.mp4`` beside ``clip.mp4``
    :param progress: called with a ``Progress`` in frames, about twice a second; what it raises ends the work
    :param start, duration, to: seconds, or texts such as ``"1:30"``
    :param codec: "h264", "hevc", "av1", "vp9", "ffv1", "prores", "copy-settings", or an encoder of FFmpeg
    :param allow_lossy: one or several of "dolby-vision", "hdr10plus", "hdr-vivid", "hdr", "depth"
    :param resume: keeps what is done when it is interrupted, and goes on from there
    :param options: further options of ``pipersr upscale``, as on its command line
    :raises VideoError: with the program's message; no output is left then
    :raises ProgramMissingError: where the program is not installed
    """
    values = {
        "scale": scale,
        "model": model,
        "precision": precision,
        "threads": threads,
        "isa": isa,
        "memory-limit": memory_limit,
        "start": start,
        "duration": duration,
        "to": to,
        "codec": codec,
        "crf": crf,
        "preset": preset,
        "pix-fmt": pix_fmt,
        "encoder-opts": encoder_opts,
        "encoder-threads": encoder_threads,
        "framerate": framerate,
        "start-number": start_number,
        "deinterlace": deinterlace,
        "max-height": max_height,
        "allow-lossy": allow_lossy if allow_lossy is None or isinstance(allow_lossy, str) else ",".join(allow_lossy),
        "segment-frames": segment_frames,
    }
    flags = {"strict": strict, "strip": strip, "no-reuse": not reuse, "resume": resume, "force": overwrite}
    command = [program.require("upscale_video()"), "upscale", "--json", "-i", _as_argument(video)]
    if output is not None:
        command += ["-o", _as_argument(output)]
    command += [f"--{name}={_as_text(value)}" for name, value in values.items() if value is not None]
    command += [f"--{name}" for name, wanted in flags.items() if wanted]
    return _run([*command, *options], progress)


def _as_text(value: Union[str, float, os.PathLike[str]]) -> str:
    # Not as 1e-05, which is no time.
    return f"{value:f}" if isinstance(value, float) else os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _as_argument(path: _Path) -> str:
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
                elif event["event"] in ("done", "failed", "skipped"):
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
    return VideoResult(
        path=last["output"],
        width=last["width"],
        height=last["height"],
        frames=last["frames"],
        seconds=last["seconds"],
        damaged_frames=last.get("damaged_frames", 0),
        damaged_packets=last.get("damaged_packets", 0),
    )


def _progress(event: dict[str, Any]) -> Progress:
    return Progress(event["done"], event["total"], event["unit"], event["seconds"], event["seconds_left"])


def _message(last: dict[str, Any], messages: Any, status: int) -> str:
    if last.get("error"):
        return f"{last['input']}: {last['error']}"
    if last.get("event") == "skipped":
        return f"{last['input']}: skipped: {last['reason']}"
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
