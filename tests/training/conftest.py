"""What the tests of training/ share. They need PyTorch and are skipped where it is absent."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRAINING, SHARED = ROOT / "training", ROOT.parent / "shared"

try:
    import torch
except ImportError:
    torch = None
    # Nothing but the test that says so.
    collect_ignore_glob = ["test_[!a]*.py"]
else:
    torch.set_num_threads(1)
    sys.path.insert(0, str(TRAINING))


@pytest.fixture(scope="session")
def sets():
    """The folder of evaluation sets beside the checkout."""
    if not (SHARED / "eval").is_dir():
        pytest.skip("../shared/eval is absent")
    return SHARED / "eval"


@pytest.fixture(scope="session")
def program():
    path = pathlib.Path(os.environ.get("PIPERSR", ROOT / "build" / "pipersr"))
    assert path.is_file(), f"{path} is not built"
    return path


@pytest.fixture(scope="session")
def script():
    """script(name, *arguments) runs a program of training/ to its end."""

    def call(name, *arguments, status=0):
        command = [sys.executable, str(TRAINING / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory, script):
    """A small corpus of synthetic pictures."""
    folder = tmp_path_factory.mktemp("corpus")
    script("prepare.py", "--out", folder, "--synthetic", 8, "--side", 96)
    return folder
