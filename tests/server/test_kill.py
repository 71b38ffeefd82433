"""kill -9 under load loses nothing: a few of the kills that tests/long/kill_server.py does by the hundred."""

import sys

from server_process import ROOT

sys.path.insert(0, str(ROOT / "tests" / "long"))

import kill_server  # noqa: E402


def test_a_few_kills(tmp_path):
    accepted, results, losses = kill_server.run(tmp_path, kills=5, seed=7, n_clients=2, longest_s=1.0)
    assert not losses, "\n".join(losses)
    assert accepted > 0
