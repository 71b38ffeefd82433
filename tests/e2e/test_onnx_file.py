"""python/pipersr_export: its files hold the network that the program runs."""

import struct
import sys

import numpy
import pytest
from PIL import Image

from conftest import ROOT
from onnx_graph import Graph

sys.path.insert(0, str(ROOT / "python"))

from pipersr_export import calibration, model, onnx_file, reference

DEFAULT = ROOT / "models" / "pipersr-x2.safetensors"
GOLDEN = ROOT / "tests" / "golden"


def golden(name, model_path):
    """(model, input, expected output) of a golden case, pictures as [3, H, W]."""
    data = (GOLDEN / f"{name}.bin").read_bytes()
    height, width, scale = map(int, struct.unpack("<3f", data[:12]))
    values = numpy.frombuffer(data, "<f4", offset=12)
    source, expected = values[: height * width * 3], values[height * width * 3 :]
    shapes = (height, width, 3), (height * scale, width * scale, 3)
    planes = (part.reshape(shape).transpose(2, 0, 1) for part, shape in zip((source, expected), shapes))
    return model.load(model_path), *planes


def psnr_db(a, b):
    return 10 * numpy.log10(1 / max(1e-12, float(((a - b) ** 2).mean(dtype=float))))


@pytest.fixture(scope="module")
def picture(samples, tmp_path_factory):
    """(path of a PNG, its planes in 0..1): a piece of a photo, wider than high."""
    path = tmp_path_factory.mktemp("onnx") / "piece.png"
    with Image.open(samples / "butterfly.png") as image:
        piece = image.convert("RGB").crop((100, 200, 157, 240))
    piece.save(path)
    return path, numpy.asarray(piece, "f4").transpose(2, 0, 1) / 255


@pytest.fixture
def upscaled(run, picture, tmp_path):
    """upscaled(precision) -> the program's picture as planes in 0..1."""

    def call(precision):
        out = tmp_path / f"{precision}.png"
        done = run("upscale", picture[0], "-o", out, "--precision", precision)
        assert done.returncode == 0, done.stderr
        with Image.open(out) as image:
            return numpy.asarray(image, "f4").transpose(2, 0, 1) / 255

    return call


CASES = [
    ("default-13x15", DEFAULT),
    *((case, GOLDEN / f"{case.rpartition('-')[0]}.safetensors") for case in ("bn-f32-17x11", "bn-bf16-5x23", "x3-c16-9x31")),
]


@pytest.mark.parametrize("name, model_path", CASES, ids=[name for name, _ in CASES])
def test_fp32_equals_the_golden_vectors(name, model_path, tmp_path):
    source, x, expected = golden(name, model_path)
    assert abs(reference.run(source, x) - expected).max() < 1e-4
    onnx_file.write(source, tmp_path / "net.onnx")
    assert abs(Graph(tmp_path / "net.onnx").run(x[None])[0] - expected).max() < 1e-4


def test_fp16_is_close_to_fp32(picture, tmp_path):
    source = model.load(DEFAULT)
    onnx_file.write(source, tmp_path / "net.onnx", "fp16")
    result = Graph(tmp_path / "net.onnx").run(picture[1][None].astype("f2"))
    assert result.dtype == numpy.float16
    assert psnr_db(result[0].astype("f4"), reference.run(source, picture[1])) > 60


def test_int8_with_the_files_codings_is_as_good_as_the_engine(picture, upscaled, tmp_path):
    """The last bit of a float sum may turn a code over, and later layers see it: so not the same bytes."""
    source = model.load(DEFAULT, "int8")
    onnx_file.write(source, tmp_path / "net.onnx", "int8", codings=calibration.from_file(source))
    result = numpy.rint(Graph(tmp_path / "net.onnx").run(picture[1][None])[0] * 255) / 255
    expected, engine = upscaled("fp32"), upscaled("int8")
    assert abs(psnr_db(result, expected) - psnr_db(engine, expected)) < 0.2
    # Codes of other ranges would be as far from the engine's as from fp32, and 3 dB further.
    assert psnr_db(result, engine) > psnr_db(engine, expected) + 1


@pytest.mark.parametrize("code_where_made", [False, True])
def test_int8_with_one_scale_a_tensor_is_the_same_picture(code_where_made, picture, upscaled, tmp_path):
    source = model.load(DEFAULT)
    codings = calibration.per_tensor(source, [picture[1]])
    onnx_file.write(source, tmp_path / "net.onnx", "int8", None, codings, code_where_made)
    graph = Graph(tmp_path / "net.onnx")
    coded = sum(operator == "QuantizeLinear" for operator, *_ in graph.nodes)
    assert coded == (len(codings) if code_where_made else 14)
    assert psnr_db(graph.run(picture[1][None])[0], upscaled("fp32")) > 35


def test_sides_are_fixed_or_free(tmp_path):
    source = model.load(DEFAULT)
    onnx_file.write(source, tmp_path / "free.onnx")
    free = Graph(tmp_path / "free.onnx")
    assert free.inputs == {"x": [1, 3, "height", "width"]}
    assert free.outputs == {"out": [1, 3, "out_height", "out_width"]}
    onnx_file.write(source, tmp_path / "fixed.onnx", size=(64, 48))
    fixed = Graph(tmp_path / "fixed.onnx")
    assert (fixed.inputs, fixed.outputs) == ({"x": [1, 3, 48, 64]}, {"out": [1, 3, 96, 128]})


def test_what_cannot_be_written_is_refused(tmp_path):
    source = model.load(GOLDEN / "bn-f32.safetensors")
    with pytest.raises(ValueError, match="calibrate"):
        onnx_file.write(source, tmp_path / "net.onnx", "int8", codings=calibration.from_file(source))
    with pytest.raises(ValueError, match="bf16"):
        onnx_file.write(source, tmp_path / "net.onnx", "bf16")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("keep", [0, 7, 100, 5000])
def test_cut_model_files_are_refused(keep, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(DEFAULT.read_bytes()[:keep])
    with pytest.raises(model.ModelError, match="cut.safetensors"):
        model.load(tmp_path / "cut.safetensors")
