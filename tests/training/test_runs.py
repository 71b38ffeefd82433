"""Whole runs on a small network: they learn, keep to their time, and survive being killed."""

import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import torch

import checkpoint
import network
import train
import whole_file
from corpus import Chooser, Corpus
from int8_network import Int8Network
from quantise import drawn
from schedule import Schedule, planned_total
from trainable import Trainable

TRAINING = pathlib.Path(__file__).resolve().parents[2] / "training"
SMALL = ["--device", "cpu", "--threads", 1, "--batch", 4, "--patch", 16, "--validate-px", 40]
TINY = [*SMALL, "--channels", 16, "--blocks", 1, "--rate", "1e-3"]


def weights(folder, name="checkpoint.pt"):
    tensors, about = checkpoint.load(folder / name)
    return tensors, about["step"]


@pytest.fixture(scope="module")
def whole_run(corpus_folder, tmp_path_factory, script):
    out = tmp_path_factory.mktemp("whole")
    script("train.py", corpus_folder, "--out", out, *TINY, "--steps", 120, "--select", "synthetic")
    return out


def test_a_run_learns_and_leaves_its_files(corpus_folder, whole_run):
    corpus = Corpus([corpus_folder])
    low, high = corpus.patches(Chooser(corpus, 64, 16, seed=9).of_steps(0, 1)[0], 16)
    torch.manual_seed(1)
    with torch.no_grad():
        before, after = (
            float((model(low) - high).abs().mean())
            for model in (Trainable(16, 1, 2), network.load(whole_run / "last.safetensors"))
        )
    assert after < 0.95 * before
    with open(whole_run / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 120]
    assert all(float(row["psnr_synthetic"]) > 15 for row in rows)
    assert "<polyline" in (whole_run / "run.svg").read_text()
    assert weights(whole_run)[1] == 120 and weights(whole_run, "before_decay.pt")[1] == 96
    assert (whole_run / "best.safetensors").is_file() and (whole_run / "last.safetensors").is_file()


def first_validation(folder):
    with open(folder / "run.csv", newline="") as file:
        return float(next(csv.DictReader(file))["psnr_synthetic"])


def test_a_random_start_begins_far_below_bicubic(corpus_folder, whole_run, tmp_path, script):
    script("train.py", corpus_folder, "--out", tmp_path, *TINY, "--steps", 1, "--select", "synthetic", "--random-start")
    assert first_validation(tmp_path) < first_validation(whole_run) - 5


def test_killed_and_resumed_is_as_never_killed(corpus_folder, whole_run, tmp_path, script):
    arguments = ["train.py", corpus_folder, "--out", tmp_path, *TINY, "--select", "synthetic"]
    command = [sys.executable, TRAINING / arguments[0], *arguments[1:], "--steps", 120, "--save-seconds", 0.01]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    while not (tmp_path / "checkpoint.pt").exists() and process.poll() is None:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    killed_at = weights(tmp_path)[1]
    assert 0 < killed_at < 120
    # Options that are not named are those that it began with.
    script(*arguments[:4], "--device", "cpu", "--threads", 1, "--resume", tmp_path / "checkpoint.pt")
    resumed, step = weights(tmp_path)
    wanted = weights(whole_run)[0]
    assert step == 120 and all(torch.equal(resumed[name], wanted[name]) for name in wanted)


