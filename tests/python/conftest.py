"""The Python package is tested as it is installed: from its wheel, in a fresh virtual environment.

pytest is started in .venv; it makes the source distribution and the wheel of the working tree, an environment with
the wheel in it, and runs itself there once more (pytest_cmdline_main). PIPERSR_WHEEL, if it is set, says that this
has happened: then the interpreter at hand has the package.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _copy_working_tree(target):
    """A repository with one commit of all that is tracked, or would be: what `meson dist` makes its archive of."""
    sys.path.insert(0, str(ROOT / "tests" / "checks"))
    from source_tree import tracked_files

    for name in tracked_files(ROOT):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, path)
    author = ["-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A", "-f"], [*author, "commit", "-q", "-m", "tests: the working tree"]):
        subprocess.run(["git", *command], cwd=target, check=True)


def _make_environment(folder, wheel):
    """The wheel's own environment. What it needs is lent by .venv, so that nothing is downloaded."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    (lent,) = (ROOT / ".venv").glob("lib/python*/site-packages")
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "lent.pth").write_text(f"{lent}\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, "--disable-pip-version-check", str(wheel)], check=True)
    return python


def pytest_cmdline_main(config):
    if "PIPERSR_WHEEL" in os.environ:
        return None
    with tempfile.TemporaryDirectory(prefix="pipersr-wheel-") as name:
        folder = pathlib.Path(name)
        _copy_working_tree(folder / "source")
        # Objects of earlier builds are found by ccache, where that is installed, though the folder is another.
        cache = {"CCACHE_BASEDIR": name, "CCACHE_NOHASHDIR": "1"}
        cache.update({"CC": "ccache gcc"} if shutil.which("ccache") and "CC" not in os.environ else {})
        command = [str(ROOT / "scripts" / "wheel.sh"), str(folder / "dist"), str(folder / "source")]
        if subprocess.run(command, env={**os.environ, **cache}).returncode:
            pytest.exit("the wheel could not be built", returncode=1)
        (wheel,) = (folder / "dist").glob("*.whl")
        python = _make_environment(folder / "environment", wheel)
        environment = {**os.environ, "PIPERSR_WHEEL": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
        # The program must not be found by chance, nor the sources instead of what is installed.
        environment.pop("PIPERSR_PROGRAM", None)
        environment.pop("PYTHONPATH", None)
        arguments = [str(python), "-m", "pytest", *map(str, config.invocation_params.args)]
        return subprocess.run(arguments, cwd=config.invocation_params.dir, env=environment).returncode


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def wheel():
    """Path of the wheel that is installed."""
    return pathlib.Path(os.environ["PIPERSR_WHEEL"])


@pytest.fixture(scope="session")
def program():
    """The C program: $PIPERSR, or build/pipersr."""
    path = pathlib.Path(os.environ.get("PIPERSR", ROOT / "build" / "pipersr"))
    assert path.is_file(), f"{path} is not built"
    return path


@pytest.fixture
def samples(tmp_path, monkeypatch):
    """The folder samples/, copied, as the current folder."""
    for path in (ROOT / "samples").iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_program_on_path(monkeypatch):
    """Tests that want the C program name it."""
    monkeypatch.setenv("PIPERSR_PROGRAM", "")


@pytest.fixture(scope="session")
def fast():
    """An Upscaler of the small model, for tests that are not about the result's beauty."""
    import pipersr

    with pipersr.Upscaler(model="pipersr-x2-fast") as upscaler:
        yield upscaler
