"""Long videos in segments: what is done outlasts kill -9, Ctrl-C, a full disk; the result is the same."""

import contextlib
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

import clip_tools as clips

INTERNAL, USAGE, INPUT, UNSUPPORTED, OUTPUT = 1, 2, 3, 4, 5
FAST = ["--model", "pipersr-x2-fast", "--precision", "int8", "--preset", "ultrafast"]


def frames_of(path):
    """Time and checksum of every decoded frame of the picture."""
    text = clips.ffmpeg("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-").decode()
    return [line.split(",")[2:] for line in text.splitlines() if not line.startswith("#")]


def packet_times(path):
    found = clips.probe(path, "-select_streams", "v:0", "-show_entries", "packet=pts,dts,duration,flags")
    return [(p.get("pts"), p.get("dts"), p.get("duration"), p["flags"]) for p in found["packets"]]


def parts_of(target):
    return pathlib.Path(f"{target}.parts")


def segments_made(target):
    folder = parts_of(target)
    return len(list(folder.glob("0*.json"))) if folder.is_dir() else 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """B-frames, a sound, 40 frames."""
    return clips.make_clip(tmp_path_factory.mktemp("clip") / "in.mp4", "-g", 13, size="48x32", rate=25, seconds=1.6,
                           sound=True)


def same_video(a, b):
    assert frames_of(a) == frames_of(b)
    assert packet_times(a) == packet_times(b)
    for stream in clips.streams(a, "audio"):
        assert clips.packet_list(a, str(stream["index"])) == clips.packet_list(b, str(stream["index"]))


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.005)


def start(program, *arguments):
    return subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)


def leave_unfinished(program, target, n_segments, *arguments):
    """Starts the job and kills it when it has made some segments."""
    for _ in range(10):
        job = start(program, *arguments)
        wait_for(lambda: segments_made(target) >= n_segments or target.exists())
        job.kill()
        job.communicate()
        if segments_made(target) >= n_segments and not target.exists():
            return
        target.unlink(missing_ok=True)
        subprocess.run(["rm", "-rf", parts_of(target)], check=True)
    pytest.fail("the job is always done before it can be killed")


# ------------------------------------------------------------------------------- without a fault


@pytest.mark.parametrize("name,codec", [("a.mp4", "h264"), ("a.mkv", "hevc"), ("a.mov", "h264"), ("a.webm", "vp9"),
                                        ("a.ts", "h264"), ("a.mkv", "av1")])
def test_codecs_join(run, tmp_path, clip, name, codec):
    """Times, frames and copied streams are those of a job that is not cut."""
    whole, cut = tmp_path / f"whole-{name}", tmp_path / f"cut-{name}"
    assert run("upscale", clip, "-o", whole, "--codec", codec, *FAST).returncode == 0
    done = run("upscale", clip, "-o", cut, "--codec", codec, "--segment-frames", 9, *FAST)
    assert done.returncode == 0, done.stderr
    assert clips.decoded_times(whole) == clips.decoded_times(cut)
    assert clips.packet_list(whole, "a") == clips.packet_list(cut, "a")
    assert len(clips.streams(cut, "audio")) == (not name.endswith(".webm"))
    dts = [dts for _, dts, _, _ in packet_times(cut) if dts is not None]
    assert dts == sorted(set(dts))
    assert not parts_of(cut).exists()


def test_decoding_times_are_those_of_one_encoder(run, tmp_path, clip):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    options = [*FAST, "--preset", "medium"]
    assert run("upscale", clip, "-o", whole, *options).returncode == 0
    assert run("upscale", clip, "-o", cut, "--segment-frames", 9, *options).returncode == 0
    assert [dts for _, dts, _, _ in packet_times(whole)] == [dts for _, dts, _, _ in packet_times(cut)]
    keys = [i for i, (_, _, _, flags) in enumerate(packet_times(cut)) if "K" in flags]
    assert set(keys) >= {0, 9, 18, 27, 36}


def test_pixels_do_not_depend_on_the_cuts(run, tmp_path, clip):
    whole = tmp_path / "whole.mkv"
    assert run("upscale", clip, "-o", whole, "--codec", "ffv1", *FAST[:4]).returncode == 0
    for length in (7, 40, 39, 1000):
        cut = tmp_path / f"{length}.mkv"
        done = run("upscale", clip, "-o", cut, "--codec", "ffv1", "--segment-frames", length, *FAST[:4])
        assert done.returncode == 0, done.stderr
        assert frames_of(cut) == frames_of(whole)


# -------------------------------------------------------------------------------------- crashes


def resume_until_done(program, arguments, target, kill_after):
    """Starts the job again and again; kill_after() gives the seconds until each is killed, None to let it be."""
    kills = 0
    while True:
        job = start(program, *arguments, "--resume")
        seconds = kill_after()
        try:
            _, message = job.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            job.kill()
            job.communicate()
            kills += 1
            continue
        assert job.returncode == 0, message
        assert target.is_file()
        return kills


