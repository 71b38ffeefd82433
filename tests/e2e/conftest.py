"""Fixtures of the end-to-end tests: the real program on real files."""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

# A job in the background, or under nohup, starts with these ignored, and so would every program under
# test. Caught signals are back at their defaults in a program that is started.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, lambda *_: os._exit(128 + signal.SIGHUP)),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def program():
    """Path of the program under test: $PIPERSR, or build/pipersr."""
    path = pathlib.Path(os.environ.get("PIPERSR", ROOT / "build" / "pipersr"))
    assert path.is_file(), f"{path} is not built"
    return path


@pytest.fixture(scope="session")
def run(program):
    """run(*args, **subprocess options) -> CompletedProcess with bytes in stdout, text in stderr."""

    def call(*args, timeout=300, **options):
        done = subprocess.run(
            [str(program), *map(str, args)],
            stdin=options.pop("stdin", None if "input" in options else subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            **options,
        )
        done.stderr = done.stderr.decode("utf-8", "replace")
        return done

    return call


@pytest.fixture(scope="session")
def shared():
    """The folder of evaluation data beside the checkout; tests that need it are skipped without."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    return SHARED


@pytest.fixture(scope="session")
def samples():
    return ROOT / "samples"


def _tool_json(*command):
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


@pytest.fixture(scope="session")
def ffprobe():
    """ffprobe(path, *extra) -> dict of streams, format and whatever else `extra` asks for."""
    assert shutil.which("ffprobe"), "ffprobe is not installed"

    def probe(path, *extra):
        return _tool_json(
            "ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", *extra, str(path)
        )

    return probe
