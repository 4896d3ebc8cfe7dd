"""Somebody else's firewall wins over any ACCEPT of ours, so it is found and named."""

from __future__ import annotations

import re
from pathlib import Path

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


ACCEPTED = [
    'iifname "dnet0" accept',
    'iifname "dnet0" counter accept',
]
NOT_ACCEPTED = [
    'oifname "dnet0" accept',
    'iifname "dnet1" accept',
    'iifname != "dnet0" accept',
    'iifname "dnet0" drop',
    'iifname "dnet0" tcp dport 80 accept',
]


@pytest.mark.libraries
@pytest.mark.parametrize("rule", [*ACCEPTED, *NOT_ACCEPTED])
def test_one_that_lets_the_bridge_through_is_fine(lab: Lab, rule: str) -> None:
    host = lab.host()
    host.run("nft", "-f", "-", stdin=DROPPING)
    host.run("nft", "add", "rule", "inet", "other", "forward", rule)
    done = host.dnet(*INIT)
    assert (done.returncode, bool(done.stderr)) == (0, rule in NOT_ACCEPTED), done
    assert host.dnet("check").returncode == int(rule in NOT_ACCEPTED)


def test_the_document_s_rules_let_published_ports_through(lab: Lab) -> None:
    document = (Path(__file__).parents[2] / "docs" / "firewalls.md").read_text()
    (chain,) = re.findall(r"^ +chain forward {.*?}$", document, re.MULTILINE | re.DOTALL)
    host, node = lab.host(), lab.node()
    outside = lab.outside(host)
    host.run("nft", "-f", "-", stdin=f"table inet other {{\n{chain}\n}}\n")
    host.quiet(*INIT)
    node.listen("tcp", 80, "web")
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    outside.reaches("web", "tcp", "10.99.0.1", 8080)
    host.quiet("check")
    host.ok("bridge", "init", "dnet1")
    assert "inet other forward" in host.dnet("check").stdout


def test_what_does_no_harm_is_not_named(host: Host) -> None:
    host.run("nft", "-f", "-", stdin=HARMLESS)
    host.quiet(*INIT)
    host.quiet("check")


def test_a_forward_policy_of_iptables_is_not_foreign(host: Host) -> None:
    """An ACCEPT in the same chain comes before its policy."""
    host.iptables("-P FORWARD DROP")
    host.quiet(*INIT)
    host.quiet("check")
