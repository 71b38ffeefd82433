"""Every frame arrives, at its own time."""

from fractions import Fraction

import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *FAST, *options)
    assert done.returncode == 0, done.stderr
    return target


def test_frames_and_times_of_mp4(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", size="48x32", rate="30000/1001", seconds=0.6)
    target = upscale(run, source, tmp_path / "out.mp4")
    times = clips.frame_times(source)
    assert len(times) == 18
    assert clips.frame_times(target) == times
    assert clips.decoded_times(target) == times
    old, new = clips.video(source), clips.video(target)
    assert (new["width"], new["height"]) == (96, 64)
    for key in ("time_base", "r_frame_rate", "avg_frame_rate", "nb_frames", "start_time", "duration"):
        assert new[key] == old[key], key


def test_variable_frame_rate(run, tmp_path, shared):
    source = tmp_path / "cars.mp4"
    clips.ffmpeg("-t", 1, "-i", shared / "video/cars_426x238_vfr_noaudio.mp4", "-c", "copy", source)
    times = clips.frame_times(source)
    steps = {b - a for a, b in zip(times, times[1:])}
    assert len(steps) > 1, "the cut has a constant frame rate"
    target = upscale(run, source, tmp_path / "out.mp4")
    assert clips.frame_times(target) == times
    assert clips.decoded_times(target) == clips.decoded_times(source)
    new = clips.video(target)
    assert (new["width"], new["height"]) == (852, 476)
    assert new["time_base"] == clips.video(source)["time_base"]


def test_variable_frame_rate_small(run, tmp_path):
    """Frames of 1, 3, 7, ... ticks, whose last one lasts longest."""
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("32x32", 50, 0.5), "-vf", "setpts='(N*N+N)/2/50/TB'", "-fps_mode", "vfr",
                 "-c:v", "libx264", "-bf", 3, "-enc_time_base", "1/1000", source)
    times = clips.frame_times(source)
    assert len(times) > 5 and len({b - a for a, b in zip(times, times[1:])}) > 4
    for name in ("out.mkv", "out.mp4"):
        assert clips.frame_times(upscale(run, source, tmp_path / name)) == times, name


def test_last_frame_keeps_its_duration(run, tmp_path):
    plain = clips.make_clip(tmp_path / "plain.mp4", size="32x32", rate=10, seconds=0.2)
    source = tmp_path / "in.mp4"
    clips.ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "setts=duration=if(eq(N\\,1)\\,7168\\,1024)", source)
    target = upscale(run, source, tmp_path / "out.mp4")
    assert clips.frame_times(target) == clips.frame_times(source)
    assert Fraction(clips.video(source)["duration"]) > Fraction("0.75")
    assert clips.video(target)["duration"] == clips.video(source)["duration"]


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_start_offset_between_picture_and_sound(run, tmp_path, extension):
    source = tmp_path / f"in.{extension}"
    clips.ffmpeg(*clips.tone(1), "-itsoffset", 0.3, *clips.picture("32x32", 10, 0.5), "-map", "0:a", "-map", "1:v",
                 "-c:v", "libx264", "-c:a", "aac", "-pix_fmt", "yuv420p", "-fps_mode", "passthrough", source)
    target = upscale(run, source, tmp_path / f"out.{extension}")
    assert abs(clips.frame_times(source)[0] - Fraction(3, 10)) < Fraction(1, 20)
    assert clips.frame_times(target) == clips.frame_times(source)
    assert clips.packet_list(target, "a:0") == clips.packet_list(source, "a:0")


def test_late_start_is_kept(run, tmp_path):
    plain = clips.make_clip(tmp_path / "plain.mkv", size="32x32", seconds=0.5)
    source = tmp_path / "in.mkv"
    clips.ffmpeg("-itsoffset", 5, "-i", plain, "-c", "copy", "-copyts", source)
    assert clips.frame_times(source)[0] == 5
    target = upscale(run, source, tmp_path / "out.mkv")
    assert clips.frame_times(target) == clips.frame_times(source)


def test_transport_stream_starts_at_zero(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.ts", size="32x32", seconds=0.8, sound=True)
    assert clips.frame_times(source)[0] > 1
    target = upscale(run, source, tmp_path / "out.mp4")
    old, new = clips.frame_times(source), clips.frame_times(target)
    assert len(new) == 8
    assert [t - new[0] for t in new] == [t - old[0] for t in old]
    gap_before = clips.frame_times(source, "a:0")[0] - old[0]
    gap_after = clips.frame_times(target, "a:0")[0] - new[0]
    assert abs(gap_after - gap_before) < Fraction(1, 40)
    assert new[0] < Fraction(1, 2)


def test_jump_of_the_clock_in_a_transport_stream(run, tmp_path):
    """As where two recordings were joined: 0.5 s of each, 100 s apart."""
    parts = [clips.make_clip(tmp_path / f"{n}.ts", "-output_ts_offset", n * 100, size="32x32", seconds=0.5, sound=True)
             for n in (0, 1)]
    source = tmp_path / "in.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    target = upscale(run, source, tmp_path / "out.mp4")
    for stream in ("v:0", "a:0"):
        times = clips.frame_times(target, stream)
        steps = [b - a for a, b in zip(times, times[1:])]
        assert min(steps) > 0 and max(steps) < Fraction(3, 10), stream
    assert len(clips.decoded_times(target)) == 10


def test_one_frame(run, tmp_path):
    source = clips.make_clip(tmp_path / "in.mp4", size="32x32", rate=5, seconds=0.2)
    target = upscale(run, source, tmp_path / "out.mp4")
    assert len(clips.decoded_times(target)) == 1
    assert clips.video(target)["duration"] == clips.video(source)["duration"]


def test_one_pixel(run, tmp_path):
    source = tmp_path / "in.mkv"
    clips.ffmpeg(*clips.picture("8x8", 10, 0.3), "-vf", "scale=1:1", "-pix_fmt", "yuv444p", "-c:v", "ffv1", source)
    target = upscale(run, source, tmp_path / "out.mkv")
    facts = clips.video(target)
    assert (facts["width"], facts["height"]) == (2, 2)
    assert len(clips.frame_times(target)) == 3


@pytest.mark.parametrize("codec,extension,name", [(None, "webm", "vp9"), ("hevc", "mp4", "hevc"), ("av1", "mkv", "av1"),
                                                  ("ffv1", "mkv", "ffv1"), ("vp9", "mp4", "vp9")])
def test_codecs(run, tmp_path, codec, extension, name):
    """Each codec by its own name; WebM takes VP9 by itself."""
    source = clips.make_clip(tmp_path / "in.mkv", size="64x64", seconds=0.5)
    target = tmp_path / f"out.{extension}"
    speed = () if codec == "ffv1" else ("--preset", "ultrafast")
    done = run("upscale", source, "-o", target, *speed, *(("--codec", codec) if codec else ()))
    assert done.returncode == 0, done.stderr
    if codec == "hevc" and extension == "mp4":
        assert clips.video(target)["codec_tag_string"] == "hvc1"
    assert clips.video(target)["codec_name"] == name
    assert clips.decoded_times(target) == clips.decoded_times(source)
    assert "[info]" not in done.stderr, "the encoder printed by itself"
