"""Says that the tests of training/ are skipped where PyTorch is absent."""

import pytest


def test_pytorch_is_here():
    pytest.importorskip("torch", reason="PyTorch is absent: scripts/setup.sh --training installs it")
