"""`pipersr export`: hands pipersr_export, which is in the wheel too, a file of the model."""

from __future__ import annotations

import runpy
import sys
import tempfile
from typing import Optional

from pipersr.command_options import fail
from pipersr.errors import InputError
from pipersr.model import built_in_bytes, models


def run(arguments: list[str]) -> int:
    """The options are pipersr_export's own, but for --model, which may be left out or name a built-in model."""
    arguments, name = _take_model(arguments)
    name = next(each.name for each in models() if each.default) if name is None else name
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        data = built_in_bytes(name)
        if data is not None:
            file.write(data)
            file.flush()
        sys.argv = ["pipersr export", *arguments, "--model", name if data is None else file.name]
        try:
            runpy.run_module("pipersr_export", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 0
    return 0


def _take_model(arguments: list[str]) -> tuple[list[str], Optional[str]]:
    rest: list[str] = []
    name = None
    words = iter(arguments)
    for word in words:
        if word == "--model":
            name = next(words, "")
        elif word.startswith("--model="):
            name = word.partition("=")[2]
        else:
            rest.append(word)
    if name == "":
        fail(InputError("--model takes a name or a file, not ''"))
    return rest, name
