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


# --- rules of others' chains, and what they do to real connections ------------------------------

REPLIES = "ct state established,related accept"
# Each is the rules of a chain, with its policy first.
PASSING = {
    "what the document says": ["drop", REPLIES, "ct status dnat accept", 'iifname "dnet0" accept'],
    "both ways by the device": [
        "drop",
        REPLIES,
        'iifname "dnet0" accept',
        'oifname "dnet0" accept',
    ],
    "all devices of a kind": ["drop", REPLIES, 'iifname "dnet*" accept', 'oifname "dnet*" accept'],
    "a set of devices": [
        "drop",
        REPLIES,
        'iifname { "eth9", "dnet0" } counter accept',
        "ct status dnat accept",
    ],
    "a set with a name": ["drop", REPLIES, "iifname @bridges accept", "ct status dnat accept"],
    "a map with a name": [
        "drop",
        REPLIES,
        "iifname vmap @from",
        "ct status dnat log prefix x accept",
    ],
    "maps": [
        "accept",
        "ct state vmap { established : accept, related : accept, invalid : drop }",
        'iifname vmap { "dnet0" : jump passes, "eth9" : drop }',
        "ct status & dnat == dnat accept",
        "drop",
    ],
    "pairs of devices": [
        "drop",
        REPLIES,
        'iifname . oifname vmap { "dnet0" . "eth0" : accept, "eth0" . "dnet0" : accept }',
    ],
    "the subnet": [
        "drop",
        REPLIES,
        "ip saddr { 172.17.0.0/16, 10.1.0.0-10.1.0.9 } accept",
        "ip daddr 172.17.0.0/16 accept",
    ],
    "a chain gone to": ["drop", REPLIES, 'iifname "dnet0" goto passes', "jump published"],
    "what is about others": [
        "accept",
        'iifname "eth9" drop',
        'oifname != { "dnet0", "eth0" } drop',
        "ip saddr 192.0.2.0/24 reject",
        "ct state invalid drop",
        "tcp dport 25 drop",
        "ip6 saddr != fe80::/10 drop",
        "meta nfproto ipv6 drop",
        "limit rate over 100000/second burst 10000 packets drop",
    ],
    "what comes back": ["accept", "jump comes_back", "return", "drop"],
}
STOPPING = {
    "a reject at the end": ["accept", REPLIES, "reject with icmpx admin-prohibited"],
    "a drop at the end": ["accept", REPLIES, "tcp dport 25 accept", "counter drop"],
    "a chain that stops all": ["accept", REPLIES, "jump stops"],
    "a chain gone to that comes to its end": ["drop", REPLIES, "goto comes_back", "accept"],
    "a return to the policy": ["drop", REPLIES, "return", "accept"],
    "only ways out": ["drop", REPLIES, 'iifname "dnet0" accept'],
    "only published ports": ["accept", REPLIES, "ct status dnat accept", "reject"],
    "another device": ["drop", REPLIES, "ct status dnat accept", 'iifname "dnet1" accept'],
    "all but another device": ["accept", REPLIES, 'iifname != "eth9" drop'],
    "new ones": ["accept", "ct state new drop"],
}


def ruleset(family: str, policy: str, rules: list[str]) -> str:
    return f"""
table {family} theirs {{
  set bridges {{ type ifname; elements = {{ "dnet0", "dnet1" }} }}
  map from {{ type ifname : verdict; elements = {{ "dnet0" : accept, "eth9" : drop }} }}
  chain passes {{
    tcp dport 25 drop
    accept
  }}
  chain published {{
    ct status dnat accept
  }}
  chain stops {{
    ct status dnat counter reject
    drop
  }}
  chain comes_back {{
    counter return
    drop
  }}
  chain forward {{
    type filter hook forward priority 10; policy {policy};
    {chr(10).join(rules)}
  }}
}}
"""


@pytest.mark.parametrize("family", ["inet", "ip"])
@pytest.mark.parametrize("name", [*PASSING, *STOPPING])
def test_it_is_told_where_connections_fail_and_only_there(lab: Lab, name: str, family: str) -> None:
    policy, *rules = {**PASSING, **STOPPING}[name]
    if family == "ip":
        rules = [one.replace("icmpx", "icmp") for one in rules if not re.search("ip6|nfproto", one)]
    host, node = lab.host(), lab.node()
    outside = lab.outside(host)
    host.ok(*INIT)
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    node.listen("tcp", 80, "web")
    outside.listen("tcp", 99, "outside")
    host.run("nft", "-f", "-", stdin=ruleset(family, policy, rules))
    inward = outside.ask("tcp", "10.99.0.1", 8080, timeout=0.4)
    outward = node.ask("tcp", "10.99.0.2", 99, timeout=0.4)
    found = host.dnet("check")
    assert bool(inward and outward) == (name in PASSING)
    assert ("what is published on dnet0" in found.stdout) == (not inward), found.stdout
    assert ("what comes from dnet0" in found.stdout) == (not outward), found.stdout
    assert found.returncode == int(name in STOPPING)
    again = host.dnet(*INIT)
    assert (again.returncode, bool(again.stderr)) == (0, name in STOPPING)
