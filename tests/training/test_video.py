"""Compressed clips: frames lie where their originals do, and the measurement sees what it should."""

import pathlib

import numpy
import pytest
import torch
from PIL import Image

import panning
import photos
import picture_quality
import resize
import synthetic
from corpus import Corpus

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    held_back = next(f"p{n}.png" for n in range(1000) if photos.is_validation(f"p{n}"))
    for n, name in enumerate(["one.png", held_back]):
        # Dead leaves, made smoother: detail at every place, yet not lost in the compression.
        large = Image.fromarray(synthetic.make(5 + 7 * n, 160)).resize((320, 320), Image.BICUBIC)
        large.save(folder / name)
    return folder


def test_clips_lie_where_their_originals_do(photo_folder, tmp_path, script):
    script("video_clips.py", photo_folder, "--out", tmp_path / "clips.zip", "--clips", 4)
    script("prepare.py", "--out", tmp_path / "c", "--photos", photo_folder, "--clips", tmp_path / "clips.zip",
           "--copies", "")
    corpus = Corpus([tmp_path / "c"])
    frames = [picture for picture in corpus.pictures if picture["kind"] == "video"]
    assert len(frames) == 8 and {picture["training"] for picture in frames} == {True, False}
    for picture in frames:
        low, high = corpus.whole(picture)
        bicubic = torch.from_numpy(resize.resize(low.numpy(), high.shape[0], high.shape[1], 2))
        there = picture_quality.psnr_y(bicubic, high, 8)
        assert there > 20
        for shift in ((2, 0), (-2, 0), (0, 2), (0, -2)):
            assert picture_quality.psnr_y(torch.roll(bicubic, shift, (0, 1)), high, 8) < there - 0.2
        clean = resize.shrink(high.numpy(), 2)
        assert (clean != low.numpy()).mean() > 0.2  # it was compressed


def test_pans_stay_inside():
    for seed in range(50):
        places = panning.path(numpy.random.default_rng(seed), 40, numpy.array([seed, 30]))
        assert (places >= 0).all() and (places <= [seed, 30]).all()


def test_measuring_ranks_bicubic_below_the_model(tmp_path, program, script):
    name = next(f"p{n}.png" for n in range(1000) if photos.is_validation(f"p{n}"))
    Image.fromarray(synthetic.make(7, 320)).save(tmp_path / name)
    done = script(
        "evaluate_video.py", "--program", program, "--models", ROOT / "models" / "pipersr-x2.safetensors",
        "--photos", tmp_path, "--frames", 3, "--crf", 18, 40,
    )
    means = [line.split() for line in done.stdout.splitlines() if line.startswith("mean of 1")]
    psnr = {(line[4], line[5]): float(line[line.index("psnr_y") + 1]) for line in means}
    assert psnr["18", "pipersr-x2"] > psnr["18", "bicubic"]
    assert psnr["18", "bicubic"] > psnr["40", "bicubic"] + 1
