"""Every curl line of docs/server.md does what the text around it says: it succeeds against a server."""

import re
import shutil
import subprocess

import pytest
from server_process import ROOT

LINES = re.findall(r"^    (curl .*)$", (ROOT / "docs" / "server.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", [line for line in LINES if "..." not in line])
def test_curl_line(server, tiny_mp4, tiny_png, tmp_path, line):
    (tmp_path / "input.mp4").write_bytes(tiny_mp4)
    (tmp_path / "photo.png").write_bytes(tiny_png)
    line = line.replace("http://127.0.0.1:9998", server.url)
    done = subprocess.run([shutil.which("sh"), "-c", line + " --fail-with-body -sS"], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={"SK": server.key, "PATH": "/usr/bin:/bin"}, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    output = re.search(r" -o (\S+)", line)
    data = (tmp_path / output.group(1)).read_bytes() if output else done.stdout
    assert data, line


def test_there_are_lines():
    assert len(LINES) >= 7
