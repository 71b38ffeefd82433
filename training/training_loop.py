"""A run: its time, its phases, its checkpoints and its log. train.py and quantise.py start it."""

import dataclasses
import math
import pathlib
import signal
import time

import torch

import checkpoint
import native_step
import network
import picture_quality
from corpus import Chooser, Corpus
from device_step import DeviceStep, matrix_precision
from optimiser import Adam
from run_log import RunLog
from schedule import Phase, Schedule, planned_total
from soap import Soap

OPTIMISERS = {"adam": Adam, "soap": Soap}
SPEED_SECONDS = 60  # over which the time of a step is averaged


@dataclasses.dataclass
class Options:
    out: pathlib.Path
    minutes: float  # or None
    steps: int  # or None
    main: Phase
    finish_phase: Phase
    finish: float = 0.1
    decay: float = 0.2
    rate: float = 8e-4
    warm_up: int = 500
    optimiser: str = "adam"  # of OPTIMISERS
    average_decay: float = 0.999
    clip_norm: float = 0.1
    y_share: float = 0.5
    seed: int = 1
    shares: dict = dataclasses.field(default_factory=dict)
    evenness: float = 1.0  # of Chooser
    candidates: int = 1
    rate_factors: dict = dataclasses.field(default_factory=dict)
    select: str = "photo"  # the kind of picture whose PSNR chooses the best weights
    save_seconds: float = 60
    validate_seconds: float = 60
    validate_px: int = 256
    compiled: bool = True
    graph: bool = True
    native: object = None  # native_step.library(), to run the steps that it fits
    extend: bool = False
    arguments: dict = dataclasses.field(default_factory=dict)  # the command line's, kept for a run that goes on


