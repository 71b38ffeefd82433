"""Codecs, containers, pixel formats and the encoders' own options."""

import ctypes.util
import os
import re

import pytest

import clip_tools as clips

UNSUPPORTED, USAGE = 4, 2

CODECS = {"h264": "h264", "hevc": "hevc", "av1": "av1", "vp9": "vp9", "ffv1": "ffv1", "prores": "prores"}
HOLDS = {
    "mp4": {"h264", "hevc", "av1", "vp9"},
    "mov": {"h264", "hevc", "prores"},
    "mkv": set(CODECS),
    "webm": {"av1", "vp9"},
    "ts": {"h264", "hevc"},
    "nut": set(CODECS) - {"prores"},
    "flv": {"h264"},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("codecs") / "in.mp4", size="64x64", seconds=0.3)


@pytest.fixture(scope="module")
def deep_clip(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("codecs") / "deep.mp4", "-pix_fmt", "yuv420p10le", size="64x64", seconds=0.3)


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, "--force", *options)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refused(run, source, target, *options):
    """The one line of a run that is refused with status 4 and leaves nothing."""
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == UNSUPPORTED, done.stderr
    assert not target.exists() and len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("container", sorted(HOLDS))
def test_pairs_of_codec_and_container(run, tmp_path, clip, container):
    for codec, name in CODECS.items():
        target = tmp_path / f"{codec}.{container}"
        if codec in HOLDS[container]:
            upscale(run, clip, target, "--codec", codec)
            facts = clips.video(target)
            assert (facts["codec_name"], facts["width"], facts["height"]) == (name, 128, 128)
            assert len(clips.decoded_times(target)) == 3
        else:
            assert "cannot hold" in refused(run, clip, target, "--codec", codec)


@pytest.mark.parametrize("container,codec", [("mp4", "hevc"), ("mkv", "hevc"), ("webm", "av1"), ("flv", "h264")])
def test_ten_bits_choose_the_codec(run, tmp_path, deep_clip, container, codec):
    target = tmp_path / f"out.{container}"
    message = upscale(run, deep_clip, target, "--preset", "ultrafast")
    facts = clips.video(target)
    assert (facts["codec_name"], facts["pix_fmt"]) == (codec, "yuv420p10le")
    assert facts["profile"] == {"hevc": "Main 10", "av1": "Main", "h264": "High 10"}[codec]
    assert re.search(rf"note: .*10 bits.*{codec}.*--codec", message)


def test_ten_bits_with_a_codec_that_was_asked_for(run, tmp_path, deep_clip):
    message = upscale(run, deep_clip, tmp_path / "out.mp4", "--codec", "h264")
    facts = clips.video(tmp_path / "out.mp4")
    assert (facts["codec_name"], facts["pix_fmt"]) == ("h264", "yuv420p10le") and "note:" not in message


def keyframes(path):
    found = clips.probe(path, "-select_streams", "v:0", "-show_entries", "packet=flags")
    return [i for i, packet in enumerate(found["packets"]) if packet["flags"].startswith("K")]


def test_copy_settings(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", "-preset", "medium", "-profile:v", "main", "-g", "4", "-bf", "0",
                             "-x264-params", "scenecut=0", size="64x64", seconds=1.2)
    old, target = clips.video(source), tmp_path / "out.mp4"
    assert (old["profile"], old["has_b_frames"]) == ("Main", 0)
    upscale(run, source, target, "--codec", "copy-settings")
    new = clips.video(target)
    for key in ("codec_name", "profile", "pix_fmt", "has_b_frames"):
        assert new[key] == old[key]
    assert keyframes(target) == keyframes(source) == [0, 4, 8]
    upscale(run, source, tmp_path / "plain.mp4")
    assert clips.video(tmp_path / "plain.mp4")["profile"] == "High" and keyframes(tmp_path / "plain.mp4") == [0]


