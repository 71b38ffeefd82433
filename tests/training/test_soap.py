"""SOAP is Adam in other axes: the same before it knows them, better where gradients hang together, and resumable."""

import pytest
import torch

import checkpoint
import optimiser
from soap import Soap
from trainable import Trainable

TINY = ["--device", "cpu", "--threads", 1, "--batch", 4, "--patch", 16, "--validate-px", 40, "--channels", 16,
        "--blocks", 1, "--rate", "1e-3", "--select", "synthetic"]


class Adam(optimiser.Adam):
    BETA1 = Soap.BETA1


def numbers(step, rate):
    return torch.tensor(Adam.numbers(step, rate, 0.9))


def test_before_it_knows_the_axes_it_is_adam():
    mine, wanted = (kind(Trainable(16, 2, 2), 0.5) for kind in (Soap, Adam))
    wanted.load(mine.state())
    for step in range(3):
        gradient = torch.randn(mine.weights.shape, generator=torch.Generator().manual_seed(step))
        for each in (mine, wanted):
            each.gradient.copy_(gradient)
            each.step(numbers(step, 1e-3))
    assert torch.allclose(mine.weights, wanted.weights, rtol=1e-4, atol=1e-7)
    assert torch.allclose(mine.average, wanted.average, rtol=1e-4, atol=1e-7)


def loss_after(kind, name, steps, rate):
    """In a bowl whose axes lie across those of the weights, a million times as steep along some as along others."""
    random = torch.Generator().manual_seed(4)
    model = Trainable(16, 1, 2)
    mine = kind(model, 1e9)
    kernel = model.get_parameter(name)
    shape = (*kernel.shape[:2], 9)
    turns = [torch.linalg.qr(torch.randn(n, n, generator=random))[0] for n in shape]
    steep = torch.einsum("a,b,c->abc", *(torch.logspace(0, -1, n) for n in shape))
    wanted = torch.randn(shape, generator=random)
    for step in range(steps):
        error = torch.einsum("oit,oa,ib,tc->abc", kernel.view(shape) - wanted, *turns)
        loss = (error * steep).square().sum()
        loss.backward()
        mine.step(numbers(step, rate * (1 - step / steps)))
        mine.refresh(step)
    return float(loss.detach())


@pytest.mark.parametrize("name", ["head.kernel", "body.0.0.kernel", "tail.kernel"])
def test_it_is_better_where_gradients_hang_together(name):
    adam, soap = (min(loss_after(kind, name, 300, rate) for rate in (3e-2, 1e-1)) for kind in (Adam, Soap))
    assert soap < 0.6 * adam


@pytest.fixture(scope="module")
def whole_run(corpus_folder, tmp_path_factory, script):
    out = tmp_path_factory.mktemp("soap")
    script("train.py", corpus_folder, "--out", out, *TINY, "--steps", 60, "--optimiser", "soap")
    return out


def test_resumed_it_is_as_never_stopped(corpus_folder, whole_run, tmp_path, script):
    script("train.py", corpus_folder, "--out", tmp_path, *TINY, "--resume", whole_run / "before_decay.pt")
    (resumed, about), (wanted, _) = (checkpoint.load(folder / "checkpoint.pt") for folder in (tmp_path, whole_run))
    assert about["step"] == 60 and "axes.0.1" in wanted
    assert all(torch.equal(resumed[name], wanted[name]) for name in wanted)
    assert not torch.equal(wanted["axes.0.1"], checkpoint.load(whole_run / "before_decay.pt")[0]["axes.0.1"])


def test_another_optimisers_checkpoint_is_refused(corpus_folder, tmp_path, script):
    script("train.py", corpus_folder, "--out", tmp_path, *TINY, "--steps", 2)
    resume = ("--out", tmp_path, "--resume", tmp_path / "checkpoint.pt", "--optimiser", "soap")
    done = script("train.py", corpus_folder, *resume, status=1)
    assert done.stderr.splitlines() == ["the checkpoint is of a run with another --optimiser"]


def test_a_gradient_that_is_not_finite_changes_nothing():
    mine = Soap(Trainable(16, 1, 2), 0.5)
    before = {name: tensor.clone() for name, tensor in mine.state().items()}
    mine.gradient.fill_(float("nan"))
    mine.step(numbers(0, 1e-3))
    assert torch.equal(mine.weights, before["weights"]) and all(t.isfinite().all() for t in mine.state().values())
