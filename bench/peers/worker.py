# SPDX-License-Identifier: MIT
"""One peer with one setting, in a process of its own: a line of JSON in, a line of JSON out.

First line: the job (runtimes.py; `frame` and `output` are paths of .npy files). The network is opened,
run twice to warm up, and its output written; the answer has `frames`, `open_s` and `seconds` of the
second run, per frame. Then for each line
{"runs": N} the answer is {"seconds": [...]}, per frame. A failure answers {"error": text} and ends.
"""

import json
import os
import sys
import time

import numpy

import runtimes


def answer(stream, **fields):
    stream.write(json.dumps(fields) + "\n")
    stream.flush()


def timed_runs(network, runs):
    network.run()  # what ran in between has taken the caches
    seconds = []
    for _ in range(runs):
        start_s = time.perf_counter()
        network.run()
        seconds.append((time.perf_counter() - start_s) / network.frames)
    return seconds


def main():
    # Libraries print what they like; the answers get a stream of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        job = json.loads(sys.stdin.readline())
        job["frame"] = numpy.load(job["frame"])
        start_s = time.perf_counter()
        network = runtimes.OPEN[job["peer"]](job)
        network.run()
        open_s = time.perf_counter() - start_s
        numpy.save(job["output"], network.output())
        start_s = time.perf_counter()
        network.run()
        seconds = (time.perf_counter() - start_s) / network.frames
        answer(answers, frames=network.frames, open_s=open_s, seconds=seconds)
        for line in sys.stdin:
            order = json.loads(line)
            if "profile" in order:
                answer(answers, profile=network.profile())
            else:
                answer(answers, seconds=timed_runs(network, order["runs"]))
    except MemoryError as error:
        answer(answers, error=f"out of memory: {error}")
    except Exception as error:  # whatever a library throws is this peer's result
        answer(answers, error=f"{type(error).__name__}: {error}".splitlines()[0][:300])


if __name__ == "__main__":
    main()
