"""PiperSR: doubles the width and height of photos and videos, on the CPU.

    >>> import pipersr
    >>> result = pipersr.upscale("photo.png")
    >>> result.save("photo_2x.png")

``Upscaler`` keeps threads and memory between pictures and takes frames and rows of NumPy arrays. The manual is
docs/python.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Optional, Union

from pipersr._native import lib as _lib
from pipersr.errors import (
    ArgumentError,
    Cancelled,
    Error,
    InputError,
    OutOfMemoryError,
    ProgramMissingError,
    StateError,
    UnsupportedError,
    VideoError,
    text as _text,
)
from pipersr.machine import Cpu, auto_precision, cpu
from pipersr.model import BuiltInModel, Model, ModelInfo, choose as _choose, models
from pipersr.pixels import bleed_transparent
from pipersr.result import Result
from pipersr.upscaler import Progress, ProgressCallback, Rows, Upscaler
from pipersr.video import VideoResult, upscale_video

if TYPE_CHECKING:
    from pipersr.photo import ImageSource

__version__ = _text(_lib.pipersr_version())

__all__ = [
    "ArgumentError",
    "BuiltInModel",
    "Cancelled",
    "Cpu",
    "Error",
    "InputError",
    "Model",
    "ModelInfo",
    "OutOfMemoryError",
    "ProgramMissingError",
    "Progress",
    "ProgressCallback",
    "Result",
    "Rows",
    "StateError",
    "UnsupportedError",
    "Upscaler",
    "VideoError",
    "VideoResult",
    "auto_precision",
    "bleed_transparent",
    "cpu",
    "models",
    "upscale",
    "upscale_video",
]


def upscale(
    image: ImageSource,
    *,
    scale: Optional[int] = None,
    model: Union[None, str, os.PathLike[str], Model] = None,
    precision: str = "auto",
    threads: int = 0,
    progress: Optional[ProgressCallback] = None,
) -> Result:
    """Enlarges one photo: a path, a file object, a PIL image, or a NumPy array.

    Arrays are height x width (gray) or height x width x channels (3: RGB, 4: RGBA with straight alpha; 2: gray and
    alpha), of uint8, uint16, or float32 from 0 to 1. For many pictures make one ``Upscaler``, which has the same
    parameters and more.

    :param scale: 2 or 4 (default: the model's own)
    :param progress: called with a ``Progress`` in rows now and then; what it raises ends the work
    """
    with Upscaler(model=_choose(model, "photo", scale), precision=precision, threads=threads) as upscaler:
        return upscaler.upscale(image, scale=scale, progress=progress)
