#!/usr/bin/env python3
"""Writes a run's weights as a model file to be released: folded, 16-bit floats, metadata as docs/model-format.md says.

    python3 training/export.py RUN/last.safetensors --out models/pipersr-x2.safetensors --name pipersr-x2 \\
        --description "photos and videos, twice as wide and high" \\
        --training "300,000 steps of 64 patches of 64x64, L1 and MSE, one GPU, 28 minutes; 462 photos"

The input is a model file of a run (last, best) or a checkpoint (*.pt), whose average of the weights is taken.
Codings for int8 stay, unless --without-codings. --int8 RUN/last.safetensors, of quantise.py, gives int8 parameters of its
own, with their codings: what fp32 and 16 bits run with is then not touched by what int8 needed. --blend MODEL SHARE
takes so much of the weights of the MODEL that the run began with: a fine-tuned model gives up part of what it learned,
and gets back more of what it forgot.
"""

import argparse
import pathlib
import sys

import torch

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


def blended(model, other, share):
    """(1 - share) of `model`, `share` of `other`."""
    mine, its = model.state_dict(), other.state_dict()
    if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in its.items()}:
        raise SystemExit("--blend: the two are of different shapes")
    model.load_state_dict({k: torch.lerp(v, its[k], share) for k, v in mine.items()})
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
    parser.add_argument("--int8", type=pathlib.Path, metavar="MODEL", help="int8 has this one's parameters and codings")
    parser.add_argument("--blend", nargs=2, metavar=("MODEL", "SHARE"), help="the weights are SHARE of MODEL's")
    options = parser.parse_args()
    if len(options.training.encode()) > LONGEST_NOTE or "\n" in options.training:
        raise SystemExit(f"--training: one line of {LONGEST_NOTE} bytes at most")
    description = options.description or ""
    if len(description.encode()) > LONGEST_DESCRIPTION or not description.isprintable():
        raise SystemExit(f"--description: one line of {LONGEST_DESCRIPTION} bytes at most")
    model, codings = read(options.weights)
    codings = {} if options.without_codings or options.blend else codings
    if options.blend:
        model = blended(model, read(pathlib.Path(options.blend[0]))[0], float(options.blend[1]))
    int8_model = None
    if options.int8:
        int8_model, codings = network.read_int8(options.int8)
        shapes = [(each.channels, each.blocks, each.scale) for each in (model, int8_model)]
        if not codings or shapes[0] != shapes[1]:
            raise SystemExit(f"{options.int8}: has no codings for int8, or is of another shape")
    about = {"name": options.name, "licence": options.licence, "training": options.training}
    if description:
        about["description"] = description
    network.save(model, options.out, options.dtype, codings, int8_model, **about)
    count = sum(parameter.numel() for parameter in model.parameters())
    kind = "own parameters" if int8_model else "codings" if codings else "nothing"
    print(f"{options.out}: {count} parameters, {options.out.stat().st_size} bytes, {kind} for int8")


if __name__ == "__main__":
    sys.exit(main())
