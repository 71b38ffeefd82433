"""Standard input and output, messages, JSON, progress and signals."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import clip_tools as clips
from picture_tools import header, scene, write_png

USAGE, INPUT, UNSUPPORTED, OUTPUT = 2, 3, 4, 5


@pytest.fixture
def photo(tmp_path):
    return write_png(tmp_path / "photo.png", scene(20, 14))


@pytest.fixture
def clip(tmp_path):
    return clips.make_clip(tmp_path / "clip.mkv", size="32x24", seconds=0.5)


# ---------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize("through", ["pipe", "file"])
def test_picture_through_stdin_and_stdout(run, tmp_path, photo, through):
    with open(photo, "rb") as file:
        source = {"input": photo.read_bytes()} if through == "pipe" else {"stdin": file}
        done = run("upscale", "-", "-o", "-", **source)
    assert done.returncode == 0, done.stderr
    assert run("upscale", photo, "-o", tmp_path / "file.png").returncode == 0
    (tmp_path / "pipe.png").write_bytes(done.stdout)
    assert header(tmp_path / "pipe.png") == header(tmp_path / "file.png")


def test_slow_pipe(program, photo):
    """The first bytes come one by one: the program must not decide from a part of them."""
    data = photo.read_bytes()
    command = [program, "upscale", "-", "-o", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for byte in data[:4]:
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
            time.sleep(0.02)
        process.stdin.write(data[4:])
        process.stdin.close()
        assert process.stdout.read(8) == b"\x89PNG\r\n\x1a\n"
        process.stdout.read()
    assert process.returncode == 0


def test_stdin_to_a_named_file(run, tmp_path, photo):
    target = tmp_path / "out.jpg"
    assert run("upscale", "-", "-o", target, input=photo.read_bytes()).returncode == 0
    assert target.read_bytes()[:2] == b"\xff\xd8"


def test_format_of_stdout(run, photo):
    done = run("upscale", photo, "-o", "-", "--format", "jpg")
    assert done.returncode == 0 and done.stdout[:2] == b"\xff\xd8"


def test_video_to_stdout_is_y4m(run, clip):
    done = run("upscale", clip, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"YUV4MPEG2 W64 H48 ")
    assert done.stdout.count(b"FRAME") == 5


def test_video_through_a_pipe_is_recognised(run, tmp_path, clip):
    options = ["-o", tmp_path / "out.mp4", "--preset", "ultrafast"]
    done = run("upscale", "-", *options, input=clip.read_bytes())
    assert done.returncode == 0, done.stderr
    assert clips.video(tmp_path / "out.mp4")["width"] == 64


def test_stdin_needs_an_output(run, photo):
    done = run("upscale", "-", input=photo.read_bytes())
    assert done.returncode == USAGE and "-o" in done.stderr


def test_stdout_takes_one_input(run, photo):
    assert run("upscale", photo, photo, "-o", "-").returncode == USAGE
    assert run("upscale", "-", "-", "-o", "out/", input=b"").returncode == USAGE


def test_closed_pipe(program, tmp_path):
    big = write_png(tmp_path / "big.png", scene(300, 200))
    command = [program, "upscale", big, "-o", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read().decode()
    assert process.returncode == OUTPUT
    assert len(errors.splitlines()) == 1 and errors.startswith("pipersr: ") and "big.png" in errors


# --------------------------------------------------------------------------------------- messages


def test_summary(run, tmp_path, photo):
    done = run("upscale", photo, "-o", tmp_path / "out.png")
    assert done.stdout == b""
    assert re.fullmatch(rf"{photo} -> {tmp_path}/out\.png  40x28  \d+\.\d s\n", done.stderr)


def test_summary_of_a_video(run, tmp_path, clip):
    done = run("upscale", clip, "-o", tmp_path / "out.mp4", "--preset", "ultrafast")
    assert re.search(r"out\.mp4  64x48  5 frames  [\d.]+ frames/s  (\d+ % reused  )?[\d.]+ s\n", done.stderr)


def test_quiet(run, photo):
    done = run("upscale", photo, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")
    assert run("upscale", photo, "--quiet").stderr.count("\n") == 1


def test_json(run, tmp_path, photo, clip):
    missing = tmp_path / "missing.png"
    out = tmp_path / "out"
    done = run("upscale", photo, missing, clip, "--json", "--preset", "ultrafast", "-o", out)
    assert done.returncode == INPUT
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [event for event in events if event["event"] in ("done", "failed")]
    assert [event["event"] for event in ends] == ["done", "failed", "done"]
    picture, failed, video = ends
    keys = {"event", "input", "output", "kind", "status", "error", "width", "height", "frames",
            "reused_px", "damaged_packets", "damaged_frames", "missing_seconds", "seconds", "fps"}
    assert all(set(event) == keys for event in ends)
    assert (picture["input"], picture["output"]) == (str(photo), str(tmp_path / "out/photo_2x.png"))
    assert (picture["kind"], picture["width"], picture["height"]) == ("picture", 40, 28)
    assert picture["frames"] == 1
    assert (picture["status"], picture["error"]) == (0, None)
    assert (failed["status"], failed["input"], failed["width"]) == (INPUT, str(missing), None)
    assert "No such file" in failed["error"]
    assert (video["kind"], video["width"], video["height"], video["frames"]) == ("video", 64, 48, 5)
    assert video["seconds"] > 0 and video["fps"] == pytest.approx(5 / video["seconds"], rel=1e-3)
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("pipersr: ")


def test_json_skipped(run, tmp_path, photo):
    assert run("upscale", photo, "-q").returncode == 0
    done = run("upscale", photo, "--skip-existing", "--json")
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["event"] == "skipped" and event["output"].endswith("photo_2x.png")


def test_json_beside_a_picture_on_stdout(run, photo):
    done = run("upscale", photo, "-o", "-", "--json")
    assert done.stdout.startswith(b"\x89PNG")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[-1]["event"] == "done" and events[-1]["output"] == "-"


def test_json_progress_is_sparse(run, tmp_path):
    big = write_png(tmp_path / "big.png", scene(500, 300))
    done = run("upscale", big, "--json", "--isa", "avx2", "--threads", 1)
    if done.returncode == UNSUPPORTED:
        pytest.skip("no AVX2")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [event for event in events if event["event"] == "progress"]
    assert len(steps) <= 2 * events[-1]["seconds"] + 1
    for step in steps:
        assert step["unit"] == "rows" and 0 <= step["done"] <= step["total"] == 600
    assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)


def test_json_that_nobody_can_write(program, photo):
    with open("/dev/full", "w") as full:
        command = [program, "upscale", photo, "--json"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == OUTPUT
    assert done.stderr.startswith(b"pipersr: standard output")


# --------------------------------------------------------------------------------------- terminal


def on_terminal(command, columns=70):
    """Runs the command with standard error on a terminal; returns its status and what it wrote."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=null, stdout=null, stderr=slave)
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 4096) if select.select([master], [], [], 120)[0] else b""
        except OSError:
            break
        if not part:
            break
        written += part
    os.close(master)
    return process.wait(timeout=60), written.decode()


