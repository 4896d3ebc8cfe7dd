"""dnet on a real kernel beside the plain model: `python -m tests.machine EXAMPLES`.

The same sequences of operations as those of the pure parts (tests/unit/test_machine.py), each
carried out as a transaction. To be run in a network namespace of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from dnet.errors import DnetError
from dnet.transaction.driver import Driver
from dnet.transaction.maintenance import Maintenance
from dnet.transaction.recovery import Settings
from tests.unit.facts import STABLE
from tests.unit.plain import RefusedError
from tests.unit.test_machine import BUSY, Machine

DISTURBANCES = {
    "forwarding": "echo 0 > /proc/sys/net/ipv4/ip_forward",
    "forwarding of the device": "echo 0 > /proc/sys/net/ipv4/conf/{bridge}/forwarding",
    "IPv6": "echo 0 > /proc/sys/net/ipv6/conf/{bridge}/disable_ipv6",
    "the route": "ip route delete {subnet} dev {bridge}",
    "the device": "ip link delete {bridge}",
    "the rules": "iptables -F; iptables -t nat -F; iptables -t raw -F",
}
FOREIGN = {
    "type filter hook forward priority 10; policy drop;",
    "type filter hook forward priority -10; meta l4proto { tcp, udp } drop\nreject",
    "type filter hook forward priority 1; ip saddr 10.0.0.0/8 counter drop",
}


def shell(line: str) -> None:
    """What somebody does on the machine."""
    subprocess.run(["sh", "-ec", line], check=True, capture_output=True)


class Real(Machine):
    """Store and kernel, side by side with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []
        warn = self.warnings.append
        folder = os.environ["DNET_STATE_DIR"]
        about = Settings(folder, 30, warn, warn, trace=None)
        self.driver, self.maintenance = Driver(about), Maintenance(about)

    def both(self, real: Callable[[Any, Any], Any], plain: Callable[[], Any]) -> None:
        """Do the same in both."""
        outcome = self.attempt(lambda: self.driver.change(real).result)
        predicted = self.attempt(plain)
        self.state = self.driver.read()
        if isinstance(outcome, DnetError) or isinstance(predicted, RefusedError):
            assert getattr(outcome, "code", outcome) == str(predicted)
        else:
            assert outcome == predicted

    @invariant()
    def the_kernel_agrees(self) -> None:
        assert self.maintenance.check() == []
        assert self.warnings == []

    @rule(what=st.sampled_from(sorted(DISTURBANCES)))
    def disturbed(self, what: str) -> None:
        """Something happens behind dnet's back; check tells of it, and restore mends it."""
        bridge = min(self.state.bridges, default=None)
        if bridge is not None:
            cidr = self.state.bridges[bridge].subnet
            line = DISTURBANCES[what].format(bridge=bridge, subnet=cidr)
            shell(line)
            assert self.maintenance.check()
            self.maintenance.restore()
            assert self.warnings
            assert not [line for line in self.warnings if not line.startswith("repaired: ")]
            self.warnings.clear()

    @rule(text=st.sampled_from(sorted(FOREIGN)))
    def beside(self, text: str) -> None:
        """Somebody keeps dnet's traffic away; check tells of it, and nothing takes it away."""
        if self.state.bridges and self.state.uses_firewall:
            shell(f"nft -f - <<E\ntable ip other {{\nchain there {{\n{text}\n}}\n}}\nE")
            told = self.maintenance.check()
            assert told
            assert all(" ip other there " in line for line in told)
            self.maintenance.restore()
            assert self.warnings == told
            self.warnings.clear()
            shell("nft delete table ip other")

    def teardown(self) -> None:
        self.maintenance.reset()


def run(examples: int) -> None:
    """Try so many sequences."""
    with socket.create_server(("0.0.0.0", BUSY[0])):
        chosen = settings(STABLE, max_examples=examples, stateful_step_count=30)
        run_state_machine_as_test(Real, settings=chosen)


if __name__ == "__main__":
    run(int(sys.argv[1]))