def test_what_cannot_be_written_whole_leaves_the_old(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="full"), whole_file.written(path) as file:
        file.write(b"new")
        raise OSError("full")
    assert path.read_bytes() == b"old"
    with whole_file.written(path) as file:
        file.write(b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"new"


def test_terminated_saves_first(corpus_folder, tmp_path):
    command = [sys.executable, TRAINING / "train.py", corpus_folder, "--out", tmp_path, *TINY, "--minutes", 5]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "step 0 of" in line:
            break
    time.sleep(0.5)
    process.terminate()
    assert "--resume" in process.communicate()[0] and process.returncode == 3
    assert weights(tmp_path)[1] > 0


def test_minutes_are_kept_and_extended(corpus_folder, whole_run, tmp_path, script):
    begin = time.monotonic()
    script("train.py", corpus_folder, "--out", tmp_path, *TINY, "--minutes", 0.1, "--extend",
           "--resume", whole_run / "before_decay.pt")
    assert 5 < time.monotonic() - begin < 25
    tensors, about = checkpoint.load(tmp_path / "checkpoint.pt")
    assert about["base"] == 96 and about["step"] == 96 + about["total"] > 100


def test_quantise_and_evaluate(corpus_folder, whole_run, tmp_path, script):
    arguments = [corpus_folder, "--start", whole_run / "last.safetensors", "--out", tmp_path, *SMALL]
    script("quantise.py", *arguments, "--steps", 10, "--range-patches", 16, "--select", "synthetic")
    done = script("evaluate.py", corpus_folder, tmp_path / "last.safetensors", "--int8", "--device", "cpu")
    assert "synthetic" in done.stdout
    before = script("evaluate.py", corpus_folder, whole_run / "last.safetensors", "--device", "cpu").stdout
    decibels = [float(text.split("synthetic ")[1].split()[0]) for text in (before, done.stdout)]
    assert decibels[1] > decibels[0] - 0.3

    script("quantise.py", *arguments, "--steps", 60, "--imitate", "--out", tmp_path / "like", "--rate", 1e-4)
    plain, low = network.load(whole_run / "last.safetensors"), torch.rand(1, 3, 24, 24)

    def distance(run):
        with torch.no_grad():
            return float((Int8Network(*network.read_int8(run / "last.safetensors"))(low) - plain(low)).square().mean())

    assert distance(tmp_path / "like") < distance(tmp_path)


def test_rounded_weights(corpus_folder, whole_run, tmp_path, script):
    start, rounded, both = whole_run / "last.safetensors", tmp_path / "r.safetensors", tmp_path / "b.safetensors"
    script("round_weights.py", corpus_folder, "--start", start, "--out", rounded, "--range-patches", 32)
    script("export.py", start, "--int8", rounded, "--out", both, "--dtype", "F32", "--name", "b", "--training", "t")
    plain = network.load(start)
    low = drawn(Corpus([corpus_folder]), 16, 5, None)[0]
    model, codings = network.read_int8(rounded)
    mine, nearest, again = (Int8Network(*each) for each in ((model, codings), (plain, codings), network.read_int8(both)))
    with torch.no_grad():
        error = [float((int8(low) - plain(low)).square().mean()) for int8 in (mine, nearest)]
    assert error[0] < error[1]
    for conv, its in zip(mine.body, again.body):  # the file's codes are those that were chosen
        assert torch.equal(*(network.weight_codes(c.kernel, c.log_scale.exp())[0].detach() for c in (conv, its)))
    done = script("round_weights.py", corpus_folder, "--start", both, "--out", rounded, "--range-patches", 16)
    assert "megapixels" in done.stdout


def test_rate_and_plan():
    schedule = Schedule(total=1000, rate=1.0, warm_up=10)
    rates = [schedule.rate_at(step) for step in range(1000)]
    assert rates[0] == 0.1 and rates[10:800] == [1.0] * 790 and 0.009 < rates[999] < 0.011
    assert all(a >= b for a, b in zip(rates[800:], rates[801:]))
    assert not schedule.finishes(899) and schedule.finishes(900)
    total = planned_total(100, 60.0, 0.1, 0.3, 0.1)
    finish = int(0.1 * total)
    assert (total - finish - 100) * 0.1 + finish * 0.3 == pytest.approx(60, rel=0.02)
    assert planned_total(500, 0.0, 0.1, 0.3, 0.1) == 500


@pytest.mark.parametrize(
    "arguments,words",
    [
        (["--steps", "5", "--share", "film=0.5"], "the corpus has synthetic"),
        (["--extend", "--steps", "5"], "--resume"),
        ([], "how long"),
        (["--steps", "5", "--patch", "500"], "no picture"),
        (["--resume", "CORPUS/lr.u8"], "not a checkpoint"),
        (["--steps", "5", "--start", "CORPUS/lr.u8"], "not a model file"),
    ],
)
def test_what_cannot_be_done_is_said(corpus_folder, tmp_path, monkeypatch, arguments, words):
    arguments = [text.replace("CORPUS", str(corpus_folder)) for text in arguments]
    command = ["train.py", str(corpus_folder), "--out", str(tmp_path), *map(str, TINY), *arguments]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match=words):
        train.main()
