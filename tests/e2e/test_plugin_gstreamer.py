"""plugins/gstreamer: the element in real pipelines of gst-launch-1.0."""

import os
import pathlib
import re
import shutil
import subprocess

import numpy
import pytest

import clip_tools
from conftest import ROOT

BUILD = pathlib.Path(os.environ.get("PIPERSR_BUILD", ROOT / "build"))
STILL_SIZE = "192x128"
FAST = "pipersrupscale model=pipersr-x2-fast precision=fp32"

pytestmark = pytest.mark.skipif(
    not (BUILD / "plugins" / "libgstpipersr.so").is_file() or not shutil.which("gst-launch-1.0"),
    reason="GStreamer is not there",
)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """start(command, **environment) -> CompletedProcess, with the element at hand."""
    registry = tmp_path_factory.mktemp("gst") / "registry.bin"
    fixed = {"GST_PLUGIN_PATH": str(BUILD / "plugins"), "GST_REGISTRY": str(registry), "LC_ALL": "C"}

    def call(command, **environment):
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
            env={**os.environ, **fixed, **environment},
        )

    return call


@pytest.fixture(scope="module")
def launch(start):
    def call(description, *flags, **environment):
        return start(["gst-launch-1.0", *flags, *description.split()], **environment)

    return call


def test_a_clip_to_a_file(launch, samples, tmp_path):
    out = tmp_path / "out.mp4"
    done = launch(
        f"filesrc location={samples}/crystal.mp4 ! decodebin ! videoconvert ! {FAST} ! "
        f"x264enc speed-preset=ultrafast ! mp4mux ! filesink location={out}",
        "-q",
    )
    assert done.returncode == 0, done.stderr
    facts = clip_tools.video(out)
    assert (facts["width"], facts["height"], int(facts["nb_frames"])) == (640, 360, 60)
    assert clip_tools.frame_times(out)[-1] - clip_tools.frame_times(out)[0] == pytest.approx(59 / 30, abs=1e-3)


