"""Frames as NumPy arrays: read where they lie, written where the caller wants."""

import numpy
import pipersr
import pytest
from pipersr import pixels

from picture_makers import scene


def is_read_in_place(array):
    return int(pixels.ffi.cast("uintptr_t", pixels.of_array(array).pointer)) == array.ctypes.data


def padded(array, extra=5):
    """The same pixels with room behind each row."""
    wide = numpy.zeros((array.shape[0], array.shape[1] + extra, *array.shape[2:]), array.dtype)
    wide[:, : array.shape[1]] = array
    return wide[:, : array.shape[1]]


IN_PLACE = {
    "contiguous": lambda array: array,
    "padded": padded,
    "upside down": lambda array: array[::-1].copy()[::-1],
    "every other row": lambda array: numpy.repeat(array, 2, axis=0)[::2],
    "a part": lambda array: numpy.pad(array, ((3, 2), (4, 1), (0, 0)))[3:-2, 4:-1],
    "read-only": lambda array: (view := array.copy(), view.setflags(write=False))[0],
}
COPIED = {
    "mirrored": lambda array: array[:, ::-1].copy()[:, ::-1],
    "planes": lambda array: numpy.ascontiguousarray(array.transpose(2, 0, 1)).transpose(1, 2, 0),
    "of RGBA": lambda array: numpy.dstack([array, array[..., :1]])[..., :3],
    "transposed": lambda array: numpy.asfortranarray(array),
    "one row for all": lambda array: array,  # replaced below
}


