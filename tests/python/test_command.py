"""The console script: the program where it is installed, else photos with the same options and statuses."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy
import pytest
from PIL import Image

from picture_makers import scene

SCRIPT = pathlib.Path(sys.executable).with_name("pipersr")
FAST = "--model=pipersr-x2-fast"


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, **options):
        return subprocess.run(
            [str(SCRIPT), *map(str, arguments)], capture_output=True, text=options.pop("text", True), **options
        )

    return call


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_the_program_is_run_where_it_is_installed(run, program, monkeypatch):
    ours = run("--help").stdout
    monkeypatch.setenv("PIPERSR_PROGRAM", str(program))
    assert run("--help").stdout != ours
    assert run("--help").stdout == subprocess.run([program, "--help"], capture_output=True, text=True).stdout
    assert run("upscale", "absent.png").returncode == 3


def test_a_photo_beside_the_other(run, photo):
    done = run("upscale", "photo.png")
    assert done.returncode == 0, done.stderr
    assert Image.open("photo_2x.png").size == (62, 48)
    assert "photo.png -> photo_2x.png  62x48" in done.stderr and done.stdout == ""
    again = run("-i", "photo.png")
    assert again.returncode == 5 and "exists already" in again.stderr and again.stderr.count("\n") == 1
    assert run("-i", "photo.png", "--force", "-q").stderr == ""
    assert "its output exists" in run("upscale", "photo.png", "--skip-existing").stderr


def test_events_have_the_programs_keys(run, photo, program):
    ours = [json.loads(line) for line in run("upscale", "photo.png", "absent.png", "--json").stdout.splitlines()]
    theirs = subprocess.run(
        [program, "upscale", "photo.png", "absent.png", "--json", "--force"], capture_output=True, text=True
    )
    theirs = [json.loads(line) for line in theirs.stdout.splitlines()]
    assert [each["event"] for each in ours] == [each["event"] for each in theirs] == ["done", "failed"]
    for mine, other in zip(ours, theirs):
        assert set(mine) <= set(other)  # which has some of videos besides
        assert (mine["status"], mine["width"], mine["height"]) == (other["status"], other["width"], other["height"])
    assert (ours[0]["output"], ours[0]["kind"]) == (theirs[0]["output"], theirs[0]["kind"])


def test_folders_names_and_formats(run, tmp_path):
    for name in ("in/a.png", "in/deep/b.jpg", "in/c_2x.png", "in/.hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene()).save(tmp_path / name)
    (tmp_path / "in" / "notes.txt").write_text("words")
    done = run("upscale", "-r", "in", "-o", "out", "--format", "webp", FAST)
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to("out")) for path in pathlib.Path("out").rglob("*.*")) == [
        "a_2x.webp",
        "deep/b_2x.webp",
    ]
    assert "2 done, 2 skipped, 0 failed" in done.stderr


def test_standard_input_and_output(run, photo):
    done = run("upscale", "-", "-o", "-", FAST, input=photo.read_bytes(), text=False)
    assert done.returncode == 0, done.stderr
    import io

    assert Image.open(io.BytesIO(done.stdout)).size == (62, 48)


def test_four_times(run, photo):
    assert run("upscale", "photo.png", "--scale=4", FAST).returncode == 0
    assert Image.open("photo_4x.png").size == (124, 96)


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        ([], 2, "nothing to do"),
        (["frobnicate"], 2, "unknown command 'frobnicate'"),
        (["upscale"], 2, "no input"),
        (["upscale", "photo.png", "--threads", "many"], 2, "--threads: takes 0 to 1024, not 'many'"),
        (["upscale", "photo.png", "--nonsense"], 2, "--nonsense"),
        (["upscale", "photo.png", "--crf", "20"], 2, "options of videos need the program"),
        (["upscale", "photo.png", "--scale", "3"], 2, "2 or 4"),
        (["upscale", "photo.png", "--format", "nonsense"], 2, "cannot write"),
        (["upscale", "photo.png", "--force", "--skip-existing"], 2, "exclude"),
        (["upscale", "-", "-o", ""], 2, "takes a name"),
        (["upscale", "absent.png"], 3, "absent.png"),
        (["upscale", "empty.png"], 3, "empty"),
        (["upscale", "text.png"], 3, "not a picture"),
        (["upscale", "."], 3, "-r"),
        (["upscale", "photo.png", "--model", "pipersr-x9"], 3, "there are: pipersr-x2"),
        (["upscale", "clip.mp4"], 4, "needs the program pipersr"),
        (["upscale", "clip.mp4", "-o", "big.mp4"], 4, "needs the program pipersr"),
        (["upscale", "photo.png", "-o", "photo.xyz"], 4, "cannot write"),
        (["upscale", "photo.png", "--max-pixels", "10"], 4, "limit"),
        (["upscale", "photo.png", "-o", "photo.png", "-f"], 5, "the input itself"),
        (["upscale", "photo.png", "-o", "absent/x.png"], 5, "absent/x.png"),
        (["upscale", "photo.png", "-o", "absent/deeper/"], 5, "cannot be made"),
        (["upscale", "photo.png", "--memory-limit", "1k"], 6, "memory limit"),
        (["calibrate", "."], 4, "needs the program pipersr"),
        (["segment", "plan", "."], 4, "needs the program pipersr"),
        (["bench", "video", "."], 4, "bench video needs the program pipersr"),
        (["bench", "quality", "."], 4, "bench quality needs the program pipersr"),
        (["serve"], 4, "pipersr serve needs the program pipersr"),
        (["export", "--format", "onnx", "-o", "x.onnx", "--model="], 3, "--model takes"),
        (["export", "--format", "onnx", "-o", "x.onnx", "--model", "./absent.safetensors"], 3, "absent.safetensors"),
        (["export", "--format", "onnx"], 2, "--output"),
        (["info", "--models", "--model=x"], 2, "exclude"),
        (["bench", "speed", "--size", "0x5"], 2, "WIDTHxHEIGHT"),
    ],
)
def test_mistakes_are_one_line_and_a_status(run, photo, tmp_path, arguments, status, words):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("words and more words")
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(40))
    before = sorted(os.listdir())
    done = run(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stderr and done.stderr.startswith("pipersr: ")
    assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert sorted(os.listdir()) == before


def test_one_bad_file_does_not_stop_the_others(run, photo):
    (photo.parent / "bad.png").write_bytes(photo.read_bytes()[:100])
    done = run("upscale", "bad.png", "photo.png", FAST)
    assert done.returncode == 3 and os.path.exists("photo_2x.png")
    assert "1 done, 0 skipped, 1 failed" in done.stderr


def test_ctrl_c_leaves_nothing(run, photo):
    Image.fromarray(scene(1000, 1500)).save(photo)
    before = sorted(os.listdir())
    process = subprocess.Popen(
        [str(SCRIPT), "upscale", "photo.png", "--threads=1", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert json.loads(process.stdout.readline())["event"] == "progress"
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate()
    assert process.returncode == 130 and "interrupted" in messages
    assert sorted(os.listdir()) == before


def test_info_has_the_programs_keys(run, program):
    for options in (["--json"], ["--models", "--json"]):
        ours = json.loads(run("info", *options).stdout)
        theirs = json.loads(subprocess.run([program, "info", *options], capture_output=True).stdout)
        assert ours.keys() == theirs.keys()
        if "models" in ours:
            assert ours == theirs
        else:
            assert ours["model"] == theirs["model"] and ours["cpu"] == theirs["cpu"]
    text = run("info").stdout
    assert "Pillow" in text and "the program pipersr is not installed" in text
    models = subprocess.run([program, "info", "--models"], capture_output=True, text=True).stdout
    assert run("info", "--models").stdout == models


def test_bench_speed_has_the_programs_keys(run, program):
    options = ["bench", "speed", "--size", "48x32", "--frames", "2", "--json"]
    ours = json.loads(run(*options).stdout)
    theirs = json.loads(subprocess.run([program, *options], capture_output=True).stdout)
    assert ours.keys() == theirs.keys()
    assert (ours["width"], ours["precision"], ours["isa"]) == (48, theirs["precision"], theirs["isa"])
    assert "ms/frame" in run("bench", "speed", "--size=32x32", "--frames=1", "--at-once=auto").stdout


def test_help_and_version(run, program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    assert run("--version").stdout == version
    for command in ([], ["upscale"], ["info"], ["bench", "speed"]):
        done = run(*command, "--help")
        assert done.returncode == 0 and "Exit status: 0 all done" in done.stdout


def test_every_option_of_the_program_is_known_here(run, program):
    import re

    for command in (["upscale"], ["info"], ["bench", "speed"]):
        theirs = subprocess.run([program, *command, "--help"], capture_output=True, text=True).stdout
        theirs = re.sub(r"^Videos:\n.*?\n\n", "", theirs, flags=re.MULTILINE | re.DOTALL)
        ours = run(*command, "--help").stdout
        missing = set(re.findall(r"--[a-z][a-z-]+", theirs)) - set(re.findall(r"--[a-z][a-z-]+", ours))
        assert not missing - {"--version"}, command


def test_a_pipe_that_closes_early(run, photo):
    process = subprocess.Popen([str(SCRIPT), "info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    messages = process.stderr.read()
    assert process.wait() == 5 and messages.count("\n") == 1


def test_bytes_are_those_of_the_library(run, photo):
    import pipersr

    run("upscale", "photo.png", FAST)
    with pipersr.Upscaler(model="pipersr-x2-fast") as upscaler:
        assert numpy.array_equal(numpy.asarray(Image.open("photo_2x.png")), upscaler.frame(scene()))


def test_export_writes_what_onnx_can_check(run, tmp_path):
    import onnx

    done = run("export", "--format", "onnx", "-o", "model.onnx", FAST)
    assert done.returncode == 0, done.stderr
    onnx.checker.check_model(str(tmp_path / "model.onnx"))
    assert run("export", "--format", "onnx", "-o", "model.onnx").returncode == 5
