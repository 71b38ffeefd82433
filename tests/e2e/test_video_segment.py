"""`pipersr segment`: a job planned, made in pieces by separate processes, and joined."""

import json
import os
import pathlib
import random
import subprocess

import pytest

import clip_tools as clips

USAGE, INPUT, UNSUPPORTED, OUTPUT = 2, 3, 4, 5
FAST = ["--model", "pipersr-x2-fast", "--precision", "int8"]


def test_run_segment_has_no_output_of_its_own(run, tmp_path):
    for option in (["--output", tmp_path / "x.mp4"], ["--force"]):
        done = run("segment", "run-segment", 0, tmp_path, *option)
        assert done.returncode == USAGE and f"{option[0]} is for join" in done.stderr


def frames_of(path):
    """Time and checksum of every decoded frame of the picture."""
    text = clips.ffmpeg("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-").decode()
    return [line.split(",")[2:] for line in text.splitlines() if not line.startswith("#")]


def x264(*options):
    return ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", *options]


# Inputs on which a frame is easily missed, doubled or decoded otherwise after a seek.
ODD_INPUTS = {
    "b-frames.mp4": x264("-bf", 3, "-g", 12),
    "pyramid.mkv": ["-c:v", "libx264", "-preset", "medium", "-bf", 5, "-b_strategy", 0, "-g", 30, "-pix_fmt", "yuv420p"],
    "open-gop.mp4": ["-c:v", "libx264", "-preset", "medium", "-bf", 3, "-b_strategy", 0, "-g", 10,
                     "-x264-params", "open-gop=1:scenecut=0", "-pix_fmt", "yuv420p"],
    "open-gop-hevc.mkv": ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
                          "open-gop=1:keyint=10:bframes=3:log-level=none", "-pix_fmt", "yuv420p"],
    "refresh.mp4": ["-c:v", "libx264", "-preset", "medium", "-x264-params", "intra-refresh=1:keyint=10",
                    "-pix_fmt", "yuv420p"],
    "one-keyframe.mp4": x264("-g", 1000),
    "variable.mkv": ["-vf", "select='not(eq(mod(n,7),3))+lt(n,9)',setpts='PTS+(mod(N,5)*0.01)/TB'", "-fps_mode",
                     "passthrough", *x264("-bf", 2, "-g", 9)],
    "late.mkv": ["-output_ts_offset", 2.5, *x264("-bf", 2, "-g", 9)],
    "edit-list.mp4": x264("-bf", 2, "-g", 9),
    "stream.ts": x264("-bf", 2, "-g", 9),
    "fields.mp4": ["-vf", "interlace", *x264("-flags", "+ildct+ilme", "-x264opts", "tff=1", "-g", 9)],
    "vp9.webm": ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8, "-g", 9, "-auto-alt-ref", 1,
                 "-lag-in-frames", 5],
    "mpeg4.avi": ["-c:v", "mpeg4", "-bf", 2, "-g", 9],
    "fragments.mp4": [*x264("-bf", 2, "-g", 9), "-movflags", "frag_keyframe+empty_moov"],
}


def make_odd(folder, name):
    path = folder / name
    size = "96x64" if "hevc" in name else "48x32"
    source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25:duration=1.6"]
    if name == "edit-list.mp4":
        whole = folder / "whole.mp4"
        clips.ffmpeg(*source, *ODD_INPUTS[name], whole)
        clips.ffmpeg("-ss", 0.22, "-i", whole, "-c", "copy", path)  # begins inside a GOP, by an edit list
    else:
        clips.ffmpeg(*source, *ODD_INPUTS[name], path)
    return path


def plan(run, clip, target, *options):
    done = run("segment", "plan", clip, "-o", target, *FAST, *options)
    assert done.returncode == 0, done.stderr
    manifest = json.loads(pathlib.Path(f"{target}.parts/manifest.json").read_text())
    return manifest["job"]["plan"]


@pytest.mark.parametrize("name", ODD_INPUTS)
def test_pieces_give_what_one_run_gives(run, tmp_path, name):
    clip, whole, target = make_odd(tmp_path, name), tmp_path / "whole.mkv", tmp_path / "joined.mkv"
    assert run("upscale", clip, "-o", whole, "--codec", "ffv1", *FAST).returncode == 0
    planned = plan(run, clip, target, "--codec", "ffv1", "--segment-frames", 11)
    assert planned["frames"] == len(frames_of(whole)) >= 20
    numbers = list(range(len(planned["starts"])))
    random.Random(name).shuffle(numbers)
    for number in numbers:
        done = run("segment", "run-segment", number, f"{target}.parts")
        assert done.returncode == 0, done.stderr
    done = run("segment", "join", f"{target}.parts")
    assert done.returncode == 0, done.stderr
    assert frames_of(target) == frames_of(whole)
    assert not pathlib.Path(f"{target}.parts").exists()


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "in.mkv"
    text = tmp_path / "words.srt"
    text.write_text("1\n00:00:00,200 --> 00:00:00,900\nhello\n")
    chapters = tmp_path / "chapters.txt"
    chapters.write_text(";FFMETADATA1\ntitle=film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=one\n")
    clips.ffmpeg(*clips.picture("48x32", 25, 1.2), *clips.tone(1.2), "-i", text, "-i", chapters, "-map", "0:v", "-map",
                 "1:a", "-map", "2:s", "-map_metadata", 3, *x264("-bf", 2, "-g", 10), "-c:a", "aac", "-c:s", "srt",
                 "-attach", text, "-metadata:s:t", "mimetype=text/plain", path)
    return path


