"""How pictures come in and go out: pipes, memory, threads, damage, and outputs that appear whole."""

import os
import resource
import signal
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from picture_tools import header, pixels, scene, write_png

W, H = 48, 32


def upscale(run, source, target, *options):
    done = run("upscale", source, "-o", target, *options)
    assert done.returncode == 0, done.stderr
    return done


def leftovers(folder):
    """Temporary files have hidden names."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


# ------------------------------------------------------------------------------------------- pipes


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif"])
def test_stdin_to_stdout(run, tmp_path, suffix):
    source = tmp_path / f"in{suffix}"
    Image.fromarray(scene(W, H)).save(source)
    upscale(run, source, tmp_path / "expected.png")
    done = run("upscale", "-", "-o", "-", input=source.read_bytes())
    assert done.returncode == 0, done.stderr
    assert done.stdout[:8] == b"\x89PNG\r\n\x1a\n"
    (tmp_path / "piped.png").write_bytes(done.stdout)
    assert np.array_equal(pixels(tmp_path / "piped.png"), pixels(tmp_path / "expected.png"))


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "tif", "gif", "avif"])
def test_every_format_to_stdout(run, tmp_path, name):
    source = write_png(tmp_path / "in.png", scene(W, H))
    done = run("upscale", source, "-o", "-", "--format", name)
    if done.returncode == 4 and name == "avif":
        pytest.skip("this libvips writes no AVIF")
    assert done.returncode == 0, done.stderr
    (tmp_path / f"out.{name}").write_bytes(done.stdout)
    assert header(tmp_path / f"out.{name}")[:2] == (2 * W, 2 * H)


def test_tiff_appended_to_a_file_by_the_shell(program, tmp_path):
    """Standard output may be a file that is not at its beginning."""
    source = write_png(tmp_path / "in.png", scene(W, H))
    with open(tmp_path / "out.bin", "ab") as out:
        out.write(b"12345678")
        out.flush()
        done = subprocess.run(
            [str(program), "upscale", str(source), "-o", "-", "--format", "tif"],
            stdout=out,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 0, done.stderr
    data = (tmp_path / "out.bin").read_bytes()
    assert data[:8] == b"12345678"
    (tmp_path / "out.tif").write_bytes(data[8:])
    assert header(tmp_path / "out.tif")[:2] == (2 * W, 2 * H)


def test_closed_pipe(program, tmp_path):
    source = write_png(tmp_path / "in.png", scene(160, 120))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [str(program), "upscale", str(source), "-o", "-"], stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert done.returncode == 5, done  # not -SIGPIPE
    assert b"pipe" in done.stderr.lower()


@pytest.mark.parametrize("name", ["png", "jpg", "tif", "webp", "gif"])
def test_full_disk(program, tmp_path, name):
    source = write_png(tmp_path / "in.png", scene(W, H))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [str(program), "upscale", str(source), "-o", "-", "--format", name],
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 5, done
    assert b"space" in done.stderr


# ------------------------------------------------------------------------------ memory and threads


def peak_kib(program, *arguments):
    """Peak resident set of one run. Started from a small process, as a child's peak counts what its
    parent held when it forked."""
    starter = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-S", "-c", starter, str(program), *map(str, arguments)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_memory_does_not_grow_with_height(program, tmp_path, suffix):
    peaks = []
    for height in (150, 3000):
        source, target = tmp_path / f"{height}{suffix}", tmp_path / f"{height}_2x{suffix}"
        Image.fromarray(scene(160, height)).save(source)
        peaks.append(peak_kib(program, "upscale", source, "-o", target, "--quiet"))
    assert peaks[1] < 1.3 * peaks[0], peaks
    # The additional pixels, in and out, are 6.5 MiB; what loaders read ahead varies by two.
    assert peaks[1] - peaks[0] < 4 * 1024, peaks


def test_threads_do_not_change_the_bytes(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(120, 90, 4))
    for threads in ("1", "2", "3"):
        upscale(run, source, tmp_path / f"out_{threads}.png", "--threads", threads)
    first = (tmp_path / "out_1.png").read_bytes()
    assert (tmp_path / "out_2.png").read_bytes() == first
    assert (tmp_path / "out_3.png").read_bytes() == first


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_scale_4_is_twice_scale_2(run, tmp_path, channels, bits):
    source = write_png(tmp_path / "in.png", scene(37, 70, channels, bits))
    upscale(run, source, tmp_path / "once.png")
    upscale(run, tmp_path / "once.png", tmp_path / "twice.png")
    upscale(run, source, tmp_path / "four.png", "--scale", "4", "--model", "pipersr-x2")
    assert header(tmp_path / "four.png")[:2] == (148, 280)
    assert np.array_equal(pixels(tmp_path / "four.png"), pixels(tmp_path / "twice.png"))


# -------------------------------------------------------------------------------------- bad inputs


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".avif"])
@pytest.mark.parametrize("kept", [0.03, 0.5, 0.9])
def test_truncated_input_is_an_error(run, tmp_path, suffix, kept):
    whole = tmp_path / f"whole{suffix}"
    noisy = scene(W, H) ^ np.random.default_rng(3).integers(0, 32, (H, W, 3), np.uint8)
    if suffix == ".avif":
        done = run("upscale", write_png(tmp_path / "in.png", noisy), "-o", whole)
        if done.returncode == 4:
            pytest.skip("this libvips writes no AVIF")
    else:
        Image.fromarray(noisy).save(whole)
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: max(16, int(len(data) * kept))])
    done = run("upscale", cut, "-o", tmp_path / "out.png")
    assert done.returncode == 3, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not (tmp_path / "out.png").exists() and leftovers(tmp_path) == []


def test_damaged_png(run, tmp_path):
    data = bytearray(write_png(tmp_path / "in.png", scene(W, H)).read_bytes())
    data[len(data) // 2] ^= 0x55
    (tmp_path / "bad.png").write_bytes(data)
    done = run("upscale", tmp_path / "bad.png", "-o", tmp_path / "out.png")
    assert done.returncode == 3 and len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists() and leftovers(tmp_path) == []


def test_decompression_bomb(run, tmp_path):
    """A few bytes that claim 40000 x 200000 pixels: refused by the header."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 40000, 200000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    started = time.monotonic()
    done = run("upscale", bomb, "-o", tmp_path / "out.png")
    assert done.returncode == 4, done
    assert "40000 x 200000" in done.stderr and "limit" in done.stderr
    assert time.monotonic() - started < 10
    assert not (tmp_path / "out.png").exists() and leftovers(tmp_path) == []


