"""Numbered pictures in place of a video, at either end."""

import json
import os
import signal
import subprocess
import time

import numpy
import pytest
from PIL import Image

import clip_tools as clips

FAST = ("--model", "pipersr-x2-fast")
INPUT, UNSUPPORTED, OUTPUT, USAGE = 3, 4, 5, 2
SIZE = (48, 32)


def upscale(run, *arguments):
    done = run("upscale", *FAST, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refused(run, status, *arguments):
    done = run("upscale", *FAST, *arguments)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert done.returncode == status and len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return clips.make_clip(folder / "in.mp4", size="48x32", rate=25, seconds=0.24, sound=True)


@pytest.fixture
def frames(tmp_path, clip):
    """Six PNG files, number 8 to 13."""
    folder = tmp_path / "frames"
    folder.mkdir()
    clips.ffmpeg("-i", clip, "-start_number", 8, folder / "%05d.png")
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def names(folder):
    return sorted(os.listdir(folder))


def pixels(path):
    return numpy.asarray(Image.open(path).convert("RGB")).astype(int)


def test_video_to_pictures(run, clip, out):
    notes = upscale(run, clip, "-o", out / "f%%_%03d.png")
    assert names(out) == [f"f%_{n:03d}.png" for n in range(1, 7)]
    assert "numbered pictures hold the picture only: 1 other stream is left out" in notes
    assert all(Image.open(out / name).size == (96, 64) and Image.open(out / name).mode == "RGB" for name in names(out))


def test_pictures_to_video(run, frames, tmp_path):
    target = tmp_path / "out.mp4"
    notes = upscale(run, frames / "%05d.png", "-o", target)
    assert "25 pictures make a second; --framerate chooses another rate" in notes
    stream = clips.video(target)
    assert (stream["width"], stream["height"], stream["nb_frames"], stream["r_frame_rate"]) == (96, 64, "6", "25/1")
    assert stream["pix_fmt"] == "yuv420p" and stream["color_range"] == "tv"
    assert all(stream[key] == "bt709" for key in ("color_space", "color_primaries", "color_transfer"))


def test_primaries_of_a_png_are_no_display(run, clip, tmp_path):
    clips.ffmpeg("-i", clip, "-vf", "setparams=color_primaries=bt709:color_trc=bt709", tmp_path / "%d.png")
    assert b"cHRM" in (tmp_path / "1.png").read_bytes()
    assert "display" not in upscale(run, tmp_path / "%d.png", "-o", tmp_path / "out.mp4")


@pytest.mark.parametrize("given,rate", [("24000/1001", "24000/1001"), ("12.5", "25/2"), ("60", "60/1")])
def test_frame_rate(run, frames, tmp_path, given, rate):
    target = tmp_path / "out.mp4"
    assert "note:" not in upscale(run, frames / "%05d.png", "-o", target, "--framerate", given)
    assert clips.video(target)["r_frame_rate"] == rate
    assert len(clips.decoded_times(target)) == 6


def test_pictures_to_pictures(run, frames, out):
    """Through the network as each picture alone would be, and they keep their numbers."""
    assert "note:" not in upscale(run, frames / "%05d.png", "-o", out / "%d.png", "--precision", "fp32")
    assert names(out) == sorted(f"{n}.png" for n in range(8, 14))
    for number in (8, 13):
        alone = frames.parent / "alone.png"
        upscale(run, frames / f"{number:05d}.png", "-o", alone, "--force", "--precision", "fp32")
        assert (pixels(alone) == pixels(out / f"{number}.png")).all()


def test_beside_the_input(run, frames):
    upscale(run, frames / "%05d.png", "--scale", "4")
    made = sorted(name for name in names(frames) if "_4x" in name)
    assert made == [f"{n:05d}_4x.png" for n in range(8, 14)]
    assert Image.open(frames / made[0]).size == (192, 128)


def test_a_file_of_that_very_name(run, frames, tmp_path):
    """Then it is no pattern."""
    literal = tmp_path / "%d.png"
    Image.open(frames / "00008.png").save(literal)
    upscale(run, literal, "-o", tmp_path / "one%d.png")
    assert Image.open(tmp_path / "one%d.png").size == (96, 64)


def test_a_folder_with_a_percent_sign(run, frames, out):
    folder = frames.rename(frames.parent / "100%d %s")
    upscale(run, folder / "%05d.png", "-o", out / "%05d.png")
    assert len(names(out)) == 6


def test_start_number(run, clip, frames, out):
    upscale(run, frames / "%05d.png", "--start-number", "10", "-o", out / "a%d.png")
    assert names(out) == ["a10.png", "a11.png", "a12.png", "a13.png"]
    upscale(run, clip, "--start-number", "0", "-o", out / "b%04d.png")
    assert names(out)[4:] == [f"b{n:04d}.png" for n in range(6)]
    assert "00007.png is missing" in refused(run, INPUT, frames / "%05d.png", "--start-number", "7", "-o", out / "c.mp4")


def test_range_keeps_numbers(run, frames, out):
    upscale(run, frames / "%05d.png", "-ss", "0.08", "-t", "0.08", "-o", out / "%d.png")
    assert names(out) == ["10.png", "11.png"]


def test_max_height(run, frames, out):
    upscale(run, frames / "%05d.png", "--max-height", "48", "-o", out / "%d.png")
    assert Image.open(out / "8.png").size == (72, 48)


@pytest.mark.parametrize("pix_fmt,depth", [("yuv420p10le", 16), ("yuv420p", 8)])
def test_depth(run, tmp_path, out, pix_fmt, depth):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("48x32", 10, 0.2), "-c:v", "ffv1", "-pix_fmt", pix_fmt, source)
    for extension in ("png", "tif", "ppm"):
        upscale(run, source, "-o", out / f"%d.{extension}")
        assert clips.video(out / f"1.{extension}")["pix_fmt"].startswith("rgb48" if depth == 16 else "rgb24")


