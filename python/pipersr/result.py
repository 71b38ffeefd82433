"""The enlarged picture, and the way back into a file."""

from __future__ import annotations

import functools
import os
import re
import secrets
import sys
import warnings
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Optional, Union

from PIL import Image

from pipersr import pixels, png
from pipersr.errors import ArgumentError, UnsupportedError
from pipersr.pixels import Layout

if TYPE_CHECKING:
    from pipersr.pixels import Array

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
#: The qualities that the program `pipersr` has as its defaults.
_QUALITY = {"JPEG": 92, "WEBP": 90, "AVIF": 80, "HEIF": 80}
_KEEPS_ALPHA = {"PNG", "WEBP", "TIFF", "GIF", "AVIF", "HEIF", "JPEG2000", "TGA", "ICO", "DDS", "ICNS"}
_KEEPS_METADATA = {"PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIF"}

# Tags of EXIF.
_IMAGE_WIDTH, _IMAGE_LENGTH, _ORIENTATION = 0x0100, 0x0101, 0x0112
_EXIF_IFD, _PIXEL_X, _PIXEL_Y = 0x8769, 0xA002, 0xA003
_XMP = 700
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation[=\"'> ]+)[2-8]")
#: How a TIFF lays out its pixels, the profile and XMP: true of the file that was read only.
_LAYOUT_TAGS = frozenset(
    [254, 255, 258, 259, 262, 266, 273, *range(277, 280), 284, 317, 320, *range(322, 326), 330, 338, 339, 347]
    + [*range(512, 522), *range(529, 533), _XMP, 34377, 34675]
)
#: What Pillow writes into a compressed TIFF: ImageDescription, Make, Model, Software, DateTime, Artist, Copyright.
_TIFF_TAGS = (270, 271, 272, 305, 306, 315, 33432)


@dataclass
class Metadata:
    """What a file says beside its pixels and what stays true of the enlarged picture."""

    icc_profile: Optional[bytes] = None
    exif: Optional[bytes] = None
    xmp: Optional[bytes] = None
    dpi: Optional[tuple[float, float]] = None

    @classmethod
    def of(cls, image: Image.Image, turned: bool = False) -> Metadata:
        """:param turned: the pixels will be, so that no orientation is to be kept"""
        info = image.info
        exif, xmp = _read_exif(image, turned)
        xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or xmp or b""
        xmp = xmp.encode() if isinstance(xmp, str) else xmp
        if turned:
            xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
        return cls(info.get("icc_profile") or None, exif, xmp or None, info.get("dpi"))

    def of_size(self, width: int, height: int) -> Metadata:
        """With the sizes in EXIF that the picture has now."""
        if not self.exif:
            return self
        exif = Image.Exif()
        exif.load(self.exif)
        details = exif.get_ifd(_EXIF_IFD)
        for tags, tag, size in (
            (exif, _IMAGE_WIDTH, width),
            (exif, _IMAGE_LENGTH, height),
            (details, _PIXEL_X, width),
            (details, _PIXEL_Y, height),
        ):
            if tag in tags:
                tags[tag] = size
        return Metadata(self.icc_profile, exif.tobytes(), self.xmp, self.dpi)


def _read_exif(image: Image.Image, turned: bool) -> tuple[Optional[bytes], Any]:
    """EXIF without what is true of the small picture only, and the XMP that a TIFF has among its tags."""
    try:
        exif = image.getexif()
        xmp = exif.get(_XMP)
        gone = set(_LAYOUT_TAGS)
        gone.update([_ORIENTATION] if turned else [], [_IMAGE_WIDTH, _IMAGE_LENGTH] if image.format == "TIFF" else [])
        # Written anew, and so without the thumbnail.
        kept = Image.Exif()
        kept.load(exif.tobytes())
        for tag in gone.intersection(kept):
            del kept[tag]
        return kept.tobytes() if len(kept) else None, xmp
    except Exception as error:  # Pillow's reader meets broken EXIF with errors of many types
        warnings.warn(f"the EXIF cannot be read and is left out: {error}", stacklevel=2)
        return None, None


