"""`pipersr info`, `pipersr bench` and the help texts."""

import json
import re
import shutil

import numpy as np
import pytest

from clip_tools import make_clip
from picture_tools import pixels, scene, write_png

USAGE, INPUT = 2, 3


# ------------------------------------------------------------------------------------------- info


def test_info(run):
    done = run("info")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    for word in ("pipersr ", "model", "64 channels", "451852 parameters", "CPU", "libvips 8.", "FFmpeg"):
        assert word in text


def test_info_json(run):
    done = run("info", "--json")
    about = json.loads(done.stdout)
    assert set(about) == {"version", "model", "cpu", "libraries"}
    assert run("--version").stdout.decode() == f"pipersr {about['version']}\n"
    model = about["model"]
    assert (model["channels"], model["blocks"], model["scale"]) == (64, 6, 2)
    assert (model["parameters"], model["macs_per_px"], model["radius_px"]) == (451852, 451008, 14)
    assert about["cpu"]["threads"] >= 1 and about["cpu"]["isa"] in ("c", "avx2", "avx512", "amx", "neon")
    assert "libvips" in about["libraries"]["pictures"] and "libavcodec" in about["libraries"]["videos"]


def test_info_of_a_model_file(run):
    from conftest import ROOT

    done = run("info", "--json", "--model", ROOT / "tests/golden/x4-c48.safetensors")
    assert done.returncode == 0, done.stderr
    model = json.loads(done.stdout)["model"]
    assert (model["channels"], model["scale"]) == (48, 4)


# ------------------------------------------------------------------------------------------- help


COMMANDS = [["upscale"], ["info"], ["calibrate"], ["bench", "speed"], ["bench", "quality"], ["bench", "video"]]


@pytest.mark.parametrize("command", [[], ["bench"], *COMMANDS])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(run, command, option):
    done = run(*command, option)
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout.decode()
    assert text.startswith("Usage: pipersr ") and "Exit status:" in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option(run, program, command):
    """Each option of the help is one that the program knows, and the man page has it too."""
    from conftest import ROOT

    text = run(*command, "--help").stdout.decode()
    manual = (ROOT / "docs/pipersr.1").read_text().replace("\\-", "-")
    completion = (ROOT / "cli/pipersr.bash").read_text()
    # Where the help points at another command, the option is that one's.
    options = set(re.findall(r"(?<!by pipersr info )--[a-z][a-z-]+", text))
    assert "--help" in options
    for option in options:
        done = run(*command, option, "--help")
        assert "unknown" not in done.stderr, option
        assert option in manual, option
        assert option in completion, option


# ------------------------------------------------------------------------------------ bench speed

SPEED_KEYS = ["width", "height", "precision", "isa", "threads", "frames", "at_once", "ms_per_frame", "fps", "gflops",
              "peak_gflops", "peak_share"]


def test_bench_speed_json(run):
    options = ["--size", "96x64", "--frames", 3, "--threads", 1, "--precision", "fp32", "--json"]
    done = run("bench", "speed", *options)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == SPEED_KEYS
    assert (result["width"], result["height"], result["threads"], result["frames"]) == (96, 64, 1, 3)
    assert result["precision"] == "fp32" and result["isa"] in ("c", "avx2", "avx512", "amx", "neon")
    assert result["fps"] == pytest.approx(1000 / result["ms_per_frame"], rel=1e-3)
    operations = 2 * 451008 * 96 * 64
    assert result["gflops"] == pytest.approx(operations / result["ms_per_frame"] * 1e-6, rel=1e-3)
    assert result["peak_share"] == pytest.approx(result["gflops"] / result["peak_gflops"], rel=1e-3)
    # Winograd saves up to two thirds of the operations that are counted.
    assert 0 < result["peak_share"] < 3


