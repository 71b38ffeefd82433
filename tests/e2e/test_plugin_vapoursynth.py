"""plugins/vapoursynth: the filter in VapourSynth's core, from the package that scripts/setup.sh --tests brings."""

import os
import pathlib
import subprocess

import numpy
import pytest

import clip_tools
from conftest import ROOT

BUILD = pathlib.Path(os.environ.get("PIPERSR_BUILD", ROOT / "build"))
VAPOURSYNTH = ROOT / ".venv" / "vapoursynth" / "vapoursynth"
BT709, BT601, BT2020_CL = 1, 6, 10
# Colour family, sample type, bits, horizontal and vertical subsampling, as VapourSynth packs them.
GRAY, RGB, YUV = 1, 2, 3
INTEGER, FLOAT = 0, 1

pytestmark = pytest.mark.skipif(not VAPOURSYNTH.is_dir(), reason="VapourSynth is not there")


def identifier(family, kind, bits, x=0, y=0):
    return family << 28 | kind << 24 | bits << 16 | x << 8 | y


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """host(format, size, frames, matrix, data, model) -> CompletedProcess; the plug-in is compiled first."""
    folder = tmp_path_factory.mktemp("vapoursynth")
    plugin, program = folder / "pipersr.so", folder / "host"
    # The library alone: its plug-ins sit beside it, and a core that starts must not load those.
    core = folder / "libvapoursynth.so.4"
    core.symlink_to(VAPOURSYNTH / "libvapoursynth.so.4")
    compiler = ["cc", "-std=gnu11", "-O2", "-Wall", "-Werror", f"-I{VAPOURSYNTH}/include", f"-I{ROOT}/include"]
    library = [f"-L{BUILD}/src", "-lpipersr", f"-Wl,-rpath,{BUILD}/src"]
    source = ROOT / "plugins" / "vapoursynth" / "upscale.c"
    subprocess.run([*compiler, "-shared", "-fPIC", source, *library, "-o", plugin], check=True)
    source = ROOT / "tests" / "e2e" / "vapoursynth_host.c"
    subprocess.run([*compiler, source, core, f"-Wl,-rpath,{VAPOURSYNTH}", "-o", program], check=True)

    def call(format_id, size, n_frames, matrix, data, model="pipersr-x2-fast", fields=0):
        width, height = size.split("x")
        return subprocess.run(
            [program, plugin, hex(format_id), width, height, str(n_frames), str(matrix), model, str(fields)],
            input=data, capture_output=True, timeout=300,
        )

    return call


