"""--max-height: fitted, with the shape kept."""

import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("height") / "in.mp4", size="128x72", seconds=0.3)


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *FAST, *options)
    assert done.returncode == 0, done.stderr
    facts = clips.video(target)
    assert len(clips.decoded_times(target)) == len(clips.decoded_times(source))
    return facts["width"], facts["height"], facts.get("sample_aspect_ratio", "0:1")


@pytest.mark.parametrize("options,expected", [
    (["--max-height", "108"], (192, 108, "1:1")),
    (["--max-height", "144"], (256, 144, "1:1")),
    (["--max-height", "500"], (256, 144, "1:1")),
    (["--max-height", "200", "--scale", "4"], (356, 200, "800:801")),
])
def test_fitted(run, tmp_path, clip, options, expected):
    assert upscale(run, clip, tmp_path / "out.mp4", *options) == expected


def test_picture_is_the_enlarged_one(run, tmp_path, clip):
    target, whole, expected = tmp_path / "out.mkv", tmp_path / "whole.mkv", tmp_path / "expected.mkv"
    assert run("upscale", clip, "-o", target, "--codec", "ffv1", "--max-height", "108").returncode == 0
    assert run("upscale", clip, "-o", whole, "--codec", "ffv1").returncode == 0
    clips.ffmpeg("-i", whole, "-vf", "scale=192:108:flags=bicubic+accurate_rnd", "-c:v", "ffv1", expected)
    for made, wanted in zip(clips.planes(target), clips.planes(expected)):
        assert abs(made - wanted).mean() < 1.5


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_height_is_that_of_the_picture_as_shown(run, tmp_path, clip, extension):
    turned = tmp_path / "in.mp4"
    clips.ffmpeg("-i", clip, "-c", "copy", "-metadata:s:v", "rotate=90", turned)
    size = upscale(run, turned, tmp_path / f"out.{extension}", "--max-height", "192")[:2]
    assert size == ((192, 108) if extension == "mp4" else (108, 192))


def test_refused(run, tmp_path, clip):
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "--max-height", "72")
    assert done.returncode == 4 and "72 pixels high already" in done.stderr and not list(tmp_path.iterdir())
    assert run("upscale", clip, "-o", tmp_path / "out.mp4", "--max-height", "0").returncode == 2