def test_killed_at_random_times(program, run, tmp_path, clip):
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    arguments = ["upscale", clip, "-o", target, *FAST, "--segment-frames", 5]
    started = time.monotonic()
    assert run("upscale", clip, "-o", whole, *FAST, "--segment-frames", 5).returncode == 0
    length = time.monotonic() - started
    chance = random.Random(5)
    left = [8]

    def kill_after():
        left[0] -= 1
        return chance.uniform(0, length) if left[0] >= 0 else None

    resume_until_done(program, arguments, target, kill_after)
    same_video(whole, target)
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["out.mp4", "whole.mp4"]


@pytest.mark.parametrize("left", [[], ["output.json", "000001.nut"]])
def test_killed_while_the_parts_are_removed(run, tmp_path, clip, left):
    """The manifest goes first: what is left then belongs to an output that is whole."""
    target = tmp_path / "out.mp4"
    assert run("upscale", clip, "-o", target, *FAST).returncode == 0
    made = target.read_bytes()
    parts_of(target).mkdir()
    for name in left:
        (parts_of(target) / name).write_bytes(b"")
    done = run("upscale", clip, "-o", target, *FAST, "--resume")
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == made and [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_kept_segments_are_not_made_again(program, run, tmp_path, clip):
    target = tmp_path / "out.mkv"
    leave_unfinished(program, target, 2, "upscale", clip, "-o", target, *FAST, "--segment-frames", 4)
    kept = {path.name: path.stat().st_mtime_ns for path in parts_of(target).glob("0*.nut")}
    done = run("upscale", clip, "-o", target, *FAST, "--segment-frames", 4, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stdout.decode().splitlines() if "continues behind frame" in line]
    assert len(notes) == 1 and f"behind frame {4 * len(kept)} " in notes[0]
    assert len(clips.decoded_times(target)) == 40
    # The output that the killed process had begun is gone, too.
    assert [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


def test_interrupted_by_ctrl_c(program, run, tmp_path, clip):
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    job = start(program, "upscale", clip, "-o", target, *FAST, "--segment-frames", 5)
    wait_for(lambda: segments_made(target) >= 1)
    job.send_signal(signal.SIGINT)
    _, message = job.communicate(timeout=60)
    assert job.returncode == 130
    assert "frames are kept, --resume continues" in message
    assert not target.exists()
    refused = run("upscale", clip, "-o", target, *FAST)
    assert refused.returncode == OUTPUT
    assert "--resume" in refused.stderr and "--force" in refused.stderr and refused.stderr.count("\n") == 1
    assert run("upscale", clip, "-o", target, *FAST, "--resume").returncode == 0
    assert run("upscale", clip, "-o", whole, *FAST, "--segment-frames", 5).returncode == 0
    same_video(whole, target)
    again = run("upscale", clip, "-o", target, *FAST, "--resume")
    assert again.returncode == 0 and "skipped" in again.stderr


def test_interrupted_before_the_first_segment(program, tmp_path, clip):
    target = tmp_path / "out.mp4"
    job = start(program, "upscale", clip, "-o", target, "--segment-frames", 1000)
    wait_for(lambda: parts_of(target).is_dir() and (parts_of(target) / "output.json").is_file())
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=60)
    assert job.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_ended_between_the_output_and_its_parts(program, run, tmp_path, clip):
    """The output has its name, but its folder is still there: nothing is made again."""
    target = tmp_path / "out.mp4"
    options = ["upscale", clip, "-o", target, *FAST, "--segment-frames", 10]
    leave_unfinished(program, target, 1, *options)
    subprocess.run(["cp", "-a", parts_of(target), tmp_path / "kept"], check=True)
    assert run(*options, "--resume").returncode == 0
    inode = target.stat()
    (tmp_path / "kept" / "output.json").write_text(f'{{"device": {inode.st_dev}, "inode": {inode.st_ino}}}')
    (tmp_path / "kept").rename(parts_of(target))
    done = run(*options, "--resume")
    assert done.returncode == 0 and "skipped" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def change_time(entry):
    """One digit of one frame's time, as a failing disk or a curious editor might."""
    text = entry.read_text()
    at = text.index("]", text.index('"times"')) - 1
    entry.write_text(text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1:])


