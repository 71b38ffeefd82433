# SPDX-License-Identifier: MIT
"""pipersr and other runtimes in turns on the same frames; run by run.sh.

For each precision each peer's settings are tried at the smallest size, after its output was found
right; with its best one it then runs in turns with `pipersr bench speed`. A turn is one frame to warm
up and the frames that count. Whoever has not the turn is stopped.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import subprocess
import sys

import numpy

import network_files
import report
import runtimes
from peer_process import PeerFailure, PeerProcess

SIZES = "640x360,854x480,1280x720,1920x1080"
PRECISIONS = ("fp32", "bf16", "int8")
# What a right output has at least, against our fp32 in 8 bits.
LEAST_PSNR_DB = {"fp32": 50, "bf16": 40, "int8": 30}
# A setting whose warm-up is this much slower than the best so far is not timed.
HOPELESS = 1.5
OPEN_LIMIT_S = 300
# fp32 of larger frames takes minutes, and says what the smaller ones do: with --full only.
LARGEST_FP32_PX = 1280 * 720


def parse_size(text):
    width, _, height = text.partition("x")
    return int(width), int(height)


def available_kib():
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/peers/run.sh", description="Compares pipersr with other runtimes.")
    parser.add_argument("--sizes", default=SIZES, help=f"input sizes (default {SIZES})")
    parser.add_argument("--peers", default=",".join(runtimes.SETTINGS), help="default %(default)s")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="default %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all CPUs")
    parser.add_argument("--turns", type=int, default=3, help="of each peer and pipersr (default %(default)s)")
    parser.add_argument("--frames", type=int, default=2, help="that count in a turn (default %(default)s)")
    parser.add_argument("--full", action="store_true", help="every peer and precision at every size")
    parser.add_argument("--profile", action="store_true", help="also write where each peer's time goes")
    parser.add_argument("--memory-limit", type=float, help="GiB for a peer (default: 80 %% of what is free)")
    parser.add_argument("--model", default=str(network_files.ROOT / "models" / "pipersr-x2.safetensors"))
    parser.add_argument("--program", default=str(network_files.ROOT / "build" / "pipersr"))
    parser.add_argument("--folder", default=str(network_files.ROOT / "build-peers"))
    options = parser.parse_args()
    options.sizes = sorted((parse_size(size) for size in options.sizes.split(",")), key=lambda size: size[0] * size[1])
    options.peers, options.precisions = options.peers.split(","), options.precisions.split(",")
    for chosen, known in ((options.peers, runtimes.SETTINGS), (options.precisions, PRECISIONS)):
        for name in chosen:
            if name not in known:
                parser.error(f"'{name}' is none of {', '.join(known)}")
    if not os.access(options.program, os.X_OK):
        parser.error(f"no program {options.program}: run make first, or set PIPERSR")
    options.memory_limit_kib = int(options.memory_limit * 2**20 if options.memory_limit else available_kib() * 0.8)
    return options


class Ours:
    """The program, and its pictures of the frames."""

    def __init__(self, options):
        self.options, self.peak_kib = options, 0

    def picture(self, frame_png, precision):
        out = frame_png.with_name(f"{frame_png.stem}-{precision}.png")
        command = [self.options.program, "upscale", str(frame_png), "-o", str(out), "-f", "--quiet"]
        subprocess.run([*command, *self._engine(precision)], check=True, stdout=subprocess.DEVNULL)
        return out

    def _engine(self, precision):
        options = self.options
        return ["--precision", precision, "--threads", str(options.threads), "--model", options.model]

    def turn(self, size, precision):
        """Seconds of the median frame. `peak_kib` is then the process's largest memory."""
        frames = ["--size", report.size_text(size), "--frames", str(self.options.frames), "--json"]
        command = [self.options.program, "bench", "speed", *frames, *self._engine(precision)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        text = process.stdout.read()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"peers: {' '.join(command)} ended with {process.returncode}")
        self.peak_kib = usage.ru_maxrss
        return json.loads(text)["ms_per_frame"] / 1e3


