#!/usr/bin/env python3
"""The built-in models' PSNR on Y, in every precision, on every evaluation set, as a Markdown table.

usage: bench/quality_table.py [--program build/pipersr] [--sets ../shared/eval] [--model NAME|FILE ...] [--scale 4]

The figures are `pipersr bench quality`'s, one run for each model, precision and set. A set is a folder with HR and LR,
whose LR is of scale 2. With --scale 4 the LR pictures are made here, by MATLAB's bicubic from HR (training/resize.py),
and models that double run twice; it needs NumPy and Pillow. Precisions for which this CPU has no instructions are left
out.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SETS = ("Set5", "Set14", "BSD100")
UNSUPPORTED = 4  # pipersr's exit status


def json_of(*command):
    """What the program prints; None where this CPU cannot do it."""
    done = subprocess.run(list(map(str, command)), capture_output=True)
    if done.returncode == UNSUPPORTED:
        return None
    if done.returncode:
        raise SystemExit(f"quality_table: {done.stderr.decode(errors='replace').strip()}")
    return json.loads(done.stdout)


def reduced(sets, names, scale, folder):
    """Makes the sets anew in `folder`, smaller by `scale`."""
    sys.path.insert(0, str(ROOT / "training"))
    import numpy
    import resize
    from PIL import Image

    for name in names:
        for kind in ("HR", "LR"):
            (folder / name / kind).mkdir(parents=True)
        for path in sorted((sets / name / "HR").glob("*.png")):
            high = resize.crop_to_multiple(numpy.asarray(Image.open(path).convert("RGB")), scale)
            Image.fromarray(high).save(folder / name / "HR" / path.name)
            Image.fromarray(resize.shrink(high, scale)).save(folder / name / "LR" / path.name)
    return folder


def models_of(program, wanted, scale):
    """[(name, precisions)]"""
    if wanted:
        found = [(value, json_of(program, "info", "--json", "--model", value)["model"]) for value in wanted]
    else:
        found = [(model["name"], model) for model in json_of(program, "info", "--models", "--json")["models"]]
    return [(name, model["precisions"]) for name, model in found if model["scale"] in (scale, scale**0.5)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default="build/pipersr")
    parser.add_argument("--sets", type=pathlib.Path, default="../shared/eval")
    parser.add_argument("--model", action="append", help="these instead of the built-in ones")
    parser.add_argument("--scale", type=int, choices=(2, 4), default=2)
    options = parser.parse_args()
    sets = [name for name in SETS if (options.sets / name).is_dir()]
    if not sets:
        raise SystemExit(f"quality_table: {options.sets} has none of {', '.join(SETS)}")
    with tempfile.TemporaryDirectory() as folder:
        if options.scale != 2:
            options.sets = reduced(options.sets, sets, options.scale, pathlib.Path(folder))
        print_table(options, sets)


def print_table(options, sets):
    print(f"| model | precision | {' | '.join(sets)} |\n| --- | --- |{' --- |' * len(sets)}")
    for name, precisions in models_of(options.program, options.model, options.scale):
        first = None
        for precision in precisions:
            command = [options.program, "bench", "quality", "--json", "--precision", precision, "--model", name]
            command += ["--scale", options.scale]
            results = [json_of(*command, options.sets / each) for each in sets]
            if None in results:
                continue
            means = [result["mean"]["psnr_y"] for result in results]
            first = first or means
            columns = (f"{a:.3f}" + (f" ({a - b:+.3f})" if means is not first else "") for a, b in zip(means, first))
            print(f"| {name} | {precision} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
