"""A part of a video: which frames, and that sound and subtitles stay with them."""

from fractions import Fraction

import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")
START, END = Fraction(13, 10), Fraction(29, 10)  # a frame begins at 1.32 s of 25 a second
INPUT, USAGE = 3, 2


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *FAST, *options)
    assert done.returncode == 0, done.stderr
    return done.stderr


def frame_times(path):
    return [float(t) for t in clips.decoded_times(path)]


def packets(path, stream):
    """(time in seconds, hash) of each packet."""
    return [(float(pts), digest) for pts, size, digest in clips.packet_list(path, stream)]


def check_range(source, target, start, end, tolerance=0.0006):
    first = frame_times(source)[0] if source.suffix == ".ts" else 0
    wanted = [t - first - start for t in frame_times(source) if start <= t - first < end]
    made = frame_times(target)
    shift = made[0] - wanted[0]  # a container may move everything
    assert len(made) == len(wanted)
    assert all(abs(a - b - shift) < tolerance for a, b in zip(made, wanted))
    old = {digest: time for time, digest in packets(source, "a:0")}
    new = packets(target, "a:0")
    assert abs(new[0][0] - shift) < 0.03 and abs(new[-1][0] - shift - float(end - start)) < 0.05
    for time, digest in new:
        assert abs(time - (old[digest] - first - start) - shift) < 0.001


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("range") / "in.mp4", "-g", "20", "-b:a", "64k", size="48x32", rate=25,
                           seconds=4, sound=True)


@pytest.mark.parametrize("container,options", [
    ("mp4", ("-ss", "1.3", "-t", "1.6")), ("mkv", ("--start", "0:01.300", "--to", "00:00:02.9")), ("ts", ("-ss", "1.3", "--to", "2.9")),
])
def test_range(run, tmp_path, clip, container, options):
    source = clip
    if container != "mp4":
        source = tmp_path / f"in.{container}"
        clips.ffmpeg("-i", clip, "-c", "copy", *(["-c:a", "mp2"] if container == "ts" else []), source)
    target = tmp_path / f"out.{'mkv' if container == 'ts' else container}"
    assert "note:" not in upscale(run, source, target, *options)
    check_range(source, target, float(START), float(END))


def test_open_ends(run, tmp_path, clip):
    target = tmp_path / "out.mp4"
    upscale(run, clip, target, "-t", "0.4")
    check_range(clip, target, 0, 0.4)
    upscale(run, clip, target, "-ss", "3.5")
    check_range(clip, target, 3.5, 4)


def test_from_a_pipe(run, tmp_path, clip):
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg("-i", clip, "-c", "copy", source)
    done = run("upscale", "-", "-o", target, "-ss", "1.3", "-t", "1.6", *FAST, input=source.read_bytes())
    assert done.returncode == 0, done.stderr
    check_range(source, target, float(START), float(END))


def test_two_passes_and_pictures_are_the_same(run, tmp_path, clip):
    whole, part = tmp_path / "whole.mkv", tmp_path / "part.mkv"
    assert run("upscale", clip, "-o", whole, "--codec", "ffv1", "--scale", "4").returncode == 0
    assert run("upscale", clip, "-o", part, "--codec", "ffv1", "--scale", "4", "-ss", "2", "-t", "0.2").returncode == 0
    all_luma, luma = clips.planes(whole, 100)[0], clips.planes(part, 100)[0]
    assert luma.shape == (5, 128, 192) and (luma == all_luma[50:55]).all()


