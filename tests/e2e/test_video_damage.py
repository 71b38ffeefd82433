"""Damaged videos: what can be decoded is enlarged and the rest counted, or --strict stops."""

import json

import pytest

import clip_tools as clips

FAST = ("--preset", "ultrafast", "--force")
INPUT = 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.make_clip(tmp_path_factory.mktemp("damage") / "in.mp4", "-g", "5", "-bf", "0", "-movflags", "+faststart",
                           size="64x48", rate=10, seconds=2)


def lost_packet(clip, path):
    clips.ffmpeg("-i", clip, "-c", "copy", "-bsf:v", "noise=amount=if(eq(n\\,10)\\,1\\,0)", path)
    return path


def faulty_frames(clip, path):
    """A bit of a slice is turned, which the decoder notices and covers up."""
    clips.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=96x96:rate=10:duration=1", "-c:v", "mpeg2video", "-qscale", 2, "-bf", 0, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 + 100] ^= 0xFF
    path.write_bytes(data)
    return path


def cut_off(clip, path):
    data = clip.read_bytes()
    path.write_bytes(data[:len(data) * 3 // 5])
    return path


CASES = [(lost_packet, "bad.mkv", "damaged_packets"), (faulty_frames, "bad.ts", "damaged_frames"), (cut_off, "cut.mp4", "missing_seconds")]


@pytest.mark.parametrize("make,name,key", CASES)
def test_goes_on_and_reports(run, tmp_path, clip, make, name, key):
    source, target = make(clip, tmp_path / name), tmp_path / "out.mkv"
    done = run("upscale", source, "-o", target, "--json", *FAST)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    end = events[-1]
    assert end["event"] == "done" and end[key] > 0
    assert any(event["event"] == "note" for event in events)
    assert end["frames"] == len(clips.decoded_times(target)) == len(clips.decoded_times(source)) > 5


@pytest.mark.parametrize("make,name,key", CASES)
def test_strict_stops(run, tmp_path, clip, make, name, key):
    source = make(clip, tmp_path / name)
    done = run("upscale", source, "-o", tmp_path / "out.mkv", "--strict", *FAST)
    assert done.returncode == INPUT, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1 and "--strict" in lines[0] and name in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_strict_takes_what_is_intact(run, tmp_path, clip):
    done = run("upscale", clip, "-o", tmp_path / "out.mkv", "--strict", "--json", *FAST)
    assert done.returncode == 0, done.stderr
    end = json.loads(done.stdout.splitlines()[-1])
    assert (end["damaged_packets"], end["damaged_frames"], end["missing_seconds"]) == (0, 0, 0)
    bad = lost_packet(clip, tmp_path / "bad.mkv")
    assert run("upscale", bad, "-o", tmp_path / "out.mkv", "--strict", "-t", "0.8", *FAST).returncode == 0
    assert run("upscale", bad, "-o", tmp_path / "out.mkv", "--strict", "-ss", "1.5", *FAST).returncode == 0
