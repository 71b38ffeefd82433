"""Completions for zsh and fish, made from the help texts, and bash's, which is written by hand."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import ROOT

BUILD = pathlib.Path(os.environ.get("PIPERSR_BUILD", ROOT / "build"))
FISH = BUILD / "packaging" / "pipersr.fish"
ZSH = BUILD / "packaging" / "_pipersr"


def fish(line):
    script = f"source '{FISH}'; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    return [entry.split("\t")[0] for entry in done.stdout.splitlines()]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not there")
def test_fish_knows_commands_and_options():
    commands = fish("pipersr ")
    assert {"upscale", "info", "calibrate", "bench", "export"} <= set(commands)
    assert {"speed", "quality"} <= set(fish("pipersr bench "))
    assert fish("pipersr upscale --skip") == fish("pipersr -i a.png --skip") == ["--skip-existing"]
    assert fish("pipersr bench speed --at") == ["--at-once"]
    assert fish("pipersr info --at") == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not there")
def test_zsh_reads_its_file_and_has_every_option(run):
    subprocess.run(["zsh", "-n", ZSH], check=True)
    text = ZSH.read_text()
    options = re.findall(r"--[a-z][a-z-]+", run("upscale", "--help").stdout.decode())
    assert len(set(options)) > 15
    for option in set(options):
        assert f"'{option}[" in text, option


def test_bash_has_every_option_of_upscale(run):
    text = (ROOT / "cli" / "pipersr.bash").read_text()
    for option in re.findall(r"^ {2,6}(?:-\w, )?(--[a-z-]+)", run("upscale", "--help").stdout.decode(), re.MULTILINE):
        assert re.search(rf"{option}\b", text), option
