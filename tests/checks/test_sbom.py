"""packaging/sbom.py: the same libraries give the same bytes, and what it says is what is installed."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

# libaom's copyright file writes one licence in two ways.
LIBRARIES = ("libaom.so.3", "libx264.so.164", "libstdc++.so.6")


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="packages are asked of dpkg")
def test_it_is_repeatable_and_true(root, tmp_path):
    found = [path for name in LIBRARIES for path in pathlib.Path("/usr/lib").glob(f"*-linux-gnu/{name}")]
    if not found:
        pytest.skip("none of these libraries is installed")
    (tmp_path / "libraries").write_text("".join(f"{path}\n" for path in found))
    texts = set()
    for seed in ("1", "2", "3"):
        command = [sys.executable, str(root / "packaging" / "sbom.py"), str(tmp_path / "libraries")]
        done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed})
        texts.add(done.stdout)
    assert len(texts) == 1
    own, *others = json.loads(texts.pop())["packages"]
    assert (own["name"], own["licenseDeclared"]) == ("pipersr", "MIT") and len(others) == len(found)
    for package in others:
        query = ["dpkg-query", "-W", "-f", "${Version}", package["name"]]
        assert subprocess.run(query, check=True, capture_output=True, text=True).stdout == package["versionInfo"]
        assert "+" not in package["externalRefs"][0]["referenceLocator"]
