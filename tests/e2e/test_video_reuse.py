"""Exact reuse: what did not change since the frame before is taken from there, and nobody can tell."""

import hashlib
import json

import numpy
import pytest

from clip_tools import ffmpeg, make_clip

WIDTH, HEIGHT, FRAMES = 160, 120, 7
FAST = ["--model", "pipersr-x2-fast"]


def still_clip(path, pix_fmt, *options, rotation=None):
    """Lossless: noise that stays, in which a patch moves; one frame repeats, one is new altogether."""
    random = numpy.random.default_rng(5)
    frames = []
    picture = random.integers(0, 256, (HEIGHT, WIDTH, 3), numpy.uint8)
    for i in range(FRAMES):
        if i == 5:
            picture = random.integers(0, 256, (HEIGHT, WIDTH, 3), numpy.uint8)
        shown = picture.copy()
        place = 16 * min(i, 3)  # frame 4 repeats frame 3
        shown[40:64, place : place + 24] = 255 - shown[40:64, place : place + 24]
        frames.append(shown.tobytes())
    raw = path.with_suffix(".rgb")
    raw.write_bytes(b"".join(frames))
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", 10, "-i", raw,
           "-c:v", "ffv1", "-pix_fmt", pix_fmt, *options, path)
    return path


def upscale(run, clip, out, *options):
    """Hash of the decoded output, and how many pixels were reused."""
    done = run("upscale", clip, "-o", out, "--codec", "ffv1", "--force", "--json", *FAST, *options)
    assert done.returncode == 0, done.stderr
    end = [event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "done"][0]
    assert end["frames"] == FRAMES
    return hashlib.md5(ffmpeg("-i", out, "-f", "rawvideo", "-")).hexdigest(), end["reused_px"]


PIX_FMTS = ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray10le",
            "gbrp", "rgba64le"]


@pytest.mark.parametrize("pix_fmt", PIX_FMTS)
def test_same_bytes_in_every_format(run, tmp_path, pix_fmt):
    clip = still_clip(tmp_path / "still.mkv", pix_fmt)
    threads = ["--threads", 1 + PIX_FMTS.index(pix_fmt) % 3]
    whole, none = upscale(run, clip, tmp_path / "whole.mkv", "--no-reuse", *threads)
    hash_, reused_px = upscale(run, clip, tmp_path / "out.mkv", *threads)
    assert hash_ == whole
    assert none == 0
    assert WIDTH * HEIGHT < reused_px < (FRAMES - 2) * WIDTH * HEIGHT


@pytest.mark.parametrize("options", [["--precision", "fp32"], ["--precision", "int8", "--threads", 4], ["--scale", 4]])
def test_same_bytes_in_every_way(run, tmp_path, options):
    clip = still_clip(tmp_path / "still.mkv", "yuv420p")
    whole, none = upscale(run, clip, tmp_path / "whole.mkv", "--no-reuse", *options)
    hash_, reused_px = upscale(run, clip, tmp_path / "out.mkv", *options)
    assert (hash_, none) == (whole, 0)
    assert WIDTH * HEIGHT <= reused_px < (FRAMES - 2) * WIDTH * HEIGHT


def test_an_encoders_still_parts_are_reused(run, tmp_path):
    """libx264 skips blocks that stay: what it decodes to is the same to the bit."""
    clip = tmp_path / "x264.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=gray:size=320x240:rate=10:duration=2", "-f", "lavfi", "-i",
           "testsrc=size=64x48:rate=10:duration=2", "-filter_complex", "overlay=100:100", "-c:v", "libx264",
           "-pix_fmt", "yuv420p", clip)
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "--preset", "ultrafast", *FAST)
    assert done.returncode == 0, done.stderr
    percent = int(done.stderr.split(" % reused")[0].split()[-1])
    assert percent > 60


def test_pictures_and_moving_film(run, tmp_path):
    clip = make_clip(tmp_path / "moving.mp4", seconds=0.5)
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "--json", *FAST)
    end = [event for event in map(json.loads, done.stdout.splitlines()) if event["event"] == "done"][0]
    assert end["reused_px"] < 5 * 64 * 48
