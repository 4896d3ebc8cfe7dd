"""Somebody else's firewall wins over any ACCEPT of ours, so it is found and named."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
DROPPING = """
table inet other {
  chain forward {
    type filter hook forward priority 10; policy drop;
  }
}
"""
HARMLESS = """
table inet other {
  chain forward {
    type filter hook forward priority 10; policy accept;
  }
  chain input {
    type filter hook input priority 0; policy drop;
  }
  chain not_a_base_chain {
    drop
  }
}
"""


@pytest.fixture
def host(both: Lab) -> Host:
    return both.host()


@pytest.mark.libraries
def test_a_dropping_base_chain_is_named(host: Host, both: Lab) -> None:
    host.run("nft", "-f", "-", stdin=DROPPING)
    done = host.dnet(*INIT)
    assert done.returncode == 0
    (warning,) = [line for line in done.stderr.splitlines() if "other" in line]
    assert warning.startswith("dnet: warning: ")
    assert "forward" in warning

    # What the warning is worth: it does cut a published port off.
    node, outside = both.node(), both.outside(host)
    node.listen("tcp", 80, "web")
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    outside.misses("tcp", "10.99.0.1", 8080)
    found = host.dnet("check")
    assert "other" in found.stdout + found.stderr
    host.run("nft delete table inet other")
    outside.reaches("web", "tcp", "10.99.0.1", 8080)
    host.quiet("check")


def test_what_does_no_harm_is_not_named(host: Host) -> None:
    host.run("nft", "-f", "-", stdin=HARMLESS)
    host.quiet(*INIT)
    host.quiet("check")


def test_a_forward_policy_of_iptables_is_not_foreign(host: Host) -> None:
    """An ACCEPT in the same chain comes before its policy."""
    host.iptables("-P FORWARD DROP")
    host.quiet(*INIT)
    host.quiet("check")
