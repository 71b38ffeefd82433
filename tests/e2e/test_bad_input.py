"""Bad input of every kind: one clear line, the right exit status, nothing left over."""

import os
import pathlib
import resource
import shutil
import struct
import subprocess
import tempfile
import zlib

import pytest

import clip_tools as clips
from conftest import ROOT
from picture_tools import header, scene, vips, write_png

USAGE, INPUT, UNSUPPORTED, OUTPUT, MEMORY = 2, 3, 4, 5, 6


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def check(done, status, *words):
    assert "Sanitizer" not in done.stderr, done.stderr
    assert done.returncode == status, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pipersr: ")
    for word in words:
        assert str(word) in lines[0]


def refused(run, folder, source, status, *words, options=(), **how):
    """Refuses the file, names it, and leaves the folder as it was."""
    before = contents(folder)
    done = run("upscale", source, *options, timeout=60, **how)
    check(done, status, pathlib.Path(source).name[:40], *words)
    assert contents(folder) == before


# ------------------------------------------------------------------------------ pictures and clips


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """One good file of each kind."""
    folder = tmp_path_factory.mktemp("intact")
    picture = write_png(folder / "good.png", scene(64, 48))
    for name, options in {
        "good.jpg": [], "good.webp": [], "good.tif": [], "good.gif": [], "good.avif": [],
        "progressive.jpg": ["--interlace"], "deflate.tif": ["--compression", "deflate", "--tile"],
    }.items():
        vips("copy", picture, str(folder / name)) if not options else vips(
            {"jpg": "jpegsave", "tif": "tiffsave"}[name.split(".")[1]], picture, folder / name, *options)
    for name in ("good.mp4", "good.mkv", "good.mov"):
        clips.make_clip(folder / name, size="32x24", seconds=1, sound=True)
    clips.ffmpeg(*clips.picture("32x24"), folder / "good.avi")
    return folder


TRUNCATED = [
    ("good.png", 0), ("good.png", 1), ("good.png", 8), ("good.png", 20), ("good.png", 33), ("good.png", 0.5),
    ("good.png", -14),
    ("good.jpg", 0), ("good.jpg", 3), ("good.jpg", 30), ("good.jpg", 0.5), ("good.jpg", 0.9),
    ("progressive.jpg", 0.3),
    ("good.webp", 12), ("good.webp", 30), ("good.webp", 0.5),
    ("good.tif", 8), ("good.tif", 0.5), ("deflate.tif", 0.7),
    ("good.gif", 6), ("good.gif", 13), ("good.gif", 0.5),
    ("good.avif", 40), ("good.avif", 0.5),
    ("good.mp4", 0), ("good.mp4", 8), ("good.mp4", 40), ("good.mp4", 0.5), ("good.mov", 0.5),
    ("good.mkv", 4), ("good.mkv", 60), ("good.avi", 12), ("good.avi", 200),
]


@pytest.mark.parametrize("name, kept", TRUNCATED)
def test_truncated(run, tmp_path, intact, name, kept):
    """`kept`: bytes, or a share of the file, or (negative) bytes missing at the end."""
    data = (intact / name).read_bytes()
    size = int(kept * len(data)) if isinstance(kept, float) else kept if kept >= 0 else len(data) + kept
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(data[:size])
    refused(run, tmp_path, cut, INPUT)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width, height, colour_type=2, bits=8, data=b""):
    head = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", zlib.compress(data))
            + png_chunk(b"IEND", b""))


def gif_of_size(width, height, frames):
    """Each frame claims the whole area, but has data for a pixel."""
    frame = b"\x2c" + struct.pack("<HHHH", 0, 0, width, height) + b"\0" + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + frame * frames + b"\x3b"


SMALL_PNG = png_of_size(4, 4, data=bytes(52))
NOISE = bytes((i * 7919 + (i >> 3)) & 0xFF for i in range(3000))

