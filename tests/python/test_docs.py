"""The examples of docs/python.md, run in the order in which they stand."""

import doctest
import re
import shutil

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_manual_is_true(root, samples, program, monkeypatch):
    monkeypatch.setenv("PIPERSR_PROGRAM", str(program))
    shutil.move("badge.png", "photo.png")
    shutil.move("crystal.mp4", "clip.mp4")
    blocks = BLOCK.findall((root / "docs" / "python.md").read_text())
    examples = "\n".join(block for block in blocks if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, "docs/python.md", "docs/python.md", 0)
    assert len(test.examples) > 20
    failures = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def test_the_docstring_of_the_package_is_true(samples):
    import pipersr

    shutil.move("badge.png", "photo.png")
    test = doctest.DocTestParser().get_doctest(pipersr.__doc__, {}, "pipersr", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(test) == (0, 3)
