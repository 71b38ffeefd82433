"""The plan of a run with a time limit, on a clock and a machine that are made up."""

import itertools

import pytest

import training_loop
from corpus import Corpus
from schedule import Phase
from trainable import Trainable
from training_loop import Options, Run

MINUTES, VALIDATION_SECONDS = 30, 45


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class MadeUpStep:
    """Takes the time that `seconds_at` says of its phase, and keeps the learning rates."""

    def __init__(self, clock, seconds_at, phase):
        self.clock, self.seconds_at, self.phase, self.rates = clock, seconds_at, phase, []

    def prepare(self, choices):
        pass

    def __call__(self, choices, numbers):
        self.clock.now += self.seconds_at(self.clock.now - 1000, self.phase)
        self.rates.append(float(numbers[0]))

    def take_loss_sum(self):
        return 0.0


def steady(second, phase):
    return 0.2 if phase.mse == 0 else 0.5


def busy_then_quiet(second, phase):
    return steady(second, phase) * (5 if second < 600 else 1)


def quiet_then_busy(second, phase):
    return steady(second, phase) * (1 if second < 1500 else 4)


def busy_by_turns(second, phase):
    return steady(second, phase) * (6 if second % 20 < 10 else 1)


@pytest.mark.parametrize("seconds_at", [steady, busy_then_quiet, quiet_then_busy, busy_by_turns])
def test_a_run_ends_by_the_clock_with_its_rate_fallen(corpus_folder, tmp_path, monkeypatch, seconds_at):
    clock = Clock()
    monkeypatch.setattr(training_loop, "time", clock)
    steps = []

    def make_step(run, phase):
        steps.append(MadeUpStep(clock, seconds_at, phase))
        return steps[-1]

    monkeypatch.setattr(Run, "_make_step", make_step)
    monkeypatch.setattr(Run, "save", lambda run, *name: None)
    monkeypatch.setattr(Run, "write_model", lambda run, name: None)

    def quality(*_):
        clock.now += VALIDATION_SECONDS
        return {"synthetic": 30.0}

    monkeypatch.setattr(training_loop.picture_quality, "mean_by_kind", quality)
    options = Options(
        tmp_path, MINUTES, None, Phase(16, 1, "fp32", 0.0), Phase(24, 1, "fp32", 0.5), rate=1.0, warm_up=100, decay=0.9,
        validate_seconds=300, select="synthetic",
    )
    assert Run(Trainable(16, 1, 2), Corpus([corpus_folder]), options).run()
    seconds = clock.now - 1000
    rates = [rate for step in steps for rate in step.rates if rate]
    rises = sum(max(0, b - a) for a, b in itertools.pairwise(rates[100:]))
    assert MINUTES * 60 - 5 < seconds < MINUTES * 60 + 5
    assert rates[-1] < 0.011 and rises < 2
    assert 0.04 < len(steps[1].rates) / len(rates) < 0.12