DAMAGED = {
    "text.png": (b"This is no picture.\n", INPUT),
    "text.mp4": (b"This is no video.\n", INPUT),
    "page.jpg": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", INPUT),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", INPUT),
    "list.m3u8": (b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n#EXT-X-ENDLIST\n", INPUT),
    "list.ffconcat": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", INPUT),
    "archive.png": (b"PK\x03\x04" + bytes(60), INPUT),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(60), INPUT),
    "noise.webp": (NOISE, INPUT),
    "zeros.png": (bytes(5000), INPUT),
    "crc.png": (SMALL_PNG[:29] + b"\0\0\0\0" + SMALL_PNG[33:], INPUT),
    "no_width.png": (png_of_size(0, 4), INPUT),
    "no_pixels.png": (png_of_size(64, 64), INPUT),
    "few_rows.png": (png_of_size(64, 64, data=bytes(64 * 3 + 1) * 20), INPUT),
    "negative.png": (png_of_size(0xFFFFFFFF, 0xFFFFFFFF), INPUT),
    "bomb.png": (png_of_size(60000, 60000, data=bytes(1000)), INPUT),
    "large_bomb.png": (png_of_size(200000, 200000, data=bytes(1000)), UNSUPPORTED),
    "wide_bomb.png": (png_of_size(4000000, 1, data=bytes(1000)), UNSUPPORTED),
    "gif_bomb.gif": (gif_of_size(65535, 65535, 3), UNSUPPORTED),
    "no_frames.gif": (gif_of_size(10, 10, 0), INPUT),
    "riff.webp": (b"RIFF\xff\xff\xff\xffWEBPVP8 " + NOISE[:50], INPUT),
    "photoshop.psd": (b"8BPS\0\x01" + bytes(60), UNSUPPORTED),
    "no_frames.y4m": (b"YUV4MPEG2 W16 H16 F25:1 Ip A1:1 C420\n", INPUT),
    "bad_size.y4m": (b"YUV4MPEG2 W0 H-3 F25:1\nFRAME\n", INPUT),
    "huge.y4m": (b"YUV4MPEG2 W2000000 H2000000 F25:1 C420\nFRAME\n", INPUT),
    "garbage.mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + NOISE, INPUT),
    "huge_atom.mp4": (b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x01moov\x7f" + b"\xff" * 7 + NOISE, INPUT),
    "garbage.mkv": (b"\x1a\x45\xdf\xa3" + NOISE, INPUT),
    "garbage.avi": (b"RIFF\0\0\0\0AVI LIST" + NOISE, INPUT),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged(run, tmp_path, name):
    data, status = DAMAGED[name]
    (tmp_path / name).write_bytes(data)
    refused(run, tmp_path, tmp_path / name, status)


def test_bomb_with_all_its_pixels(run, tmp_path):
    """Small on disk, 3.6 gigapixels when decoded: --max-pixels refuses it by its header."""
    (tmp_path / "bomb.png").write_bytes(png_of_size(60000, 60000, data=bytes(10**6)))
    refused(run, tmp_path, tmp_path / "bomb.png", UNSUPPORTED, "60000", options=["--max-pixels", "100M"])


def test_bomb_for_a_reader_that_holds_all(run, tmp_path):
    """40 bytes that ask for 17 GB: refused before anything is allocated, whatever the output."""
    (tmp_path / "bomb.gif").write_bytes(gif_of_size(65535, 65535, 3))
    refused(run, tmp_path, tmp_path / "bomb.gif", UNSUPPORTED, "65535", options=["--format", "png"])


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["good.png", "good.tif", "good.gif", "good.webp"])
def test_overwritten_in_the_middle(run, tmp_path, intact, name, where):
    """Whatever the format can notice: either it works, or it fails cleanly."""
    data = bytearray((intact / name).read_bytes())
    start = int(len(data) * where)
    data[start : start + 40] = NOISE[: len(data[start : start + 40])]
    damaged = tmp_path / name
    damaged.write_bytes(data)
    done = run("upscale", damaged, timeout=60)
    output = tmp_path / f"good_2x.{name[5:]}"
    if done.returncode == 0:
        assert name != "good.png"  # which has checksums
        assert header(output)[:2] == (128, 96)
    else:
        check(done, INPUT, name)
        assert contents(tmp_path) == [name]