def test_bench_speed_frames_at_once(run):
    options = ["--size", "32x32", "--frames", 5, "--threads", 2, "--json"]
    assert json.loads(run("bench", "speed", *options).stdout)["at_once"] == 1
    done = run("bench", "speed", *options, "--at-once", 3)
    assert json.loads(done.stdout)["at_once"] == 3
    assert json.loads(run("bench", "speed", *options, "--at-once", "auto").stdout)["at_once"] == 2
    assert run("bench", "speed", "--at-once", 0).returncode == 2


def test_info_says_what_auto_means(run, monkeypatch):
    about = json.loads(run("info", "--json").stdout)["cpu"]["auto_precision"]
    assert about["photos"]["precision"] in ("fp32", "bf16") and about["photos"]["reason"]
    assert about["videos"]["precision"] in ("fp32", "bf16", "int8") and about["videos"]["reason"]
    assert about["videos"]["reason"] in run("info").stdout.decode()
    monkeypatch.setenv("PIPERSR_CPU", "c")
    about = json.loads(run("info", "--json").stdout)["cpu"]["auto_precision"]
    assert about["videos"]["precision"] == "fp32"


def test_bench_speed_takes_the_instruction_set(run):
    done = run("bench", "speed", "--size", "32x16", "--frames", 1, "--isa", "c", "--json")
    assert json.loads(done.stdout)["isa"] == "c"


def test_bench_speed_text(run):
    done = run("bench", "speed", "--size", "32x32", "--frames", 2, "--precision", "fp32")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert all(word in text for word in ("32x32", "fp32", "ms/frame", "frames/s", "GFLOP/s", "%"))


# ------------------------------------------------------------------------------------ bench video

STAGES = ["decode", "network", "encode", "pipeline"]
VIDEO_KEYS = ["frames", "width", "height", "precision", "isa", "threads", "encoder_threads", *STAGES, "to_slower", "to_sum",
              "reused_share"]


def test_bench_video_json(run, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", seconds=1.0, sound=True)
    options = ["--frames", 7, "--repeat", 1, "--threads", 1, "--encoder-threads", 1, "--preset", "ultrafast"]
    done = run("bench", "video", clip, *options, "--model", "pipersr-x2-fast", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == VIDEO_KEYS
    assert (result["frames"], result["width"], result["height"]) == (7, 128, 96)
    assert (result["threads"], result["encoder_threads"]) == (1, 1)
    ms = {stage: result[stage]["ms_per_frame"] for stage in STAGES}
    for stage in STAGES:
        assert result[stage]["cpu_ms_per_frame"] > 0
        assert result[stage]["fps"] == pytest.approx(1000 / ms[stage], rel=1e-3)
    assert 0 < ms["decode"]
    assert result["to_slower"] == pytest.approx(ms["pipeline"] / max(ms["network"], ms["encode"]), rel=1e-3)
    assert result["to_sum"] == pytest.approx(ms["pipeline"] / (ms["network"] + ms["encode"]), rel=1e-3)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_bench_video_text(run, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", seconds=0.3)
    done = run("bench", "video", clip, "--repeat", 1, "--codec", "ffv1", "--model", "pipersr-x2-fast")
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode()
    assert all(word in text for word in (*STAGES, "3 frames to 128x96", "ms/frame", "frames/s", "ms/frame of CPU", "sum"))


def test_bench_video_refusals(run, tmp_path):
    clip = make_clip(tmp_path / "a.mp4", seconds=0.3)
    for wrong in ([], [clip, clip], [clip, "--frames", 0], [clip, "--encoder-threads", 129], [clip, "--repeat", "x"]):
        assert run("bench", "video", *wrong).returncode == USAGE
    assert run("bench", "video", tmp_path / "none.mp4").returncode == INPUT
    assert run("bench", "video", clip, "--codec", "nothing").returncode == 4


# ---------------------------------------------------------------------------------- bench quality

QUALITY_KEYS = {"psnr_y", "ssim_y", "psnr_rgb", "bicubic_psnr_y"}


def luma(picture):
    """Y of MATLAB's rgb2ycbcr."""
    return picture.astype(float) @ np.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a - b) ** 2))


