# SPDX-License-Identifier: MIT
"""`pipersr export`: ONNX files under ONNX Runtime, Core ML packages under an interpreter, on Set5."""

import collections
import os
import pathlib
import resource
import signal
import subprocess
import sys

import numpy
import onnx
import onnxruntime
import pytest
from PIL import Image

from mil_program import Program

ROOT = pathlib.Path(__file__).resolve().parents[2]
SET5 = ROOT.parent / "shared" / "eval" / "Set5"
MODEL = ROOT / "models" / "pipersr-x2.safetensors"
PROGRAM = os.environ.get("PIPERSR", str(ROOT / "build" / "pipersr"))
UNCALIBRATED = str(ROOT / "tests" / "golden" / "x2-c128.safetensors")
SHAVE_PX = 2
needs_set5 = pytest.mark.skipif(not SET5.is_dir(), reason="Set5 is not there")


def export(*arguments):
    environment = dict(os.environ, PIPERSR_PYTHON=sys.executable)
    command = [PROGRAM, "export", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """exported(format, suffix, *options) -> path; each is made once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def call(kind, *options):
        key = (kind, *options)
        if key not in made:
            path = folder / f"{len(made)}.{'onnx' if kind == 'onnx' else 'mlpackage'}"
            done = export("--format", kind, "-o", path, *options)
            assert (done.returncode, done.stderr) == (0, "")
            made[key] = path
        return made[key]

    return call


def read(path):
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB"))


def luma(rgb):
    """As MATLAB's rgb2ycbcr, not rounded."""
    return 16 + rgb.astype("f8") @ numpy.array([65.481, 128.553, 24.966]) / 255


def psnr_y(result, original):
    inner = slice(SHAVE_PX, -SHAVE_PX)
    error = luma(result)[inner, inner] - luma(original)[inner, inner]
    return 10 * numpy.log10(255**2 / (error**2).mean())


def pairs():
    """(name, LR, HR) of Set5."""
    lows = sorted((SET5 / "LR").iterdir())
    highs = sorted((SET5 / "HR").iterdir())
    assert len(lows) == len(highs) == 5
    for low, high in zip(lows, highs):
        yield low, read(low), read(high)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """engine(precision) -> PSNR-Y of the C engine for each picture of Set5."""
    folder, known = tmp_path_factory.mktemp("engine"), {}

    def call(precision):
        if precision not in known:
            known[precision] = []
            for path, _, original in pairs():
                out = folder / f"{precision}-{path.stem}.png"
                command = [PROGRAM, "upscale", path, "-o", out, "--precision", precision, "-q"]
                subprocess.run(list(map(str, command)), check=True, stdin=subprocess.DEVNULL)
                known[precision].append(psnr_y(read(out), original))
        return numpy.array(known[precision])

    return call


def planes(rgb, dtype="f4"):
    return (rgb.transpose(2, 0, 1)[None].astype("f4") / 255).astype(dtype)


def pixels(result):
    return numpy.rint(numpy.clip(result[0].astype("f4"), 0, 1) * 255).astype("u1").transpose(1, 2, 0)


@needs_set5
@pytest.mark.parametrize("precision, allowed_db", [("fp32", 0.01), ("fp16", 0.01), ("int8", 0.03)])
def test_onnx_runtime_gives_the_engines_quality(precision, allowed_db, exported, engine):
    path = exported("onnx", "--precision", precision)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = "f2" if precision == "fp16" else "f4"
    found = [psnr_y(pixels(session.run(None, {"x": planes(low, dtype)})[0]), high) for _, low, high in pairs()]
    reference = engine("int8" if precision == "int8" else "fp32")
    print(f"{precision}: ONNX Runtime {numpy.mean(found):.3f} dB, engine {reference.mean():.3f} dB")
    assert abs(numpy.mean(found) - reference.mean()) < allowed_db


@needs_set5
def test_the_core_ml_program_gives_the_engines_quality(exported, engine):
    program = Program(exported("coreml"))
    found = numpy.array([psnr_y(pixels(program.run(x=planes(low))), high) for _, low, high in pairs()])
    print(f"Core ML: interpreter {found.mean():.3f} dB, engine {engine('fp32').mean():.3f} dB")
    assert abs(found - engine("fp32")).max() < 0.02


@pytest.mark.parametrize("size", ["640x360", "128x128", None])
def test_operations_and_size_of_the_core_ml_package(size, exported):
    import coremltools

    path = exported("coreml", *(["--size", size] if size else []))
    program = Program(path)
    assert collections.Counter(program.operations) == {"conv": 14, "add": 7, "silu": 6, "cast": 2, "pixel_shuffle": 1}
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) <= 928_000
    if size:
        width, height = map(int, size.split("x"))
        assert program.inputs == {"x": [1, 3, height, width]}
        assert program.outputs == {"y": [1, 3, 2 * height, 2 * width]}
    else:
        assert program.ranges["x"] == [(1, 1), (3, 3), (1, 4096), (1, 4096)]
    # And as Apple's own package reads it.
    loaded = coremltools.models.MLModel(str(path), skip_model_load=True)
    assert loaded.author == "PiperSR" and loaded.license == "MIT" and "super-resolution" in loaded.short_description
    assert "RGB" in loaded.input_description["x"] and "clamped" in loaded.output_description["y"]
    assert loaded.user_defined_metadata["scale"] == "2"