def test_progress_line_on_a_terminal(program, tmp_path):
    big = write_png(tmp_path / ("long_name_" * 12 + ".png"), scene(400, 300))
    status, text = on_terminal([program, "upscale", big, "-f", "--threads", "1"])
    assert status == 0
    drawn = re.findall(r"\r([^\r\n]+)\x1b\[K", text)
    assert drawn, text
    for line in drawn:
        assert len(line) < 70
        assert re.search(r"\d+%  \d+/600 rows  [\d.]+ rows/s(  \d+:\d\d left)?$", line)
    assert text.rstrip().endswith(" s") and "800x600" in text.splitlines()[-1]


def test_quiet_draws_nothing_on_a_terminal(program, tmp_path):
    big = write_png(tmp_path / "big.png", scene(300, 200))
    assert on_terminal([program, "upscale", big, "--quiet"]) == (0, "")


def test_picture_is_not_written_to_a_terminal(program, photo):
    master, slave = pty.openpty()
    done = subprocess.run([program, "upscale", photo, "-o", "-"], stdin=subprocess.DEVNULL,
                          stdout=slave, stderr=subprocess.PIPE)
    os.close(slave)
    os.close(master)
    assert done.returncode == USAGE and b"terminal" in done.stderr


# ---------------------------------------------------------------------------------------- signals


