#!/usr/bin/env python3
"""Writes a run's weights as a model file to be released: folded, 16-bit floats, metadata as docs/model-format.md says.

    python3 training/export.py RUN/last.safetensors --out models/pipersr-x2.safetensors --name pipersr-x2 \\
        --description "photos and videos, twice as wide and high" \\
        --training "300,000 steps of 64 patches of 64x64, L1 and MSE, one GPU, 28 minutes; 462 photos"

The input is a model file of a run (last, best) or a checkpoint (*.pt), whose average of the weights is taken.
Codings for int8 stay, unless --without-codings. --blend MODEL SHARE takes so much of the weights of the MODEL that
the run began with: a fine-tuned model gives up part of what it learned, and gets back more of what it forgot.
--add FROM TO SHARE adds so much of the change from one model to another: what a fine-tuned model learned, brought to
a later version of the model that it began with.
"""

import argparse
import pathlib
import sys

import checkpoint
import network
from optimiser import Adam
from trainable import Trainable

LONGEST_NOTE, LONGEST_DESCRIPTION = 511, 127  # bytes, docs/model-format.md


def read(path):
    """(network, codings) of a model file or a checkpoint of train.py."""
    if path.suffix != ".pt":
        return network.read(path)
    tensors, about = checkpoint.load(path)
    if "expand" not in about["model"]:
        raise SystemExit(f"{path}: from quantise.py: export its last.safetensors or best.safetensors")
    model = Trainable(**about["model"])
    optimiser = Adam(model, 1.0)
    optimiser.load(tensors)
    with optimiser.use_average():
        return model.collapsed(), {}


def with_change(model, begin, end, share):
    """`model` with `share` of the change from `begin` to `end` added to its weights."""
    mine, first, last = (each.state_dict() for each in (model, begin, end))
    shapes = [{k: v.shape for k, v in each.items()} for each in (mine, first, last)]
    if shapes[1:] != shapes[:-1]:
        raise SystemExit("--blend, --add: the models are of different shapes")
    model.load_state_dict({k: v + share * (last[k] - first[k]) for k, v in mine.items()})
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--training", required=True, help="one line on where the weights come from")
    parser.add_argument("--description", help="what the model is for, in one line; built-in models need it")
    parser.add_argument("--licence", default="MIT")
    parser.add_argument("--dtype", choices=("F16", "BF16", "F32"), default="F16")
    parser.add_argument("--without-codings", action="store_true")
    parser.add_argument("--blend", nargs=2, metavar=("MODEL", "SHARE"), help="the weights are SHARE of MODEL's")
    parser.add_argument("--add", nargs=3, metavar=("FROM", "TO", "SHARE"), help="add SHARE of TO - FROM")
    options = parser.parse_args()
    if len(options.training.encode()) > LONGEST_NOTE or "\n" in options.training:
        raise SystemExit(f"--training: one line of {LONGEST_NOTE} bytes at most")
    description = options.description or ""
    if len(description.encode()) > LONGEST_DESCRIPTION or not description.isprintable():
        raise SystemExit(f"--description: one line of {LONGEST_DESCRIPTION} bytes at most")
    model, codings = read(options.weights)
    codings = {} if options.without_codings or options.blend or options.add else codings
    if options.blend:
        other = read(pathlib.Path(options.blend[0]))[0]
        model = with_change(model, model, other, float(options.blend[1]))
    if options.add:
        begin, end = (read(pathlib.Path(path))[0] for path in options.add[:2])
        model = with_change(model, begin, end, float(options.add[2]))
    about = {"name": options.name, "licence": options.licence, "training": options.training}
    if description:
        about["description"] = description
    network.save(model, options.out, options.dtype, codings, **about)
    count = sum(parameter.numel() for parameter in model.parameters())
    kind = "with" if codings else "without"
    print(f"{options.out}: {count} parameters, {options.out.stat().st_size} bytes, {kind} codings for int8")


if __name__ == "__main__":
    sys.exit(main())