def test_long_frame_on_screen(run, tmp_path):
    """Of a slide show: the picture that is on screen at START begins the output."""
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg(*clips.picture("32x32", 1, 4), *clips.tone(4), "-vf", "setpts=N*2/TB", "-fps_mode", "passthrough",
                 "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "flac", source)
    upscale(run, source, target, "-ss", "1", "-t", "2")
    assert frame_times(target) == [0, 1]
    upscale(run, source, target, "-ss", "2.5", "-t", "1")
    assert frame_times(target) == [0]


def test_subtitles_and_chapters_are_cut(run, tmp_path, clip):
    (tmp_path / "t.srt").write_text("1\n00:00:01,000 --> 00:00:01,800\nfirst\n\n2\n00:00:02,000 --> 00:00:02,400\nmiddle\n\n"
                                    "3\n00:00:02,700 --> 00:00:03,800\nlast\n\n4\n00:00:03,900 --> 00:00:04,000\ngone\n")
    (tmp_path / "t.txt").write_text(";FFMETADATA1\n" + "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle={t}\n" for a, b, t in [(0, 1000, "A"), (1000, 2000, "B"), (2000, 4000, "C")]))
    source, target = tmp_path / "in.mkv", tmp_path / "out.mkv"
    clips.ffmpeg("-i", clip, "-i", tmp_path / "t.srt", "-i", tmp_path / "t.txt", "-map", "0", "-map", "1", "-map_metadata", "2",
                 "-c", "copy", source)
    upscale(run, source, target, "-ss", "1.5", "-t", "1.5")

    def shown(path):
        found = clips.probe(path, "-select_streams", "s:0", "-show_entries", "packet=pts_time,duration_time")["packets"]
        return [(float(p["pts_time"]), float(p["pts_time"]) + float(p["duration_time"])) for p in found]
    expected = [(max(a - 1.5, 0), min(b - 1.5, 1.5)) for a, b in shown(source) if a < 3]
    assert len(expected) == 3
    for new, old in zip(shown(target), expected, strict=True):
        assert new == pytest.approx(old, abs=0.001)
    chapters = clips.probe(target, "-show_chapters")["chapters"]
    assert [(c["tags"]["title"], float(c["start_time"]), float(c["end_time"])) for c in chapters] == [("B", 0, 0.5), ("C", 0.5, 1.5)]


def test_damage_before_the_range_is_not_counted(run, tmp_path, clip):
    bad, target = tmp_path / "bad.mkv", tmp_path / "out.mkv"
    clips.ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "noise=amount=if(between(n\\,45\\,48)\\,1\\,0)", bad)
    assert "damaged" in upscale(run, bad, target, "-t", "2.5")
    assert "note:" not in upscale(run, bad, target, "-ss", "2.5")


@pytest.mark.parametrize("options,status", [
    (("-ss", "9"), INPUT), (("-ss", "1:61"), USAGE), (("-ss", "-1"), USAGE), (("-ss", "1.x"), USAGE), (("-t", "0"), USAGE),
    (("-ss", "2", "--to", "1"), USAGE), (("-t", "1", "--to", "2"), USAGE), (("-s", "1"), USAGE), (("--to", ""), USAGE),
])
def test_wrong_values(run, tmp_path, clip, options, status):
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", *options)
    assert done.returncode == status and len(done.stderr.splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_time_left_counts_the_range(run, tmp_path, clip):
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "-ss", "1", "-t", "2", "--json", *FAST)
    assert done.returncode == 0
    assert b'"frames":50' in done.stdout.replace(b" ", b"")


def timecodes(path):
    found = clips.probe(path, "-show_streams", "-show_format")
    tags = [tag for part in [*found["streams"], found["format"]] for tag in part.get("tags", {}).items()]
    return {value for name, value in tags if name.lower() == "timecode"}


# Drop frame: the first two numbers of a minute are left out, but not of each tenth.
@pytest.mark.parametrize("rate,code,start,moved", [
    ("25", "10:59:59:20", "1", "11:00:00:20"), ("25", "23:59:59:24", "0.2", "00:00:00:04"),
    ("25", "01:00:00:00", "0", "01:00:00:00"), ("25", "01:00:00:00", "0.99", "01:00:01:00"),
    ("30000/1001", "00:00:59;20", "1", "00:01:00;22"), ("30000/1001", "00:09:59;20", "1", "00:10:00;20"),
    ("30000/1001", "00:00:59:20", "1", "00:01:00:20"), ("24000/1001", "00:00:00:00", "1.001", "00:00:01:00"),
])
@pytest.mark.parametrize("extension", ["mov", "mkv"])
def test_time_code_moves_with_the_start(run, tmp_path, rate, code, start, moved, extension):
    source, target = tmp_path / f"in.{extension}", tmp_path / f"out.{extension}"
    clips.make_clip(source, "-timecode", code, size="48x32", rate=rate, seconds=1.5)
    assert timecodes(source) == {code}
    upscale(run, source, target, *(("-ss", start) if start != "0" else ()))
    assert timecodes(target) == {moved}
