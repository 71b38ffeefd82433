"""Types: the package itself under mypy --strict, and a program of a user."""

import pathlib
import subprocess
import sys

import pipersr

USER = '''
from pathlib import Path
import numpy as np
import numpy.typing as npt
from PIL import Image
import pipersr

def report(progress: pipersr.Progress) -> None:
    print(progress.done, progress.total)

result = pipersr.upscale(Path("photo.png"), scale=4, progress=report)
result.save("photo_2x.png", quality=90)
image: Image.Image = result.image
array: npt.NDArray[np.uint8] = result.array
with pipersr.Upscaler(model="pipersr-x2-fast", use="video", threads=2) as upscaler:
    frame: npt.NDArray[np.uint8] = upscaler.frame(np.zeros((4, 4, 3), np.uint8))
    upscaler.upscale(image).save("x.png")
    rows = upscaler.rows(4, 4)
names: list[str] = [model.name for model in pipersr.models()]
video: pipersr.VideoResult = pipersr.upscale_video("clip.mp4", progress=report)
'''
WRONG = '''
import pipersr
pipersr.upscale("photo.png", precision=32)
pipersr.Upscaler(use="films")
pipersr.upscale("photo.png").height.save("x")
'''


def mypy(*arguments, folder):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), *map(str, arguments)]
    # Away from the checkout, whose sources and settings are not what a user has.
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


def test_the_package_is_clean(tmp_path):
    done = mypy(pathlib.Path(pipersr.__file__).parent, folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_a_users_program_is_checked_against_it(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "wrong.py").write_text(WRONG)
    done = mypy("user.py", folder=tmp_path)
    assert done.returncode == 0, done.stdout
    done = mypy("wrong.py", folder=tmp_path)
    assert [int(line.split(":")[1]) for line in done.stdout.splitlines()[:-1]] == [3, 4, 5], done.stdout


def test_what_is_public_has_a_docstring():
    for name in pipersr.__all__:
        if name != "ProgressCallback":
            assert getattr(pipersr, name).__doc__, name