@pytest.mark.parametrize(
    "pix_fmt, format_id",
    [
        ("yuv420p", identifier(YUV, INTEGER, 8, 1, 1)),
        ("yuv422p10le", identifier(YUV, INTEGER, 10, 1, 0)),
        ("yuv444p", identifier(YUV, INTEGER, 8)),
        ("gray", identifier(GRAY, INTEGER, 8)),
    ],
)
@pytest.mark.parametrize("matrix, name", [(BT601, "smpte170m"), (BT709, "bt709")])
def test_the_programs_own_bytes(pix_fmt, format_id, matrix, name, host, run, tmp_path):
    clip, expected = tmp_path / "in.mkv", tmp_path / "expected.mkv"
    clip_tools.ffmpeg(*clip_tools.picture(seconds=0.3), "-pix_fmt", pix_fmt, "-c:v", "ffv1", "-colorspace", name,
                      "-color_range", "tv", "-chroma_sample_location", "left", clip)
    planes = clip_tools.ffmpeg("-i", clip, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-")
    done = run("upscale", clip, "-o", expected, "--codec", "ffv1", "--model", "pipersr-x2-fast", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    done = host(format_id, clip_tools.SIZE, 3, matrix, planes)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(b"128x96, 3 frames\n")
    assert done.stdout == clip_tools.ffmpeg("-i", expected, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-")


@pytest.mark.parametrize("format_id, sample", [(identifier(YUV, INTEGER, 8, 1, 1), "u1"), (identifier(GRAY, INTEGER, 16), "<u2")])
def test_what_stands_still_is_copied(format_id, sample, host):
    """A square moves before a background; the bytes are those of each frame alone."""
    width, height = 256, 160
    n_values = width * height * 3 // 2 if format_id >> 28 == YUV else width * height
    frames = numpy.stack([numpy.random.default_rng(7).integers(0, 200, n_values).astype(sample)] * 4)
    for n, frame in enumerate(frames):
        frame[: width * height].reshape(height, width)[8:16, 8 + 4 * n : 16 + 4 * n] = 220
    done = host(format_id, f"{width}x{height}", 4, BT709, frames.tobytes())
    assert done.returncode == 0, done.stderr
    reused = [int(line.split()[0]) for line in done.stderr.splitlines()[1:]]
    assert reused[0] == 0 and len(reused) == 4 and min(reused[1:]) > width * height / 4
    assert done.stdout == b"".join(host(format_id, f"{width}x{height}", 1, BT709, frame.tobytes()).stdout for frame in frames)


def test_the_same_planes_with_another_matrix_are_another_picture(host):
    frame = numpy.random.default_rng(7).integers(0, 200, 64 * 48 * 3 // 2).astype("u1").tobytes()
    format_id = identifier(YUV, INTEGER, 8, 1, 1)
    done = host(format_id, "64x48", 2, f"{BT709},{BT601}", 2 * frame)
    assert done.stderr.splitlines()[1:] == [b"0 pixels reused"] * 2
    alone = [host(format_id, "64x48", 1, matrix, frame).stdout for matrix in (BT709, BT601)]
    assert done.stdout == b"".join(alone) and alone[0] != alone[1]


@pytest.mark.parametrize("bits, kind, sample, limit", [(8, INTEGER, "u1", 255), (16, INTEGER, "<u2", 65535), (32, FLOAT, "<f4", 1)])
def test_rgb_in_planes(bits, kind, sample, limit, host, run, tmp_path):
    picture, expected = tmp_path / "in.png", tmp_path / "expected.png"
    clip_tools.ffmpeg(*clip_tools.picture(), "-frames:v", 1, "-pix_fmt", "rgb24", picture)
    assert run("upscale", picture, "-o", expected, "--model", "pipersr-x2-fast", "--precision", "fp32").returncode == 0
    levels = numpy.frombuffer(clip_tools.ffmpeg("-i", picture, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"), "u1")
    planes = (levels.reshape(48, 64, 3).transpose(2, 0, 1) * (limit / 255)).astype(sample)
    done = host(identifier(RGB, kind, bits), "64x48", 1, 0, planes.tobytes())
    assert done.returncode == 0, done.stderr
    found = numpy.frombuffer(done.stdout, sample).reshape(3, 96, 128).transpose(1, 2, 0)
    wanted = clip_tools.ffmpeg("-i", expected, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    wanted = numpy.frombuffer(wanted, "u1").reshape(96, 128, 3)
    # No more than rounding to 8 bits apart.
    assert abs(found * (255 / limit) - wanted).max() <= (0 if bits == 8 else 0.51)


@pytest.mark.parametrize(
    "format_id, matrix, model, words",
    [
        (identifier(YUV, INTEGER, 8, 1, 1), BT2020_CL, "pipersr-x2-fast", b"_Matrix"),
        (identifier(YUV, INTEGER, 8, 1, 1), BT709, "nothing", b"nothing"),
        (identifier(YUV, FLOAT, 32), BT709, "pipersr-x2-fast", b"8 to 16 bits"),
        (identifier(RGB, INTEGER, 10), 0, "pipersr-x2-fast", b"8 or 16 bits"),
    ],
)
def test_what_cannot_be_done_is_said(format_id, matrix, model, words, host):
    done = host(format_id, "64x48", 1, matrix, bytes(64 * 48 * 12), model)
    assert done.returncode == 1
    assert words in done.stderr and done.stderr.count(b"\n") <= 2


def test_woven_fields_are_refused(host):
    done = host(identifier(YUV, INTEGER, 8, 1, 1), "64x48", 1, BT709, bytes(64 * 48 * 2), fields=2)
    assert done.returncode == 1
    assert b"interlaced (_FieldBased)" in done.stderr
