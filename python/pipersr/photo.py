"""Photos: what is in a file or a PIL image, as pixels the network takes and what has to be kept beside them."""

from __future__ import annotations

import array
import io
import os
import sys
import warnings
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Optional, Union

from PIL import Image, ImageOps, UnidentifiedImageError

from pipersr import pixels
from pipersr.errors import ArgumentError, InputError, UnsupportedError
from pipersr.pixels import Layout, View
from pipersr.result import Metadata, Result
from pipersr.upscaler import ProgressCallback, RowProgress, Upscaler, run_in_rows

if TYPE_CHECKING:
    from pipersr.pixels import Array

    ImageSource = Union[str, os.PathLike[str], IO[bytes], Image.Image, Array]

#: Pillow's modes as the layouts that the library has.
_CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
#: Modes that only have to be written in another way.
_PLAIN = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


@dataclass
class Photo:
    view: View
    metadata: Metadata


def passes(model_scale: int, scale: Optional[int]) -> int:
    """How often the network has to run."""
    if scale is None or scale == model_scale:
        return 1
    if scale == model_scale**2:
        return 2
    raise ArgumentError(f"scale {scale}: this model enlarges {model_scale} times, so {model_scale} or {model_scale**2}")


def read(source: ImageSource, max_pixels: Optional[int] = None) -> Photo:
    """Pixels and metadata. Files are turned upright, as viewers show them; PIL images and arrays are taken as is.

    :param max_pixels: larger files are refused before they are decoded; None: Pillow's own limit alone
    """
    if pixels.is_array(source):
        return Photo(pixels.of_array(source), Metadata())  # type: ignore[arg-type]
    if isinstance(source, Image.Image):
        return _of_image(source, Metadata.of(source))
    if not (isinstance(source, (str, os.PathLike)) or hasattr(source, "read")):
        raise ArgumentError(f"a path, a PIL image or a NumPy array is wanted, not {type(source).__name__}")
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the picture"
    try:
        with Image.open(source) as image:  # type: ignore[arg-type]
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise UnsupportedError(
                    f"{name}: it has {image.width} x {image.height} pixels, more than the limit of {max_pixels};"
                    " raise the limit if you trust the file"
                )
            _warn_of_losses(image, name)
            image.load()
            metadata = Metadata.of(image, turned=True)
            return _of_image(ImageOps.exif_transpose(image) or image, metadata)
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a picture that Pillow can read") from None
    except Image.DecompressionBombError as error:
        raise UnsupportedError(f"{name}: {error}; raise PIL.Image.MAX_IMAGE_PIXELS if you trust it") from None
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's decoders say "damaged" in many ways.
        if isinstance(error, (InputError, ArgumentError)) or getattr(error, "errno", None) is not None:
            raise
        raise InputError(f"{name}: damaged or cut short: {error}") from None


def result(upscaler: Upscaler, photo: Photo, n_passes: int, progress: Optional[ProgressCallback]) -> Result:
    """Runs the network over a photo."""
    report = RowProgress(progress, photo.view.layout.height, upscaler.scale, n_passes)
    view = photo.view
    for number in range(n_passes):
        if number == 0 and view.layout.has_alpha:
            view = _bled_copy(view)
        data, layout = run_in_rows(upscaler, view, report.of_pass(number))
        view = pixels.of_buffer(data, layout)
    return Result(data, layout, upscaler.scale**n_passes, photo.metadata)


def _bled_copy(view: View) -> View:
    """Colour that full transparency hides must not leak into visible edges; the caller's pixels stay as they are."""
    from pipersr._native import ffi

    layout = view.layout
    copy = pixels.allocate(layout)
    place = ffi.from_buffer(copy)
    top = ffi.cast("char *", view.pointer)
    for row in range(layout.height):
        ffi.memmove(place + row * layout.row_bytes, top + row * view.stride, layout.row_bytes)
    bled = pixels.of_buffer(copy, layout, writable=True)
    pixels.bleed(bled)
    return bled


def _warn_of_losses(image: Image.Image, name: str) -> None:
    """What Pillow cannot keep and the program `pipersr` can."""
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        warnings.warn(f"{name}: only the first of {getattr(image, 'n_frames')} frames is used", stacklevel=4)
    raw_modes = " ".join(str(tile[3]) for tile in getattr(image, "tile", []))
    if ";16" in raw_modes and image.mode in _CHANNELS:
        warnings.warn(f"{name}: Pillow reads colour of 16 bits as 8; give a uint16 array to keep them", stacklevel=4)


def _of_image(image: Image.Image, metadata: Metadata) -> Photo:
    data, layout = _samples(_in_a_known_mode(image, metadata))
    return Photo(pixels.of_buffer(data, layout), metadata)


def _in_a_known_mode(image: Image.Image, metadata: Metadata) -> Image.Image:
    """Gray, RGB, each with alpha or without; metadata lose a profile that no longer fits."""
    transparent = "transparency" in image.info
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if transparent or image.mode == "PA" else "RGB")
    if image.mode in ("L", "RGB") and transparent:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in _PLAIN:
        return image.convert(_PLAIN[image.mode])
    if image.mode == "CMYK":
        return _of_print(image, metadata)
    return image


def _of_print(image: Image.Image, metadata: Metadata) -> Image.Image:
    """CMYK to sRGB, through its profile if it has one."""
    profile, metadata.icc_profile = metadata.icc_profile, None
    if profile:
        try:
            from PIL import ImageCms

            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(
                image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.ImageCmsProfile(srgb), outputMode="RGB"
            )
            if converted is not None:
                return converted
        except (ImportError, ImageCms.PyCMSError):
            pass
    return image.convert("RGB")


def _samples(image: Image.Image) -> tuple[bytes, Layout]:
    width, height = image.size
    if image.mode in _CHANNELS:
        return image.tobytes(), Layout(width, height, _CHANNELS[image.mode], "uint8")
    if image.mode.startswith("I;16"):
        return _native_16_bit(image), Layout(width, height, 1, "uint16")
    if image.mode == "I":
        low, high = image.getextrema()
        if not 0 <= low <= high <= 65535:  # type: ignore[operator]
            raise UnsupportedError(f"whole numbers from {low} to {high}: 0 to 65535 can be upscaled")
        return _samples(image.convert("I;16"))
    if image.mode == "F":
        low, high = image.getextrema()
        if not 0 <= low <= high <= 1:  # type: ignore[operator]
            raise UnsupportedError(f"floating-point samples from {low} to {high}: 0 to 1 can be upscaled")
        return image.tobytes(), Layout(width, height, 1, "float32")
    raise UnsupportedError(f"pictures of Pillow's mode {image.mode} cannot be upscaled: convert it to RGB first")


def _native_16_bit(image: Image.Image) -> bytes:
    data = image.tobytes()
    order = "big" if image.mode == "I;16B" else sys.byteorder if image.mode == "I;16N" else "little"
    if order == sys.byteorder:
        return data
    samples = array.array("H", data)
    samples.byteswap()
    return samples.tobytes()
