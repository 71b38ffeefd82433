"""The training step in C: loss and gradient are PyTorch's, in each way to multiply that this CPU has."""

import csv
import types

import pytest
import torch

import native_step
from corpus import Corpus
from device_step import loss_of
from optimiser import Adam
from schedule import Phase
from trainable import Trainable

WIDTH, HEIGHT = 70, 61  # low-resolution picture


# Largest relative difference from PyTorch's gradient in fp32.
TOLERANCES = {"bf16": 0.01, "bf16x3": 0.01, "fp32": 1e-4}


@pytest.fixture(scope="module", params=list(native_step.WAYS))
def library(request, tmp_path_factory):
    if not native_step.cpu_has(request.param):
        pytest.skip(f"this CPU has no {' '.join(native_step.WAYS[request.param].features)}")
    return native_step.library(request.param, tmp_path_factory.mktemp("native"))


def skip_unless_fast(library, precision):
    if precision not in library.precisions:
        pytest.skip(f"this way computes {', '.join(library.precisions)}")


def picture(scale):
    """A corpus of one picture of noise: every place and colour is told from every other."""
    random = torch.Generator().manual_seed(5)
    corpus = types.SimpleNamespace(device=torch.device("cpu"), scale=scale)
    corpus.low = torch.randint(0, 256, (WIDTH * HEIGHT, 3), dtype=torch.uint8, generator=random)
    corpus.high = torch.randint(0, 256, (WIDTH * HEIGHT * scale**2, 3), dtype=torch.uint8, generator=random)
    corpus.patches = lambda choices, side: Corpus.patches(corpus, choices, side)
    return corpus


def choices(count, side, scale):
    """Patches with every symmetry, the picture's first and last places among them."""
    y = torch.linspace(0, HEIGHT - side, count).long()
    x = torch.linspace(0, WIDTH - side, count).long().flip(0) if count > 1 else torch.zeros(1).long()
    low, high = torch.full((count,), WIDTH), torch.full((count,), WIDTH * scale)
    return torch.stack([y * low + x, low, (y * high + x) * scale, high, torch.arange(count) % 8], 1)


def any_network(channels, blocks, scale, expand):
    torch.manual_seed(6)
    model = Trainable(channels, blocks, scale, expand)
    with torch.no_grad():
        for convolution in (c for block in model.body for c in block):
            torch.nn.init.kaiming_normal_(convolution.kernel)
            torch.nn.init.normal_(convolution.bias, 0, 0.1)
            if expand:
                torch.nn.init.normal_(convolution.narrow, 0, 0.02)
    return model


def both(library, shape, side, count, precision, mse):
    """((loss, gradient) by PyTorch in fp32, the same by the library, the places of the parameters)."""
    model = any_network(*shape)
    optimiser, corpus, chosen = Adam(model, 0.1), picture(model.scale), choices(count, side, model.scale)
    low, high = corpus.patches(chosen, side)
    loss = loss_of(model(low), high, 0.4, mse)
    loss.backward()
    wanted = optimiser.gradient.clone()
    optimiser.gradient.zero_()
    step = native_step.NativeStep(model, optimiser, corpus, Phase(side, count, precision, mse), 0.4, library, 2)
    step.add_gradient(chosen)
    return (float(loss.detach()), wanted), (step.take_loss_sum(), optimiser.gradient), optimiser.places


@pytest.mark.parametrize("precision", ["bf16x3", "fp32"])
@pytest.mark.parametrize(
    "shape,side,count,mse",
    [((32, 2, 2, 0), 16, 8, 0.5), ((64, 1, 2, 0), 32, 3, 0.0), ((32, 1, 3, 2), 16, 3, 0.3), ((32, 1, 4, 0), 48, 1, 1.0)],
)
def test_loss_and_gradient_are_pytorchs(library, precision, shape, side, count, mse):
    skip_unless_fast(library, precision)
    (loss, wanted), (made_loss, made), places = both(library, shape, side, count, precision, mse)
    assert made_loss == pytest.approx(loss, rel=1e-5)
    for parameter, begin, end in places:
        difference = (made[begin:end] - wanted[begin:end]).norm()
        assert difference < TOLERANCES[precision] * wanted[begin:end].norm(), tuple(parameter.shape)


