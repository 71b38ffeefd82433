#!/usr/bin/env python3
"""Fine-tunes a published network for int8: its weights and the ranges of what its convolutions read.

    python3 training/quantise.py CORPUS ... --start MODEL --out RUN --minutes 10

MODEL may have codings for int8 (from `pipersr calibrate`) or none; with --new-ranges, or without any, they are chosen
first from patches of the corpus. Parameters that int8 has for itself are what is tuned, where there are some. RUN is as
train.py's; validation is in int8. --fp32-share keeps the same weights good in fp32; with --keep-weights only the ranges
are learned, and fp32 stays exactly as it is. --imitate makes the target what MODEL gives in fp32, not the originals:
what those hold beyond it says nothing about int8.
"""

import argparse
import pathlib
import sys

import torch

import network
from corpus import Chooser
from int8_network import Int8Network, choose_codings
from train import STOPPED, add_run_arguments, parse_run, run_options, shares_of
from training_loop import Run, load_corpus


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser)
    parser.add_argument("--start", type=pathlib.Path, required=True, metavar="MODEL", help="a folded network")
    parser.add_argument("--new-ranges", action="store_true", help="choose ranges anew")
    parser.add_argument("--range-patches", type=int, default=256, help="patches to choose ranges from (256)")
    parser.add_argument("--imitate", action="store_true", help="learn what MODEL gives in fp32")
    parser.add_argument("--rate", type=float, default=2e-5, help="Adam's learning rate of the weights (2e-5)")
    parser.add_argument("--range-rate", type=float, default=5e-4, help="that of the scales' logarithms (5e-4)")
    parser.add_argument("--warm-up", type=int, default=100, help="steps (100)")
    parser.add_argument("--fp32-share", type=float, default=0.3, help="share of the loss measured in fp32 (0.3)")
    parser.add_argument("--keep-weights", action="store_true", help="learn the ranges only")
    return parse_run(parser)


def drawn(corpus, count, seed, shares):
    """At least `count` patches of low resolution, NCHW, sixteen at a time."""
    chooser = Chooser(corpus, 16, 48, seed + 1, shares)
    choices = chooser.of_steps(0, -(-count // 16)).to(corpus.device)
    return [corpus.patches(each, 48)[0] for each in choices]


def imitate(corpus, teacher):
    """The corpus's patches get what the network gives for them in place of their originals."""
    patches = corpus.patches

    @torch.no_grad()
    def imitated(choices, side_px):
        low = patches(choices, side_px)[0]
        return low, teacher(low)

    corpus.patches = imitated


def main():
    args, resume = parse_arguments()
    corpus = load_corpus(args.corpus, args.device)
    plain, codings = network.read_int8(args.start)
    if plain.batch_norm or plain.scale != corpus.scale:
        raise SystemExit(f"{args.start}: only a folded network of the corpus's scale, {corpus.scale}, will do")
    plain = plain.to(args.device)
    if args.new_ranges or not codings:
        # The same again when a run is resumed.
        patches = drawn(corpus, args.range_patches, args.seed, shares_of(args.share, corpus))
        codings = choose_codings(plain, patches)
    if args.imitate:
        imitate(corpus, network.load(args.start).to(args.device))  # not int8's own, where it has some
    codings = {name: tensor.to(args.device) for name, tensor in codings.items()}
    model = Int8Network(plain, codings, 0.0 if args.keep_weights else args.fp32_share).to(args.device)
    factors = {"log_scale": args.range_rate / args.rate}
    if args.keep_weights:
        factors = {"weight": 0.0, "kernel": 0.0, "bias": 0.0, **factors}
    precision = "tf32" if corpus.device.type == "cuda" else "fp32"
    options = run_options(
        args, corpus, precision, precision, rate=args.rate, warm_up=args.warm_up, rate_factors=factors
    )
    return 0 if Run(model, corpus, options, resume).run() else STOPPED


if __name__ == "__main__":
    sys.exit(main())
