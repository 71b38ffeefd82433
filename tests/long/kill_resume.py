#!/usr/bin/env python3
"""Kills a video job with SIGKILL at random times until it has been killed COUNT times, with --resume each time.

    tests/long/kill_resume.py [--kills 60] [--seed 1] [--program build/pipersr] [--options '--codec hevc ...']

A job that ends is compared with one that was never interrupted: time and checksum of every decoded frame, times
of all packets of the picture, payload and times of the sound; then the next job begins. The times of the kills are
spread evenly over the whole length of a run, so that they fall into start, segments, join and clearing away.
The last line says how many kills there were, when, and how many jobs ended right.
"""

import argparse
import collections
import pathlib
import random
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import clip_tools as clips  # noqa: E402

FAST = "--model pipersr-x2-fast --precision int8 --preset ultrafast --segment-frames 12"


def description(path):
    """Everything that must be the same."""
    frames = clips.ffmpeg("-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-")
    packets = clips.probe(path, "-select_streams", "v:0", "-show_entries", "packet=pts,dts,duration,size,flags")
    return frames, packets["packets"], clips.packet_list(path, "a:0")


def state(target):
    """Where the job was: for the report."""
    parts = pathlib.Path(f"{target}.parts")
    if not parts.is_dir():
        return "before or after its folder"
    made = len(list(parts.glob("0*.json")))
    return f"{made:2} segments kept" if made else "before the first segment"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the clip")
    parser.add_argument("--program", default=ROOT / "build" / "pipersr")
    parser.add_argument("--options", default="")
    parser.add_argument("--container", default="mp4")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="pipersr-kill-") as name:
        folder = pathlib.Path(name)
        clip = clips.make_clip(folder / "in.mp4", "-g", 17, size="64x48", rate=25, seconds=options.seconds, sound=True)
        whole, target = folder / f"whole.{options.container}", folder / f"out.{options.container}"
        arguments = [str(options.program), "upscale", str(clip), *shlex.split(FAST), *shlex.split(options.options)]
        began = time.monotonic()
        subprocess.run([*arguments, "-q", "-o", whole], check=True)
        length = time.monotonic() - began
        expected = description(whole)
        kills, jobs, states = 0, 0, collections.Counter()
        while kills < options.kills or pathlib.Path(f"{target}.parts").is_dir():
            job = subprocess.Popen([*arguments, "-q", "--resume", "-o", target])
            try:
                limit = chance.uniform(0, 0.5 * length) if kills < options.kills else None
                status = job.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                job.kill()
                job.wait()
                kills += 1
                states[state(target)] += 1
                continue
            if status != 0 or description(target) != expected:
                print(f"after {kills} kills: exit status {status}, the output differs")
                return 1
            jobs += 1
            target.unlink()
        if not jobs:
            print("no job ended: more --kills, or a shorter clip")
            return 1
        left = {path.name for path in folder.iterdir()} - {clip.name, whole.name}
        if left:
            print(f"left over: {', '.join(sorted(left))}")
            return 1
        for where, count in sorted(states.items()):
            print(f"{count:4} kills: {where}")
        print(f"{kills} kills, {jobs} jobs ended, all the same as the uninterrupted one ({length:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