@pytest.mark.parametrize("sample", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("how", [*IN_PLACE, *COPIED])
def test_every_layout_gives_the_same_pixels(fast, how, sample):
    array = scene(13, 17, 3, sample)
    if how == "one row for all":
        array = numpy.repeat(array[:1], 13, axis=0)
        laid_out = numpy.broadcast_to(array[:1], array.shape)
    else:
        laid_out = {**IN_PLACE, **COPIED}[how](array)
    assert numpy.array_equal(laid_out, array)
    assert is_read_in_place(laid_out) == (how in IN_PLACE)
    assert numpy.array_equal(fast.frame(laid_out), fast.frame(array))


def test_the_other_byte_order_and_odd_addresses_are_copied(fast):
    array = scene(9, 11, 3, "uint16")
    expected = fast.frame(array)
    swapped = array.astype(array.dtype.newbyteorder())
    assert not is_read_in_place(swapped) and numpy.array_equal(fast.frame(swapped), expected)
    odd = numpy.frombuffer(b"\0" + array.tobytes(), "uint16", offset=1).reshape(array.shape)
    assert not is_read_in_place(odd) and numpy.array_equal(fast.frame(odd), expected)


def test_out_is_written_where_it_lies_and_nowhere_else(fast):
    array = scene(10, 14)
    room = numpy.full((30, 40, 3), 7, "uint8")
    out = room[4:24, 6:34][::-1]
    assert fast.frame(array, out) is out
    assert numpy.array_equal(out, fast.frame(array))
    room[4:24, 6:34] = 7
    assert (room == 7).all()


@pytest.mark.parametrize(
    "out, words",
    [
        (lambda a: numpy.empty((20, 27, 3), "uint8"), "shape"),
        (lambda a: numpy.empty((20, 28, 3), "uint16"), "uint8"),
        (lambda a: numpy.empty((20, 28, 4), "uint8")[..., :3], "side by side"),
        (lambda a: numpy.frombuffer(bytes(20 * 28 * 3), "uint8").reshape(20, 28, 3), "read-only"),
        (lambda a: [1, 2, 3], "must be an array"),
    ],
)
def test_an_out_that_does_not_fit_is_refused(fast, out, words):
    with pytest.raises(pipersr.ArgumentError, match=words):
        fast.frame(scene(10, 14), out(None))


def test_out_may_not_overlap_what_is_read(fast):
    room = numpy.zeros((30, 28, 3), "uint8")
    with pytest.raises(pipersr.ArgumentError, match="overlap"):
        fast.frame(room[:10, :14], room[5:25])


def test_frames_together_are_frames_alone(fast):
    frames = [numpy.roll(scene(12, 16), i, axis=1) for i in range(300)]  # more than the library takes at once
    together = fast.frames(frames)
    assert len(together) == 300
    for i in (0, 1, 255, 256, 299):
        assert numpy.array_equal(together[i], fast.frame(frames[i]))
    assert 1 <= fast.frames_at_once(16, 12) <= 256
    assert fast.frames([]) == []


def test_frames_together_must_be_alike(fast):
    with pytest.raises(pipersr.ArgumentError, match="one size"):
        fast.frames([scene(8, 8), scene(8, 9)])
    with pytest.raises(pipersr.ArgumentError, match="places"):
        fast.frames([scene(8, 8)], [])
    with pytest.raises(pipersr.ArgumentError, match="list"):
        fast.frame([[1, 2], [3, 4]])


def test_a_second_frame_allocates_nothing():
    with pipersr.Upscaler(model="pipersr-x2-fast") as upscaler:
        upscaler.frame(scene())
        before = upscaler.allocations
        for _ in range(3):
            upscaler.frame(scene())
        assert upscaler.allocations == before
        assert upscaler.memory_bytes > 0


def test_bleeding_changes_hidden_colour_only():
    array = scene(20, 20, 4)
    hidden = array[..., 3] == 0
    assert hidden.any()
    array[hidden, :3] = 0
    before = array.copy()
    pipersr.bleed_transparent(array)
    assert numpy.array_equal(array[~hidden], before[~hidden])
    assert numpy.array_equal(array[..., 3], before[..., 3])
    assert not numpy.array_equal(array, before)


@pytest.mark.parametrize("how", ["array", "bytes"])
@pytest.mark.parametrize("channels, sample", [(3, "uint8"), (0, "uint16"), (4, "float32")])
def test_rows_are_the_frame(fast, how, channels, sample):
    array = scene(50, 33, channels, sample)
    rows = fast.rows(33, 50, channels or 1, sample)
    parts = []
    for top in (0, 1, 4, 20, 40):
        part = array[top : {0: 1, 1: 4, 4: 20, 20: 40, 40: 50}[top]]
        parts.append(bytes(rows.push(part if how == "array" else part.tobytes())))
        assert rows.rows_left == 50 - rows.rows_in
    assert rows.rows_in == 50 and rows.rows_out == 100
    assert b"".join(parts) == fast.frame(array).tobytes()
    assert parts[0] == b""  # the first row needs those below it


def test_rows_shapes(fast):
    rows = fast.rows(16, 40)
    assert rows.push(scene(30, 16)).shape[1:] == (32, 3)
    assert fast.rows(16, 40, 1).push(scene(40, 16, 0)).shape == (80, 32)


def test_rows_that_do_not_fit_are_refused(fast):
    rows = fast.rows(16, 10)
    for wrong, words in (
        (scene(2, 15), "15 pixels"),
        (scene(2, 16, 4), "of 4 uint8"),
        (scene(2, 16, 3, "uint16"), "uint16"),
        (scene(11, 16), "11 rows were pushed where 10 are left"),
        (b"12345", "whole rows"),
        (b"", "whole rows"),
    ):
        with pytest.raises(pipersr.ArgumentError, match=words):
            rows.push(wrong)
    assert rows.push(scene(10, 16)).shape == (20, 32, 3)


def test_rows_of_a_picture_that_was_left_are_refused(fast):
    first = fast.rows(16, 10)
    second = fast.rows(8, 10)
    with pytest.raises(pipersr.StateError, match="begun something else"):
        first.push(scene(10, 16))
    second.push(scene(5, 8))
    fast.frame(scene(4, 4))
    with pytest.raises(pipersr.StateError):
        second.push(scene(5, 8))


@pytest.mark.parametrize("layout", [(0, 4), (4, 0), (1 << 40, 4), (4, 4, 5), (4, 4, 3, "float64"), (1 << 21, 4)])
def test_sizes_from_outside_are_checked(fast, layout):
    with pytest.raises(pipersr.ArgumentError):
        fast.rows(*layout)
