#!/usr/bin/env python3
"""Runs the tests and adds up what really ran.

The parts: unit tests (meson test), end-to-end tests (pytest on tests/e2e), tests of server/ and of python/
(pytest on tests/server and tests/python, in the environment .venv that scripts/setup.sh --tests makes),
tests of training/ (pytest on tests/training; one skipped test where PyTorch is absent) and checks of the
source and the built library (pytest on tests/checks). Files of tests are shared out among the CPUs. The counts
come from the machine-readable results of each runner, never from its exit status alone. The last line is "N passed, N failed", with
", N skipped" when something was; the exit status is 0 only if something ran and nothing failed.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
PARTS = ("unit", "e2e", "server", "python", "training", "checks")
MAX_WORKERS = 4
ENVIRONMENT = ROOT / ".venv" / "bin" / "python"
TAP_LINE = re.compile(r"^(not ok|ok)\b(?:.*?#\s*(skip))?", re.IGNORECASE)


class Count(collections.Counter):
    """passed, failed and skipped tests."""

    def __str__(self):
        text = f"{self['passed']} passed, {self['failed']} failed"
        return text + (f", {self['skipped']} skipped" if self["skipped"] else "")


def complete(count, status, what):
    """Counts a runner that failed without naming a failed test, or that ran nothing, as a failure."""
    if not count.total():
        print(f"{what}: no test ran (exit status {status})")
        count["failed"] += 1
    elif status and not count["failed"]:
        print(f"{what}: ended with exit status {status} though no test failed")
        count["failed"] += 1
    return count


def count_meson_test(record):
    """One line of meson's testlog.json: its TAP results if it printed any, else one test."""
    outcome = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(record["result"], "failed")
    count = Count()
    for line in record.get("stdout", "").splitlines():
        match = TAP_LINE.match(line)
        if match:
            word, note = match.groups()
            count["skipped" if note else "passed" if word.lower() == "ok" else "failed"] += 1
    if not count or (outcome == "failed" and not count["failed"]):
        count[outcome] += 1
    return count


def run_unit(build, arguments):
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs", *arguments]
    status = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    count = Count()
    if log.is_file():
        for line in log.read_text(errors="replace").splitlines():
            count.update(count_meson_test(json.loads(line)))
    return complete(count, status, "unit tests")


def count_junit(path):
    count = Count()
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        count[outcome] += 1
    return count


def run_pytest(paths, build, what, python=sys.executable):
    environment = dict(os.environ, PIPERSR_BUILD=str(build))
    environment.setdefault("PIPERSR", str(build / "pipersr"))
    with tempfile.TemporaryDirectory(prefix="pipersr-tests-") as folder:
        results = pathlib.Path(folder) / "results.xml"
        command = [
            python, "-m", "pytest", "-q", "--tb=short", "-rfEs", "-p", "no:cacheprovider",
            # Whole files, as their fixtures are made once for all of their tests.
            "-n", str(min(len(os.sched_getaffinity(0)), MAX_WORKERS)), "--dist", "loadfile",
            f"--junitxml={results}", *map(str, paths),
        ]
        status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
        count = count_junit(results) if results.is_file() else Count()
    return complete(count, status, what)


def run_in_environment(room, build, only=None):
    """Tests of a room that need packages which Debian lacks."""
    if not ENVIRONMENT.is_file():
        print("no .venv: scripts/setup.sh --tests makes it")
        return Count(failed=1)
    return run_pytest(only or [ROOT / "tests" / room], build, f"tests of {room}/", str(ENVIRONMENT))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="build folder")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part (may be repeated)")
    parser.add_argument("--e2e", action="append", metavar="PATH", help="run only these end-to-end tests")
    parser.add_argument("--server", action="append", metavar="PATH", help="run only these tests of server/")
    parser.add_argument("--unit", action="append", default=[], metavar="ARG", help="argument for meson test")
    return parser.parse_args()


def main():
    options = parse_arguments()
    build = options.build.resolve()
    runners = {
        "unit": lambda: run_unit(build, options.unit),
        "e2e": lambda: run_pytest(options.e2e or [ROOT / "tests" / "e2e"], build, "end-to-end tests"),
        "server": lambda: run_in_environment("server", build, options.server),
        "python": lambda: run_in_environment("python", build),
        "training": lambda: run_pytest([ROOT / "tests" / "training"], build, "tests of training/"),
        "checks": lambda: run_pytest([ROOT / "tests" / "checks"], build, "checks"),
    }
    counts = {}
    for part in PARTS:
        if not options.only or part in options.only:
            print(f"== {part}", flush=True)
            started = time.monotonic()
            counts[part] = runners[part]()
            print(f"== {part}: {counts[part]} ({time.monotonic() - started:.0f} s)\n", flush=True)
    total = sum(counts.values(), Count())
    print(Count(total))
    return 0 if total["passed"] and not total["failed"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