def test_max_pixels(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    upscale(run, source, tmp_path / "fits.png", "--max-pixels", str(W * H))
    done = run("upscale", source, "-o", tmp_path / "out.png", "--max-pixels", str(W * H - 1))
    assert done.returncode == 4 and str(W * H - 1) in done.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"P6\n2 2\n255\n" + bytes(12),
        b"#!/bin/sh\necho no picture\n",
    ],
)
def test_other_loaders_stay_out(run, tmp_path, content):
    """libvips could read some of these; its loaders for them are not meant for foreign files."""
    (tmp_path / "in.png").write_bytes(content)
    done = run("upscale", tmp_path / "in.png", "-o", tmp_path / "out.png")
    assert done.returncode in (3, 4), done
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.png").exists() and leftovers(tmp_path) == []


# ----------------------------------------------------------------------------------------- outputs


def test_refuses_to_overwrite(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    done = run("upscale", source, "-o", target)
    assert done.returncode == 5 and "--force" in done.stderr
    assert target.read_bytes() == b"precious" and leftovers(tmp_path) == []
    upscale(run, source, target, "--force")
    assert header(target)[:2] == (2 * W, 2 * H)


def test_failure_keeps_the_old_output(run, tmp_path):
    whole = write_png(tmp_path / "in.png", scene(W, H)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")
    done = run("upscale", tmp_path / "cut.png", "-o", target, "--force")
    assert done.returncode == 3
    assert target.read_bytes() == b"precious" and leftovers(tmp_path) == []


def test_input_survives_as_its_own_output(run, tmp_path):
    path = write_png(tmp_path / "in.png", scene(W, H))
    before = path.read_bytes()
    done = run("upscale", path, "-o", path, "--force")
    assert done.returncode == 5
    assert path.read_bytes() == before and leftovers(tmp_path) == []


def test_symbolic_link_stays_a_link(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "real.png"
    real.write_bytes(b"old")
    link = tmp_path / "link.png"
    link.symlink_to("store/real.png")
    upscale(run, source, link, "--force")
    assert link.is_symlink() and header(real)[:2] == (2 * W, 2 * H)


def test_dangling_link_makes_its_file(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    (tmp_path / "store").mkdir()
    link = tmp_path / "link.png"
    link.symlink_to("store/real.png")
    upscale(run, source, link)
    assert link.is_symlink()
    assert header(tmp_path / "store" / "real.png")[:2] == (2 * W, 2 * H)


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_mode_follows_the_umask(program, tmp_path, mask, mode):
    source = write_png(tmp_path / "in.png", scene(W, H))
    target = tmp_path / "out.png"
    subprocess.run(
        [str(program), "upscale", str(source), "-o", str(target), "--quiet"],
        check=True,
        preexec_fn=lambda: os.umask(mask),
    )
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_long_name(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    target = tmp_path / ("x" * 251 + ".png")
    upscale(run, source, target)
    assert header(target)[:2] == (2 * W, 2 * H)


@pytest.mark.parametrize("target", ["missing/out.png", "in.png/out.png", "folder.png"])
def test_impossible_targets(run, tmp_path, target):
    source = write_png(tmp_path / "in.png", scene(W, H))
    (tmp_path / "folder.png").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    done = run("upscale", source, "-o", tmp_path / target, "--force")
    if target == "folder.png" and done.returncode == 0:
        # A folder may also mean: into it.
        assert [path.name for path in (tmp_path / target).iterdir()] == ["in_2x.png"]
    else:
        assert done.returncode == 5, done
        assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_folder_without_permission(run, tmp_path):
    source = write_png(tmp_path / "in.png", scene(W, H))
    (tmp_path / "closed").mkdir(mode=0o500)
    done = run("upscale", source, "-o", tmp_path / "closed" / "out.png")
    assert done.returncode == 5 and "ermission" in done.stderr


def test_file_size_limit(program, tmp_path):
    """As on a full disk, but with a file: nothing may be left."""
    noise = np.random.default_rng(5).integers(0, 256, (H, W, 3), np.uint8)
    source = write_png(tmp_path / "in.png", noise)

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = subprocess.run(
        [str(program), "upscale", str(source), "-o", str(tmp_path / "out.png")],
        stderr=subprocess.PIPE,
        preexec_fn=limit,
    )
    assert done.returncode == 5, done
    assert not (tmp_path / "out.png").exists() and leftovers(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_nothing(program, tmp_path, number):
    source = write_png(tmp_path / "in.png", scene(900, 900))
    target = tmp_path / "out.png"
    child = subprocess.Popen(
        [str(program), "upscale", str(source), "-o", str(target)], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 20
    while not leftovers(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert leftovers(tmp_path), "the temporary file never appeared"
    time.sleep(0.2)
    child.send_signal(number)
    started = time.monotonic()
    child.communicate(timeout=20)
    assert child.returncode in (128 + number, -number)
    assert time.monotonic() - started < 3
    assert not target.exists() and leftovers(tmp_path) == []


def test_large_baseline_jpeg_starts(program, tmp_path):
    """280 megapixels, over the limit for readers that hold all of it: a baseline JPEG is read by rows."""
    source = tmp_path / "large.jpg"
    Image.new("L", (20000, 14000), 128).save(source)
    with subprocess.Popen(
        [str(program), "upscale", str(source), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        first = child.stdout.readline()
        child.terminate()
        assert '"progress"' in first, first + child.stderr.read()