def flip_bit(packets):
    data = bytearray(packets.read_bytes())
    data[len(data) // 2] ^= 1
    packets.write_bytes(data)


@pytest.mark.parametrize("name,damage", [("000001.nut", flip_bit), ("000001.json", change_time)])
def test_damaged_segment_is_made_again(program, run, tmp_path, clip, name, damage):
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    options = [clip, "-o", target, *FAST, "--segment-frames", 5]
    assert run("upscale", clip, "-o", whole, *FAST, "--segment-frames", 5).returncode == 0
    leave_unfinished(program, target, 3, "upscale", *options)
    damage(parts_of(target) / name)
    done = run("upscale", *options, "--resume")
    assert done.returncode == 0, done.stderr
    same_video(whole, target)


# ------------------------------------------------------------------------------- changed jobs


@pytest.fixture
def unfinished(program, tmp_path, clip):
    """A job that was killed after its first segments: (its own copy of the clip, target)."""
    source, target = tmp_path / "own.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip.read_bytes())
    leave_unfinished(program, target, 2, "upscale", source, "-o", target, *FAST, "--segment-frames", 5)
    return source, target


@pytest.mark.parametrize("options,word", [
    (["--crf", "30"], "crf"),
    (["--model", "pipersr-x2"], "model"),
    (["--precision", "fp32"], "precision"),
    (["--segment-frames", "6"], "segment frames"),
    (["--codec", "hevc"], "codec"),
])
def test_changed_options_are_refused(run, unfinished, options, word):
    source, target = unfinished
    before = sorted(path.name for path in parts_of(target).iterdir())
    done = run("upscale", source, "-o", target, *FAST, *options, "--resume")
    assert done.returncode == OUTPUT
    assert word in done.stderr and "--force" in done.stderr and done.stderr.count("\n") == 1
    assert sorted(path.name for path in parts_of(target).iterdir()) == before


def test_changed_input_is_refused_or_begins_anew(run, unfinished):
    source, target = unfinished
    data = source.read_bytes()
    times = source.stat()
    source.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = run("upscale", source, "-o", target, *FAST, "--resume")
    assert done.returncode == OUTPUT and "the input has changed" in done.stderr
    done = run("upscale", source, "-o", target, *FAST, "--resume", "--force")
    assert done.returncode == 0, done.stderr
    assert "begins anew: the input has changed" in done.stderr
    assert len(clips.decoded_times(target)) == 40


def test_touched_input_is_noticed(run, unfinished):
    source, target = unfinished
    os.utime(source, (1, 1))
    done = run("upscale", source, "-o", target, *FAST, "--resume")
    assert done.returncode == OUTPUT and "the input has changed" in done.stderr


def test_damaged_manifest_is_refused(run, unfinished):
    source, target = unfinished
    manifest = parts_of(target) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"scale": 2', '"scale": 4'))
    done = run("upscale", source, "-o", target, *FAST, "--resume")
    assert done.returncode == INPUT and "manifest.json is damaged" in done.stderr
    assert run("upscale", source, "-o", target, *FAST, "--resume", "--force").returncode == 0


def test_two_processes_on_one_job(program, run, tmp_path, clip):
    target = tmp_path / "out.mp4"
    job = start(program, "upscale", clip, "-o", target, *FAST, "--segment-frames", 5)
    wait_for(lambda: segments_made(target) >= 1)
    # Stopped, as it may be done before the other has started.
    job.send_signal(signal.SIGSTOP)
    done = run("upscale", clip, "-o", target, *FAST, "--resume")
    job.send_signal(signal.SIGCONT)
    job.communicate()
    assert job.returncode == 0
    assert done.returncode == OUTPUT and "another process" in done.stderr


def test_where_resuming_is_impossible(run, tmp_path, clip):
    done = run("upscale", clip, "-o", tmp_path / "out.y4m", "--resume", *FAST[:4])
    assert done.returncode == 0, done.stderr
    assert "cannot be continued after an interruption: y4m" in done.stderr
    with open(clip, "rb") as stream:
        done = run("upscale", "-", "-o", tmp_path / "out.mkv", "--format", "mkv", "--resume", *FAST, stdin=stream)
    assert done.returncode == 0, done.stderr
    assert "cannot be continued" in done.stderr
    assert not parts_of(tmp_path / "out.mkv").exists()


def test_folders_of_segments_are_no_inputs(run, unfinished):
    source, target = unfinished
    done = run("upscale", "-r", source.parent, "-o", source.parent / "made", *FAST)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (source.parent / "made").rglob("*.*")] == ["own_2x.mp4"]


# ------------------------------------------------------------------------------------- full disk


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
    if subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_too_little_space_is_told_before_the_work(run, tmp_path):
    clip = clips.make_clip(tmp_path / "in.mp4", "-qp", 10, size="320x240", rate=25, seconds=4)
    with small_disk(tmp_path / "small", 50) as small:
        done = run("upscale", clip, "-o", small / "out.mp4", *FAST)
        assert done.returncode == OUTPUT
        assert "not enough space" in done.stderr and "are needed, 49 kB are free" in done.stderr
        assert done.stderr.count("\n") == 1
        assert list(small.iterdir()) == []


def test_full_disk_keeps_what_is_done(run, tmp_path, clip):
    whole = tmp_path / "whole.mkv"
    lossless = ["--codec", "ffv1", *FAST[:4], "--segment-frames", 4]
    assert run("upscale", clip, "-o", whole, *lossless).returncode == 0
    with small_disk(tmp_path / "small", whole.stat().st_size * 6 // 10240) as small:
        target = small / "out.mkv"
        done = run("upscale", clip, "-o", target, *lossless)
        assert done.returncode == OUTPUT, done.stderr
        assert "frames are kept" in done.stderr and "--resume continues" in done.stderr
        kept = segments_made(target)
        assert kept >= 1 and not target.exists()
        subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
        done = run("upscale", clip, "-o", target, *lossless, "--resume")
        assert done.returncode == 0, done.stderr
        assert f"behind frame {4 * kept} " in done.stderr
        assert frames_of(target) == frames_of(whole)
        assert [path.name for path in small.iterdir()] == ["out.mkv"]
