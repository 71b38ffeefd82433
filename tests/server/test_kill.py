"""Ends under load: a few of those that tests/long/kill_server.py and tests/long/stop_server.py do by the hundred."""

import json
import os
import sqlite3
import sys

import pytest
from server_process import ROOT

sys.path.insert(0, str(ROOT / "tests" / "long"))

import kill_server  # noqa: E402
import resume_server  # noqa: E402
import stop_server  # noqa: E402


def test_a_few_kills(tmp_path):
    accepted, results, losses = kill_server.run(tmp_path, kills=5, seed=7, n_clients=2, longest_s=1.0)
    assert not losses, "\n".join(losses)
    assert accepted > 0


@pytest.mark.parametrize("case, seconds, kills", [("CUT", 40, (40,)), ("FOUR_TIMES", 12, (60, 100))])
def test_options_after_a_kill(tmp_path, case, seconds, kills):
    """What starts again comes out as if nothing had happened, whatever the options."""
    options, frames = getattr(resume_server, case)
    resume_server.make_clip(tmp_path / "clip.mp4", seconds)
    begun, wrong = resume_server.run(tmp_path, tmp_path / "clip.mp4", frames(seconds), options, kills)
    assert not wrong and len(begun) == len(kills) + 1


def test_results_that_a_kill_left(make_server, tiny_png):
    """A job that was done when the server was killed, but for its row, is done at the next start; its process, which
    there is not, leaves the server's own descriptors alone."""
    server = make_server().start()
    jobs = [server.wait(server.upscale(tiny_png, name="a.png")["id"]) for _ in range(3)]
    assert server.stop() == 0
    for job in jobs:
        outcome = {"event": "done", "file": "result.png", **{key: job["result"][key] for key in ("name", "content_type", "frames")}}
        (server.state / "jobs" / job["id"] / "work" / "outcome.json").write_text(json.dumps(outcome))
    with sqlite3.connect(server.state / "jobs.sqlite") as database:
        database.execute("UPDATE jobs SET state = 'running', finished_ms = 0, expires_ms = 0, result = NULL")
    database.close()
    server.start()
    for job in jobs:
        again = server.wait(job["id"])
        assert again["state"] == "done" and again["result"]["bytes"] == job["result"]["bytes"]
    assert os.readlink(f"/proc/{server.process.pid}/fd/0") == "/dev/null"


def test_what_a_kill_left_beside_a_result(make_server, tiny_png):
    """The row was written, the pieces not yet removed: the next start does it."""
    server = make_server().start()
    job = server.wait(server.upscale(tiny_png, name="a.png")["id"])
    server.kill()
    work = server.state / "jobs" / job["id"] / "work"
    (work / "parts").mkdir()
    (work / "parts" / "000000.nut").write_bytes(bytes(1000))
    (work / "outcome.json").write_text("{}")
    server.start()
    assert [path.name for path in work.iterdir()] == ["result.png"]
    assert server.get(job["result"]["url"]).status_code == 200


def test_a_few_stops(tmp_path):
    answers, wrong = stop_server.run(tmp_path, stops=4, seed=7, n_clients=10, longest_s=1.0)
    assert not wrong, "\n".join(wrong)
    assert answers > 0