def test_sound_only(run, tmp_path):
    clips.ffmpeg(*clips.tone(0.3), "-c:a", "aac", tmp_path / "sound.mp4")
    refused(run, tmp_path, tmp_path / "sound.mp4", UNSUPPORTED)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_clip_without_frames(run, tmp_path, extension):
    empty = tmp_path / f"none.{extension}"
    clips.ffmpeg(*clips.picture("32x24"), "-t", 0, "-c:v", "libx264", "-pix_fmt", "yuv420p", empty)
    refused(run, tmp_path, empty, INPUT)


@pytest.mark.parametrize("extension, limit", [("jpg", "65500"), ("webp", "16383"), ("gif", "65535")])
def test_too_wide_for_the_output(run, tmp_path, extension, limit):
    wide = write_png(tmp_path / "wide.png", scene(40000, 1))
    refused(run, tmp_path, wide, UNSUPPORTED, limit, options=["--format", extension])


# ------------------------------------------------------------------- small and large, but good


@pytest.mark.parametrize("width, height", [(1, 1), (1, 9), (9, 1), (65535, 1)])
def test_extreme_sizes_work(run, tmp_path, width, height):
    source = write_png(tmp_path / "in.png", scene(width, height))
    done = run("upscale", source)
    assert done.returncode == 0, done.stderr
    assert header(tmp_path / "in_2x.png")[:2] == (2 * width, 2 * height)


# ----------------------------------------------------------------------- files that are no files


def test_missing(run, tmp_path):
    refused(run, tmp_path, tmp_path / "missing.png", INPUT, "No such file")


def test_folder(run, tmp_path):
    (tmp_path / "folder.png").mkdir()
    refused(run, tmp_path, tmp_path / "folder.png", INPUT, "folder")


def test_broken_link(run, tmp_path):
    (tmp_path / "link.png").symlink_to("nowhere.png")
    refused(run, tmp_path, tmp_path / "link.png", INPUT)


def test_link_to_itself(run, tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    refused(run, tmp_path, tmp_path / "loop.png", INPUT)


def test_pipe_by_name(run, tmp_path):
    os.mkfifo(tmp_path / "fifo.png")
    refused(run, tmp_path, tmp_path / "fifo.png", INPUT, "regular file")


def test_device(run, tmp_path):
    check(run("upscale", "/dev/zero", "-o", tmp_path / "out.png", timeout=20), INPUT, "/dev/zero")
    assert contents(tmp_path) == []


def test_name_too_long(run, tmp_path):
    refused(run, tmp_path, tmp_path / ("x" * 300 + ".png"), INPUT)


def test_file_used_as_a_folder(run, tmp_path):
    write_png(tmp_path / "file.png", scene(4, 4))
    refused(run, tmp_path, tmp_path / "file.png" / "photo.png", INPUT)


def test_line_break_in_a_name(run, tmp_path):
    (tmp_path / "two\nlines.png").write_bytes(b"")
    check(run("upscale", tmp_path / "two\nlines.png"), INPUT, "two?lines.png")


@pytest.mark.parametrize("data", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"plain text\n" * 500])
def test_bad_stdin(run, tmp_path, data):
    done = run("upscale", "-", "-o", tmp_path / "out.png", input=data, timeout=60)
    assert done.returncode in (INPUT, UNSUPPORTED)
    check(done, done.returncode, "standard input")
    assert contents(tmp_path) == []


def test_closed_stdin(program, tmp_path):
    done = subprocess.run(["sh", "-c", '"$0" upscale - -o "$1" <&-', program, tmp_path / "out.png"],
                          stderr=subprocess.PIPE, text=True, timeout=60)
    check(done, INPUT, "standard input")
    assert contents(tmp_path) == []


# ------------------------------------------------------------------------------- other users' files


@pytest.fixture
def as_nobody(program):
    """Options for subprocess that drop root's rights, and a folder that nobody may read."""
    if os.geteuid() != 0:
        options = {}
    else:
        options = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL, **options)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("the program cannot be run by another user here")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pipersr-test-"))
    folder.chmod(0o755)
    yield options, folder
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_unreadable_file(run, as_nobody):
    options, folder = as_nobody
    secret = write_png(folder / "secret.png", scene(4, 4))
    secret.chmod(0)
    refused(run, folder, secret, INPUT, "Permission denied", **options)


