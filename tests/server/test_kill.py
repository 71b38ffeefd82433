"""Ends under load: a few of those that tests/long/kill_server.py and tests/long/stop_server.py do by the hundred."""

import sys

from server_process import ROOT

sys.path.insert(0, str(ROOT / "tests" / "long"))

import kill_server  # noqa: E402
import stop_server  # noqa: E402


def test_a_few_kills(tmp_path):
    accepted, results, losses = kill_server.run(tmp_path, kills=5, seed=7, n_clients=2, longest_s=1.0)
    assert not losses, "\n".join(losses)
    assert accepted > 0


def test_a_few_stops(tmp_path):
    answers, wrong = stop_server.run(tmp_path, stops=4, seed=7, n_clients=10, longest_s=1.0)
    assert not wrong, "\n".join(wrong)
    assert answers > 0