class Comparison:
    def __init__(self, options):
        self.options, self.ours, self.rows = options, Ours(options), []
        self.work = pathlib.Path(options.folder) / "work"
        self.files = network_files.NetworkFiles(options.model, self.work)
        self.log = open(self.work / "peers.log", "wb")  # what the libraries print

    def peers_of(self, precision):
        """Peers with the settings to try; what is left out is said."""
        for peer in self.options.peers:
            if importlib.util.find_spec(peer) is None:
                self.say(f"{peer} is not installed: left out")
                continue
            settings = runtimes.SETTINGS[peer](precision)
            if settings:
                yield peer, settings

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def job(self, peer, precision, setting, size):
        _, frame = self.files.frame(size)
        return {
            "peer": peer,
            "precision": precision,
            "setting": setting,
            "threads": self.options.threads,
            "width": size[0],
            "height": size[1],
            "model": self.options.model,
            "frame": str(frame),
            "output": str(self.work / "output.npy"),
            "files": self.files.networks(size),
        }

    def open(self, job):
        """A process that has made a right picture; (process, PSNR in dB)."""
        process = PeerProcess(job, self.options.memory_limit_kib, OPEN_LIMIT_S, self.log)
        psnr_db = float(network_files.psnr_db(numpy.load(job["output"]), self.expected))
        if not psnr_db >= LEAST_PSNR_DB[job["precision"]]:
            process.close()
            raise PeerFailure(f"wrong output: {psnr_db:.1f} dB")
        return process, psnr_db

    def runs(self, process):
        """Runs of the network in a turn: some take several frames at once."""
        return max(1, round(self.options.frames / process.opened["frames"]))

    def best_setting(self, peer, precision, settings, size):
        """(setting, seconds), or raises the last PeerFailure if none works."""
        best, failure = None, None
        for setting in settings:
            try:
                process, psnr_db = self.open(self.job(peer, precision, setting, size))
                with process:
                    seconds = process.opened["seconds"]
                    if best is None or seconds < HOPELESS * best[1]:
                        seconds = min(process.ask({"runs": self.runs(process)})["seconds"])
            except PeerFailure as error:
                failure = error
                self.say(f"  {peer} {precision} {report.setting_text(setting)}: {error}")
                continue
            self.say(f"  {peer} {precision} {report.setting_text(setting)}: {seconds * 1e3:.0f} ms, {psnr_db:.1f} dB")
            if best is None or seconds < best[1]:
                best = setting, seconds
        if best is None:
            raise failure
        return best

    def in_turns(self, peer, precision, setting, size):
        """Adds the row of a peer with one setting."""
        row = {"size": report.size_text(size), "precision": precision, "peer": peer, "setting": setting}
        self.rows.append(row)
        try:
            process, row["psnr_db"] = self.open(self.job(peer, precision, setting, size))
            with process:
                theirs, ours = [], []
                for _ in range(self.options.turns):
                    theirs.append(statistics.median(process.ask({"runs": self.runs(process)})["seconds"]))
                    ours.append(self.ours.turn(size, precision))
            row.update(peer_turns_s=theirs, ours_turns_s=ours, peak_mib=process.peak_kib / 1024)
            row.update(peer_ms=1e3 * statistics.median(theirs), ours_ms=1e3 * statistics.median(ours))
            row.update(ratio=row["peer_ms"] / row["ours_ms"], ours_peak_mib=self.ours.peak_kib / 1024)
        except PeerFailure as error:
            row["failure"] = str(error)
        self.say(report.row_text(row))

    def write_profile(self, peer, precision, setting, size):
        job = dict(self.job(peer, precision, setting, size), profile=str(self.work / "profile"))
        path = pathlib.Path(self.options.folder) / f"profile-{peer}-{precision}.txt"
        with PeerProcess(job, self.options.memory_limit_kib, OPEN_LIMIT_S, self.log) as process:
            path.write_text(process.ask({"profile": True})["profile"] + "\n")
        self.say(f"  {path}")

    def of_size(self, size, settings):
        """settings: {(peer, precision): setting} of those that run at this size."""
        frame, _ = self.files.frame(size)
        self.expected = self.ours.picture(frame, "fp32")
        for (peer, precision), setting in settings.items():
            self.in_turns(peer, precision, setting, size)

    def run(self):
        smallest = self.options.sizes[0]
        frame, _ = self.files.frame(smallest)
        self.expected = self.ours.picture(frame, "fp32")
        chosen = {}
        for precision in self.options.precisions:
            for peer, settings in self.peers_of(precision):
                try:
                    chosen[peer, precision] = self.best_setting(peer, precision, settings, smallest)[0]
                except PeerFailure as error:
                    row = {"size": report.size_text(smallest), "precision": precision, "peer": peer}
                    self.rows.append(dict(row, setting={}, failure=str(error)))
        self.of_size(smallest, chosen)
        if self.options.profile:
            for (peer, precision), setting in chosen.items():
                self.write_profile(peer, precision, setting, smallest)
        if not self.options.full:
            fastest = report.fastest(self.rows)
            chosen = {(row["peer"], row["precision"]): row["setting"] for row in fastest}
        for size in self.options.sizes[1:]:
            too_long = size[0] * size[1] > LARGEST_FP32_PX and not self.options.full
            self.of_size(size, {key: setting for key, setting in chosen.items() if not (too_long and key[1] == "fp32")})
        return self.rows

    def our_psnr_db(self):
        """Our own precisions against our fp32, at the smallest size."""
        frame, _ = self.files.frame(self.options.sizes[0])
        expected, result = self.ours.picture(frame, "fp32"), {}
        for precision in self.options.precisions:
            picture = network_files.planes_of(self.ours.picture(frame, precision))
            result[precision] = float(network_files.psnr_db(picture, expected))
        return result


def main():
    options = parse_arguments()
    comparison = Comparison(options)
    rows = comparison.run()
    report.write(rows, comparison.our_psnr_db(), options)


if __name__ == "__main__":
    main()