def test_adam_is_pytorchs(library):
    """Several steps, among them one whose gradient is clipped, one that is not finite, one without change."""
    models = [any_network(32, 1, 2, 0) for _ in range(2)]
    mine, wanted = (Adam(model, 0.5, {"head": 0.25}) for model in models)
    step = native_step.NativeStep(models[0], mine, picture(2), Phase(16, 1, "fp32", 0.0), 0.4, library, 3)
    step.add_gradient = lambda chosen: None
    random = torch.Generator().manual_seed(7)
    for number, size in enumerate((1e-4, 1.0, float("nan"), 1e-3, 0.0)):
        gradient = size * torch.randn(wanted.gradient.shape, generator=random)
        wanted.gradient.copy_(gradient)
        mine.gradient.copy_(gradient)
        numbers = torch.tensor(Adam.numbers(number, 1e-3, 0.9))
        wanted.step(numbers)
        step(None, numbers)
        for name, vector in wanted.state().items():
            assert torch.allclose(mine.state()[name], vector, rtol=1e-5, atol=1e-6 * float(vector.abs().max())), name
        assert not mine.gradient.any()


def test_bf16_is_near(library):
    skip_unless_fast(library, "bf16")
    (loss, wanted), (made_loss, made), _ = both(library, (64, 2, 2, 0), 32, 4, "bf16", 0.0)
    assert made_loss == pytest.approx(loss, rel=2e-3) and made_loss != pytest.approx(loss, rel=1e-7)
    assert (made - wanted).norm() < TOLERANCES["bf16"] * wanted.norm()


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_step_repeats_to_the_bit(library, precision):
    skip_unless_fast(library, precision)
    first, second = (both(library, (32, 1, 2, 0), 16, 5, precision, 0.0)[1] for _ in range(2))
    assert first[0] == second[0] and torch.equal(first[1], second[1])


@pytest.mark.parametrize("shape", [(16, 1, 2, 16), (32, 0, 2, 16), (32, 33, 2, 16), (32, 1, 5, 16), (32, 1, 2, 24)])
def test_what_does_not_fit_is_refused(library, shape):
    assert library.step_new(*shape, 1, 0) is None


def test_an_unknown_precision_is_refused(library):
    assert library.step_new(32, 1, 2, 16, 1, len(native_step.PRECISIONS)) is None


@pytest.mark.parametrize(
    "flags,way",
    [
        ("avx512_bf16 amx_bf16", "tiles"), ("avx2 avx512_bf16", "dots"),
        ("fma avx2 avx512f avx512dq avx512bw avx512vl", "avx512"), ("fma avx2 avx512f avx512cd avx512er", "avx2"),
        ("fma avx2", "avx2"), ("avx2", "loops"), ("avx", "loops"), (None, "loops"),
    ],
)
def test_the_best_way_is_the_cpus(tmp_path, monkeypatch, flags, way):
    monkeypatch.setattr(native_step, "CPU_INFO", tmp_path / "cpuinfo")
    if flags:
        native_step.CPU_INFO.write_text(f"processor: 0\nflags: fpu {flags}\n")
    assert native_step.best_way() == way


@pytest.mark.parametrize(
    "channels,side,precision,fit",
    [(32, 16, "fp32", True), (16, 16, "fp32", False), (32, 24, "fp32", False), (32, 16, "bf16", False),
     (32, 16, "tf32", False)],
)
def test_pytorch_takes_what_the_library_is_not_for(channels, side, precision, fit):
    loaded = types.SimpleNamespace(precisions=native_step.WAYS["avx2"].precisions)
    assert native_step.fits(Trainable(channels, 1, 2), Phase(side, 1, precision, 0.0), loaded) == fit


def test_a_compiler_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", str(tmp_path / "no-compiler"))
    with pytest.raises(RuntimeError, match="no-compiler"):
        native_step.library("loops", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wish", ["yes", "auto"])
def test_a_run_learns(corpus_folder, tmp_path, script, wish):
    way = native_step.best_way()
    if wish == "auto" and way == "loops":
        pytest.skip("this CPU has nothing faster than loops")
    done = script(
        "train.py", corpus_folder, "--out", tmp_path, "--device", "cpu", "--threads", 1, "--batch", 4, "--patch", 16,
        "--finish-patch", 16, "--validate-px", 40, "--channels", 32, "--blocks", 1, "--rate", "1e-3", "--steps", 60,
        "--select", "synthetic", "--native", wish,
    )
    assert f"steps in C, in {way}" in done.stdout and done.stdout.count("steps/s in C") == 2
    main, finish = ("bf16", "bf16x3") if way in ("tiles", "loops") else ("fp32", "fp32")
    assert f"precision='{main}'" in done.stdout and f"precision='{finish}'" in done.stdout
    with open(tmp_path / "run.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["psnr_synthetic"]) > float(rows[0]["psnr_synthetic"]) + 0.05
