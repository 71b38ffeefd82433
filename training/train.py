#!/usr/bin/env python3
"""Trains a network on a corpus from prepare.py, on the CPU or on one GPU.

    python3 training/train.py CORPUS ... --out RUN --minutes 60
    python3 training/train.py CORPUS ... --out RUN --resume RUN/checkpoint.pt
    python3 training/train.py CORPUS ... --out NEW --resume RUN/before_decay.pt --extend --minutes 60
    python3 training/train.py CORPUS ... --out RUN --start models/pipersr-x2.safetensors --rate 1e-4 --minutes 60

--minutes sizes the schedule to the time there is, --steps names it. A run that is resumed has the options that it
began with, but for those that are named again (--minutes then counts from its beginning). RUN gets run.csv and
run.svg (the log), checkpoint.pt (at least every two minutes; kill -9 loses no more), before_decay.pt,
best.safetensors (the average of the weights that was best on the photos held back) and last.safetensors. SIGTERM
saves and ends with status 3.
"""

import argparse
import os
import pathlib
import sys

import openblas

openblas.prepare()  # before PyTorch loads it
import torch

import checkpoint
import native_step
import network
import tail_fit
from schedule import Phase
from trainable import Trainable
from training_loop import OPTIMISERS, Options, Run, load_corpus

STOPPED = 3
# What a run that is resumed is told anew, or does without.
NOT_KEPT = {"corpus", "out", "resume", "extend", "minutes", "steps", "device", "threads", "native", "start"}


def add_run_arguments(parser):
    """What train.py and quantise.py have in common."""
    parser.add_argument("corpus", type=pathlib.Path, nargs="+", help="folders from prepare.py")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the run")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="time, all included")
    length.add_argument("--steps", type=int)
    parser.add_argument("--resume", type=pathlib.Path, metavar="CHECKPOINT", help="go on where it was saved")
    parser.add_argument("--extend", action="store_true", help="with --resume: a new stretch of --minutes or --steps")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="on the CPU (all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, help="patches a step (GPU 64, CPU 16)")
    parser.add_argument("--patch", type=int, help="side of a patch, low-resolution pixels (GPU 64, CPU 48)")
    parser.add_argument("--finish-batch", type=int, help="in the last phase (half of --batch)")
    parser.add_argument("--finish-patch", type=int, help="in the last phase (1.5 times --patch)")
    parser.add_argument("--finish", type=float, default=0.1, help="share of the steps in the last phase (0.1)")
    parser.add_argument("--decay", type=float, default=0.2, help="share of the steps in which the rate falls (0.2)")
    parser.add_argument("--mse", type=float, default=0.5, help="share of MSE in the last phase's loss (0.5)")
    parser.add_argument("--y-share", type=float, default=0.5, help="share of the loss that is measured on Y (0.5)")
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="adam", help="(adam)")
    parser.add_argument("--average", type=float, default=0.999, help="decay of the average of the weights (0.999)")
    parser.add_argument("--clip", type=float, default=0.1, help="longest gradient (0.1)")
    parser.add_argument("--share", action="append", default=[], metavar="KIND=SHARE",
                        help="weight of photo, synthetic, video; those not named weigh by their pixels")
    parser.add_argument("--evenness", type=float, default=1.0, help="a picture is drawn by its size to this power: 1 every "
                        "position alike, 0 every picture alike (1)")
    parser.add_argument("--candidates", type=int, default=1, help="positions of which the one with the most detail is "
                        "taken (1)")
    parser.add_argument("--select", default="photo", help="kind of picture that chooses the best weights (photo)")
    parser.add_argument("--save-seconds", type=float, default=60)
    parser.add_argument("--validate-seconds", type=float, help="(GPU 30, CPU 300)")
    parser.add_argument("--validate-px", type=int, default=256, help="largest side, low-resolution pixels (256)")
    parser.add_argument("--no-compile", action="store_true", help="GPU: without torch.compile")
    parser.add_argument("--no-graph", action="store_true", help="GPU: without CUDA graphs")


def shares_of(items, corpus):
    """["video=0.7", ...] -> every kind's weight, those not named sharing what is left by their pixels."""
    named = {}
    for item in items:
        kind, _, value = item.partition("=")
        if kind not in corpus.kinds():
            raise SystemExit(f"--share {item}: the corpus has {', '.join(corpus.kinds())}")
        named[kind] = float(value)
    left = 1 - sum(named.values())
    if named and not (left >= 0 and all(value >= 0 for value in named.values())):
        raise SystemExit("--share: shares lie between 0 and 1 and add up to 1 at most")
    others = {}
    for picture in corpus.pictures:
        if picture["training"] and picture["kind"] not in named:
            others[picture["kind"]] = others.get(picture["kind"], 0) + picture["height"] * picture["width"]
    total = sum(others.values())
    return {**named, **{kind: left * pixels / total for kind, pixels in others.items()}}


