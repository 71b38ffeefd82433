#!/usr/bin/env python3
"""Rounds a network's weights to int8's steps, each so that it makes up for the errors of those before it. No training.

    python3 training/round_weights.py CORPUS ... --start MODEL --out INT8.safetensors
    python3 training/export.py MODEL --int8 INT8.safetensors --out ...

MODEL may have codings for int8 or none; with --new-ranges, or without any, they are chosen first from patches of the
corpus. Layer by layer, over what the layer reads once those before it are rounded, this is GPTQ (Frantar et al.,
"GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022, algorithm 1), on the
covariance: the mean of the error goes into the bias.
"""

import argparse
import pathlib
import sys

import torch
from torch.nn import functional

import network
from int8_network import Int8Network, choose_codings
from quantise import drawn
from train import shares_of
from training_loop import load_corpus

LARGEST_CODE = 127
DAMPING = 0.002  # of the variances' mean, added to each


def moments(conv, patches):
    """(mean [k], covariance [k][k]) of the codes that a weight of an Int8Convolution meets, over a list of NCHW tensors."""
    count, total, products = 0, 0.0, 0.0
    for x in patches:
        rows = functional.unfold(conv.input_codes(x), 3, padding=1).transpose(1, 2).flatten(0, 1)
        count += len(rows)
        total = total + rows.sum(0).double()
        products = products + (rows.T @ rows).double()
    mean = total / count
    return mean.float(), products / count - torch.outer(mean, mean)


def rounded_rows(weights, covariance):
    """(codes [o][k], step [o]) of weights [o][k]: whole numbers of -127..127 whose errors cost little under the covariance
    of what they multiply. Each row's largest has 127, as its step follows from it when a model file is written."""
    weights = weights.double()
    damping = DAMPING * float(covariance.diagonal().mean()) or 1.0  # if nothing but zeros is read
    damped = covariance + damping * torch.eye(len(covariance), dtype=torch.float64)
    order = torch.argsort(covariance.diagonal(), descending=True)  # what matters most is rounded while others can follow
    upper = torch.linalg.cholesky(torch.linalg.inv(damped[order][:, order]), upper=True)
    step = weights.abs().amax(1) / LARGEST_CODE
    step = torch.where(step > 0, step, torch.ones_like(step))
    largest = functional.one_hot(weights.abs().argmax(1), weights.shape[1])[:, order].bool()
    left, codes = weights[:, order].clone(), torch.zeros_like(weights)
    for k in range(weights.shape[1]):
        exact = torch.round(weights[:, order[k]] / step)
        codes[:, k] = torch.where(
            largest[:, k], exact, torch.round(left[:, k] / step).clamp(-LARGEST_CODE, LARGEST_CODE)
        )
        error = (left[:, k] - codes[:, k] * step) / upper[k, k]
        left[:, k + 1 :] -= torch.outer(error, upper[k, k + 1 :])
    return codes[:, torch.argsort(order)], step


@torch.no_grad()
def round_convolution(conv, patches):
    """Rounds an Int8Convolution; `patches` are what it reads."""
    mean, covariance = moments(conv, patches)
    scale = conv.log_scale.exp()
    weights = (conv.kernel * scale.view(1, -1, 1, 1)).flatten(1)
    codes, step = rounded_rows(weights, covariance)
    made = (codes * step[:, None]).float()
    conv.bias -= (made - weights) @ mean
    conv.kernel.copy_(made.view_as(conv.kernel) / scale.view(1, -1, 1, 1))


@torch.no_grad()
def round_network(model, patches):
    """Rounds an Int8Network's body; `patches` is a list of NCHW tensors in 0..1."""
    trunk = [model.head(x) for x in patches]
    for first, second in zip(model.body[0::2], model.body[1::2]):
        round_convolution(first, trunk)
        inner = [functional.silu(first(h, True)) for h in trunk]
        round_convolution(second, inner)
        trunk = [h + second(x, True) for h, x in zip(trunk, inner)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=pathlib.Path, nargs="+")
    parser.add_argument("--start", type=pathlib.Path, required=True, metavar="MODEL", help="a folded network")
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="MODEL")
    parser.add_argument("--new-ranges", action="store_true", help="choose ranges anew")
    parser.add_argument("--range-patches", type=int, default=256, help="patches to choose ranges and codes from (256)")
    parser.add_argument("--share", action="append", default=[], metavar="KIND=SHARE", help="as train.py's")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    corpus = load_corpus(args.corpus, "cpu")
    plain, codings = network.read(args.start)
    if plain.batch_norm or plain.scale != corpus.scale:
        raise SystemExit(f"{args.start}: only a folded network of the corpus's scale, {corpus.scale}, will do")
    patches = drawn(corpus, args.range_patches, args.seed, shares_of(args.share, corpus))
    if args.new_ranges or not codings:
        codings = choose_codings(plain, patches)
    model = Int8Network(plain, codings)
    round_network(model, patches)
    network.save(model.collapsed(), args.out, "F32", model.codings(), licence="MIT", training="rounded, not released")


if __name__ == "__main__":
    sys.exit(main())
