"""scripts/gallery.py: its panels show what they say, and a failed run leaves nothing."""

import pathlib
import re
import subprocess
import sys

import numpy
import pytest
from PIL import Image

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "gallery.py"
# The detail 'lettering' as the script lists it; pixels of the original are shown as 2x2.
PHOTO, X, Y, SIDE = "kodak_0008", 656, 272, 104


@pytest.fixture
def gallery(tmp_path):
    """gallery(*options) makes the one detail into tmp_path/docs."""

    def call(*options):
        command = [sys.executable, SCRIPT, "--out", tmp_path / "docs", "--only", "lettering", *options]
        return subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
        )

    return call


@pytest.fixture
def photo_folder(shared):
    folder = shared / "train" / "hr"
    if not list(folder.glob(PHOTO + ".*")):
        pytest.skip(f"../shared/train/hr has no {PHOTO}")
    return folder


def test_panels_and_page(gallery, program, photo_folder, tmp_path):
    done = gallery("--program", program, "--photos", photo_folder)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]

    docs = tmp_path / "docs"
    panels = {path.stem: numpy.asarray(Image.open(path)) for path in (docs / "gallery").iterdir()}
    assert set(panels) == {f"lettering-{what}" for what in ("input", "bicubic", "pipersr", "original")}
    assert all(panel.shape == (2 * SIDE, 2 * SIDE, 3) for panel in panels.values())

    (path,) = photo_folder.glob(PHOTO + ".*")
    detail = numpy.asarray(Image.open(path).convert("RGB"))[Y : Y + SIDE, X : X + SIDE]
    assert numpy.array_equal(panels["lettering-original"], detail.repeat(2, axis=0).repeat(2, axis=1))
    small = panels["lettering-input"]
    assert numpy.array_equal(small, small[::4, ::4].repeat(4, axis=0).repeat(4, axis=1))

    page = (docs / "gallery.md").read_text()
    links = re.findall(r"\]\((gallery/[^)]+)\)", page)
    assert len(links) == 4 and all((docs / link).is_file() for link in links)
    bicubic, ours = map(float, re.findall(r"([0-9.]+) dB", page))
    assert 20 < bicubic < ours - 1
    assert "released by the Eastman Kodak Company" in page


def test_a_detail_four_times_as_wide(gallery, program, photo_folder, tmp_path):
    done = gallery("--program", program, "--photos", photo_folder, "--x4-model", MODELS / "pipersr-x4.safetensors")
    assert done.returncode == 0 and not done.stderr, done.stderr
    pictures = tmp_path / "docs" / "gallery"
    small, original = (numpy.asarray(Image.open(pictures / f"four-times-{what}.png")) for what in ("input", "original"))
    assert numpy.array_equal(small, small[::8, ::8].repeat(8, axis=0).repeat(8, axis=1))
    assert numpy.array_equal(original, numpy.asarray(Image.open(pictures / "lettering-original.png")))
    section = (tmp_path / "docs" / "gallery.md").read_text().split("\n## ")[2]
    bicubic, twice, once = map(float, re.findall(r"([0-9.]+) dB", section))
    assert bicubic < min(twice, once) and abs(twice - once) < 1


def test_pictures_of_earlier_runs_go(gallery, program, photo_folder, tmp_path):
    old = tmp_path / "docs" / "gallery" / "old.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    assert gallery("--program", program, "--photos", photo_folder).returncode == 0
    assert not old.exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--program", "absent"], "absent is absent: run make"),
        (["--photos", "absent"], "absent is absent: name the folder"),
        (["--photos", "."], "has no photo kodak_0008"),
        (["--model", "absent"], "there is no such model file"),
        (["--model", "damaged"], "exit status 3"),
    ],
)
def test_a_failed_run_leaves_nothing(gallery, program, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").write_bytes(b"no model")
    done = gallery("--program", program, "--photos", ".", *options)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("gallery: ") and message in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"]
