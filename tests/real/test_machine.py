"""Any sequence of operations ends in the store, and the kernel, that a plain model predicts."""

from __future__ import annotations

import subprocess
import sys

from tests import figures
from tests.host import Host
from tests.zygote import ROOT


def test_the_real_one_and_the_model(host: Host) -> None:
    examples = figures.amount(5, 100)
    host.ip("addr add 192.0.2.1/32 dev lo")  # To which mappings are bound.
    before = host.snapshot()
    with figures.tally("model", "sequences", "differences") as tally, tally.trial("", examples):
        words = [sys.executable, "-m", "tests.machine", str(examples)]
        env = {**host.env, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            host.argv(*words), env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert host.snapshot() == before.replace("ip_forward 0", "ip_forward 1")
