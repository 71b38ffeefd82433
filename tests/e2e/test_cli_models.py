"""Models by name: `pipersr info --models`, and what --model NAME|FILE takes.

However many models are built in: the tests ask which there are, and compare with the files in models/.
"""

import json
import shutil
import subprocess

import pytest

from clip_tools import make_clip
from conftest import ROOT
from picture_tools import pixels, scene, write_png

USAGE, INPUT = 2, 3
OTHER_MODEL = ROOT / "tests/golden/x4-c48.safetensors"  # not built in, and of another scale


@pytest.fixture
def models(run):
    done = run("info", "--models", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)["models"]


@pytest.fixture
def folder(tmp_path):
    write_png(tmp_path / "photo.png", scene(24, 18))
    return tmp_path


def small_set(folder):
    """A pair of pictures for `bench quality`."""
    for part, size in {"HR": 32, "LR": 16}.items():
        (folder / "set" / part).mkdir(parents=True)
        write_png(folder / "set" / part / "a.png", scene(size, size))
    return folder / "set"


def described(run, folder, value):
    done = run("info", "--json", "--model", value, cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["model"]


def header(path):
    data = path.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


# -------------------------------------------------------------------------------------- the list


def test_models_are_what_their_files_say(models):
    assert len(models) >= 1 and len({model["name"] for model in models}) == len(models)
    for model in models:
        path = ROOT / "models" / f"{model['name']}.safetensors"
        tensors = header(path)
        about = tensors.pop("__metadata__")
        assert model["size_bytes"] == path.stat().st_size
        assert model["description"] == about["description"] != ""
        assert [str(model[key]) for key in ("channels", "blocks", "scale")] == [
            about[key] for key in ("channels", "blocks", "scale")]
        assert ("int8" in model["precisions"]) == ("body.0.conv1.input_scale" in tensors)
        assert model["precisions"][:2] == ["fp32", "bf16"]
    assert [model["default"] for model in models] == [True] + [False] * (len(models) - 1)
    names = [model["name"] for model in models]
    for_videos = [model["name"] for model in models if model["default_for_videos"]]
    assert for_videos == ["pipersr-x2-video" if "pipersr-x2-video" in names else names[0]]


def test_the_default_is_the_marked_one(run, models):
    default = json.loads(run("info", "--json").stdout)["model"]
    assert default.items() <= models[0].items()


def test_videos_have_their_own_model(run, models, tmp_path):
    """Alone, and after a photo in the same run: the engine changes its model on the way."""
    (photos,) = [model["name"] for model in models if model["default"]]
    (videos,) = [model["name"] for model in models if model["default_for_videos"]]
    make_clip(tmp_path / "clip.mp4", size="32x24", seconds=0.2)
    write_png(tmp_path / "photo.png", scene(24, 18))

    def made(out, *arguments):
        folder = tmp_path / out
        folder.mkdir()
        done = run("upscale", *arguments, "-o", folder, "--precision", "fp32", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    clip, photo = "clip_2x.mp4", "photo_2x.png"
    both = made("both", "photo.png", "clip.mp4")
    assert both[clip] == made("video", "clip.mp4", "--model", videos)[clip]
    assert both[photo] == made("photo", "photo.png", "--model", photos)[photo]
    if photos != videos:
        assert both[clip] != made("other", "clip.mp4", "--model", photos)[clip]


def test_four_times_has_its_own_model(run, tmp_path):
    """Photos in one pass; a video in the same run in two passes of its own."""
    make_clip(tmp_path / "clip.mp4", size="32x24", seconds=0.2)
    write_png(tmp_path / "photo.png", scene(24, 18))

    def made(out, *arguments):
        folder = tmp_path / out
        folder.mkdir()
        done = run("upscale", *arguments, "-o", folder, "--precision", "fp32", "--scale", 4, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    both = made("both", "photo.png", "clip.mp4")
    assert both["photo_4x.png"] == made("x4", "photo.png", "--model", "pipersr-x4")["photo_4x.png"]
    assert both["photo_4x.png"] != made("x2", "photo.png", "--model", "pipersr-x2")["photo_4x.png"]
    assert both["clip_4x.mp4"] == made("video", "clip.mp4", "--model", "pipersr-x2-video")["clip_4x.mp4"]


def test_models_as_text(run, models):
    done = run("info", "--models")
    assert (done.returncode, done.stderr) == (0, "")
    heading, *rows, note = done.stdout.decode().splitlines()
    assert heading.split() == ["name", "scale", "network", "parameters", "size", "precisions", "description"]
    assert note.startswith("without --model: * for all, v for videos, 4 with --scale 4")
    assert len(rows) == len(models)
    for row, model in zip(rows, models):
        mark = "*" if model["default"] else "v" if model["default_for_videos"] else "4" if model["scale"] == 4 else " "
        assert row.startswith(f"{mark} ")
        assert row[2:].split() == [
            model["name"], f"x{model['scale']}", str(model["channels"]), "x", str(model["blocks"]),
            str(model["parameters"]), str(-(-model["size_bytes"] // 1024)), "KiB", *model["precisions"],
            *model["description"].split()]
        assert row[heading.index("description") :] == model["description"]


@pytest.mark.parametrize("options", [["--models", "--model", "pipersr-x2"], ["--models=all"], ["--models", "x"]])
def test_models_wrong_usage(run, options):
    done = run("info", *options)
    assert done.returncode == USAGE and done.stdout == b"" and done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------ --model NAME|FILE


def test_each_name_is_that_model(run, folder, models):
    """The same as its file, to the byte."""
    for model in models:
        path = ROOT / "models" / f"{model['name']}.safetensors"
        assert described(run, folder, model["name"]).items() <= model.items()
        made = []
        for value in (model["name"], path):
            done = run("upscale", "photo.png", "-f", "-o", "big.png", "--model", value, "--isa", "c", cwd=folder)
            assert done.returncode == 0, done.stderr
            made.append(pixels(folder / "big.png"))
        assert made[0].shape[0] == 18 * model["scale"]
        assert (made[0] == made[1]).all()


def test_a_name_in_bench_and_calibrate(run, folder, models):
    name = models[-1]["name"]
    done = run("bench", "speed", "--size", "16x16", "--frames", 1, "--precision", "fp32", "--json", "--model", name)
    assert done.returncode == 0, done.stderr
    done = run("calibrate", folder, "-o", folder / "mine.safetensors", "--json", "--model", name)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"] == name
    assert described(run, folder, "mine.safetensors")["name"] == name
    scale = models[-1]["scale"]
    write_png(small_set(folder) / "HR/a.png", scene(16 * scale, 16 * scale))
    done = run("bench", "quality", folder / "set", "--json", "--model", name)
    assert done.returncode == 0, done.stderr


def test_a_name_comes_before_a_file(run, folder, models):
    """A file of this name in the current folder changes nothing; with ./ it is meant."""
    name = models[0]["name"]
    shutil.copy(OTHER_MODEL, folder / name)
    assert described(run, folder, name)["channels"] == models[0]["channels"]
    other = header(OTHER_MODEL)["__metadata__"]
    assert described(run, folder, f"./{name}")["scale"] == int(other["scale"])
    assert described(run, folder, folder / name)["scale"] == int(other["scale"])
    (folder / name).unlink()
    done = run("info", "--model", f"./{name}", cwd=folder)
    assert done.returncode == INPUT and "No such file" in done.stderr


@pytest.mark.parametrize("name", ["mine", "mine.safetensors", "pipersr", "PIPERSR-X2"])
def test_a_file_of_the_current_folder(run, folder, name):
    shutil.copy(OTHER_MODEL, folder / name)
    assert described(run, folder, name)["scale"] == 4


def test_a_suffix_makes_it_a_file(run, folder, models):
    """Not the built-in model of that name, and the message is that of a file."""
    name = f"{models[0]['name']}.safetensors"
    done = run("info", "--model", name, cwd=folder)
    assert done.returncode == INPUT and done.stderr.count("\n") == 1
    assert name in done.stderr and "No such file" in done.stderr and "there are" not in done.stderr
    shutil.copy(OTHER_MODEL, folder / name)
    assert described(run, folder, name)["scale"] == 4


@pytest.mark.parametrize("value", ["foo", "pipersr", "PIPERSR-X2", "built-in", "-", "a\nb"])
@pytest.mark.parametrize("command", [
    ["upscale", "photo.png"], ["upscale", "photo.png", "-o", "new/"], ["upscale", "photo.png", "-o", "-"],
    ["info"], ["info", "--json"], ["calibrate", ".", "-o", "out.safetensors"], ["bench", "speed"],
    ["bench", "quality", "set"],
])
def test_an_unknown_name(run, folder, models, command, value):
    small_set(folder)
    before = sorted(folder.rglob("*"))
    done = run(*command, "--model", value, cwd=folder)
    assert (done.returncode, done.stdout) == (INPUT, b""), done.stderr
    names = ", ".join(model["name"] for model in models)
    shown = value.replace("\n", "?")
    assert done.stderr == f"pipersr: no file and no built-in model '{shown}'; there are: {names}\n"
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", [["upscale", "photo.png"], ["info"], ["calibrate", "."], ["bench", "speed"]])
def test_an_empty_name(run, folder, command):
    done = run(*command, "--model", "", cwd=folder)
    assert done.returncode == USAGE and "--model" in done.stderr and done.stderr.count("\n") == 1


# ------------------------------------------------------------------------------------- completion


def completed(program, folder, *words):
    script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pipersr; printf "%s\\n" "${COMPREPLY[@]}"'
    command = ["bash", "-c", script, ROOT / "cli/pipersr.bash", program, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.stdout.split()


def test_completion_knows_the_models(program, folder, models):
    names = {model["name"] for model in models}
    (folder / "mine.safetensors").write_bytes(b"")
    found = completed(program, folder, "info", "--model", "")
    assert set(found) == names | {"mine.safetensors", "photo.png"} and len(found) == len(set(found))
    start = models[0]["name"][:-1]
    assert set(completed(program, folder, "upscale", "--model", start)) == {
        name for name in names if name.startswith(start)}
    assert set(completed(program, folder, "calibrate", "--model", "mi")) == {"mine.safetensors"}