def ssim(a, b):
    """Straight from the definition: every 11x11 window on its own."""
    distance = np.arange(11) - 5
    line = np.exp(-(distance**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    blocks_a = np.lib.stride_tricks.sliding_window_view(a, (11, 11))
    blocks_b = np.lib.stride_tricks.sliding_window_view(b, (11, 11))

    def mean(values):
        return (values * window).sum((-1, -2))

    mean_a, mean_b = mean(blocks_a), mean(blocks_b)
    variance_a = mean((blocks_a - mean_a[..., None, None]) ** 2)
    variance_b = mean((blocks_b - mean_b[..., None, None]) ** 2)
    covariance = mean((blocks_a - mean_a[..., None, None]) * (blocks_b - mean_b[..., None, None]))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean((2 * mean_a * mean_b + c1) * (2 * covariance + c2)
                   / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))


def bicubic_matrix(length):
    """MATLAB's weights for twice the length, as a matrix."""
    matrix = np.zeros((2 * length, length))
    mirrored = np.concatenate([np.arange(length), np.arange(length)[::-1]])
    for i in range(2 * length):
        centre = (i + 0.5) / 2 - 0.5
        for j in range(int(np.floor(centre)) - 2, int(np.floor(centre)) + 4):
            x = abs(centre - j)
            near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            weight = near if x <= 1 else far if x < 2 else 0
            matrix[i, mirrored[j % (2 * length)]] += weight
    return matrix


def bicubic(picture):
    def to_bytes(values):
        return np.floor(np.clip(values, 0, 255) + 0.5)

    high = to_bytes(np.einsum("ij,jkc->ikc", bicubic_matrix(picture.shape[0]), picture))
    return to_bytes(np.einsum("ij,kjc->kic", bicubic_matrix(picture.shape[1]), high))


@pytest.fixture
def small_set(tmp_path):
    """Two pairs whose names differ by a suffix; one original is a pixel larger."""
    rng = np.random.default_rng(5)
    for folder in ("HR", "LR"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    for name, (width, height) in {"one": (23, 19), "two": (16, 30)}.items():
        noise = rng.integers(-9, 10, (2 * height, 2 * width + 1, 3))
        original = scene(2 * width + 1, 2 * height).astype(int) + noise
        original = np.clip(original, 0, 255).astype(np.uint8)
        blocks = original[:, : 2 * width].reshape(height, 2, width, 2, 3)
        low = blocks.mean((1, 3)).round().astype(np.uint8)
        write_png(tmp_path / "set/HR" / f"{name}.png", original)
        write_png(tmp_path / "set/LR" / f"{name}x2.png", low)
    return tmp_path / "set"


def test_bench_quality_against_numpy(run, tmp_path, small_set):
    done = run("bench", "quality", small_set, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {"images", "mean"} and set(result["mean"]) == QUALITY_KEYS
    assert [image["name"] for image in result["images"]] == ["one", "two"]
    for image in result["images"]:
        assert set(image) == QUALITY_KEYS | {"name"}
        low_path = small_set / "LR" / f"{image['name']}x2.png"
        out = tmp_path / f"{image['name']}_out.png"
        assert run("upscale", low_path, "-o", out).returncode == 0
        low, made = pixels(low_path), pixels(out)
        original = pixels(small_set / "HR" / f"{image['name']}.png")[:, : made.shape[1]]
        inner = np.s_[2:-2, 2:-2]
        assert image["psnr_y"] == pytest.approx(psnr(luma(made)[inner], luma(original)[inner]), abs=1e-4)
        assert image["ssim_y"] == pytest.approx(ssim(luma(made)[inner], luma(original)[inner]), abs=1e-5)
        rgb = psnr(made[inner].astype(float), original[inner].astype(float))
        assert image["psnr_rgb"] == pytest.approx(rgb, abs=1e-4)
        expected = psnr(luma(bicubic(low))[inner], luma(original)[inner])
        assert image["bicubic_psnr_y"] == pytest.approx(expected, abs=1e-4)
    for key in QUALITY_KEYS:
        mean = np.mean([image[key] for image in result["images"]])
        assert result["mean"][key] == pytest.approx(mean, rel=1e-5)


@pytest.mark.parametrize("model", ["pipersr-x2", None])
def test_bench_quality_of_four_times(run, tmp_path, model):
    """In two passes or, by default, in one: what upscale makes."""
    for folder in ("HR", "LR"):
        (tmp_path / folder).mkdir()
    original = scene(92, 76)
    low = original.reshape(19, 4, 23, 4, 3).mean((1, 3)).round().astype(np.uint8)
    write_png(tmp_path / "HR" / "one.png", original)
    low_path = write_png(tmp_path / "LR" / "one.png", low)
    options = ["--scale", 4, *(["--model", model] if model else [])]
    result = json.loads(run("bench", "quality", tmp_path, "--json", *options).stdout)
    assert run("upscale", low_path, "-o", tmp_path / "out.png", *options).returncode == 0
    inner = np.s_[4:-4, 4:-4]
    expected = psnr(luma(pixels(tmp_path / "out.png"))[inner], luma(original)[inner])
    assert result["mean"]["psnr_y"] == pytest.approx(expected, abs=1e-4)


def test_bench_quality_text(run, small_set):
    lines = run("bench", "quality", small_set).stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["picture", "one", "two", "mean"]


def test_bench_quality_of_several_sets(run, tmp_path, small_set):
    both = tmp_path / "both"
    shutil.copytree(small_set, both / "a")
    shutil.copytree(small_set, both / "b")
    result = json.loads(run("bench", "quality", both, "--json").stdout)
    assert [image["set"] for image in result["images"]] == ["a", "a", "b", "b"]
    assert [each["name"] for each in result["sets"]] == ["a", "b"]
    assert result["sets"][0]["psnr_y"] == result["mean"]["psnr_y"]


def test_bench_quality_of_tiny_pictures_is_valid_json(run, tmp_path):
    for folder, size in {"HR": 8, "LR": 4}.items():
        (tmp_path / folder).mkdir()
        write_png(tmp_path / folder / "flat.png", np.full((size, size, 3), 90, np.uint8))

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    result = json.loads(run("bench", "quality", tmp_path, "--json").stdout, parse_constant=no_constant)
    assert result["images"][0]["ssim_y"] is None  # smaller than the window
    assert result["images"][0]["bicubic_psnr_y"] is None  # equal, so infinite


@pytest.mark.parametrize("damage", ["no LR", "no partner", "sizes", "damaged", "empty", "no folder"])
def test_bench_quality_refuses(run, small_set, damage):
    file = small_set / "LR/onex2.png"
    if damage == "no LR":
        shutil.rmtree(small_set / "LR")
    elif damage == "no partner":
        file.rename(file.with_name("other.png"))
    elif damage == "sizes":
        write_png(file, scene(20, 19))
    elif damage == "damaged":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "empty":
        shutil.rmtree(small_set / "LR")
        (small_set / "LR").mkdir()
    else:
        shutil.rmtree(small_set)
    done = run("bench", "quality", small_set, "--json")
    assert done.returncode == INPUT, done.stderr
    assert done.stdout == b""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("pipersr: ") and str(small_set) in done.stderr


def test_set5(run, shared):
    folder = shared / "eval/Set5"
    if not folder.is_dir():
        pytest.skip("Set5 is absent")
    result = json.loads(run("bench", "quality", folder, "--json").stdout)
    assert [image["name"] for image in result["images"]] == ["baby", "bird", "butterfly", "head", "woman"]
    assert result["mean"]["bicubic_psnr_y"] == pytest.approx(33.67, abs=0.02)
    assert result["mean"]["psnr_y"] >= 36.5