def run_options(args, corpus, precision, finish_precision, **more):
    on_gpu = corpus.device.type == "cuda"
    batch, patch = args.batch or (64 if on_gpu else 16), args.patch or (64 if on_gpu else 48)
    finish_batch, finish_patch = args.finish_batch or max(1, batch // 2), args.finish_patch or -(-patch * 3 // 2 // 16) * 16
    return Options(
        out=args.out, minutes=args.minutes, steps=args.steps,
        main=Phase(patch, batch, precision, 0.0),
        finish_phase=Phase(finish_patch, finish_batch, finish_precision, args.mse),
        finish=args.finish, decay=args.decay, optimiser=args.optimiser, average_decay=args.average, clip_norm=args.clip,
        y_share=args.y_share, seed=args.seed, shares=shares_of(args.share, corpus), evenness=args.evenness,
        candidates=max(1, args.candidates), select=args.select,
        save_seconds=args.save_seconds, validate_seconds=args.validate_seconds or (30 if on_gpu else 300),
        validate_px=args.validate_px, compiled=not args.no_compile, graph=not args.no_graph,
        extend=args.extend, arguments={name: value for name, value in vars(args).items() if name not in NOT_KEPT},
        **more,
    )


def native_library(wish):
    way = native_step.best_way()
    if wish == "no" or (wish == "auto" and way == "loops"):
        return None
    try:
        loaded = native_step.library(way)
        print(f"steps in C, in {way} ({', '.join(loaded.precisions)})", flush=True)
        return loaded
    except RuntimeError as error:
        if wish == "yes":
            raise SystemExit(f"no steps in C: {error}") from error
        print(f"steps by PyTorch, since those in C can't be had: {error}", file=sys.stderr)
        return None


def parse_run(parser):
    """(arguments, the checkpoint to go on from or None): options that are not named are those of the run."""
    args, resume = parser.parse_args(), None
    if args.extend and not args.resume:
        raise SystemExit("--extend needs the --resume CHECKPOINT that it goes on from")
    if not (args.minutes or args.steps) and (args.extend or not args.resume):
        raise SystemExit("how long? --minutes N or --steps N")
    if args.device == "cpu":
        torch.set_num_threads(args.threads or len(os.sched_getaffinity(0)))
    if args.resume:
        resume = checkpoint.load(args.resume, args.device)
        parser.set_defaults(**resume[1].get("arguments", {}))
        args = parser.parse_args()
    return args, resume


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_run_arguments(parser)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--expand", type=int, default=0, help="kernels expanded to so many times the channels (0: not)")
    parser.add_argument("--batch-norm", action="store_true",
                        help="after each convolution of the body while it trains: PyTorch's steps")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--start", type=pathlib.Path, metavar="MODEL", help="begin with these weights")
    start.add_argument("--random-start", action="store_true", help="kernels drawn, instead of bicubic interpolation")
    parser.add_argument("--rate", type=float, default=8e-4, help="Adam's learning rate (8e-4)")
    parser.add_argument("--warm-up", type=int, default=500, help="steps (500)")
    precisions = ("fp32", "tf32", "bf16", "bf16x3")
    parser.add_argument("--precision", choices=precisions,
                        help="of the body (GPU and AMX bf16, else fp32)")
    parser.add_argument("--finish-precision", choices=precisions, help="in the last phase (GPU tf32; CPU after bf16 "
                        "bf16x3: forward sums from 16 bits; else fp32)")
    parser.add_argument("--native", choices=("auto", "yes", "no"), default="auto",
                        help="CPU: steps in C (auto: where the CPU has AVX2 or more)")
    return parse_run(parser)


def make_model(args, resume, corpus):
    if resume:
        about = resume[1]["model"]
        if about["scale"] != corpus.scale:
            raise SystemExit(f"{args.resume}: scale {about['scale']}, the corpus has {corpus.scale}")
        return Trainable(**about)
    torch.manual_seed(args.seed)
    start = network.load(args.start) if args.start else None
    channels, blocks = (start.channels, start.blocks) if start else (args.channels, args.blocks)
    if start and args.batch_norm:
        raise SystemExit("--batch-norm: a network to start from has none")
    bicubic = not args.random_start
    model = Trainable(channels, blocks, corpus.scale, args.expand, bicubic, args.batch_norm).to(corpus.device)
    if start:
        model.start_from(start)
        if start.scale != corpus.scale:
            print(f"the start enlarges {start.scale} times: its tail is fitted to {corpus.scale}", flush=True)
            tail_fit.fit(model, corpus, args.seed, shares_of(args.share, corpus))
    return model


def main():
    args, resume = parse_arguments()
    corpus = load_corpus(args.corpus, args.device)
    model = make_model(args, resume, corpus).to(args.device)
    on_gpu = corpus.device.type == "cuda"
    native = None if on_gpu else native_library(args.native)
    fast = native.precisions if native else ("fp32",)
    precision = args.precision or ("bf16" if on_gpu else fast[0])
    sums = "bf16x3" if precision == "bf16" and "bf16x3" in fast else "fp32"
    finish_precision = args.finish_precision or ("tf32" if on_gpu else sums)
    options = run_options(
        args, corpus, precision, finish_precision, rate=args.rate, warm_up=args.warm_up, native=native
    )
    return 0 if Run(model, corpus, options, resume).run() else STOPPED


if __name__ == "__main__":
    sys.exit(main())