@pytest.mark.parametrize("encoder,options,extension", [
    ("libx265", ["-pix_fmt", "yuv422p10le", "-x265-params", "log-level=none"], "mkv"),
    ("prores_ks", ["-profile:v", "lt"], "mov"),
    ("ffv1", ["-pix_fmt", "yuv444p"], "mkv"),
    ("libvpx-vp9", ["-pix_fmt", "yuv420p"], "webm"),
])
def test_copy_settings_of_other_codecs(run, tmp_path, encoder, options, extension):
    source = tmp_path / f"in.{extension}"
    clips.ffmpeg(*clips.picture("64x64", 10, 0.3), "-c:v", encoder, *options, source)
    target = tmp_path / f"out.{extension}"
    upscale(run, source, target, "--codec", "copy-settings")
    old, new = clips.video(source), clips.video(target)
    assert [new.get(k) for k in ("codec_name", "profile", "pix_fmt")] == [old.get(k) for k in ("codec_name", "profile", "pix_fmt")]


def test_copy_settings_of_a_codec_that_is_not_written(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("64x64", 10, 0.3), "-c:v", "mpeg4", source)
    assert "mpeg4" in refused(run, source, tmp_path / "out.mkv", "--codec", "copy-settings")


@pytest.mark.parametrize("codec,name", [("h264", "yuv444p"), ("h264", "yuv420p10le"), ("hevc", "yuv422p12le"), ("ffv1", "bgr0")])
def test_pix_fmt(run, tmp_path, clip, codec, name):
    target = tmp_path / "out.mkv"
    upscale(run, clip, target, "--codec", codec, "--pix-fmt", name)
    assert clips.video(target)["pix_fmt"] == name


@pytest.mark.parametrize("size", ["8x8", "24x16", "26x16"])
def test_narrow_hevc(run, tmp_path, size):
    """libx265 writes behind its memory where there are fewer than four of its blocks side by side; glibc's checks see it."""
    checks = ctypes.util.find_library("c_malloc_debug")
    if checks is None:
        pytest.skip("glibc has no libc_malloc_debug here")
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg(*clips.picture(size, 10, 1), "-c:v", "ffv1", source)
    checked = dict(os.environ, LD_PRELOAD=checks, MALLOC_CHECK_="3")
    done = run("upscale", source, "-o", target, "--codec", "hevc", env=checked)
    assert done.returncode == 0, done.stderr
    assert len(clips.decoded_times(target)) == 10


@pytest.mark.parametrize("options,words", [
    (["--pix-fmt", "yuv421p"], ["yuv421p"]),
    (["--pix-fmt", "rgb24"], ["libx264", "rgb24", "yuv420p"]),
    (["--encoder-opts", "tuen=film"], ["libx264", "tuen"]),
    (["--encoder-opts", "g=often"], ["often", "g"]),
    (["--encoder-opts", "tune=movie"], ["movie", "tune"]),
    (["--encoder-opts", "x264-params=fast-foo=1"], ["fast-foo"]),
    (["--encoder-opts", "tune"], ["key=value"]),
    (["--codec", "hevc", "--encoder-opts", "x265-params=no-such=1"], ["no-such"]),
    (["--codec", "av1", "--encoder-opts", "svtav1-params=no-such=1"], ["no-such"]),
])
def test_wrong_values_are_named(run, tmp_path, clip, options, words):
    message = refused(run, clip, tmp_path / "out.mkv", *options)
    assert all(word in message for word in words), message


def test_encoder_opts(run, tmp_path, clip):
    target = tmp_path / "out.mkv"
    upscale(run, clip, target, "--encoder-opts", "g=1:profile=main")
    assert clips.video(target)["profile"] == "Main"
    assert keyframes(target) == [0, 1, 2]
    upscale(run, clip, target, "--encoder-opts", r"x264-params=keyint=2\:scenecut=0")
    assert keyframes(target) == [0, 2]


def test_encoder_opts_are_for_encoders(run, clip):
    done = run("upscale", clip, "-o", "-", "--encoder-opts", "g=1")
    assert done.returncode == UNSUPPORTED and "y4m" in done.stderr and not done.stdout
    assert run("upscale", clip, "-o", "-", "--encoder-opts", "").returncode == USAGE