def test_deep_pictures_to_video(run, tmp_path, out):
    clips.ffmpeg(*clips.picture("48x32", 10, 0.2), "-pix_fmt", "rgb48be", out / "%d.png")
    upscale(run, out / "%d.png", "-o", tmp_path / "out.mkv")
    assert clips.video(tmp_path / "out.mkv")["pix_fmt"] == "yuv420p10le"


def test_alpha(run, tmp_path, out):
    clips.ffmpeg(*clips.picture("48x32", 10, 0.2), "-vf", "format=rgba,colorchannelmixer=aa=0.5", out / "%d.png")
    upscale(run, out / "%d.png", "-o", out / "b%d.png")
    image = Image.open(out / "b1.png")
    assert image.mode == "RGBA" and 120 <= numpy.asarray(image)[:, :, 3].mean() <= 135
    assert "transparency: it is lost" in upscale(run, out / "%d.png", "-o", tmp_path / "out.mp4")
    upscale(run, out / "%d.png", "-o", tmp_path / "out.mkv", "--codec", "ffv1")
    assert clips.video(tmp_path / "out.mkv")["pix_fmt"] == "bgra"


# R, G, B of the bars in a row.
BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191), (16, 16, 16)]


def bar_means(image):
    rows = image[16:-16]
    width = rows.shape[1] // len(BARS)
    return numpy.array([rows[:, i * width + width // 3 : (i + 1) * width - width // 3].mean((0, 1)) for i in range(len(BARS))])


def bars_png(path):
    row = numpy.repeat(numpy.array(BARS, numpy.uint8), 48, axis=0)
    Image.fromarray(numpy.repeat(row[None], 48, axis=0)).save(path)


@pytest.mark.parametrize("matrix,colour_range", [("bt709", "tv"), ("smpte170m", "tv"), ("bt709", "pc")])
@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "webp", "bmp", "ppm"])
def test_colours_out_of_a_video(run, tmp_path, out, matrix, colour_range, extension):
    """Whatever the video's matrix and range, other programs see the same RGB."""
    bars_png(tmp_path / "bars.png")
    source = tmp_path / "in.mkv"
    full = "full" if colour_range == "pc" else "tv"
    clips.ffmpeg("-i", tmp_path / "bars.png", "-vf", f"scale=out_color_matrix={matrix}:out_range={full},format=yuv444p",
                 "-c:v", "ffv1", "-colorspace", matrix, "-color_range", colour_range, source)
    upscale(run, source, "-o", out / f"%d.{extension}", "--precision", "fp32", "--quality", "98")
    limit = {"jpg": 4, "webp": 6}.get(extension, 2.5)
    assert abs(bar_means(pixels(out / f"1.{extension}")) - BARS).max() <= limit


@pytest.mark.parametrize("extension", ["png", "jpg", "tif", "bmp"])
def test_colours_of_pictures(run, tmp_path, out, extension):
    bars_png(tmp_path / "bars.png")
    Image.open(tmp_path / "bars.png").save(out / f"1.{extension}", quality=98)
    target = tmp_path / "out.mp4"
    upscale(run, out / f"%d.{extension}", "-o", target, "--precision", "fp32", "--crf", "4", "--pix-fmt", "yuv444p")
    assert clips.video(target)["color_range"] == "tv"
    clips.ffmpeg("-i", target, "-vf", "scale=in_color_matrix=bt709:in_range=tv,format=rgb24", "-frames:v", 1, tmp_path / "back.png")
    assert abs(bar_means(pixels(tmp_path / "back.png")) - BARS).max() <= 5


def test_grey(run, tmp_path, out):
    """Full range in pictures, limited in the video."""
    for value, name in ((16, "1"), (235, "2")):
        Image.new("L", SIZE, value).save(out / f"{name}.png")
    upscale(run, out / "%d.png", "-o", out / "b%d.png", "--precision", "fp32")
    assert [abs(pixels(out / f"b{n}.png").mean() - value) <= 1.5 for n, value in ((1, 16), (2, 235))] == [True, True]
    source = tmp_path / "in.mkv"
    clips.ffmpeg("-f", "lavfi", "-i", "color=black:s=48x32:r=5:d=0.2", "-pix_fmt", "gray", "-c:v", "ffv1", "-color_range", "tv", source)
    upscale(run, source, "-o", out / "c%d.png", "--precision", "fp32")
    assert pixels(out / "c1.png").mean() <= 2


def test_kinds_of_pictures(run, tmp_path, out, frames):
    """One colour in every kind of file that may stand between others, and a picture turned by its EXIF."""
    colour = (200, 100, 50)
    image = Image.new("RGB", SIZE, colour)
    kinds = [image, image.quantize(16), image.convert("RGBA")]
    for number, kind in enumerate(kinds, 1):
        kind.save(out / f"{number}.png")
        kind.convert("RGBA").save(out / f"t{number}.tif", compression="tiff_lzw")
        kind.convert("RGB").save(out / f"w{number}.webp", lossless=True)
    for pattern in ("%d.png", "t%d.tif", "w%d.webp"):
        upscale(run, out / pattern, "-o", out / "made_%d.png", "--force", "--precision", "fp32")
        for number in range(1, len(kinds) + 1):
            inside = pixels(out / f"made_{number}.png")[16:-16, 16:-16]
            assert abs(inside - colour).max() <= 3
    turned = Image.Exif()
    turned[0x112] = 6
    Image.open(frames / "00008.png").save(out / "e1.jpg", exif=turned)
    upscale(run, out / "e%d.jpg", "-o", out / "e%d.png")
    assert Image.open(out / "e1.png").size == (64, 96)


def test_rotation_is_applied(run, tmp_path, clip, out):
    turned = tmp_path / "turned.mp4"
    clips.ffmpeg("-i", clip, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    upscale(run, turned, "-o", out / "%d.png")
    assert Image.open(out / "1.png").size == (64, 96)


def test_jpeg_quality(run, clip, out):
    for quality in ("30", "92"):
        upscale(run, clip, "-o", out / f"q{quality}_%d.jpg", "--quality", quality)
    assert os.path.getsize(out / "q30_1.jpg") < 0.6 * os.path.getsize(out / "q92_1.jpg")


def test_lossless_webp(run, clip, out):
    upscale(run, clip, "-o", out / "%d.webp", "--lossless")
    upscale(run, clip, "-o", out / "%d.png")
    assert (pixels(out / "1.webp") == pixels(out / "1.png")).all()


def test_json(run, frames, out):
    done = run("upscale", *FAST, "--json", frames / "%05d.png", "-o", out / "%d.png")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "done" and events[-1]["frames"] == 6


# ------------------------------------------------------------------------------------ what is wrong


def test_a_gap_is_named(run, frames, out):
    (frames / "00011.png").unlink()
    line = refused(run, INPUT, frames / "%05d.png", "-o", out / "out.mp4")
    assert "00011.png is missing; the numbers go from 8 to 13" in line
    assert names(out) == []


def test_too_large(run, frames, tmp_path):
    line = refused(run, UNSUPPORTED, frames / "%05d.png", "-o", tmp_path / "out.mp4", "--max-pixels", "1000")
    assert "00008.png is too large: at most 1000 pixels are taken" in line


def test_no_picture(run, tmp_path, out):
    assert "no file has a name like" in refused(run, INPUT, tmp_path / "%05d.png", "-o", out / "out.mp4")
    assert "cannot open the folder" in refused(run, INPUT, tmp_path / "none" / "%05d.png", "-o", out / "out.mp4")


def test_another_size_is_named(run, frames, out):
    Image.new("RGB", (32, 32)).save(frames / "00010.png")
    line = refused(run, UNSUPPORTED, frames / "%05d.png", "-o", out / "%d.png")
    assert "00010.png has 32x32 pixels, but the first picture 48x32" in line
    assert names(out) == []


@pytest.mark.parametrize("extension", ["png", "jpg", "tif"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
def test_damage_is_named(run, clip, out, tmp_path, extension, damage):
    clips.ffmpeg("-i", clip, tmp_path / f"%d.{extension}")
    victim = tmp_path / f"4.{extension}"
    whole = victim.read_bytes()
    victim.write_bytes({"empty": b"", "text": b"no picture\n" * 20, "cut": whole[: len(whole) // 2]}[damage])
    line = refused(run, INPUT, tmp_path / f"%d.{extension}", "-o", out / "%d.png")
    assert f"4.{extension}" in line
    assert names(out) == []


def test_first_is_no_picture(run, frames, out):
    (frames / "00008.png").write_text("no picture\n")
    assert "00008.png is not a picture" in refused(run, UNSUPPORTED, frames / "%05d.png", "-o", out / "%d.png")


def test_existing_outputs(run, clip, out):
    (out / "0004.png").write_text("mine")
    assert "0004.png' exists already" in refused(run, OUTPUT, clip, "-o", out / "%04d.png")
    assert names(out) == ["0004.png"]
    assert "its output exists" in upscale(run, clip, "-o", out / "%04d.png", "--skip-existing")
    upscale(run, clip, "-o", out / "%04d.png", "--force")
    assert names(out) == [f"{n:04d}.png" for n in range(1, 7)] and Image.open(out / "0004.png").size == (96, 64)


def test_output_is_the_input(run, frames):
    before = (frames / "00008.png").read_bytes()
    line = refused(run, OUTPUT, frames / "%05d.png", "-o", frames / "%05d.png", "--force")
    assert "the output is the input itself" in line and (frames / "00008.png").read_bytes() == before


@pytest.mark.parametrize("options,what", [
    (("--codec", "h264"), "--quality or --lossless"), (("--crf", "20"), "--quality or --lossless"),
])
def test_options_of_videos(run, clip, out, options, what):
    assert what in refused(run, UNSUPPORTED, clip, "-o", out / "%d.png", *options)


def test_missing_folder(run, clip, tmp_path):
    assert "the folder does not exist, create it first" in refused(run, OUTPUT, clip, "-o", tmp_path / "no" / "%d.png")


def test_wrong_values(run, clip, frames, tmp_path):
    for option, value in (("--framerate", "0"), ("--framerate", "x"), ("--framerate", "25/0"), ("--framerate", "1001"),
                          ("--start-number", "-1"), ("--start-number", "1000000000")):
        done = run("upscale", frames / "%05d.png", "-o", tmp_path / "out.mp4", option, value)
        assert done.returncode == USAGE and option in done.stderr
    assert "--framerate is for numbered pictures" in refused(run, UNSUPPORTED, clip, "-o", tmp_path / "o.mp4", "--framerate", "30")
    assert "%05d.png" in refused(run, UNSUPPORTED, clip, "-o", tmp_path / "out.png")


# -------------------------------------------------------------------------------- cancel and resume


@pytest.fixture
def long_clip(tmp_path):
    return clips.make_clip(tmp_path / "long.mp4", size="96x72", rate=25, seconds=4)


def interrupt(program, arguments, ready, how=signal.SIGINT):
    process = subprocess.Popen([str(program), "upscale", *map(str, arguments)], stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not ready() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


def written(out):
    return sum(len(names(out / name)) for name in names(out) if name.startswith("."))


def test_cancelled_leaves_nothing(program, long_clip, out):
    assert interrupt(program, [long_clip, "-o", out / "%d.png"], lambda: written(out) >= 5) == 130
    assert names(out) == []


def test_resume(run, program, long_clip, out, tmp_path):
    """After a kill; the same pictures as without."""
    options = ("--segment-frames", "10", *FAST)
    parts = out / "%d.png.parts"
    killed = interrupt(program, [long_clip, "-o", out / "%d.png", *options],
                       lambda: (parts / "000001.json").exists(), signal.SIGKILL)
    assert killed == -signal.SIGKILL and parts.is_dir()
    notes = upscale(run, long_clip, "-o", out / "%d.png", "--segment-frames", "10", "--resume")
    assert "continues behind frame" in notes
    assert names(out) == sorted(f"{n}.png" for n in range(1, 101))
    whole = tmp_path / "whole"
    whole.mkdir()
    upscale(run, long_clip, "-o", whole / "%d.png")
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in names(out))


def test_resume_of_pictures(run, program, long_clip, out, tmp_path):
    """A sequence that has changed is not continued."""
    clips.ffmpeg("-i", long_clip, tmp_path / "%d.jpg")
    target = out / "out.mkv"
    arguments = [tmp_path / "%d.jpg", "-o", target, "--segment-frames", "10", *FAST]
    assert interrupt(program, arguments, lambda: (out / "out.mkv.parts" / "000001.json").exists()) == 130
    first, other = tmp_path / "1.jpg", (tmp_path / "2.jpg").read_bytes()
    before = first.read_bytes()
    first.write_bytes(other)
    assert "the input has changed" in refused(run, OUTPUT, *arguments[:-2], "--resume")
    first.write_bytes(before)
    upscale(run, *arguments[:-2], "--resume", "--force")
    assert len(clips.decoded_times(target)) == 100 and names(out) == ["out.mkv"]


def test_resume_enters_pictures_in_the_middle(run, program, long_clip, out, tmp_path):
    clips.ffmpeg("-i", long_clip, tmp_path / "%d.jpg")
    whole, target = out / "whole.mkv", out / "out.mkv"
    options = ["--codec", "ffv1", "--segment-frames", "10", *FAST]
    source = tmp_path / "%d.jpg"
    assert interrupt(program, [source, "-o", target, *options], lambda: (out / "out.mkv.parts" / "000001.json").exists()) == 130
    assert "continues behind frame" in upscale(run, source, "-o", target, *options[:-2], "--resume")
    upscale(run, source, "-o", whole, *options[:2])
    assert clips.ffmpeg("-i", whole, "-f", "framemd5", "-") == clips.ffmpeg("-i", target, "-f", "framemd5", "-")


# ------------------------------------------------------------------------------------- in pieces


def segment(run, *words):
    done = run("segment", *words)
    assert done.returncode == 0, done.stderr
    return done


def test_segments_of_pictures(run, frames, out, tmp_path):
    """Planned, made out of order and joined: the bytes of one run, with the input's numbers."""
    options = ("--start-number", "9", *FAST)
    parts = out / "%03d.png.parts"
    source = frames / "%05d.png"
    assert b"segments (0 to 2)" in segment(run, "plan", source, "-o", out / "%03d.png", "--segment-frames", "2", *options).stdout
    for number in (2, 0, 1):
        segment(run, "run-segment", number, parts)
    assert names(out) == [parts.name]
    segment(run, "join", parts)
    whole = tmp_path / "whole"
    whole.mkdir()
    upscale(run, source, "-o", whole / "%03d.png", "--start-number", "9")
    assert names(out) == names(whole) == [f"{n:03d}.png" for n in range(9, 14)]
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in names(out))


def test_joined_under_another_name(run, clip, out):
    segment(run, "plan", clip, "-o", out / "%d.png", *FAST)
    parts = out / "%d.png.parts"
    segment(run, "run-segment", 0, parts)
    for wrong in ("film.png", "%d.jpg"):
        done = run("segment", "join", parts, "-o", out / wrong)
        assert done.returncode == OUTPUT and "numbered png pictures" in done.stderr
    (out / "big7.png").write_bytes(b"mine")
    assert run("segment", "join", parts, "-o", out / "big%d.png").returncode == OUTPUT
    (out / "big7.png").unlink()
    segment(run, "join", parts, "-o", out / "big%d.png")
    assert "big1.png" in names(out) and "1.png" not in names(out) and not parts.exists()


def test_segments_never_onto_their_input(run, frames, clip, out):
    for source, target in ((frames / "%05d.png", frames / "%05d.png"), (clip, clip)):
        before = source.read_bytes() if source == clip else names(frames)
        done = run("segment", "plan", source, "-o", target, "--force", *FAST)
        assert done.returncode == OUTPUT and "the output is the input itself" in done.stderr
        assert (source.read_bytes() if source == clip else names(frames)) == before
    segment(run, "plan", clip, "-o", out / "big.mkv", *FAST)
    segment(run, "run-segment", 0, out / "big.mkv.parts")
    before = clip.read_bytes()
    done = run("segment", "join", out / "big.mkv.parts", "-o", clip, "--force")
    assert done.returncode == OUTPUT and clip.read_bytes() == before
