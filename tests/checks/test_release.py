"""packaging/release.sh looks before it works. What it makes takes minutes: by hand, with --verify."""

import subprocess

import pytest


@pytest.fixture
def release(root):
    def call(*arguments):
        command = [str(root / "packaging" / "release.sh"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    return call


@pytest.mark.parametrize("flags", [[], ["--verify"]])
def test_a_folder_of_something_else_is_left_alone(flags, release, tmp_path):
    (tmp_path / "letters.txt").write_text("precious")
    done = release(*flags, tmp_path)
    assert done.returncode == 1
    assert done.stderr == f"release: {tmp_path} is there and is no release: move it away\n"
    assert (tmp_path / "letters.txt").read_text() == "precious"


def test_an_unknown_option_is_no_folder(release):
    done = release("--nothing")
    assert (done.returncode, done.stderr) == (1, "release: unknown option '--nothing'\n")