class Run:
    """A stretch of training, from step `base` (0 unless it extends an earlier one) over `total` steps."""

    def __init__(self, model, corpus, options, resume=None):
        self.model, self.corpus, self.options = model, corpus, options
        options.out.mkdir(parents=True, exist_ok=True)
        self.optimiser = OPTIMISERS[options.optimiser](model, options.clip_norm, options.rate_factors)
        self.step = self.base = 0
        self.total, self.best, used_seconds = options.steps, None, 0.0
        if resume:
            tensors, about = resume
            self.optimiser.load(tensors)
            self.step = about["step"]
            if options.extend:
                self.base = self.step
            else:
                self.base, self.best, used_seconds = about["base"], about["best"], about["seconds"]
                self.total = options.steps or about["total"]
        self.log = RunLog(options.out, self.step if resume else None)
        self.started = time.monotonic() - used_seconds
        self.steps_at_once = 64 if corpus.device.type == "cuda" else 4
        self.steps, self.choosers, self.step_seconds = {}, {}, {}
        self.drawn = None, None
        self.overhead = 1.1  # all time / time in steps: the rest is validation and saving
        # Of the latest one; the last one comes after all steps.
        self.validation_seconds = resume[1].get("validation_seconds", 0.0) if resume else 0.0
        self.stopping = False

    # ---------------------------------------------------------------------------------- planning

    def seconds(self):
        return time.monotonic() - self.started

    def schedule(self):
        options = self.options
        warm_up = 0 if self.base else min(options.warm_up, max(1, self.total // 20))
        return Schedule(self.total, options.rate, warm_up, options.decay, options.finish)

    def _make_step(self, phase):
        options, parts = self.options, (self.model, self.optimiser, self.corpus)
        if options.native and native_step.fits(self.model, phase, options.native):
            return native_step.NativeStep(*parts, phase, options.y_share, options.native)
        return DeviceStep(*parts, phase, options.y_share, options.compiled, options.graph)

    def _make_phase(self, name, phase):
        options = self.options
        self.choosers[name] = Chooser(
            self.corpus, phase.batch, phase.patch_px, options.seed, options.shares, options.evenness, options.candidates
        )
        self.steps[name] = self._make_step(phase)
        begin = time.monotonic()
        self.steps[name].prepare(self.choosers[name].of_steps(0, 1)[0])
        prepared = time.monotonic() - begin
        self.step_seconds[name] = self._measure(name)
        way = "in C" if isinstance(self.steps[name], native_step.NativeStep) else "by PyTorch"
        rate = f"{1 / self.step_seconds[name]:.2f} steps/s {way}"
        print(f"{name}: {phase}, {prepared:.0f} s to prepare, {rate}", flush=True)

    def _measure(self, name):
        """Seconds for a step; the weights stay as they are."""
        kept = {key: tensor.clone() for key, tensor in self.optimiser.state().items()}
        count = 40 if self.corpus.device.type == "cuda" else 4
        step = self.steps[name]
        choices = self.choosers[name].of_steps(0, count).to(self.corpus.device)
        numbers = torch.zeros(4, device=self.corpus.device)
        step(choices[0], numbers)
        step.take_loss_sum()
        begin = time.monotonic()
        for i in range(1, count):
            step(choices[i], numbers)
        step.take_loss_sum()
        seconds = (time.monotonic() - begin) / (count - 1)
        self.optimiser.load(kept)
        return seconds

    def _left(self):
        """Seconds for what comes before the last validation."""
        if self.options.minutes is None:
            return math.inf
        return self.options.minutes * 60 - self.seconds() - self.validation_seconds

    def _learn_speed(self, name, seconds, count):
        """Follows a machine that others use, too: fast enough to end in time, slowly enough for a rate that falls
        steadily. What slows one phase down will slow the other as well."""
        window = min(SPEED_SECONDS, max(1.0, 0.1 * self._left()))
        share = 1 - math.exp(-seconds / window)
        factor = 1 + share * (seconds / count / self.step_seconds[name] - 1)
        self.step_seconds = {key: factor * value for key, value in self.step_seconds.items()}

    def _plan(self):
        """With a time limit: as many steps as fit into what is left of it."""
        options = self.options
        if options.minutes is not None:
            seconds = [self.overhead * self.step_seconds[name] for name in ("main", "finish")]
            self.total = planned_total(self.step - self.base, self._left(), *seconds, options.finish)

    # ------------------------------------------------------------------------------ what is kept

    def save(self, name="checkpoint.pt"):
        about = {
            "model": self.model.describe(), "step": self.step, "base": self.base, "total": self.total,
            "best": self.best, "seconds": self.seconds(), "validation_seconds": self.validation_seconds,
            "arguments": self.options.arguments,
        }
        checkpoint.save(self.options.out / name, self.optimiser.state(), about)

    def write_model(self, name):
        """The average as a model file in fp32, complete for the C program to run."""
        with self.optimiser.use_average():
            plain, codings = self.model.collapsed(), self.model.codings()
        note = f"{self.step} steps, not released"
        network.save(plain, self.options.out / name, "F32", codings, licence="MIT", training=note)

    def validate(self, mean_loss, rate):
        begin = self.seconds()
        with self.optimiser.use_average(), matrix_precision("fp32"):
            quality = picture_quality.mean_by_kind(
                self.model.for_validation(), self.corpus, self.options.validate_px
            )
        columns = {f"psnr_{kind}": value for kind, value in quality.items()}
        self.log.add(step=self.step, seconds=self.seconds(), rate=rate, loss=mean_loss, **columns)
        text = ", ".join(f"{kind} {value:.3f} dB" for kind, value in quality.items())
        print(
            f"{self.seconds():.0f} s, step {self.step} of {self.base + self.total}, rate {rate:.2e}, "
            f"loss {mean_loss:.5f}, validation: {text}", flush=True,
        )
        chosen = quality.get(self.options.select)
        if self.step and chosen is not None and (self.best is None or chosen > self.best):
            self.best = chosen
            self.write_model("best.safetensors")
        self.validation_seconds = self.seconds() - begin

    # ---------------------------------------------------------------------------------- the loop

    def _stop(self, *_):
        self.stopping = True

    def run(self):
        """Trains to the end, or until SIGTERM or SIGINT; True if it came to its end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._make_phase("main", self.options.main)
        self._make_phase("finish", self.options.finish_phase)
        self._plan()
        if self.step == 0:
            self.validate(0.0, 0.0)
        saved = validated = begin = self.seconds()
        loss_sum, loss_steps, in_steps = 0.0, 0, 0.0
        while self.step < self.base + self.total and not self.stopping:
            before = self.schedule().decays(self.step - self.base)
            entered = self.seconds()
            loss, count = self._few_steps()
            loss_sum, loss_steps, in_steps = loss_sum + loss, loss_steps + count, in_steps + self.seconds() - entered
            self.overhead += 0.02 * ((self.seconds() - begin) / in_steps - self.overhead)
            self._plan()
            if not before and self.schedule().decays(self.step - self.base):
                self.save("before_decay.pt")
            now = self.seconds()
            due = now - validated >= self.options.validate_seconds and self._left() > self.validation_seconds
            if due and self.step < self.base + self.total:
                self.validate(loss_sum / loss_steps, self.schedule().rate_at(self.step - self.base))
                validated, loss_sum, loss_steps = self.seconds(), 0.0, 0
            if now - saved >= self.options.save_seconds:
                self.save()
                saved = self.seconds()
        self.save()
        if self.stopping:
            print(f"stopped at step {self.step}: --resume {self.options.out / 'checkpoint.pt'} goes on", flush=True)
            return False
        self.validate(loss_sum / max(1, loss_steps), 0.0)
        self.write_model("last.safetensors")
        return True

    def _choices(self, name, first, count):
        """Those drawn ahead if they are the ones, else drawn now."""
        key = name, first, count
        return self.drawn[1] if self.drawn[0] == key else self.choosers[name].of_steps(first, count)

    def _few_steps(self):
        """Runs some steps of one phase: (sum of their losses, how many)."""
        schedule, local = self.schedule(), self.step - self.base
        name = "finish" if schedule.finishes(local) else "main"
        count = min(self.steps_at_once, self.total - local)
        while name == "main" and count > 1 and schedule.finishes(local + count - 1):
            count -= 1
        device, begin = self.corpus.device, time.monotonic()
        choices = self._choices(name, self.step, count).to(device)
        decay = self.options.average_decay
        numbers = [self.optimiser.numbers(self.step + i, schedule.rate_at(local + i), decay) for i in range(count)]
        numbers = torch.tensor(numbers).to(device)
        for i in range(count):
            self.steps[name](choices[i], numbers[i])
            self.optimiser.refresh(self.step + i)
        self.step += count
        if device.type == "cuda":  # while the device works on these steps
            self.drawn = (name, self.step, count), self.choosers[name].of_steps(self.step, count)
        loss = self.steps[name].take_loss_sum()
        self._learn_speed(name, time.monotonic() - begin, count)
        return loss, count


def load_corpus(folders, device):
    begin = time.monotonic()
    corpus = Corpus(folders, device)
    pixels = len(corpus.high) / 1e6
    print(f"{len(corpus.pictures)} pictures, {pixels:.0f} megapixels, {time.monotonic() - begin:.0f} s", flush=True)
    return corpus
