"""The upscaler: one model with one set of options, its threads and its memory."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from pipersr import pixels
from pipersr._native import ffi, lib
from pipersr.errors import ArgumentError, StateError, check, text
from pipersr.model import USES, Model, Use, choose
from pipersr.pixels import Layout, View

if TYPE_CHECKING:
    from pipersr.photo import ImageSource
    from pipersr.pixels import Array
    from pipersr.result import Result

#: Pixels of a picture that are handed over at once: enough to keep threads busy, few enough to hear Ctrl-C.
_ROWS_AT_ONCE_PX = 1 << 16


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is."""

    done: int
    total: Optional[int]  #: None where it is not known
    unit: str  #: "rows" or "frames"
    seconds: float  #: since it was begun
    seconds_left: Optional[float]  #: an estimate, or None


ProgressCallback = Callable[[Progress], object]


def _parse(function: Any, kind: str, name: str, what: str) -> int:
    value = ffi.new(kind)
    status = function(name.encode(), value)
    check(status, b"" if status == lib.PIPERSR_OK else ffi.new("char[]", f"unknown {what} '{name}'".encode()))
    return int(value[0])


class Upscaler:
    """Runs one model; owns worker threads and memory, which it keeps between pictures.

    :param model: name of a built-in model, file, or ``Model``; None: the built-in one for this use
    :param precision: "auto", "fp32", "bf16" or "int8"; auto loses at most 0.05 dB, and keeps 16 bits for photos
    :param threads: worker threads; 0: all CPUs that this process may use
    :param isa: the best instruction set that may be used; "auto", "c", "avx2", "avx512", "amx", "neon"
    :param use: "photo" or "video": which model is the default and what "auto" may choose
    :param memory_limit: upper bound of the network's own memory in bytes; 0: none

    Threads may share one: their calls then wait for each other. Use one each to run them at once.
    A process that was forked must make its own.
    """

    def __init__(
        self,
        *,
        model: Union[None, str, os.PathLike[str], Model] = None,
        precision: str = "auto",
        threads: int = 0,
        isa: str = "auto",
        use: Use = "photo",
        memory_limit: int = 0,
    ) -> None:
        if use not in USES:
            raise ArgumentError(f"use must be photo or video, not '{use}'")
        if not 0 <= threads <= 1024:
            raise ArgumentError(f"threads must be 0 to 1024, not {threads}")
        if not 0 <= memory_limit < 1 << 64:
            raise ArgumentError(f"memory_limit must be a number of bytes, not {memory_limit}")
        self.model = choose(model, use)
        self.scale = self.model.info.scale
        options = ffi.new("pipersr_options *", lib.pipersr_options_default())
        options.threads = threads
        options.precision = _parse(lib.pipersr_precision_parse, "pipersr_precision *", precision, "precision")
        options.isa = _parse(lib.pipersr_isa_parse, "pipersr_isa *", isa, "instruction set")
        options.use = USES[use]
        options.memory_limit_bytes = memory_limit
        error = ffi.new("pipersr_error *")
        created = ffi.new("pipersr_upscaler **")
        check(lib.pipersr_upscaler_create(self.model._pointer, options, created, error), error.message)
        self._pid = pid = os.getpid()
        # A forked child has the memory but not the threads, for which freeing would wait for ever.
        self._pointer: Any = ffi.gc(
            created[0], lambda pointer: lib.pipersr_upscaler_free(pointer) if os.getpid() == pid else None
        )
        self._lock = threading.Lock()
        # Held by what does not wait for the work, so that close() in another thread cannot free meanwhile; a
        # signal handler may call it in the midst of the same.
        self._alive = threading.RLock()
        self._rows: Optional[Rows] = None

    # ------------------------------------------------------------------------------------ life

    def _open(self) -> Any:
        if os.getpid() != self._pid:
            raise StateError("this Upscaler belongs to the process that was forked: make one in each process")
        if self._pointer is None:
            raise StateError("this Upscaler is closed")
        return self._pointer

    def close(self) -> None:
        """Ends the worker threads and frees the memory. May be called again."""
        if self._pointer is not None and os.getpid() == self._pid:
            with self._lock:
                with self._alive:
                    pointer, self._pointer = self._pointer, None
                if pointer is not None:
                    ffi.release(pointer)

    def __enter__(self) -> Upscaler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cancel(self) -> None:
        """Makes the call in progress and every later one raise ``Cancelled``. For any thread."""
        with self._alive:
            lib.pipersr_cancel(self._open())

    def _check(self, status: int) -> None:
        if status != lib.PIPERSR_OK:
            check(status, lib.pipersr_upscaler_message(self._pointer))

    # ------------------------------------------------------------------------------------ facts

    def _info(self) -> Any:
        info = ffi.new("pipersr_upscaler_info *")
        with self._alive:
            lib.pipersr_upscaler_get_info(self._open(), info)
        return info

    @property
    def precision(self) -> str:
        """In use, never "auto"."""
        return text(lib.pipersr_precision_name(self._info().precision))

    @property
    def isa(self) -> str:
        """In use, never "auto"."""
        return text(lib.pipersr_isa_name(self._info().isa))

    @property
    def threads(self) -> int:
        """In use, never 0."""
        return int(self._info().threads)

    @property
    def memory_bytes(self) -> int:
        """Held now."""
        return int(self._info().memory_bytes)

    @property
    def allocations(self) -> int:
        """Made so far; does not grow from the second frame of a size on."""
        return int(self._info().allocations)

    def __repr__(self) -> str:
        if self._pointer is None or os.getpid() != self._pid:
            return "<pipersr.Upscaler, closed>"
        return f"<pipersr.Upscaler {self.model.info.name}, {self.precision}, {self.isa}, {self.threads} threads>"

    # ------------------------------------------------------------------------------------ work

    def upscale(
        self, image: ImageSource, *, scale: Optional[int] = None, progress: Optional[ProgressCallback] = None
    ) -> Result:
        """Enlarges a photo: a path, a file object, a PIL image or a NumPy array.

        :param scale: the model's own (2), or its square (4), which takes two passes
        :param progress: called with a ``Progress`` in rows now and then; what it raises ends the work
        """
        from pipersr import photo  # here, as it needs Pillow, which frames and rows do not

        passes = photo.passes(self.scale, scale)
        source = photo.read(image)
        return photo.result(self, source, passes, progress)

    def frame(self, frame: Array, out: Optional[Array] = None) -> Array:
        """Enlarges one array and returns an array; nothing but pixels, and no copies.

        Rows may be any distance apart, also upwards (``array[::-1]``). An array whose pixels do not lie side by
        side is copied once.

        :param out: where to write: an array ``scale`` times as high and wide that does not overlap ``frame``
        """
        return self.frames([frame], None if out is None else [out])[0]

    def frames(self, frames: Sequence[Array], out: Optional[Sequence[Array]] = None) -> list[Array]:
        """Enlarges arrays of one shape and type together; many threads share small frames better so."""
        import numpy

        if out is not None and len(out) != len(frames):
            raise ArgumentError(f"{len(frames)} frames and {len(out)} places for them")
        for each in frames:
            if not pixels.is_array(each):
                raise ArgumentError(f"a frame is a NumPy array, not {type(each).__name__}; see upscale()")
        shapes = [pixels.enlarged_shape(each.shape, self.scale) for each in frames]
        sources = [pixels.of_array(each) for each in frames]
        if out is None:
            out = [numpy.empty(shape, each.layout.sample) for shape, each in zip(shapes, sources)]
        targets = [
            pixels.of_output(place, each.layout.enlarged(self.scale), shape)
            for place, each, shape in zip(out, sources, shapes)
        ]
        if any(pixels.overlaps(place, each) for place in out for each in frames):
            raise ArgumentError("out must not overlap a frame that is read")
        for start in range(0, len(frames), lib.PIPERSR_MAX_FRAMES):
            end = start + lib.PIPERSR_MAX_FRAMES
            self._run_frames(sources[start:end], targets[start:end])
        return list(out)

    def _run_frames(self, sources: Sequence[View], targets: Sequence[View]) -> None:
        read = ffi.new("pipersr_frame[]", len(sources))
        written = ffi.new("pipersr_frame[]", len(sources))
        for i, (source, target) in enumerate(zip(sources, targets)):
            source.fill(read[i])
            target.fill(written[i])
        self._open()
        with self._lock:
            self._rows = None
            self._check(lib.pipersr_upscale_frames(self._open(), read, written, len(sources)))

    def frames_at_once(self, width: int, height: int) -> int:
        """How many frames of this size to give ``frames()`` for the most frames a second."""
        pixels.check_layout(Layout(width, height, 3, "uint8"))
        with self._alive:
            return int(lib.pipersr_frames_at_once(self._open(), width, height))

    def rows(self, width: int, height: int, channels: int = 3, sample: str = "uint8") -> Rows:
        """Begins a picture that is given in rows: memory grows with its width only."""
        return Rows(self, pixels.check_layout(Layout(width, height, channels, sample)))


