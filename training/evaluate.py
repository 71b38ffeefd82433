#!/usr/bin/env python3
"""Measures weights on the pictures held back for validation, to choose among them. Fast, on CPU or GPU.

    python3 training/evaluate.py CORPUS WEIGHTS ... [--int8]

WEIGHTS are model files or checkpoints. PSNR on Y in 8 bits, mean for each kind of picture. Figures of a released model
come from `pipersr bench quality` on its file, not from here.
"""

import argparse
import pathlib
import sys

import torch

import export
import network
import picture_quality
from corpus import Corpus
from device_step import matrix_precision
from int8_network import Int8Network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("weights", type=pathlib.Path, nargs="+")
    parser.add_argument("--int8", action="store_true", help="as the C program runs it in int8")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--validate-px", type=int, default=512, help="largest side, low-resolution pixels (512)")
    options = parser.parse_args()
    corpus = Corpus([options.corpus], options.device)
    for path in options.weights:
        model, codings = network.read_int8(path) if options.int8 else export.read(path)
        if options.int8 and not codings:
            raise SystemExit(f"{path}: has no codings for int8: quantise.py or `pipersr calibrate` make them")
        if options.int8:
            model = Int8Network(model, codings)
        with matrix_precision("fp32"):
            means = picture_quality.mean_by_kind(model.to(options.device).eval(), corpus, options.validate_px)
        print(f"{path}: " + ", ".join(f"{kind} {value:.3f} dB" for kind, value in means.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
