"""`pipersr calibrate`: from photos to a model file that int8 runs."""

import json
import shutil

import numpy as np
import pytest

from picture_tools import pixels, psnr, scene, write_png

USAGE, INPUT, UNSUPPORTED, OUTPUT = 2, 3, 4, 5


@pytest.fixture
def photos(tmp_path):
    """A folder with a picture, one below it, and files that are none."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    write_png(folder / "a.png", scene(70, 50))
    write_png(folder / "below/b.png", scene(30, 40, channels=2))
    (folder / "notes.txt").write_text("not a picture\n")
    (folder / "empty").write_bytes(b"")
    return folder


def tensors(path):
    """The header of a safetensors file, and its tensors' bytes by name."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size])
    payload = data[8 + size :]
    metadata = header.pop("__metadata__")
    offsets = [0] + [each["data_offsets"][1] for each in header.values()]
    assert [each["data_offsets"][0] for each in header.values()] == offsets[:-1]
    assert offsets[-1] == len(payload)
    return metadata, {name: (each["dtype"], each["shape"], payload[slice(*each["data_offsets"])])
                      for name, each in header.items()}


def test_int8_is_close_to_fp32(run, tmp_path, samples):
    model = tmp_path / "model.safetensors"
    done = run("calibrate", samples, "-o", model, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert list(result) == ["model", "output", "pictures", "left_out", "synthetic", "pixels", "seconds"]
    default = json.loads(run("info", "--json").stdout)["model"]["name"]
    assert result["model"] == default and result["output"] == str(model)
    assert result["pictures"] >= 2 and result["left_out"] == 0 and result["synthetic"] > 0

    def upscale(precision, *options):
        out = tmp_path / f"{precision}.png"
        return out, run("upscale", samples / "butterfly.png", "-o", out, "--model", model, "--precision",
                        precision, *options)

    # What int8 loses with the old codings does not hold for the new ones.
    assert "precision_loss_db" not in tensors(model)[0]
    about = json.loads(run("info", "--model", model, "--json").stdout)["cpu"]["auto_precision"]
    assert about["videos"]["precision"] == "fp32"

    fp32, done = upscale("fp32")
    assert done.returncode == 0, done.stderr
    int8, done = upscale("int8")
    if done.returncode == UNSUPPORTED:  # no instructions for it here: the same bytes, slowly
        int8, done = upscale("int8", "--isa", "c")
    assert done.returncode == 0, done.stderr
    assert psnr(pixels(int8), pixels(fp32)) > 40


def test_the_rest_of_the_model_stays(run, tmp_path, photos):
    from conftest import ROOT

    before = ROOT / "tests/golden/x4-c48.safetensors"
    model = tmp_path / "model.safetensors"
    done = run("calibrate", photos, "-o", model, "--model", before)
    assert done.returncode == 0 and done.stdout == b""
    assert str(model) in done.stderr and done.stderr.count("\n") == 1
    metadata, old = tensors(before)
    metadata_now, new = tensors(model)
    assert metadata_now == metadata
    added = set(new) - set(old)
    blocks = int(metadata["blocks"])
    layers = [f"body.{n}.conv{k}" for n in range(blocks) for k in (1, 2)]
    codings = {f"{layer}.input_{kind}" for layer in layers for kind in ("scale", "zero")}
    own = {f"int8.{layer}.{part}" for layer in layers for part in ("weight", "weight_scale", "bias")}
    ends = {f"{end}.{part}" for end in ("head", "tail") for part in ("weight", "bias")}
    assert added == codings | own | {f"int8.{name}" for name in ends}
    assert all(new[name] == old[name] for name in old)
    for name in codings:
        dtype, shape, data = new[name]
        assert shape == [48] and dtype == ("U8" if name.endswith("zero") else "F32")
        if dtype == "F32":
            scales = np.frombuffer(data, "<f4")
            assert (scales > 0).all() and (scales < 1).all()
    for layer in layers:
        dtype, shape, data = new[f"int8.{layer}.weight"]
        assert (dtype, shape) == ("I8", [48, 48, 3, 3])
        # A step follows from its channel's largest, so there is one in every channel that is not all zeros.
        largest = np.abs(np.frombuffer(data, "i1").reshape(48, -1).astype(int)).max(axis=1)
        assert set(largest) <= {0, 127}
    for name in ends:
        assert new[f"int8.{name}"][1] == old[name][1]

    again = tmp_path / "again.safetensors"
    assert run("calibrate", photos, "-o", again, "--model", model, "-q").stderr == ""
    assert again.read_bytes() == model.read_bytes()


def test_options_count(run, tmp_path, photos):
    def calibrate(*options):
        out = tmp_path / "model.safetensors"
        done = run("calibrate", photos, "-f", "-o", out, "--json", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), out.read_bytes()

    plain, plain_model = calibrate()
    assert (plain["pictures"], plain["pixels"]) == (2, 70 * 50 + 30 * 40)
    one, one_model = calibrate("--max-images", 1)
    assert (one["pictures"], one["pixels"]) == (1, 70 * 50)
    real, real_model = calibrate("--no-synthetic")
    assert real["synthetic"] == 0
    assert len({plain_model, one_model, real_model}) == 3


def test_large_pictures_are_halved_and_cut(run, tmp_path):
    folder = tmp_path / "large"
    folder.mkdir()
    write_png(folder / "large.png", scene(700, 130))
    options = ["--no-synthetic", "--json", "-f", "-o", tmp_path / "m.safetensors"]
    assert json.loads(run("calibrate", folder, *options).stdout)["pixels"] == 256 * 65
    kept = json.loads(run("calibrate", folder, *options, "--keep-size").stdout)
    assert kept["pixels"] == 256 * 130


def test_a_damaged_picture_is_left_out(run, tmp_path, photos):
    whole = (photos / "a.png").read_bytes()
    (photos / "damaged.png").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "model.safetensors"
    done = run("calibrate", photos, "-o", out)
    assert done.returncode == 0 and out.is_file()
    assert "damaged.png is left out" in done.stderr and done.stderr.count("\n") == 2


@pytest.mark.parametrize("fault", ["missing", "a file", "no picture", "only damaged", "bad model",
                                   "no model", "model folder"])
def test_bad_input(run, tmp_path, photos, fault):
    out = tmp_path / "model.safetensors"
    options, named = [], photos
    if fault == "missing":
        shutil.rmtree(photos)
    elif fault == "a file":
        named = photos = photos / "a.png"
    elif fault == "no picture":
        (photos / "a.png").unlink()
        shutil.rmtree(photos / "below")
    elif fault == "only damaged":
        (photos / "a.png").write_bytes((photos / "a.png").read_bytes()[:100])
        shutil.rmtree(photos / "below")
    else:
        named = tmp_path / "bad.safetensors"
        options = ["--model", named]
        if fault == "bad model":
            named.write_bytes(b"\0" * 100)
        elif fault == "model folder":
            named.mkdir()
    done = run("calibrate", photos, "-o", out, "-q", *options)
    assert done.returncode == INPUT, done.stderr
    assert done.stdout == b"" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("pipersr: ") and str(named) in done.stderr
    assert not out.exists() and not list(tmp_path.glob("*.tmp*")) and not list(tmp_path.glob(".*"))


def test_an_existing_output_stays(run, tmp_path, photos):
    out = tmp_path / "model.safetensors"
    out.write_text("mine")
    done = run("calibrate", photos, "-o", out)
    assert done.returncode == OUTPUT and str(out) in done.stderr and "--force" in done.stderr
    assert out.read_text() == "mine"
    assert run("calibrate", photos, "-o", out, "--force").returncode == 0
    assert out.stat().st_size > 100000
    done = run("calibrate", photos, "-o", tmp_path / "nowhere/model.safetensors")
    assert done.returncode == OUTPUT and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--max-images", "0"], ["a", "-o", "-"],
                                       ["a", "--what"], ["a", "-o"]])
def test_wrong_usage(run, arguments):
    done = run("calibrate", *arguments)
    assert done.returncode == USAGE
    assert done.stderr.count("\n") == 1 and "pipersr calibrate --help" in done.stderr
