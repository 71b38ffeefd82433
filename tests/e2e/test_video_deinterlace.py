"""Interlaced videos: deinterlaced by default, frames out are frames in."""

import numpy
import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast")
LACE = {
    "top": ["-vf", "tinterlace=interleave_top,setfield=tff"],
    "bottom": ["-vf", "tinterlace=interleave_bottom,setfield=bff"],
}


def interlaced(path, first, *options, seconds=0.6):
    clips.ffmpeg(*clips.picture("64x48", 50, seconds), *LACE[first], "-flags", "+ildct+ilme", *options, path)
    return path


def upscale(run, source, target, *options):
    fast = () if "--codec" in options else FAST
    done = run("upscale", source, "-o", target, "--force", *fast, *options)
    assert done.returncode == 0, done.stderr
    return done.stderr


def same_pictures(a, b):
    n_frames = len(clips.decoded_times(a))
    return all((x == y).all() for x, y in zip(clips.planes(a, n_frames), clips.planes(b, n_frames)))


@pytest.mark.parametrize("first", ["top", "bottom"])
def test_by_default_with_the_frames_own_field_order(run, tmp_path, first):
    source = interlaced(tmp_path / "in.mkv", first, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-qp", 0)
    by_ffmpeg, target, expected = (tmp_path / name for name in ("bwdif.mkv", "out.mkv", "expected.mkv"))
    message = upscale(run, source, target, "--codec", "ffv1")
    assert f"{first} field first" in message and "--deinterlace no" in message
    clips.ffmpeg("-i", source, "-vf", "bwdif=mode=send_frame", "-c:v", "ffv1", by_ffmpeg)
    assert "note:" not in upscale(run, by_ffmpeg, expected, "--codec", "ffv1")
    assert same_pictures(target, expected)
    assert clips.decoded_times(target) == clips.decoded_times(source)
    assert clips.video(target).get("field_order", "progressive") == "progressive"


def test_no(run, tmp_path):
    source = tmp_path / "in.mpg"
    bars = "geq=lum='if(lt(mod(X-8*N,32),16),30,220)':cb=128:cr=128"
    clips.ffmpeg(*clips.picture("64x48", 50, 0.6), "-vf", f"{bars},tinterlace=interleave_bottom,setfield=bff",
                 "-c:v", "mpeg2video", "-qscale", 2, "-flags", "+ildct+ilme", source)
    yes, no = tmp_path / "auto.mkv", tmp_path / "no.mkv"
    upscale(run, source, yes, "--codec", "ffv1")
    assert "enlarged as it is" in upscale(run, source, no, "--codec", "ffv1", "--deinterlace", "no")
    assert len(clips.decoded_times(yes)) == len(clips.decoded_times(no)) == 15

    def combing(path):
        luma = clips.planes(path, 15)[0]
        return abs(luma[:, 1:-1] * 2 - luma[:, :-2] - luma[:, 2:]).mean()
    assert combing(yes) < 0.5 * combing(no)


def test_progressive_is_left_alone(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mkv", "-qp", 0, size="64x48")
    auto, no, yes = (tmp_path / f"{name}.mkv" for name in ("auto", "no", "yes"))
    for target in (auto, no, yes):
        upscale(run, source, target, "--codec", "ffv1", "--deinterlace", target.stem)
    assert same_pictures(auto, no) and not same_pictures(yes, no)
    assert len(clips.decoded_times(yes)) == 10


def test_from_progressive_to_interlaced(run, tmp_path):
    parts = [tmp_path / "a.m2v", tmp_path / "b.m2v"]
    clips.ffmpeg(*clips.picture("64x48", 25, 0.4), "-c:v", "mpeg2video", "-qscale", 2, "-bf", 0, parts[0])
    interlaced(parts[1], "top", "-c:v", "mpeg2video", "-qscale", 2, "-bf", 0, seconds=0.4)
    joined, source, target = tmp_path / "joined.m2v", tmp_path / "in.mkv", tmp_path / "out.mkv"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    clips.ffmpeg("-i", joined, "-c", "copy", "-bsf:v", "setts=pts=N*40:dts=N*40:time_base=1/1000", source)
    message = upscale(run, source, target)
    n_frames = len(clips.decoded_times(source))
    assert n_frames > 18 and f"10 of {n_frames} frames were interlaced" in message
    assert clips.decoded_times(target) == clips.decoded_times(source)


@pytest.mark.parametrize("n_frames", [1, 2])
def test_very_short(run, tmp_path, n_frames):
    source = interlaced(tmp_path / "in.mkv", "top", "-c:v", "ffv1", "-frames:v", n_frames)
    target = tmp_path / "out.mkv"
    upscale(run, source, target)
    assert len(clips.decoded_times(target)) == n_frames


def test_ten_bits_and_422(run, tmp_path):
    source = interlaced(tmp_path / "in.mov", "top", "-c:v", "prores_ks")
    target = tmp_path / "out.mov"
    assert "top field first" in upscale(run, source, target, "--codec", "prores")
    facts = clips.video(target)
    assert facts["pix_fmt"] == "yuv422p10le" and len(clips.decoded_times(target)) == 15
    assert len(numpy.unique(clips.planes(target)[0])) > 256


def test_too_small(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("16x2", 10, 0.3), "-c:v", "ffv1", source)
    done = run("upscale", source, "-o", tmp_path / "out.mkv", "--codec", "ffv1", "--deinterlace", "yes")
    assert done.returncode == 4 and "too small to deinterlace" in done.stderr
