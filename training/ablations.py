#!/usr/bin/env python3
"""What each choice of the training is worth: short runs that differ from a base run in one thing.

    python3 training/ablations.py CORPUS --out RUNS
    python3 training/ablations.py CORPUS --out RUNS --only base,expanded,no-synthetic

All runs have the same number of steps, so a choice that makes steps dearer is not charged for it here. The base is run
with three seeds: differences below their spread mean nothing. Runs that are there already, with the same number
of steps, are not run again. Prints a Markdown table of PSNR on the validation pictures, each kind for itself.
"""

import argparse
import csv
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BASE = ["--channels", "32", "--blocks", "5", "--share", "synthetic=0.1", "--validate-seconds", "100000"]
VARIATIONS = {
    "base": [],
    "base-seed-2": ["--seed", "2"],
    "base-seed-3": ["--seed", "3"],
    "no-synthetic": ["--share", "synthetic=0"],
    "synthetic-30": ["--share", "synthetic=0.3"],
    "random-start": ["--random-start"],
    "batch-norm": ["--batch-norm"],
    "expanded": ["--expand", "2"],
    "soap": ["--optimiser", "soap"],
    "soap-4e-4": ["--optimiser", "soap", "--rate", "4e-4"],
    "soap-16e-4": ["--optimiser", "soap", "--rate", "16e-4"],
    "pictures-alike": ["--evenness", "0"],
    "more-detail": ["--candidates", "2"],
    "all-three": ["--optimiser", "soap", "--evenness", "0", "--candidates", "2"],
    "rate-4e-4": ["--rate", "4e-4"],
    "rate-16e-4": ["--rate", "16e-4"],
    "rgb-only": ["--y-share", "0"],
    "y-only": ["--y-share", "1"],
    "l1-to-the-end": ["--mse", "0"],
    "mse-at-the-end": ["--mse", "1"],
    "no-last-phase": ["--finish", "0.0001"],
    "last-phase-bf16": ["--finish-precision", "bf16"],
    "decay-50": ["--decay", "0.5"],
    "decay-80": ["--decay", "0.8"],
    "average-0.99": ["--average", "0.99"],
    "clip-10": ["--clip", "10"],
}


def finished(folder, steps):
    """{kind: dB} of a run that came to its end, or None."""
    try:
        with open(folder / "run.csv", newline="") as file:
            last = list(csv.DictReader(file))[-1]
    except (OSError, IndexError):
        return None
    if int(last["step"]) != steps or not (folder / "last.safetensors").exists():
        return None
    return {name[5:]: float(value) for name, value in last.items() if name.startswith("psnr_")}


def run(name, options, corpora):
    folder = options.out / name
    made = finished(folder, options.steps)
    if made:
        return made
    command = [sys.executable, HERE / "train.py", *corpora, "--out", folder, "--steps", options.steps, *BASE]
    command += [*VARIATIONS[name], *options.train_options.split()]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "log.txt", "w") as log:
        done = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
    made = finished(folder, options.steps)
    if done.returncode or not made:
        raise SystemExit(f"{name}: failed, see {folder / 'log.txt'}")
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path, nargs="+")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder for each run")
    parser.add_argument("--steps", type=int, default=20000, help="of each run (20000)")
    parser.add_argument("--only", default=",".join(VARIATIONS), help="names, with commas between")
    parser.add_argument("--train-options", default="", help="for all runs, as one word")
    options = parser.parse_args()
    names = options.only.split(",")
    unknown = [name for name in names if name not in VARIATIONS]
    if unknown:
        raise SystemExit(f"no variation {', '.join(unknown)}: there are {', '.join(VARIATIONS)}")
    base = None
    for name in names:
        made = run(name, options, options.corpus)
        if base is None:
            base = made
            kinds = sorted(made)
            print(f"| run | options | {' | '.join(kinds)} |\n| --- | --- |{' --- |' * len(kinds)}")
        words = " ".join(VARIATIONS[name]) or "none"
        columns = (f"{made[k]:.3f}" if made is base else f"{made[k]:.3f} ({made[k] - base[k]:+.3f})" for k in kinds)
        print(f"| {name} | `{words}` | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