class Rows:
    """A picture on its way through an Upscaler: rows in, rows out. Made by ``Upscaler.rows()``.

    The rows that come out are those of ``Upscaler.frame()``. A row needs some rows below it (``radius_px`` of the
    model), so the first pushes give few or none, and the last gives what is left.
    """

    def __init__(self, upscaler: Upscaler, layout: Layout) -> None:
        self._upscaler = upscaler
        self.layout = layout
        self.rows_in = 0
        self.rows_out = 0
        upscaler._open()
        with upscaler._lock:
            upscaler._rows = None
            upscaler._check(
                lib.pipersr_rows_begin(upscaler._open(), layout.width, layout.height, layout.format)
            )
            upscaler._rows = self

    @property
    def rows_left(self) -> int:
        """Rows that are still to be pushed."""
        return self.layout.height - self.rows_in

    def push(self, rows: Union[Array, bytes, bytearray, memoryview]) -> Any:
        """Takes the next rows and returns those that are ready.

        An array (rows x width x channels, or rows x width for gray) gives an array; bytes, one row behind the
        other, give a bytearray.
        """
        layout = self.layout
        is_array = pixels.is_array(rows)
        if is_array:
            source = pixels.of_array(rows)  # type: ignore[arg-type]
        else:
            size = memoryview(rows).nbytes  # type: ignore[arg-type]
            if size == 0 or size % layout.row_bytes:
                raise ArgumentError(f"{size} bytes are not whole rows of {layout.row_bytes} bytes")
            source = pixels.of_buffer(rows, layout._replace(height=size // layout.row_bytes))  # type: ignore[arg-type]
        if source.layout._replace(height=layout.height) != layout:
            raise ArgumentError(
                f"these rows have {source.layout.width} pixels of {source.layout.channels} {source.layout.sample},"
                f" not {layout.width} of {layout.channels} {layout.sample}"
            )
        made, data = self._push(source, None)
        if not is_array:
            return data
        import numpy

        shape: tuple[int, ...] = (made, layout.width * self._upscaler.scale, *rows.shape[2:])  # type: ignore[union-attr, index]
        return numpy.frombuffer(data, layout.sample).reshape(shape)

    def _push(self, source: View, place: Any) -> tuple[int, bytearray]:
        """Number of rows written to `place`, or where that is None to the bytearray."""
        upscaler = self._upscaler
        upscaler._open()
        with upscaler._lock:
            pointer = upscaler._open()
            # The library has one picture in progress; rows of another would be of the wrong size.
            if upscaler._rows is not self:
                raise StateError("the Upscaler has begun something else since: begin this picture again")
            n_rows = source.layout.height
            if n_rows > self.rows_left:
                raise ArgumentError(f"{n_rows} rows were pushed where {self.rows_left} are left")
            bigger = source.layout.enlarged(upscaler.scale)
            data = bytearray()
            if place is None:
                data = pixels.allocate(bigger._replace(height=lib.pipersr_rows_output(pointer, n_rows)))
                place = ffi.from_buffer(data)
            made = ffi.new("uint32_t *")
            status = lib.pipersr_rows_push(
                pointer, source.pointer, source.stride, n_rows, place, bigger.row_bytes, made
            )
            upscaler._check(status)
            self.rows_in += n_rows
            self.rows_out += made[0]
            return int(made[0]), data


def run_in_rows(
    upscaler: Upscaler, source: View, progress: Optional[Callable[[int], object]] = None
) -> tuple[bytearray, Layout]:
    """A whole picture through ``Rows``; between pushes Python hears signals and other threads.

    :param progress: called with the number of rows pushed so far
    """
    layout = source.layout
    bigger = layout.enlarged(upscaler.scale)
    data = pixels.allocate(bigger)
    place = ffi.cast("char *", ffi.from_buffer(data))
    at_once = max(16, _ROWS_AT_ONCE_PX // layout.width)
    rows = Rows(upscaler, layout)
    while rows.rows_left:
        n_rows = min(at_once, rows.rows_left)
        top = ffi.cast("char *", source.pointer) + source.stride * rows.rows_in
        part = View(source.owner, ffi.cast("void *", top), source.stride, layout._replace(height=n_rows))
        rows._push(part, place + rows.rows_out * bigger.row_bytes)
        if progress is not None:
            progress(rows.rows_in)
    return data, bigger


class RowProgress:
    """Turns rows pushed into what a ``ProgressCallback`` is told, over several passes."""

    def __init__(self, callback: Optional[ProgressCallback], height: int, scale: int, passes: int) -> None:
        self._callback = callback
        self._total = height
        # Each pass has scale squared times the pixels of the one before.
        self._weights = [scale ** (2 * i) for i in range(passes)]
        self._heights = [height * scale**i for i in range(passes)]
        self._started = time.monotonic()

    def of_pass(self, number: int) -> Optional[Callable[[int], object]]:
        callback = self._callback
        if callback is None:
            return None

        def report(rows: int) -> None:
            before = sum(self._weights[:number])
            share = (before + self._weights[number] * rows / self._heights[number]) / sum(self._weights)
            seconds = time.monotonic() - self._started
            left = seconds * (1 - share) / share
            callback(Progress(int(share * self._total), self._total, "rows", seconds, left))

        return report
