"""upscale(): what goes in, what comes out, and that it is what the C program makes."""

import io
import pathlib
import subprocess

import numpy
import pipersr
import pytest
from PIL import Image

from picture_makers import as_unit, scene

FAST = "pipersr-x2-fast"


def by_the_program(program, source, target, *options):
    subprocess.run([program, "upscale", source, "-o", target, *options], check=True, capture_output=True)
    return numpy.asarray(Image.open(target))


def test_the_published_example(samples):
    from pipersr import upscale

    (samples / "badge.png").rename("photo.png")
    result = upscale("photo.png")
    result.save("photo_2x.png")
    small, big = Image.open("photo.png"), Image.open("photo_2x.png")
    assert big.size == (2 * small.width, 2 * small.height)
    assert big.mode == small.mode == "RGBA"


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_file_gives_what_the_program_gives(samples, program, mode):
    # Gray too is gray in the program's output, as it is in the input.
    Image.open("butterfly.png").convert(mode).crop((90, 140, 170, 200)).save("photo.png")
    pipersr.upscale("photo.png").save("ours.png")
    expected = by_the_program(program, "photo.png", "theirs.png")
    assert numpy.array_equal(numpy.asarray(Image.open("ours.png")), expected)


def test_transparent_colour_does_not_leak_as_in_the_program(samples, program):
    pipersr.upscale("badge.png").save("ours.png")
    expected = by_the_program(program, "badge.png", "theirs.png")
    assert numpy.array_equal(numpy.asarray(Image.open("ours.png")), expected)


def test_four_times_is_two_passes(samples, program):
    Image.fromarray(scene(20, 30)).save("photo.png")
    result = pipersr.upscale("photo.png", scale=4, model=FAST)
    assert result.size == (120, 80) and result.scale == 4
    assert numpy.array_equal(result.array, by_the_program(program, "photo.png", "4.png", "--scale=4", f"--model={FAST}"))


@pytest.mark.parametrize("sample", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
def test_arrays_keep_their_kind(fast, sample, channels):
    array = scene(15, 22, channels, sample)
    before = array.copy()
    result = fast.upscale(array)
    bigger = numpy.asarray(result)
    assert bigger.dtype == array.dtype
    assert bigger.shape == (30, 44, *array.shape[2:]) if channels != 1 else bigger.shape == (30, 44)
    assert numpy.array_equal(array, before)
    # Each 2 x 2 outputs resemble their input.
    means = as_unit(bigger).reshape(15, 2, 22, 2, -1).mean(axis=(1, 3)).reshape(array.shape)
    assert abs(means - as_unit(array)).mean() < 0.02


def test_a_path_a_file_an_image_and_an_array_are_the_same(samples, fast):
    image = Image.fromarray(scene())
    image.save("photo.png")
    with open("photo.png", "rb") as file:
        results = [fast.upscale(each).array for each in ("photo.png", pathlib.Path("photo.png"), file, image, scene())]
    assert all(numpy.array_equal(each, results[0]) for each in results)


def test_progress_reaches_the_end_and_what_it_raises_stops(fast):
    seen = []
    fast.upscale(scene(400, 300), progress=seen.append)
    assert [each.done for each in seen] == sorted({each.done for each in seen})
    assert seen[-1].done == seen[-1].total == 400 and seen[-1].unit == "rows" and seen[-1].seconds_left == 0

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fast.upscale(scene(400, 300), progress=stop)
    assert fast.upscale(scene()).size == (62, 48)  # and the upscaler still works


def test_result_without_numpy(fast):
    result = fast.upscale(Image.fromarray(scene(10, 12)))
    view = result.data
    assert view.shape == (20, 24, 3) and view.format == "B"
    assert bytes(view) == result.array.tobytes()
    assert fast.upscale(scene(10, 12, 0, "uint16")).data.format == "H"


def test_asarray_converts_and_copies_as_asked(fast):
    result = fast.upscale(scene())
    assert numpy.shares_memory(numpy.asarray(result), result.array)
    assert not numpy.shares_memory(numpy.array(result, copy=True), result.array)
    assert numpy.asarray(result, dtype="float32").dtype == numpy.float32


def test_precision_and_threads_do_not_change_the_picture_much(fast):
    array = scene(40, 40)
    exact = pipersr.upscale(array, precision="fp32", model=FAST).array
    assert numpy.array_equal(exact, pipersr.upscale(array, precision="fp32", model=FAST, threads=3).array)
    coded = pipersr.upscale(array, precision="int8", model=FAST).array
    assert not numpy.array_equal(exact, coded)
    assert abs(exact.astype(int) - coded).mean() < 2


@pytest.mark.parametrize(
    "options, words",
    [
        ({"precision": "fp7"}, "unknown precision 'fp7'"),
        ({"precision": "fp16"}, "fp16 is not in this version"),
        ({"threads": -1}, "threads must be 0 to 1024"),
        ({"model": "pipersr-x9"}, "there are: pipersr-x2"),
        ({"model": "./absent.safetensors"}, "absent.safetensors"),
        ({"scale": 3}, "2 or 4"),
    ],
)
def test_wrong_options_are_refused_in_one_line(options, words):
    with pytest.raises(pipersr.Error) as caught:
        pipersr.upscale(scene(), **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_four_times_has_its_own_model():
    picture = scene()
    made = [numpy.asarray(pipersr.upscale(picture, scale=4, model=name)) for name in (None, "pipersr-x4", "pipersr-x2")]
    assert made[0].shape == tuple(4 * side for side in picture.shape[:2]) + picture.shape[2:]
    assert (made[0] == made[1]).all() and (made[0] != made[2]).any()


@pytest.mark.parametrize(
    "thing, words",
    [
        (numpy.zeros((4, 4, 5), "uint8"), "is no picture"),
        (numpy.zeros(4, "uint8"), "is no picture"),
        (numpy.zeros((4, 4), "float64"), "float64"),
        (numpy.zeros((4, 4), bool), "bool"),
        (numpy.zeros((0, 4), "uint8"), "4 x 0 pixels"),
        (17, "int"),
    ],
)
def test_what_is_no_picture_is_refused(fast, thing, words):
    with pytest.raises(pipersr.ArgumentError, match=words):
        fast.upscale(thing)


def test_missing_damaged_and_foreign_files(tmp_path, fast):
    with pytest.raises(FileNotFoundError):
        fast.upscale(tmp_path / "absent.png")
    with pytest.raises(IsADirectoryError):
        fast.upscale(tmp_path)
    text = tmp_path / "text.png"
    text.write_text("not a picture at all")
    with pytest.raises(pipersr.InputError, match="not a picture"):
        fast.upscale(text)
    whole = io.BytesIO()
    Image.fromarray(numpy.random.default_rng(1).integers(0, 256, (90, 90, 3), "uint8")).save(whole, "PNG")
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.getvalue()[:9000])
    with pytest.raises(pipersr.InputError, match="cut short"):
        fast.upscale(cut)


def test_a_memory_limit_is_kept_or_said_to_be_too_small():
    with pytest.raises(pipersr.OutOfMemoryError, match="memory limit"):
        pipersr.Upscaler(memory_limit=1000)
    with pipersr.Upscaler(memory_limit=16 << 20, threads=1) as small:
        small.upscale(scene())
        assert small.memory_bytes <= 16 << 20
        with pytest.raises(pipersr.OutOfMemoryError):
            small.rows(100_000, 100)