def test_two_exports_are_the_same_bytes(exported, tmp_path):
    again = tmp_path / "again.mlpackage"
    assert export("--format", "coreml", "--size", "128x128", "-o", again).returncode == 0
    first = exported("coreml", "--size", "128x128")
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert len(files) == 3
    for name in files:
        assert (first / name).read_bytes() == (again / name).read_bytes(), name


def test_another_model_by_name_and_by_file(exported, tmp_path):
    by_name = exported("onnx", "--model", "pipersr-x2-fast")
    by_file = exported("onnx", "--model", str(ROOT / "models" / "pipersr-x2-fast.safetensors"))
    assert by_name.read_bytes() == by_file.read_bytes()
    assert by_name.stat().st_size < exported("onnx").stat().st_size / 3


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        ((), 2, "--format"),
        (("--format", "tflite", "-o", "OUT"), 2, "tflite"),
        (("--format", "onnx", "-o", "OUT", "--size", "640"), 2, "640"),
        (("--format", "coreml", "-o", "OUT", "--precision", "int8"), 2, "fp16"),
        (("--format", "onnx", "-o", "OUT", "--model", "nothing"), 3, "nothing"),
        (("--format", "onnx", "-o", "OUT", "--model", str(ROOT / "README.md")), 3, "README.md"),
        (("--format", "onnx", "-o", "OUT", "--precision", "int8", "--model", UNCALIBRATED), 4, "calibrate"),
        (("--format", "onnx", "-o", "FOLDER/missing/OUT"), 5, "missing"),
        (("--format", "coreml", "-o", "FOLDER/missing/OUT"), 5, "missing"),
    ],
)
def test_faults_are_one_line(arguments, status, words, tmp_path):
    places = {"OUT": str(tmp_path / "out"), "FOLDER/missing/OUT": str(tmp_path / "missing" / "out")}
    done = export(*(places.get(argument, argument) for argument in arguments))
    assert done.returncode == status, done.stderr
    assert done.stderr.count("\n") == 1 and words in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["onnx", "coreml"])
def test_what_exists_stays_unless_forced(kind, tmp_path):
    out = tmp_path / "model"
    out.write_text("precious")
    done = export("--format", kind, "-o", out)
    assert done.returncode == 5 and "--force" in done.stderr
    if kind == "coreml":  # a file that is no package is never taken away
        assert export("--format", kind, "-o", out, "-f").returncode == 5
        assert out.read_text() == "precious"
        out.unlink()
        assert export("--format", kind, "-o", out).returncode == 0
    assert export("--format", kind, "-o", out, "-f").returncode == 0
    assert out.is_dir() if kind == "coreml" else out.read_bytes() != b"precious"
    assert list(tmp_path.iterdir()) == [out]


