"""The habits hold in the tree, and each check notices a made-up breach of them."""

import os

import pytest
import source_tree

LAWFUL = {
    "meson.build": "project('x', version: '1.2.3')\n",
    "CHANGELOG.md": "# Changes\n\n## 1.2.3\n",
    "README.md": "[the law](docs/law.md#rooms) and [a site](https://example.org/)\n",
    "docs/law.md": "back to [the start](../README.md)\n",
    "src/pool.c": "/* SPDX-License-Identifier: MIT */\n",
    "samples/cat.png": "",
    "samples/SOURCES.md": "cat.png: ours\n",
    "models/x2.safetensors": "",
    "models/x2.md": "",
}
LICENCE = "/* SPDX-License-Identifier: MIT */\n"

BREACHES = [
    ("src/utils.c", LICENCE, "the name says nothing"),
    ("tests/helpers.py", "", "the name says nothing"),
    ("src/pool.c", LICENCE + "\n" * 900, "901 lines"),
    ("src/pool.c", "int x;\n", "SPDX"),
    ("src/pool.c", LICENCE + "/* TO" + "DO: later */\n", "src/pool.c:2: unfinished"),
    ("README.md", "It takes @FIG" + "URE:speed@ ms.\n", "README.md:1: unfinished"),
    ("docs/law.md", "see /ho" + "me/someone/law.txt\n", "path of one machine"),
    ("docs/law.md", "see /wo" + "rk/law.txt\n", "path of one machine"),
    ("docs/law.md", "[gone](gone.md)\n", "link to gone.md"),
    ("samples/dog.png", "", "not in samples/SOURCES.md"),
    ("models/x3.safetensors", "", "no model card"),
    ("CHANGELOG.md", "# Changes\n\n## 1.2.2\n", "no section for version 1.2.3"),
    ("docs/big.bin", "\0" * ((4 << 20) + 1), "over 4 MiB"),
]


@pytest.fixture
def tree(tmp_path):
    def make(changes):
        for name, text in {**LAWFUL, **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_the_project_keeps_its_habits(root):
    faults = source_tree.faults(root)
    assert not faults, "\n".join(faults)


def test_a_lawful_tree_passes(tree):
    assert source_tree.faults(tree({})) == []


# Named by the reason: a name made of the text would have 16 MiB.
@pytest.mark.parametrize("name, text, reason", BREACHES, ids=[reason for _, _, reason in BREACHES])
def test_a_breach_is_noticed(tree, name, text, reason):
    (found,) = source_tree.faults(tree({name: text}))
    assert found.startswith(name.split(".")[0]) and reason in found


def test_new_commit_subjects(root):
    if not (root / ".git").exists():
        pytest.skip("not a git checkout")
    assert list(source_tree.check_subjects(source_tree.new_subjects(root))) == []


@pytest.mark.parametrize("subject", ["Fix things", "engine:no space", "engine: " + "x" * 70, "WIP", ": x"])
def test_a_wrong_subject_is_noticed(subject):
    assert list(source_tree.check_subjects([subject])) != []


@pytest.mark.parametrize("subject", ["engine: keep rows in L2", "cli, media: say which file", "tests/e2e: y4m"])
def test_a_right_subject_passes(subject):
    assert list(source_tree.check_subjects([subject])) == []


def test_scripts_can_be_run(root):
    for path in [root / ".ci" / "run", *sorted((root / "scripts").iterdir())]:
        if path.is_file():
            assert os.access(path, os.X_OK), f"{path.name} is not executable"
            assert path.read_bytes().startswith(b"#!"), f"{path.name} has no #! line"