def test_everything_beside_the_picture_is_joined(run, tmp_path, clip):
    whole, target = tmp_path / "whole.mkv", tmp_path / "out.mkv"
    assert run("upscale", clip, "-o", whole, *FAST).returncode == 0
    for number in range(len(plan(run, clip, target, "--segment-frames", 10)["starts"])):
        assert run("segment", "run-segment", number, f"{target}.parts").returncode == 0
    assert run("segment", "join", f"{target}.parts").returncode == 0
    facts = [clips.probe(path, "-show_streams", "-show_chapters", "-show_format") for path in (whole, target)]
    for fact in facts:
        for key in ("filename", "size", "bit_rate"):
            fact["format"].pop(key, None)
    assert facts[0] == facts[1]
    assert len(facts[0]["streams"]) == 4 and len(facts[0]["chapters"]) == 1
    for stream in ("1", "2"):
        assert clips.packet_list(whole, stream) == clips.packet_list(target, stream) != []


def test_steps_may_be_repeated(run, tmp_path, clip):
    target = tmp_path / "out.mkv"
    parts = f"{target}.parts"
    plan(run, clip, target, "--segment-frames", 10)
    first = run("segment", "run-segment", 1, parts)
    made = pathlib.Path(parts, "000001.nut").stat().st_mtime_ns
    again = run("segment", "run-segment", 1, parts)
    assert "is made" in first.stderr and "was made already" in again.stderr
    plan(run, clip, target, "--segment-frames", 10)
    assert pathlib.Path(parts, "000001.nut").stat().st_mtime_ns == made
    missing = run("segment", "join", parts)
    assert missing.returncode == INPUT and "segment 0 of 0 to 2 is missing" in missing.stderr
    assert not target.exists()
    for number in (0, 2):
        assert run("segment", "run-segment", number, parts).returncode == 0
    damaged = pathlib.Path(parts, "000002.nut")
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-9] + b"damaged!!")
    done = run("segment", "join", parts)
    assert done.returncode == INPUT and "segment 2 is damaged" in done.stderr
    assert not target.exists()
    assert "is made" in run("segment", "run-segment", 2, parts).stderr
    assert run("segment", "join", parts).returncode == 0
    assert len(clips.decoded_times(target)) == 30
    assert run("segment", "join", parts).returncode == INPUT


def test_upscale_finishes_a_plan(run, tmp_path, clip):
    target = tmp_path / "out.mkv"
    plan(run, clip, target, "--segment-frames", 10)
    assert run("segment", "run-segment", 2, f"{target}.parts").returncode == 0
    kept = pathlib.Path(f"{target}.parts", "000002.json").stat().st_mtime_ns
    done = run("upscale", clip, "-o", target, *FAST, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert kept and len(clips.decoded_times(target)) == 30


def test_workers_refuse_another_network_or_input(run, tmp_path, clip):
    target = tmp_path / "out.mkv"
    plan(run, clip, target, "--segment-frames", 10)
    path = pathlib.Path(f"{target}.parts", "manifest.json")
    text = path.read_text()
    path.write_text(text.replace("pipersr-x2-fast", "pipersr-x2-xxxx"))
    done = run("segment", "run-segment", 0, f"{target}.parts")
    assert done.returncode == INPUT and "manifest.json is damaged" in done.stderr
    path.write_text(text)
    clip.write_bytes(clip.read_bytes() + b"x")
    done = run("segment", "run-segment", 0, f"{target}.parts")
    assert done.returncode == INPUT and "has changed since it was planned" in done.stderr


@pytest.mark.parametrize("arguments,status,word", [
    ([], USAGE, "plan, run-segment, join"),
    (["cut"], USAGE, "unknown step 'cut'"),
    (["run-segment", "1"], USAGE, "number and the folder"),
    (["run-segment", "x", "y"], USAGE, "number first"),
    (["join"], USAGE, "folder"),
    (["join", "absent"], INPUT, "absent"),
    (["join", "."], INPUT, "holds no plan"),
    (["plan", "in.mkv"], USAGE, "-o FILE"),
    (["plan", "-", "-o", "out.mkv"], USAGE, "a file"),
    (["plan", "in.mkv", "-o", "out.y4m"], UNSUPPORTED, "cannot be cut into segments"),
    (["plan", "absent.mkv", "-o", "out.mkv"], INPUT, "absent.mkv"),
])
def test_wrong_usage(run, tmp_path, clip, arguments, status, word):
    before = set(tmp_path.iterdir())
    done = run("segment", *arguments, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1 and word in lines[0]
    assert set(tmp_path.iterdir()) == before


def test_late_segments_do_not_read_the_whole_input(program, run, tmp_path):
    """Where the container can seek, a worker begins at the keyframe before its segment."""
    clip, target = tmp_path / "in.mp4", tmp_path / "out.mkv"
    clips.ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=24", "-vf", "noise=alls=90:allf=t",
                 *x264("-bf", 2, "-g", 25, "-qp", 8), clip)
    planned = plan(run, clip, target, "--segment-frames", 2)
    worker = subprocess.Popen([program, "segment", "run-segment", str(len(planned["starts"]) - 5), f"{target}.parts"],
                              stderr=subprocess.DEVNULL)
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    facts = dict(line.split(": ") for line in pathlib.Path(f"/proc/{worker.pid}/io").read_text().splitlines())
    assert worker.wait() == 0
    assert int(facts["rchar"]) < 0.6 * clip.stat().st_size


def test_number_out_of_the_plan(run, tmp_path, clip):
    plan(run, clip, tmp_path / "out.mkv", "--segment-frames", 10)
    done = run("segment", "run-segment", 3, tmp_path / "out.mkv.parts")
    assert done.returncode == INPUT and "the plan has 0 to 2" in done.stderr


def test_help(run):
    done = run("segment", "--help")
    assert done.returncode == 0
    for word in (b"plan INPUT", b"run-segment N", b"join OUTPUT.parts"):
        assert word in done.stdout