def content(package):
    return {path.relative_to(package): path.read_bytes() for path in package.rglob("*") if path.is_file()}


def test_a_full_disk_leaves_the_package_that_was_there(tmp_path):
    """Its weights are larger than a file may be."""
    out, scratch = tmp_path / "model.mlpackage", tmp_path / "scratch"
    scratch.mkdir()
    command = ["--format", "coreml", "--size", "128x128", "-o", out]
    assert export(*command, "--model", "pipersr-x2-fast").returncode == 0
    before = content(out)
    done = subprocess.run(
        [PROGRAM, "export", *map(str, command), "--model", str(MODEL), "--force"],
        capture_output=True, text=True, env=dict(os.environ, PIPERSR_PYTHON=sys.executable, TMPDIR=str(scratch)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1 and "room" in done.stderr
    assert content(out) == before
    assert set(tmp_path.iterdir()) == {out, scratch} and list(scratch.iterdir()) == []


def test_a_limit_of_file_sizes_is_an_error(tmp_path):
    """The built-in model goes to Python as a file in memory, which the limit counts."""
    done = subprocess.run(
        [PROGRAM, "export", "--format", "onnx", "-o", str(tmp_path / "out")], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 6 and "File too large" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_replacement_that_fails_half_way_is_undone(fault, nth, tmp_path, monkeypatch):
    """The old package is moved away, then the new one takes its place; either step may fail."""
    from pipersr_export import coreml_package, model

    out = tmp_path / "model.mlpackage"
    coreml_package.write(model.load(str(MODEL)), out, (128, 128))
    before = content(out)
    rename, calls = pathlib.Path.rename, []

    def failing(self, target):
        calls.append((self.name, pathlib.Path(target).name))
        if len(calls) == nth:
            raise fault
        return rename(self, target)

    monkeypatch.setattr(pathlib.Path, "rename", failing)
    with pytest.raises(type(fault)):
        coreml_package.write(model.load(str(MODEL)), out, (64, 64), replace=True)
    monkeypatch.undo()
    assert calls[nth - 1] == [("model.mlpackage", "replaced"), ("made.mlpackage", "model.mlpackage")][nth - 1]
    assert content(out) == before and list(tmp_path.iterdir()) == [out]
    coreml_package.write(model.load(str(MODEL)), out, (64, 64), replace=True)
    assert content(out) != before


@pytest.mark.parametrize("kind", ["onnx", "coreml"])
def test_a_signal_leaves_nothing_half_written(kind, exported, tmp_path):
    """Sent when what becomes the output has appeared; by then it may be done, and then it is whole."""
    out = tmp_path / "model"
    environment = dict(os.environ, PIPERSR_PYTHON=sys.executable)
    process = subprocess.Popen(
        [PROGRAM, "export", "--format", kind, "-o", str(out)], env=environment, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not any(tmp_path.iterdir()):
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate()
    # -15: while the interpreter ends, when its handlers are gone already.
    assert process.returncode in (143, 0, -signal.SIGTERM)
    assert list(tmp_path.iterdir()) in ([], [out])
    if out.exists():
        read = content if kind == "coreml" else pathlib.Path.read_bytes
        assert read(out) == read(exported(kind))


def test_a_python_without_the_packages_is_named(tmp_path):
    environment = dict(os.environ, PIPERSR_PYTHON=sys.executable, PYTHONNOUSERSITE="1")
    (tmp_path / "coremltools.py").write_text("raise ImportError('away')\n")
    environment["PYTHONPATH"] = str(tmp_path)
    command = [PROGRAM, "export", "--format", "coreml", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 4 and "pip install coremltools" in done.stderr
    environment["PIPERSR_PYTHON"] = str(tmp_path / "no-python")
    done = subprocess.run(command, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
    assert done.returncode == 4 and "no-python" in done.stderr and done.stderr.count("\n") == 1
