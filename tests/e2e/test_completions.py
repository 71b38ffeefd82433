"""The help texts, the manual page and the completions name the same commands and options.

zsh's and fish's completions are made from the help texts, bash's and the manual page are written by hand.
"""

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


LEAVES = [
    "upscale", "info", "calibrate", "export", "segment plan", "segment run-segment", "segment join",
    "bench speed", "bench quality", "bench video", "serve", "mcp",
]  # fmt: skip
# A line of a help text that is about an option, and its long name.
ABOUT_OPTION = re.compile(r"^ {2,6}(?:-\w+, )?--([a-z][a-z-]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def help_of(run):
    def call(words=""):
        return run(*words.split(), "--help").stdout.decode()

    return call


@pytest.fixture(scope="module")
def options_of(help_of):
    """options_of("bench video") -> the options that its help text has; without --help and --version."""

    def call(words):
        found = set(ABOUT_OPTION.findall(help_of(words))) - {"help", "version"}
        assert found, words
        return {f"--{name}" for name in found}

    return call


@pytest.fixture(scope="module")
def manual():
    """{section: text} of the manual page, with hyphens as they are read."""
    text = (ROOT / "docs" / "pipersr.1").read_text().replace("\\-", "-")
    parts = re.split(r"^\.SH (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def fish(line):
    script = f"source '{FISH}'; complete -C '{line}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    return [entry.split("\t")[0] for entry in done.stdout.splitlines()]


def bash(line):
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    script = f"""source '{ROOT / "cli" / "pipersr.bash"}'
        COMP_WORDS=({" ".join(map(repr, words))}); COMP_CWORD={len(words) - 1}
        _pipersr; printf '%s\\n' "${{COMPREPLY[@]}}\""""
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_the_first_help_text_names_every_command(help_of):
    named = set()
    for words in re.findall(r"pipersr ([a-z]+(?: [a-z][a-z|-]*)?)", help_of()):
        first, _, second = words.partition(" ")
        named |= {f"{first} {each}".strip() for each in second.split("|")}
    assert set(LEAVES) <= named
    for parent in ("bench", "segment"):
        below = {words for words in LEAVES if words.startswith(f"{parent} ")}
        assert set(re.findall(rf"pipersr ({parent} [a-z-]+)", help_of(parent))) == below


@pytest.mark.parametrize("words", LEAVES)
def test_the_manual_has_every_command_and_option(words, manual, options_of):
    synopsis = re.sub(r"^\.[A-Z]+ ", "", manual["SYNOPSIS"], flags=re.MULTILINE)
    assert re.search(rf"^pipersr {words}\b", synopsis, re.MULTILINE)
    section = "OPTIONS OF UPSCALE" if words in ("upscale", "segment plan") else words.split()[0].upper()
    missing = [option for option in options_of(words) if not re.search(rf"{option}(?![a-z-])", manual[section])]
    assert missing == []


@pytest.mark.parametrize("words", LEAVES)
def test_bash_knows_every_command_and_option(words, options_of):
    *before, last = words.split()
    assert last in bash(" ".join(["pipersr", *before, ""]))
    # No more than there are, either.
    assert set(bash(f"pipersr {words} --")) - {"--help", "--version"} == options_of(words)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not there")
@pytest.mark.parametrize("words", LEAVES)
def test_fish_knows_every_command_and_option(words, options_of):
    *before, last = words.split()
    assert last in fish(" ".join(["pipersr", *before, ""]))
    assert set(fish(f"pipersr {words} --")) - {"--help", "--version"} == options_of(words)


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not there")
@pytest.mark.parametrize("words", LEAVES)
def test_zsh_knows_every_command_and_option(words, options_of):
    text = ZSH.read_text()
    *before, last = words.split()
    assert re.search(rf"^ *{before[0]}\).*\n.*compadd .*\b{last}\b" if before else rf"^ *'{last}:", text, re.MULTILINE)
    (part,) = re.findall(rf"^    '?{words}'?\)\n(.*?);;$", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"'(--[a-z-]+)\[", part)) - {"--help", "--version"} == options_of(words)


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not there")
def test_fish_keeps_commands_apart():
    assert fish("pipersr upscale --skip") == fish("pipersr -i a.png --skip") == ["--skip-existing"]
    assert fish("pipersr bench speed --at") == ["--at-once"]
    assert fish("pipersr info --at") == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not there")
def test_zsh_reads_its_file():
    subprocess.run(["zsh", "-n", ZSH], check=True)
