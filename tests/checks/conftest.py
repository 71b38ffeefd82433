"""Fixtures of the checks of the source tree and of what was built from it."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def root():
    """The project's root folder."""
    return pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def build(root):
    """The build folder under test: $PIPERSR_BUILD, or build/."""
    path = pathlib.Path(os.environ.get("PIPERSR_BUILD", root / "build"))
    assert path.is_dir(), f"{path} is not there: build first"
    return path