def start(program, *arguments, **options):
    """As from a shell's foreground: with the signals not ignored."""

    def default_signals():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    command = [program, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, preexec_fn=default_signals, **options)


def wait_for_temporary(folder, known, seconds=20):
    end = time.monotonic() + seconds
    while set(os.listdir(folder)) == known:
        assert time.monotonic() < end, "no output was begun"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_nothing(program, tmp_path, number):
    big = write_png(tmp_path / "big.png", scene(1200, 1200))
    with start(program, "upscale", big, "--threads", 1) as process:
        wait_for_temporary(tmp_path, {"big.png"})
        time.sleep(0.2)
        process.send_signal(number)
        begun = time.monotonic()
        errors = process.stderr.read().decode()
    assert time.monotonic() - begun < 1.5
    assert process.returncode == 128 + number
    assert errors == "pipersr: interrupted; nothing half-written is left\n"
    assert os.listdir(tmp_path) == ["big.png"]


def test_interrupted_video_leaves_nothing(program, tmp_path):
    clip = clips.make_clip(tmp_path / "clip.mp4", size="320x240", seconds=20, sound=True)
    with start(program, "upscale", clip) as process:
        wait_for_temporary(tmp_path, {"clip.mp4"})
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        errors = process.stderr.read().decode()
    assert time.monotonic() - begun < 2.5
    assert process.returncode == 130
    assert errors == "pipersr: interrupted; nothing half-written is left\n"
    assert os.listdir(tmp_path) == ["clip.mp4"]


def test_interrupt_stops_the_inputs_that_follow(program, tmp_path):
    big = write_png(tmp_path / "big.png", scene(1200, 1200))
    write_png(tmp_path / "small.png", scene(8, 8))
    with start(program, "upscale", big, tmp_path / "small.png", "--threads", 1) as process:
        wait_for_temporary(tmp_path, {"big.png", "small.png"})
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    assert sorted(os.listdir(tmp_path)) == ["big.png", "small.png"]


def test_interrupt_of_a_read_that_waits(program, tmp_path, photo):
    """Nothing more comes through the pipe: the reader cannot look at the flag."""
    target = tmp_path / "out.png"
    with start(program, "upscale", "-", "-o", target, stdin=subprocess.PIPE) as process:
        process.stdin.write(photo.read_bytes()[:60])
        process.stdin.flush()
        wait_for_temporary(tmp_path, {"photo.png"})
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        errors = process.stderr.read().decode()
        process.wait()
    assert time.monotonic() - begun < 4
    assert process.returncode == 130
    assert errors.count("\n") == 1 and "interrupted" in errors
    assert os.listdir(tmp_path) == ["photo.png"]


def test_second_signal_ends_at_once(program, tmp_path, photo):
    with start(program, "upscale", "-", "-o", tmp_path / "out.png", stdin=subprocess.PIPE) as process:
        process.stdin.write(photo.read_bytes()[:60])
        process.stdin.flush()
        wait_for_temporary(tmp_path, {"photo.png"})
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        process.stderr.read()
        process.wait()
    assert time.monotonic() - begun < 1
    assert process.returncode == 130
    assert os.listdir(tmp_path) == ["photo.png"]
