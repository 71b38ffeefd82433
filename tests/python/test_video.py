"""upscale_video(): through the program, or a clear message."""

import inspect
import json
import os
import re
import subprocess

import pipersr
import pytest


def streams(path):
    command = ["ffprobe", "-v", "error", "-count_frames", "-of", "json", "-show_streams", str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]


@pytest.fixture
def with_program(program, monkeypatch):
    monkeypatch.setenv("PIPERSR_PROGRAM", str(program))


#: Slow enough for a report, which comes every half second: the portable C kernels on one thread.
SLOW = {"model": "pipersr-x2-fast", "threads": 1, "precision": "fp32", "options": ["--isa", "c"]}


@pytest.fixture
def small_clip(samples):
    command = "ffmpeg -v error -i crystal.mp4 -frames:v 10 -vf scale=96:54 clip.mp4"
    subprocess.run(command.split(), check=True)
    return samples


def test_a_clip_with_progress(small_clip, with_program):
    seen = []
    result = pipersr.upscale_video("clip.mp4", progress=seen.append, crf=30, **SLOW)
    before, after = streams("clip.mp4")[0], streams(result.path)[0]
    assert result.path == "clip_2x.mp4"
    assert (after["width"], after["height"]) == (2 * before["width"], 2 * before["height"])
    assert (result.width, result.height, result.frames) == (after["width"], after["height"], 10)
    assert after["nb_read_frames"] == before["nb_read_frames"] == "10"
    assert seen and all(each.unit == "frames" and each.total == 10 for each in seen)


def test_sound_comes_along_and_names_may_be_odd(samples, with_program):
    os.rename("crystal.mp4", "-odd.mp4")
    subprocess.run(
        "ffmpeg -v error -i ./-odd.mp4 -f lavfi -i sine -frames:v 2 -t 0.1 -c:v copy -c:a aac clip.mkv".split(), check=True
    )
    result = pipersr.upscale_video("clip.mkv", "-big.mkv", model="pipersr-x2-fast")
    assert [each["codec_type"] for each in streams(result.path)] == ["video", "audio"]


@pytest.mark.parametrize(
    "video, options, words, status",
    [
        ("absent.mp4", {}, "absent.mp4", 3),
        ("badge.png", {"output": "x.mp4"}, "x.mp4", 4),
        ("crystal.mp4", {"crf": 99}, "--crf", 2),
        ("crystal.mp4", {"model": "pipersr-x9"}, "pipersr-x9", 3),
        ("crystal.mp4", {"output": "SOURCES.md"}, "SOURCES.md", None),
        ("crystal.mp4", {"deinterlace": "perhaps"}, "--deinterlace", 2),
        ("crystal.mp4", {"allow_lossy": ["hdr", "taste"]}, "--allow-lossy", 2),
        ("crystal.mp4", {"start": 5.0, "to": 2}, "--to", 2),
    ],
)
def test_failures_carry_the_programs_message_and_status(samples, with_program, video, options, words, status):
    with pytest.raises(pipersr.VideoError, match=words) as caught:
        pipersr.upscale_video(video, **options)
    assert status in (None, caught.value.status)
    assert "\n" not in str(caught.value) and not str(caught.value).startswith("pipersr:")


def test_options_have_the_names_of_the_command_line(small_clip, with_program):
    result = pipersr.upscale_video(
        "clip.mp4", "part.mkv", model="pipersr-x2-fast", start=0.1, duration="0.1", codec="ffv1", pix_fmt="yuv420p10le",
        encoder_opts="slices=4", encoder_threads=1, deinterlace="no", max_height=90, allow_lossy=("hdr", "depth"),
        strict=True, strip=True, reuse=False, resume=True, segment_frames=2, memory_limit=1 << 30, isa="auto",
    )  # fmt: skip
    stream = streams(result.path)[0]
    assert (stream["codec_name"], stream["pix_fmt"], stream["height"]) == ("ffv1", "yuv420p10le", 90)
    assert (result.height, result.frames, result.damaged_frames, result.damaged_packets) == (90, 3, 0, 0)


def test_every_option_of_a_video_is_a_parameter(program):
    """New options are named here or become parameters."""
    elsewhere = {
        "input", "output", "force", "no-reuse", "json", "help", "version",  # under other names
        "recursive", "skip-existing", "format", "quiet", "max-pixels", "quality", "lossless",  # not of one video
    }  # fmt: skip
    text = subprocess.run([str(program), "upscale", "--help"], check=True, capture_output=True, text=True).stdout
    named = set(re.findall(r"^ +(?:-\w+, )?--([a-z-]+)", text, re.MULTILINE))
    parameters = {name.replace("_", "-") for name in inspect.signature(pipersr.upscale_video).parameters}
    assert named - elsewhere - parameters == set() and elsewhere <= named


def test_what_is_passed_over_is_said(small_clip, with_program):
    (small_clip / "out.mp4").write_bytes(b"precious")
    with pytest.raises(pipersr.VideoError, match="skipped: its output exists"):
        pipersr.upscale_video("clip.mp4", "out.mp4", options=["--skip-existing"])


def test_outputs_are_overwritten_only_when_asked(samples, with_program):
    (samples / "out.mp4").write_bytes(b"precious")
    with pytest.raises(pipersr.VideoError, match="exists"):
        pipersr.upscale_video("crystal.mp4", "out.mp4")
    assert (samples / "out.mp4").read_bytes() == b"precious"


def test_what_the_callback_raises_ends_the_program_and_leaves_nothing(small_clip, with_program):
    before = sorted(os.listdir())

    def stop(progress):
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        pipersr.upscale_video("clip.mp4", progress=stop, **SLOW)
    assert sorted(os.listdir()) == before


def test_without_the_program_the_message_says_what_to_do(samples, monkeypatch):
    monkeypatch.delenv("PIPERSR_PROGRAM")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(pipersr.ProgramMissingError, match="install it"):
        pipersr.upscale_video("crystal.mp4")


def test_the_console_script_is_not_taken_for_the_program(samples, monkeypatch, program):
    import sys

    from pipersr import program as search

    scripts = os.path.dirname(sys.executable)
    assert os.path.isfile(os.path.join(scripts, "pipersr"))
    monkeypatch.delenv("PIPERSR_PROGRAM")
    monkeypatch.setenv("PATH", f"{scripts}:/usr/bin:/bin")
    assert search.find() is None
    monkeypatch.setenv("PATH", f"{scripts}:{program.parent}:/usr/bin:/bin")
    assert search.find() == str(program)