def test_unwritable_folder(run, as_nobody):
    options, folder = as_nobody
    photo = write_png(folder / "photo.png", scene(4, 4))
    folder.chmod(0o555)
    refused(run, folder, photo, OUTPUT, "Permission denied", **options)


def test_unreadable_folder(run, as_nobody):
    options, folder = as_nobody
    (folder / "album/inner").mkdir(parents=True)
    (folder / "album/inner").chmod(0)
    done = run("upscale", "-r", folder / "album", "-o", folder / "out", "-q", **options)
    check(done, INPUT, folder / "album/inner", "Permission denied")


# ---------------------------------------------------------------------------- outputs that cannot be


@pytest.fixture
def photo(tmp_path):
    return write_png(tmp_path / "photo.png", scene(200, 150))


def bad_output(run, tmp_path, photo, output, status, *words, options=()):
    before = contents(tmp_path)
    check(run("upscale", photo, "-o", output, *options), status, "photo.png", *words)
    assert contents(tmp_path) == before


def test_output_folder_is_missing(run, tmp_path, photo):
    bad_output(run, tmp_path, photo, tmp_path / "no/such/out.png", OUTPUT, "No such file")


def test_output_folder_cannot_be_made(run, tmp_path, photo):
    bad_output(run, tmp_path, photo, f"{tmp_path}/no/such/", OUTPUT, "cannot be made")


def test_output_is_below_a_file(run, tmp_path, photo):
    bad_output(run, tmp_path, photo, photo / "out.png", OUTPUT)


def test_output_name_is_taken_by_a_folder(run, tmp_path, photo):
    (tmp_path / "photo_2x.png").mkdir()
    refused(run, tmp_path, photo, OUTPUT, "folder", options=["--force"])


def test_output_exists(run, tmp_path, photo):
    (tmp_path / "photo_2x.png").write_bytes(b"mine")
    refused(run, tmp_path, photo, OUTPUT, "exists", "--force")
    assert (tmp_path / "photo_2x.png").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["out.xyz", "out", "out.txt", "out.mp4", "out."])
def test_output_format_is_unknown(run, tmp_path, photo, name):
    bad_output(run, tmp_path, photo, tmp_path / name, UNSUPPORTED)


def test_output_name_too_long(run, tmp_path, photo):
    bad_output(run, tmp_path, photo, tmp_path / ("x" * 300 + ".png"), OUTPUT)


def test_picture_as_a_video(run, tmp_path, photo):
    refused(run, tmp_path, photo, UNSUPPORTED, "picture", options=["--format", "mkv"])


def test_video_as_a_picture(run, tmp_path):
    clip = clips.make_clip(tmp_path / "clip.mp4", size="32x24", seconds=0.3)
    refused(run, tmp_path, clip, UNSUPPORTED, "video", options=["--format", "png"])


