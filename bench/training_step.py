#!/usr/bin/env python3
"""How long a training step takes: in C, in each of the ways and precisions of this CPU, and by PyTorch.

usage: bench/training_step.py [--shape CHANNELSxBLOCKSxSCALE] [--patches COUNTxSIDE] [--threads N] [--repeat N]

Medians of steps in turns, as a Markdown table: seconds of CPU time, which others on the machine disturb less, and
seconds that went by. At last what SOAP's change takes, beside which Adam's is nothing. Needs PyTorch
(`scripts/setup.sh --training`).
"""

import argparse
import pathlib
import statistics
import sys
import time
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "training"))
import train  # noqa: F401  first: it says how many threads OpenBLAS may have

import native_step
import torch
from corpus import Corpus
from device_step import DeviceStep
from optimiser import Adam
from schedule import Phase
from soap import REFRESH, Soap
from trainable import Trainable

SIDE = 160  # of the picture of noise from which patches are cut, low-resolution pixels


def numbers_of(text):
    return [int(part) for part in text.split("x")]


def noise(scale):
    corpus = types.SimpleNamespace(device=torch.device("cpu"), scale=scale)
    corpus.low = torch.randint(0, 256, (SIDE**2, 3), dtype=torch.uint8)
    corpus.high = torch.randint(0, 256, ((SIDE * scale) ** 2, 3), dtype=torch.uint8)
    corpus.patches = lambda choices, side: Corpus.patches(corpus, choices, side)
    return corpus


def choices(count, side, scale):
    y, x = torch.randint(0, SIDE - side + 1, (2, count))
    rows = torch.full((count,), SIDE)
    return torch.stack([y * SIDE + x, rows, (y * SIDE * scale + x) * scale, rows * scale, torch.arange(count) % 8], 1)


def steps_of(shape, count, side):
    """{what it is: a step's function}"""
    found, corpus = {}, noise(shape[2])

    def add(name, kind, precision, *more):
        model = Trainable(*shape)
        found[f"{name}, {precision}"] = kind(model, Adam(model, 0.1), corpus, Phase(side, count, precision, 0.0), 0.5, *more)

    for way in filter(native_step.cpu_has, native_step.WAYS):
        for precision in native_step.WAYS[way].precisions if way != "loops" else ():
            add(f"C, {way}", native_step.NativeStep, precision, native_step.library(way))
    add("PyTorch", DeviceStep, "fp32")
    return found


def measure(functions, repeat):
    """{name: [(CPU seconds, seconds)]}, the first of each left out."""
    times = {name: [] for name in functions}
    for turn in range(repeat + 1):
        for name, function in functions.items():
            cpu, begin = time.process_time(), time.monotonic()
            function()
            if turn:
                times[name].append((time.process_time() - cpu, time.monotonic() - begin))
    return times


def soap_change(shape):
    """One of REFRESH steps, without the gradient."""
    optimiser, step = Soap(Trainable(*shape), 0.1), 0
    optimiser.gradient.normal_()
    gradient = optimiser.gradient.clone()

    def change():
        nonlocal step
        for _ in range(REFRESH):
            optimiser.gradient.copy_(gradient)
            optimiser.step(torch.tensor(Adam.numbers(step, 1e-4, 0.9)))
            optimiser.refresh(step)
            step += 1

    return change


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=numbers_of, default=[64, 6, 2], help="(64x6x2)")
    parser.add_argument("--patches", type=numbers_of, default=[16, 48], help="(16x48)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    chosen, numbers = choices(*options.patches, options.shape[2]), torch.tensor(Adam.numbers(0, 0.0, 0.9))
    steps = steps_of(options.shape, *options.patches)
    functions = {name: lambda step=step: step(chosen, numbers) for name, step in steps.items()}
    print("| step | CPU, s | s |\n| --- | --- | --- |")
    for name, times in measure(functions, options.repeat).items():
        print(f"| {name} | {' | '.join(f'{statistics.median(column):.3f}' for column in zip(*times))} |")
    for times in measure({"soap": soap_change(options.shape)}, options.repeat).values():
        medians = (statistics.median(column) / REFRESH for column in zip(*times))
        print(f"| SOAP's change beside it | {' | '.join(f'{value:.3f}' for value in medians)} |")


if __name__ == "__main__":
    main()
