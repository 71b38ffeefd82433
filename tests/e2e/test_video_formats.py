"""Pixel formats that the network does not read: through libswscale, and the right colour comes out."""

import numpy
import pytest

import clip_tools as clips

#           input's format, encoder, container, default codec's format, its codec
FORMATS = [
    ("nv12", ["rawvideo", "-allow_raw_vfw", 1], "mkv", "yuv420p", "h264"),
    ("yuyv422", ["rawvideo", "-allow_raw_vfw", 1], "mkv", "yuv422p", "h264"),
    ("yuv411p", ["ffv1"], "mkv", "yuv422p", "h264"),
    ("rgb24", ["qtrle"], "mov", "yuv444p", "h264"),
    ("gbrp", ["utvideo"], "mkv", "yuv444p", "h264"),
    ("yuva420p", ["ffv1"], "mkv", "yuv420p", "h264"),
    ("pal8", ["png"], "mkv", "yuv444p", "h264"),
    ("yuv420p12le", ["ffv1"], "mkv", "yuv420p12le", "hevc"),
]


@pytest.mark.parametrize("name,encoder,container,made,codec", FORMATS)
def test_format(run, tmp_path, name, encoder, container, made, codec):
    source, target = tmp_path / f"in.{container}", tmp_path / "out.mkv"
    # Of the palette: little of it is dithered, whose mean the network moves.
    colour = "0x246caa" if name == "pal8" else "0x3060a0"
    clips.ffmpeg("-f", "lavfi", "-i", f"color=c={colour}:size=64x48:rate=10:duration=0.2", "-vf", f"format={name}",
                 "-c:v", *encoder, source)
    assert clips.video(source)["pix_fmt"] == name
    done = run("upscale", source, "-o", target, "--crf", "1")
    assert done.returncode == 0, done.stderr
    facts = clips.video(target)
    assert (facts["codec_name"], facts["pix_fmt"], facts["width"], facts["height"]) == (codec, made, 128, 96)
    middle = clips.rgb(target)[24:-24, 32:-32]
    wanted = clips.rgb(source)[12:-12, 16:-16].mean(axis=(0, 1))
    assert abs(middle.mean(axis=(0, 1)) - wanted).max() <= 3
    if name != "pal8":  # a palette is dithered
        assert numpy.ptp(middle, axis=(0, 1)).max() <= 4


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p10le"])
def test_y4m_on_pipes_both_ways(run, tmp_path, pix_fmt):
    source = clips.make_clip(tmp_path / "in.mkv", "-qp", 0, "-pix_fmt", pix_fmt, size="48x32", seconds=0.4)
    raw = clips.ffmpeg("-i", source, "-strict", -1, "-f", "yuv4mpegpipe", "-")
    done = run("upscale", "-", "-o", "-", input=raw)
    assert done.returncode == 0, done.stderr
    piped, direct = tmp_path / "piped.y4m", tmp_path / "direct.mkv"
    piped.write_bytes(done.stdout)
    assert run("upscale", source, "-o", direct, "--codec", "ffv1").returncode == 0
    assert clips.video(piped)["pix_fmt"] == pix_fmt
    for made, wanted in zip(clips.planes(piped, 4), clips.planes(direct, 4)):
        assert made.shape[0] == 4 and (made == wanted).all()