def _tiff_tags(metadata: Metadata) -> Image.Exif:
    exif, kept = Image.Exif(), Image.Exif()
    exif.load(metadata.exif or b"")
    for tag in _TIFF_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    if metadata.xmp:
        kept[_XMP] = metadata.xmp
    return kept


class Result:
    """An enlarged picture. ``numpy.asarray(result)`` works, and ``memoryview(result.data)`` without NumPy."""

    def __init__(self, data: bytearray, layout: Layout, scale: int, metadata: Metadata) -> None:
        self._bytes = data
        self._layout = layout
        self._metadata = metadata
        self.scale = scale

    @property
    def width(self) -> int:
        return self._layout.width

    @property
    def height(self) -> int:
        return self._layout.height

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), as Pillow has it."""
        return self._layout.width, self._layout.height

    @property
    def data(self) -> memoryview:
        """The samples, not copied: height x width (gray) or height x width x channels."""
        return pixels.as_memoryview(self._bytes, self._layout)

    @property
    def array(self) -> Array:
        """A NumPy array of the same shape, not copied."""
        import numpy

        layout = self._layout
        shape = (layout.height, layout.width) + ((layout.channels,) if layout.channels > 1 else ())
        return numpy.frombuffer(self._bytes, layout.sample).reshape(shape)

    def __array__(self, dtype: Any = None, copy: Optional[bool] = None) -> Array:
        array = self.array
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"the samples are {array.dtype}: {dtype} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    @functools.cached_property
    def image(self) -> Image.Image:
        """A PIL image. Pillow has no colour of more than 8 bits: there samples are rounded to 8."""
        return self._image(self._metadata.of_size(self.width, self.height))

    def _image(self, metadata: Metadata) -> Image.Image:
        layout = self._layout
        mode, raw, data = _MODES[layout.channels], "", self._bytes
        if layout.channels == 1 and layout.sample != "uint8":
            mode = "I;16" if layout.sample == "uint16" else "F"
            raw = mode if mode == "I;16" and sys.byteorder == "little" else {"I;16": "I;16B", "F": "F;32NF"}[mode]
        elif layout.sample != "uint8":
            data = _as_integers(self.array, 8)
        image = Image.frombuffer(mode, self.size, data, "raw", raw or mode, 0, 1)
        if metadata.icc_profile:
            image.info["icc_profile"] = metadata.icc_profile
        if metadata.exif:
            image.info["exif"] = metadata.exif
        if metadata.dpi:
            image.info["dpi"] = metadata.dpi
        return image

    def save(
        self,
        target: Union[str, os.PathLike[str], IO[bytes]],
        format: Optional[str] = None,
        *,
        quality: Optional[int] = None,
        lossless: bool = False,
        strip: bool = False,
    ) -> None:
        """Writes a file; it appears under its name when it is complete, and replaces one that was there.

        Colour profile, EXIF, XMP and resolution of the photo are written too. Samples of more than 8 bits are kept
        in PNG (uint16 and float32 as 16 bits) and, for gray, in TIFF; elsewhere they are rounded to 8.

        :param target: a path, or a file object to which bytes are written
        :param format: as Pillow calls it ("PNG", "JPEG", ...); None: by the ending of the name
        :param quality: 1 to 100; None: 92 for JPEG, 90 for WebP, 80 for AVIF
        :param lossless: WebP and AVIF without loss
        :param strip: leave profile and other metadata out
        """
        is_path = isinstance(target, (str, os.PathLike))
        name = format_of(os.fspath(target) if is_path else "", format)  # type: ignore[arg-type]
        if quality is not None and not 1 <= quality <= 100:
            raise ArgumentError(f"quality must be 1 to 100, not {quality}")
        if not is_path:
            self._write(target, name, quality, lossless, strip)  # type: ignore[arg-type]
            return
        path = os.fspath(target)  # type: ignore[arg-type]
        # A device or a pipe is written to; a rename would replace it.
        is_special = os.path.exists(path) and not os.path.isfile(path)
        with open(path, "wb") if is_special else _Replacement(path) as file:
            self._write(file, name, quality, lossless, strip)

    def _write(self, file: IO[bytes], name: str, quality: Optional[int], lossless: bool, strip: bool) -> None:
        metadata = Metadata() if strip else self._metadata.of_size(self.width, self.height)
        layout = self._layout
        if name == "PNG" and layout.sample != "uint8":
            data = self._bytes if layout.sample == "uint16" else _as_integers(self.array, 16)
            png.write(file, data, layout._replace(sample="uint16"), **vars(metadata))
            return
        image = self._image(metadata)
        if image.mode not in ("L", "RGB") and name in ("JPEG", "WEBP", "AVIF", "GIF", "BMP", "HEIF"):
            image = _narrowed(image, name)
        image.save(file, name, **_writer_options(name, image, metadata, quality, lossless))

    def __repr__(self) -> str:
        layout = self._layout
        return f"<pipersr.Result {layout.width}x{layout.height}, {layout.channels} x {layout.sample}>"


def format_of(name: str, format: Optional[str]) -> str:
    """Pillow's name of the file format that is asked for by itself or by a file's name."""
    Image.init()
    extension = f".{format.lower()}" if format else os.path.splitext(name)[1].lower()
    known = Image.registered_extensions()
    found = format.upper() if format and format.upper() in Image.SAVE else known.get(extension)
    if found is None or found not in Image.SAVE:
        wanted = f"format '{format}'" if format else f"'{name}'" if name else "a file object without a format"
        raise UnsupportedError(f"{wanted}: Pillow cannot write this; PNG, JPEG, WebP and TIFF are safe choices")
    return "JPEG" if found == "MPO" else found


def _as_integers(array: Array, bits: int) -> bytearray:
    """Samples of another kind, rounded to nearest."""
    import numpy

    top = 2**bits - 1
    white = 65535.0 if array.dtype == numpy.uint16 else 1.0
    scaled = numpy.rint(array.astype(numpy.float64) * (top / white))
    return bytearray(scaled.astype(numpy.uint8 if bits == 8 else numpy.uint16).tobytes())


def _narrowed(image: Image.Image, name: str) -> Image.Image:
    """What a format cannot hold: 16 bits are rounded, transparency is laid onto white."""
    if image.mode == "I;16":
        samples = memoryview(image.tobytes()).cast("H")
        image = Image.frombytes("L", image.size, bytes((sample + 128) // 257 for sample in samples))
    elif image.mode == "F":
        image = image.point(lambda sample: sample * 255 + 0.5).convert("L")
    if image.mode in ("LA", "RGBA") and name not in _KEEPS_ALPHA:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white.convert("RGB" if image.mode == "RGBA" else "L")
    return image.convert("RGBA") if image.mode == "LA" else image


def _writer_options(
    name: str, image: Image.Image, metadata: Metadata, quality: Optional[int], lossless: bool
) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if name in _QUALITY:
        options["quality"] = quality or _QUALITY[name]
    if lossless and name == "WEBP":
        options["lossless"] = True
    elif lossless and name in ("AVIF", "HEIF"):
        options["quality"] = 100
    if name == "TIFF":
        options["compression"] = "tiff_adobe_deflate"
    if name not in _KEEPS_METADATA:
        return options
    for key in ("icc_profile", "exif", "dpi", "xmp"):
        value = getattr(metadata, key)
        if value:
            options[key] = value
    if name == "TIFF":
        options["exif"] = _tiff_tags(metadata)
    if name == "PNG" and metadata.xmp:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        options["pnginfo"] = text
    return options


class _Replacement:
    """A file beside the target, which takes its name when all went well and leaves nothing otherwise."""

    def __init__(self, target: str) -> None:
        # A link stays a link.
        self._target = os.path.realpath(target)
        folder, name = os.path.split(self._target)
        stem, extension = os.path.splitext(name)
        self._temporary = os.path.join(folder, f".{stem[:200]}.{secrets.token_hex(4)}{extension}")

    def __enter__(self) -> IO[bytes]:
        try:
            descriptor = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            error.filename = self._target  # the name that the caller knows
            raise
        self._file = os.fdopen(descriptor, "w+b")
        return self._file

    def __exit__(self, kind: object, *_: object) -> None:
        done = False
        try:
            self._file.close()
            if kind is None:
                os.replace(self._temporary, self._target)
                done = True
        finally:
            if not done:
                os.unlink(self._temporary)
