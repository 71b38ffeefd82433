"""Writes PNG files of 16-bit colour, which Pillow cannot."""

from __future__ import annotations

import struct
import zlib
from typing import IO, TYPE_CHECKING, Optional

from pipersr.pixels import Layout

if TYPE_CHECKING:
    from pipersr.pixels import Array

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_COMPRESSION = 6
#: Rows that are filtered at once: bounds the memory of it.
_ROWS_AT_ONCE = 64


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _filtered(rows: Array, above: Array, pixel_bytes: int) -> bytes:
    """Rows of bytes, each with the simple filter that leaves the smallest numbers, and that filter's name."""
    import numpy

    left = rows.copy()
    left[:, pixel_bytes:] -= rows[:, :-pixel_bytes]
    up = rows - numpy.concatenate([above[None], rows[:-1]])
    choices = numpy.stack([rows, left, up])
    # A byte of 255 stands for -1.
    sizes = numpy.minimum(choices, 0 - choices).sum(axis=2, dtype=numpy.int64)
    best = sizes.argmin(axis=0)
    chosen = choices[best, numpy.arange(len(rows))]
    return numpy.concatenate([best.astype(numpy.uint8)[:, None], chosen], axis=1).tobytes()


def write(
    file: IO[bytes],
    data: bytearray,
    layout: Layout,
    *,
    icc_profile: Optional[bytes] = None,
    exif: Optional[bytes] = None,
    xmp: Optional[bytes] = None,
    dpi: Optional[tuple[float, float]] = None,
) -> None:
    """`data` are samples of uint16 in the machine's byte order; the layout has 1 to 4 channels."""
    import numpy

    header = struct.pack(">IIBBBBB", layout.width, layout.height, 16, _COLOUR_TYPES[layout.channels], 0, 0, 0)
    file.write(_SIGNATURE + _chunk(b"IHDR", header))
    if icc_profile:
        file.write(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc_profile)))
    if dpi:
        x, y = (round(each / 0.0254) for each in dpi)
        file.write(_chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if exif:
        file.write(_chunk(b"eXIf", exif[6:] if exif.startswith(b"Exif\0\0") else exif))
    if xmp:
        file.write(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp))
    samples = numpy.frombuffer(data, "uint16").reshape(layout.height, -1)
    above = numpy.zeros(layout.row_bytes, "uint8")
    packer = zlib.compressobj(_COMPRESSION)
    for top in range(0, layout.height, _ROWS_AT_ONCE):
        rows = samples[top : top + _ROWS_AT_ONCE].astype(">u2").view("uint8")
        packed = packer.compress(_filtered(rows, above, layout.channels * 2))
        above = rows[-1]
        if packed:
            file.write(_chunk(b"IDAT", packed))
    file.write(_chunk(b"IDAT", packer.flush()) + _chunk(b"IEND", b""))
