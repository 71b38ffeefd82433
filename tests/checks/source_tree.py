#!/usr/bin/env python3
"""Habits that hold for every file of the project: no paths of one machine, no unfinished marks, no
rooms without a name, no endless files, links that lead somewhere, samples and models with papers.

`python3 tests/checks/source_tree.py [ROOT]` prints one line for each fault; exit status 1 if any.
"""

import pathlib
import re
import subprocess
import sys

SOURCE_SUFFIXES = {".c", ".h", ".py", ".js"}
MAX_SOURCE_LINES = 900
MAX_FILE_BYTES = 4 << 20
NAMELESS_ROOM = re.compile(r"(utils?|helpers?|misc|common_?stuff)(_.*)?", re.IGNORECASE)
# Written in pieces, so that this file does not match itself.
MACHINE_PATH = re.compile("/" + "(?:wor[k]|far[m]|roo[t]|home/[a-z]\\w*|Users/[A-Za-z]\\w*)/")
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X|not implemente[d])\b|@FIGUR[E]:")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PLAIN_URL = re.compile(r"[a-z]+:")
SUBJECT = re.compile(r"[a-z0-9][a-z0-9 ,./_+-]*: \S.*")
MAX_SUBJECT_LENGTH = 72


def tracked_files(root):
    """Files of the project: what git tracks or would, or without git all that is not built."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        skip = re.compile(r"(build[^/]*|demo|\.git|\.venv)/|.*__pycache__/")
        every = (path.relative_to(root).as_posix() for path in root.rglob("*"))
        names = [name for name in every if not skip.match(name)]
    return sorted(name for name in names if name and (root / name).is_file())


def read_text(path):
    """The text of a file, or None if it is not text."""
    data = path.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def check_name(name):
    if NAMELESS_ROOM.fullmatch(pathlib.PurePath(name).stem):
        yield f"{name}: the name says nothing: name the file after its purpose"


def check_size(root, name):
    path = root / name
    if path.stat().st_size > MAX_FILE_BYTES:
        yield f"{name}: over {MAX_FILE_BYTES >> 20} MiB"


def check_lines(name, text):
    lines = text.splitlines()
    if pathlib.PurePath(name).suffix in SOURCE_SUFFIXES and len(lines) > MAX_SOURCE_LINES:
        yield f"{name}: {len(lines)} lines, more than {MAX_SOURCE_LINES}: build a wall into this room"
    for number, line in enumerate(lines, 1):
        if MACHINE_PATH.search(line):
            yield f"{name}:{number}: names a path of one machine"
        if UNFINISHED.search(line):
            yield f"{name}:{number}: unfinished: {line.strip()[:80]}"
    if pathlib.PurePath(name).suffix in (".c", ".h") and "SPDX-License-Identifier: MIT" not in text[:200]:
        yield f"{name}: does not begin with its SPDX licence line"


def check_links(root, name, text):
    for target in LINK.findall(text):
        if not PLAIN_URL.match(target) and not (root / name).parent.joinpath(target).exists():
            yield f"{name}: link to {target}, which is not there"


def check_papers(root, names):
    """Samples have a source and licence, models a card, and the changelog knows this version."""
    for name in names:
        folder, _, base = name.rpartition("/")
        if folder == "samples" and base != "SOURCES.md" and base not in (root / "samples/SOURCES.md").read_text():
            yield f"{name}: not in samples/SOURCES.md"
        if folder == "models" and name.endswith(".safetensors") and not (root / name).with_suffix(".md").is_file():
            yield f"{name}: has no model card beside it"
    version = re.search(r"version: '([^']+)'", (root / "meson.build").read_text()).group(1)
    if f"## {version}" not in (root / "CHANGELOG.md").read_text():
        yield f"CHANGELOG.md: has no section for version {version}"


def check_subjects(subjects):
    """Commit subjects: "area: what", and short enough for a line of `git log --oneline`."""
    for subject in subjects:
        if len(subject) > MAX_SUBJECT_LENGTH:
            yield f"commit '{subject}': {len(subject)} characters, more than {MAX_SUBJECT_LENGTH}"
        if not SUBJECT.fullmatch(subject):
            yield f"commit '{subject}': should read 'area: what'"


def new_subjects(root):
    """Subjects of the commits that the upstream branch does not have, or of the newest commit."""
    for span in (["@{upstream}..HEAD"], ["-1"]):
        command = ["git", "-C", str(root), "log", "--no-merges", "--format=%s", *span]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.splitlines()
    return []


def faults(root):
    root = pathlib.Path(root).resolve()
    names = tracked_files(root)
    found = []
    for name in names:
        found += [*check_name(name), *check_size(root, name)]
        text = read_text(root / name)
        if text is not None:
            found += check_lines(name, text)
            if name.endswith(".md"):
                found += check_links(root, name, text)
    return found + list(check_papers(root, names))


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[2]
    lines = faults(sys.argv[1] if len(sys.argv) > 1 else default)
    print("\n".join(lines) if lines else "nothing to complain about")
    sys.exit(1 if lines else 0)
