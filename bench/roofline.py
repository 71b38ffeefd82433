#!/usr/bin/env python3
"""Draws where the network stands between this machine's arithmetic peak and its cache's bandwidth.

usage: bench/roofline.py [--program build/pipersr] [--size 640x360] [--threads 2] OUTPUT.svg

The speeds and arithmetic peaks are `pipersr bench speed`'s, at every precision. The bandwidth is
measured here: threads that copy 6 MiB each, which lies in L3 and not in L2. The bytes of a frame are
counted, not measured: what the layers read and write of their rows, and the weights once a pass
(src/strip.c), as if nothing of it stayed in L2. Prints the figures too.
"""

import argparse
import json
import subprocess
import sys
import threading
import time

import numpy as np

CHANNELS, BLOCKS, PASS_ROWS = 64, 6, 4
# Bytes of an element of the rows between two convolutions and of the ones a block reads, and of a
# transformed weight.
PRECISIONS = {"fp32": (4, 4, 4), "bf16": (4, 4, 2), "int8": (1, 1, 2)}
POSITIONS = 24  # Winograd's, for each pair of channels


def bytes_of_frame(precision, width, height):
    middle, trunk_in, weight = PRECISIONS[precision]
    read_rows = (PASS_ROWS + 2) / PASS_ROWS
    block = read_rows * trunk_in + middle + read_rows * middle + 4 + 4
    if trunk_in != 4:
        block += trunk_in  # the trunk's narrow copy
    rows = BLOCKS * block * CHANNELS + 2 * 4 * CHANNELS + read_rows * 4 * CHANNELS
    weights = 2 * BLOCKS * CHANNELS * CHANNELS * POSITIONS * weight / (PASS_ROWS * width)
    return (rows + weights) * width * height


def measure_bandwidth(threads):
    """Bytes per second, read and written, of copies that stay in L3; the best of many."""
    size, rounds = 6 << 20, 40
    blocks = [(np.ones(size // 2, np.uint8), np.zeros(size // 2, np.uint8)) for _ in range(threads)]

    def copy(source, target):
        for _ in range(rounds):
            np.copyto(target, source)

    best = 0
    for _ in range(15):
        workers = [threading.Thread(target=copy, args=block) for block in blocks]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, threads * rounds * size / (time.perf_counter() - start))
    return best


def measure_network(program, precision, size, threads):
    command = [program, "bench", "speed", "--json", "--frames", "7", "--size", size]
    command += ["--threads", str(threads), "--precision", precision]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


class Plot:
    """Logarithmic axes: operations per byte, and 10^9 operations per second."""

    WIDTH, HEIGHT, LEFT, BOTTOM = 720, 440, 70, 50

    def __init__(self, x_range, y_range):
        self.x_range, self.y_range = np.log10(x_range), np.log10(y_range)
        self.parts = []

    def x(self, value):
        low, high = self.x_range
        share = (np.log10(value) - low) / (high - low)
        return self.LEFT + share * (self.WIDTH - self.LEFT - 20)

    def y(self, value):
        low, high = self.y_range
        share = (np.log10(value) - low) / (high - low)
        return self.HEIGHT - self.BOTTOM - share * (self.HEIGHT - self.BOTTOM - 20)

    def line(self, x1, y1, x2, y2, colour):
        self.parts.append(
            f'<line x1="{self.x(x1):.1f}" y1="{self.y(y1):.1f}" x2="{self.x(x2):.1f}"'
            f' y2="{self.y(y2):.1f}" stroke="{colour}" stroke-width="1.5"/>'
        )

    def text(self, x, y, words, anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')

    def point(self, x, y, colour, words, left):
        self.parts.append(f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="5" fill="{colour}"/>')
        self.text(self.x(x) + (-9 if left else 9), self.y(y) + 4, words, "end" if left else "start")

    def axes(self):
        for value in (1, 10, 100, 1000):
            if self.x_range[0] <= np.log10(value) <= self.x_range[1]:
                self.text(self.x(value), self.HEIGHT - self.BOTTOM + 18, f"{value}", "middle")
        for value in (10, 30, 100, 300, 1000, 3000):
            if self.y_range[0] <= np.log10(value) <= self.y_range[1]:
                self.text(self.LEFT - 8, self.y(value) + 4, f"{value}", "end")
        self.text(self.WIDTH / 2, self.HEIGHT - 10, "operations per byte of rows and weights", "middle")
        self.text(8, 14, "10^9 operations per second")

    def write(self, path):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.WIDTH}" height="{self.HEIGHT}"'
            ' font-family="sans-serif" font-size="12">'
            f'<rect width="{self.WIDTH}" height="{self.HEIGHT}" fill="white"/>'
        )
        with open(path, "w", encoding="utf-8") as file:
            file.write(head + "\n" + "\n".join(self.parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("output")
    parser.add_argument("--program", default="build/pipersr")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))

    bandwidth = measure_bandwidth(options.threads)
    print(f"L3: {bandwidth * 1e-9:.1f} GB/s with {options.threads} threads")
    plot = Plot((3, 1000), (100, 3000))
    plot.axes()
    ridge = 3000e9 / bandwidth
    plot.line(max(3, 100e9 / bandwidth), max(100, 3e-9 * bandwidth), ridge, 3000, "#555")
    plot.text(plot.x(ridge) + 6, plot.y(3000) + 14, f"L3, {bandwidth * 1e-9:.0f} GB/s")
    for precision, colour in zip(PRECISIONS, ("#1f77b4", "#d62728", "#2ca02c")):
        result = measure_network(options.program, precision, options.size, options.threads)
        if result is None:
            print(f"{precision}: not on this CPU", file=sys.stderr)
            continue
        intensity = 1e9 * result["gflops"] * result["ms_per_frame"] * 1e-3
        intensity /= bytes_of_frame(precision, width, height)
        peak = result["peak_gflops"]
        plot.line(max(3, 1e9 * peak / bandwidth), peak, 1000, peak, colour)
        plot.text(plot.x(990), plot.y(peak) - 5, f"{precision} peak {peak:.0f}", "end")
        label = f"{precision} {result['gflops']:.0f} ({100 * result['peak_share']:.0f} %)"
        plot.point(intensity, result["gflops"], colour, label, left=precision == "bf16")
        print(
            f"{precision} {result['isa']}: {result['ms_per_frame']:.1f} ms, {result['gflops']:.0f} of"
            f" {peak:.0f} GFLOP/s, {intensity:.0f} operations per byte"
        )
    plot.write(options.output)


if __name__ == "__main__":
    main()