def test_full_device(program, photo):
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "upscale", photo, "-o", "-"], stdin=subprocess.DEVNULL, stdout=full,
                              stderr=subprocess.PIPE, text=True)
    check(done, OUTPUT, "photo.png", "No space left")


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_full_disk(run, tmp_path, photo, kind):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk]
    if os.geteuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("a small file system needs the right to mount")
    try:
        source, options = photo, ["-o", disk / "out.png"]
        if kind == "video":
            source = clips.make_clip(tmp_path / "clip.mp4", size="160x120", seconds=1)
            options = ["-o", disk / "out.mp4", "--crf", "1", "--preset", "ultrafast"]
        check(run("upscale", source, *options), OUTPUT, source.name, "space")
        assert contents(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("kind", ["picture", "video"])
def test_file_size_limit(run, tmp_path, photo, kind):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    source, options = photo, []
    if kind == "video":
        source = clips.make_clip(tmp_path / "clip.mp4", size="160x120", seconds=1)
        options = ["--crf", "1", "--preset", "ultrafast"]
    refused(run, tmp_path, source, OUTPUT, "File too large", options=options, preexec_fn=limit)


def test_closed_stdout(program, photo):
    done = subprocess.run(["sh", "-c", '"$0" upscale "$1" -o - >&-', program, photo], stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    check(done, OUTPUT, "photo.png")


def test_too_little_memory(run, tmp_path, photo):
    before = contents(tmp_path)
    check(run("upscale", photo, "--memory-limit", "1K"), MEMORY, "memory")
    assert contents(tmp_path) == before


# ------------------------------------------------------------------------------------------- options

BAD_OPTIONS = [
    ("--threads", "-1"), ("--threads", "1025"), ("--threads", "two"), ("--threads", ""),
    ("--threads", "99999999999999999999"), ("--precision", "fp64"), ("--isa", "sse9"), ("--scale", "1"),
    ("--scale", "3"), ("--scale", "2.5"), ("--memory-limit", "lots"), ("--memory-limit", "99999999999T"),
    ("--max-pixels", "0"), ("--max-pixels", "-5"), ("--quality", "0"), ("--quality", "101"), ("--quality", "high"),
    ("--format", "xyz"), ("--format", ""), ("--crf", "64"), ("--crf", "-2"), ("--codec", ""), ("--preset", ""),
    ("--output", ""), ("--model", ""),
]


@pytest.mark.parametrize("option, value", BAD_OPTIONS)
def test_bad_option_value(run, tmp_path, photo, option, value):
    before = contents(tmp_path)
    check(run("upscale", photo, option, value), USAGE, option, value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("arguments", [
    ["upscale"], ["upscale", ""], ["upscale", "photo.png", "--unknown"], ["upscale", "photo.png", "-x"],
    ["upscale", "photo.png", "-o"], ["upscale", "photo.png", "--quiet=yes"], ["upscale", "photo.png", "--s"],
    ["upscale", "photo.png", "--force", "--skip-existing"], [], ["photo.png"], ["info", "photo.png"], ["bench"],
    ["bench", "weight"], ["bench", "speed", "--size", "640"], ["bench", "speed", "--size", "0x9"],
    ["bench", "speed", "--frames", "0"], ["bench", "speed", "--isa", "x87"], ["bench", "quality"],
    ["bench", "quality", "a", "b"], ["-i"], ["-o", "out.png"],
])
def test_wrong_usage(run, tmp_path, photo, arguments):
    check(run(*arguments, cwd=tmp_path), USAGE, "--help")
    assert contents(tmp_path) == ["photo.png"]


# ------------------------------------------------------------------------------------------- models


@pytest.fixture(scope="module")
def model_bytes():
    return (ROOT / "models/pipersr-x2.safetensors").read_bytes()


def damage(data, kind):
    (length,) = struct.unpack("<Q", data[:8])
    return {
        "empty": b"",
        "seven bytes": data[:7],
        "header only": data[: 8 + length],
        "half": data[: len(data) // 2],
        "one byte less": data[:-1],
        "header of 4 GB": struct.pack("<Q", 1 << 32) + data[8:],
        "header of 2^63": struct.pack("<Q", 1 << 63) + data[8:],
        "no JSON": data[:8] + b"\xff" * length + data[8 + length :],
        "NaN weights": data[: 8 + length] + b"\xff" * (len(data) - 8 - length),
        "unknown graph": data[:8] + data[8 : 8 + length].replace(b"pipersr", b"whatsit") + data[8 + length :],
        "a picture": SMALL_PNG,
    }[kind]


@pytest.mark.parametrize("kind", ["empty", "seven bytes", "header only", "half", "one byte less",
                                  "header of 4 GB", "header of 2^63", "no JSON", "NaN weights", "unknown graph",
                                  "a picture"])
def test_damaged_model(run, tmp_path, photo, model_bytes, kind):
    model = tmp_path / "bad.safetensors"
    model.write_bytes(damage(model_bytes, kind))
    before = contents(tmp_path)
    check(run("upscale", photo, "--model", model), INPUT, "bad.safetensors")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["missing.safetensors", "folder"])
def test_model_that_is_no_file(run, tmp_path, photo, name):
    (tmp_path / "folder").mkdir()
    check(run("upscale", photo, "--model", tmp_path / name), INPUT, name)