@pytest.mark.parametrize(
    "pix_fmt, name",
    [("yuv420p", "i420"), ("yuv422p", "y42b"), ("yuv444p", "y444"), ("gray", "gray8"), ("yuv420p10le", "i420-10le")],
)
def test_the_programs_own_bytes(pix_fmt, name, launch, run, tmp_path):
    """Frame by frame what `pipersr upscale` makes of the same planes: matrix, range and siting agree."""
    planes = tmp_path / "in.raw"
    tags = ["-vf", f"scale=out_color_matrix=bt601:out_range=tv,format={pix_fmt}", "-colorspace", "smpte170m",
            "-color_range", "tv", "-chroma_sample_location", "left"]
    clip_tools.ffmpeg(*clip_tools.picture(seconds=0.5), *tags, "-f", "rawvideo", planes)
    clip = tmp_path / "in.mkv"
    clip_tools.ffmpeg("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", clip_tools.SIZE, "-r", 10, "-i", planes,
                      "-c:v", "ffv1", *tags[2:], clip)
    expected = tmp_path / "expected.mkv"
    done = run("upscale", clip, "-o", expected, "--codec", "ffv1", "--model", "pipersr-x2-fast", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out.raw"
    width, height = clip_tools.SIZE.split("x")
    done = launch(
        f"filesrc location={planes} ! rawvideoparse format={name} width={width} height={height} framerate=10/1 ! "
        f"capssetter caps=video/x-raw,colorimetry=bt601,chroma-site=mpeg2 ! {FAST} ! filesink location={out}",
        "-q",
    )
    assert done.returncode == 0, done.stderr
    found = clip_tools.ffmpeg("-i", expected, "-f", "rawvideo", "-pix_fmt", pix_fmt, "-")
    sample = "<u2" if "10" in pix_fmt else "u1"
    found, made = numpy.frombuffer(found, sample), numpy.fromfile(out, sample)
    assert len(found) == len(made) > 0
    assert numpy.array_equal(found, made)


def test_sizes_are_negotiated_both_ways(launch):
    done = launch(
        f"videotestsrc num-buffers=2 ! {FAST} ! video/x-raw,width=128,height=96,format=I420_10LE ! fakesink", "-v"
    )
    assert done.returncode == 0, done.stderr
    source = next(line for line in done.stdout.splitlines() if "VideoTestSrc" in line and "src: caps" in line)
    assert "width=(int)64" in source and "height=(int)48" in source and "I420_10LE" in source


def test_alpha_is_kept_and_hidden_colour_stays_hidden(launch, samples, run, tmp_path):
    raw = tmp_path / "out.rgba"
    done = launch(
        f"filesrc location={samples}/badge.png ! pngdec ! videoconvert ! video/x-raw,format=RGBA ! "
        f"{FAST} ! filesink location={raw}",
        "-q",
    )
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "badge.png"
    assert run("upscale", samples / "badge.png", "-o", picture, "--model", "pipersr-x2-fast", "--precision",
               "fp32").returncode == 0
    expected = clip_tools.ffmpeg("-i", picture, "-f", "rawvideo", "-pix_fmt", "rgba", "-")
    found = numpy.fromfile(raw, "u1").astype(int)
    assert len(found) == len(expected)
    assert abs(found - numpy.frombuffer(expected, "u1")).max() <= 1


def still_frames(sample, values, n_frames):
    """A scene in which a small square moves: [frames, values]."""
    width, height = map(int, STILL_SIZE.split("x"))
    frame = numpy.random.default_rng(7).integers(0, 200, values).astype(sample)
    frames = numpy.stack([frame] * n_frames)
    for n in range(n_frames):
        luma = frames[n, : width * height].reshape(height, width)
        luma[8:16, 8 + 4 * n : 16 + 4 * n] = 220
    return frames


@pytest.mark.parametrize(
    "name, sample, values_per_px", [("i420", "u1", 1.5), ("y444-10le", "<u2", 3), ("gray8", "u1", 1), ("rgb", "u1", 3)]
)
def test_what_stands_still_is_copied(name, sample, values_per_px, launch, tmp_path):
    """Most of a frame is that before; the bytes are those of each frame alone."""
    width, height = map(int, STILL_SIZE.split("x"))
    frames = still_frames(sample, int(width * height * values_per_px), 4)
    parse = f"rawvideoparse format={name} width={width} height={height} framerate=10/1"

    def upscale(data, **environment):
        source, made = tmp_path / "in.raw", tmp_path / "out.raw"
        source.write_bytes(data.tobytes())
        element = "pipersrupscale model=pipersr-x2-fast precision=int8"
        done = launch(f"filesrc location={source} ! {parse} ! {element} ! filesink location={made}", "-q", **environment)
        assert done.returncode == 0, done.stderr
        return made.read_bytes(), [int(n) for n in re.findall(r"(\d+) pixels reused", done.stderr)]

    made, reused = upscale(frames, GST_DEBUG="pipersrupscale:6")
    assert made == b"".join(upscale(frame)[0] for frame in frames)
    assert reused[0] == 0 and len(reused) == len(frames)
    assert min(reused[1:]) > width * height / 2


def test_what_follows_may_change_the_frames(launch, tmp_path):
    """An element behind that works in place must not change what the next frame is copied from."""
    made = tmp_path / "out.raw"
    done = launch(
        f"videotestsrc num-buffers=4 pattern=smpte100 ! video/x-raw,format=I420,width=192,height=128 ! {FAST} ! "
        f"gamma gamma=2 ! filesink location={made}",
        "-q",
    )
    assert done.returncode == 0, done.stderr
    frames = numpy.fromfile(made, "u1").reshape(4, -1)
    assert (frames == frames[0]).all()


@pytest.fixture
def compiled(tmp_path):
    """compiled(name, pkg-config package) -> a program of tests/e2e"""

    def call(name, package):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], check=True, capture_output=True, text=True)
        compiler = ["cc", "-std=gnu11", "-O2", "-Wall", "-Werror"]
        source = ROOT / "tests" / "e2e" / f"{name}.c"
        subprocess.run([*compiler, source, "-o", tmp_path / name, *flags.stdout.split()], check=True)
        return tmp_path / name

    return call


def test_a_pool_of_one_buffer(start, compiled):
    done = start([compiled("gstreamer_small_pool", "gstreamer-video-1.0")])
    assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr


def test_properties_may_change_at_any_time(start, compiled):
    """They count from the next start. What is freed is overwritten, so that one who reads it gets caught."""
    program = compiled("gstreamer_properties", "gstreamer-1.0")
    done = start([program, "pipersr-x2-fast", ROOT / "tests" / "golden" / "x4-c48.safetensors"], MALLOC_PERTURB_="85")
    assert (done.returncode, done.stdout) == (0, "64 128\n"), done.stderr


@pytest.mark.parametrize(
    "description, words",
    [
        ("videotestsrc num-buffers=1 ! pipersrupscale model=nothing ! fakesink", "nothing"),
        ("videotestsrc num-buffers=1 ! pipersrupscale precision=fp8 ! fakesink", "fp8"),
        ("videotestsrc num-buffers=1 ! video/x-raw,interlace-mode=interleaved ! pipersrupscale ! fakesink", "link"),
    ],
)
def test_what_cannot_be_done_is_said(description, words, launch):
    done = launch(description)
    assert words in done.stderr
    assert done.returncode != 0 or "fp8" in words
