"""Pixels in memory <-> frames of the C library, without copies where the library can read them as they lie."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Union

from pipersr._native import ffi, lib
from pipersr.errors import ArgumentError, OutOfMemoryError, check

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Array = numpy.typing.NDArray[Any]
else:
    Array = Any

#: Bytes of a sample by the name that NumPy gives its type, and the code of memoryview.
SAMPLE_BYTES = {"uint8": 1, "uint16": 2, "float32": 4}
_BUFFER_CODES = {"uint8": "B", "uint16": "H", "float32": "f"}

MAX_CHANNELS = 4
#: What the library takes at most, and what a uint32_t can hold.
MAX_SIDE_PX = 2**31 // 4


class Layout(NamedTuple):
    """Size and kind of a picture. Gray has 1 channel, gray and alpha 2, RGB 3, RGBA 4."""

    width: int
    height: int
    channels: int
    sample: str  #: "uint8", "uint16" or "float32" (0..1)

    @property
    def row_bytes(self) -> int:
        return self.width * self.channels * SAMPLE_BYTES[self.sample]

    @property
    def format(self) -> int:
        """The value of pipersr_format."""
        return SAMPLE_BYTES[self.sample] << 4 | self.channels

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)

    def enlarged(self, scale: int) -> Layout:
        return self._replace(width=self.width * scale, height=self.height * scale)


class View(NamedTuple):
    """Rows of pixels that somebody else owns; ``owner`` keeps them alive."""

    owner: Any
    pointer: Any  #: void *, the first sample of the top row
    stride: int  #: bytes from one row to the next
    layout: Layout

    def fill(self, frame: Any) -> None:
        """Writes the view into a pipersr_frame."""
        frame.data = self.pointer
        frame.stride_bytes = self.stride
        frame.width_px = self.layout.width
        frame.height_px = self.layout.height
        frame.format = self.layout.format


def check_layout(layout: Layout) -> Layout:
    """Refuses what C's types could not hold; the library checks the rest and says what it takes."""
    if layout.sample not in SAMPLE_BYTES:
        raise ArgumentError(f"samples must be {', '.join(SAMPLE_BYTES)}, not {layout.sample}")
    if not 1 <= layout.channels <= MAX_CHANNELS:
        raise ArgumentError(f"a picture has 1 to {MAX_CHANNELS} channels, not {layout.channels}")
    if not (1 <= layout.width < MAX_SIDE_PX and 1 <= layout.height < MAX_SIDE_PX):
        raise ArgumentError(f"a picture of {layout.width} x {layout.height} pixels cannot be upscaled")
    return layout


def allocate(layout: Layout) -> bytearray:
    try:
        return bytearray(layout.row_bytes * layout.height)
    except (MemoryError, OverflowError):
        raise OutOfMemoryError(f"no memory for {layout.width} x {layout.height} pixels") from None


def of_buffer(data: Union[bytes, bytearray, memoryview], layout: Layout, writable: bool = False) -> View:
    """A view of rows that lie one behind the other in any object with the buffer protocol."""
    pointer = ffi.from_buffer(data, require_writable=writable)
    if len(pointer) != layout.row_bytes * layout.height:
        raise ArgumentError(
            f"{len(pointer)} bytes were given for {layout.width} x {layout.height} pixels,"
            f" which take {layout.row_bytes * layout.height}"
        )
    return View(pointer, ffi.cast("void *", pointer), layout.row_bytes, layout)


def as_memoryview(data: bytearray, layout: Layout) -> memoryview:
    """The same bytes with their shape, for programs without NumPy."""
    shape = (layout.height, layout.width) + ((layout.channels,) if layout.channels > 1 else ())
    return memoryview(data).cast("B").cast(_BUFFER_CODES[layout.sample], shape)  # type: ignore[call-overload, no-any-return]


def is_array(value: object) -> bool:
    """Is it a NumPy array? Nobody who has one has not imported NumPy."""
    module = sys.modules.get("numpy")
    return module is not None and isinstance(value, module.ndarray)


def array_layout(array: Array) -> Layout:
    """HxW is gray; HxWxC has C channels."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= MAX_CHANNELS):
        raise ArgumentError(
            f"an array of shape {array.shape} is no picture: height x width, or height x width x 1 to 4 channels"
        )
    if array.dtype.name not in SAMPLE_BYTES:
        raise ArgumentError(
            f"samples of type {array.dtype} are not taken: uint8, uint16, or float32 with values from 0 to 1"
        )
    height, width = array.shape[:2]
    return check_layout(Layout(width, height, array.shape[2] if array.ndim == 3 else 1, array.dtype.name))


def _lies_in_rows(array: Array, layout: Layout) -> bool:
    """Can the library read it as it is? Pixels side by side; rows at any distance, downwards or upwards."""
    pixel_bytes = layout.channels * array.itemsize
    pixels_touch = layout.width == 1 or array.strides[1] == pixel_bytes
    samples_touch = layout.channels == 1 or array.strides[2] == array.itemsize
    rows_apart = layout.height == 1 or abs(array.strides[0]) >= layout.row_bytes
    aligned = array.flags.aligned and array.strides[0] % array.itemsize == 0
    return bool(array.dtype.isnative and pixels_touch and samples_touch and rows_apart and aligned)


def _view(array: Array, layout: Layout) -> View:
    stride = array.strides[0] if layout.height > 1 else layout.row_bytes
    return View(array, ffi.cast("void *", array.ctypes.data), stride, layout)


def of_array(array: Array) -> View:
    """A view of an array, or of one copy where its pixels do not lie side by side in native byte order."""
    layout = array_layout(array)
    if not _lies_in_rows(array, layout):
        import numpy

        # ascontiguousarray() would leave one that is only misaligned as it is.
        array = numpy.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)
    return _view(array, layout)


def of_output(array: Array, layout: Layout, shape: tuple[int, ...]) -> View:
    """A view of an array that is to be written, as it lies."""
    if not is_array(array) or array.shape != shape or array.dtype.name != layout.sample:
        raise ArgumentError(f"out must be an array of {layout.sample} and shape {shape}")
    if not array.flags.writeable:
        raise ArgumentError("out is read-only")
    if not _lies_in_rows(array, layout):
        raise ArgumentError("out must have its pixels side by side, in native byte order; rows may be apart")
    return _view(array, layout)


def enlarged_shape(shape: tuple[int, ...], scale: int) -> tuple[int, ...]:
    return (shape[0] * scale, shape[1] * scale, *shape[2:])


def bleed(view: View) -> None:
    """pipersr_bleed_transparent()."""
    frame = ffi.new("pipersr_frame *")
    view.fill(frame)
    check(lib.pipersr_bleed_transparent(frame), ffi.NULL)


def bleed_transparent(array: Array) -> None:
    """Gives pixels whose alpha is 0 the colour of their nearest visible neighbours, in place.

    What a fully transparent pixel hides would otherwise show along soft edges of the enlarged picture.
    ``upscale()`` does this by itself, on a copy; ``Upscaler.frame()`` does not.
    """
    layout = array_layout(array)
    bleed(of_output(array, layout, array.shape))


def overlaps(first: Optional[Array], second: Optional[Array]) -> bool:
    """May the memory of the two arrays overlap?"""
    if first is None or second is None:
        return False
    import numpy

    return bool(numpy.may_share_memory(first, second))
