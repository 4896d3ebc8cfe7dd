"""Somebody else's firewall wins over any ACCEPT of ours, so it is found and named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node

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
    site = reached(lab)
    host = site.host
    host.run("nft", "-f", "-", stdin=ruleset(family, policy, rules))
    inward, outward = site.ways()
    found = host.dnet("check")
    assert (inward and outward) == (name in PASSING)
    assert ("packets to published ports of dnet0" in found.stdout) == (not inward), found.stdout
    assert ("packets from dnet0" in found.stdout) == (not outward), found.stdout
    assert found.returncode == int(name in STOPPING)
    again = host.dnet(*INIT)
    assert (again.returncode, bool(again.stderr)) == (0, name in STOPPING)


# --- firewalls that many have -------------------------------------------------------------------

# What firewalld makes of its defaults and of a bridge in its zone trusted.
FIREWALLD = (Path(__file__).parents[1] / "data" / "firewalld-1.3.3.nft").read_text()


class Reached(NamedTuple):
    """A machine with a published port, and who gets through: in, out."""

    host: Host
    outside: Node
    node: Node

    def ways(self) -> tuple[bool, bool]:
        into = self.outside.ask("tcp", "10.99.0.1", 8080, timeout=0.4)
        return bool(into), bool(self.node.ask("tcp", "10.99.0.2", 99, timeout=0.4))


def reached(lab: Lab, variant: str | None = None) -> Reached:
    host, node = lab.host(variant), lab.node()
    outside = lab.outside(host)
    host.ok(*INIT)
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    node.listen("tcp", 80, "web")
    outside.listen("tcp", 99, "outside")
    return Reached(host, outside, node)


def test_firewalld_lets_the_zone_trusted_through(lab: Lab) -> None:
    site = reached(lab)
    usual = "".join(line for line in FIREWALLD.splitlines(keepends=True) if "dnet0" not in line)
    site.host.run("nft", "-f", "-", stdin=usual)
    assert site.ways() == (True, False)
    found = site.host.dnet("check")
    assert found.stdout == (
        "the nftables chain inet firewalld filter_FORWARD stops packets from dnet0, "
        "whatever dnet accepts: firewall-cmd --zone=trusted --change-interface=dnet0\n"
    )
    site.host.run("nft", "-f", "-", stdin=f"delete table inet firewalld\n{FIREWALLD}")
    assert site.ways() == (True, True)
    site.host.quiet("check")


DOCKER = """*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-I FORWARD 1 -j DOCKER-USER
-I FORWARD 2 -j DOCKER-ISOLATION-STAGE-1
-I FORWARD 3 -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-I FORWARD 4 -o docker0 -j DOCKER
-I FORWARD 5 -i docker0 ! -o docker0 -j ACCEPT
-I FORWARD 6 -i docker0 -o docker0 -j ACCEPT
-A DOCKER -d 172.31.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
-A DOCKER-ISOLATION-STAGE-2 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
*raw
-I PREROUTING 1 -d 172.31.0.2/32 ! -i docker0 -j DROP
COMMIT
"""


def test_docker_s_rules_ahead_and_behind_are_in_nobody_s_way(both: Lab) -> None:
    site = reached(both)
    site.host.ok("bridge", "init", "dnet1", "--no-icc")
    site.host.run("iptables-restore --noflush", stdin=DOCKER)
    assert site.ways() == (True, True)
    site.host.quiet("check")
    site.host.quiet("reset", "--yes")
    again = site.host.dnet(*INIT)
    assert (again.returncode, again.stderr) == (0, "")
    site.host.quiet("check")


OTHER = {"nft": "legacy", "legacy": "nft"}
LET_THROUGH = ("-I FORWARD 1 -i dnet0 -j ACCEPT", "-I FORWARD 1 -o dnet0 -j ACCEPT")
STOPPED_BY = {
    "its policy": (["-P FORWARD DROP"], "drops by default"),
    "a rule": (["-A FORWARD -j REJECT"], "stops"),
    "a chain": (["-N ALL", "-A ALL -j DROP", "-A FORWARD -j ALL"], "stops"),
}


@pytest.mark.parametrize("name", STOPPED_BY)
def test_the_other_variant_of_iptables_is_looked_at(
    both: Lab, variant_folders: Path, name: str
) -> None:
    other = OTHER[both.variant]
    if not (variant_folders / other).exists():
        pytest.skip(f"iptables-{other} does not work here")
    site = reached(both)

    def change(*lines: str) -> None:
        site.host.run(" && ".join(f"iptables-{other} {line}" for line in lines))

    change("-A FORWARD -s 192.0.2.1 -j DROP", "-t nat -A POSTROUTING -o eth9 -j MASQUERADE")
    site.host.quiet("check")
    lines, how = STOPPED_BY[name]
    change(*lines)
    assert site.ways() == (False, False)
    found = site.host.dnet("check")
    assert found.returncode == 1
    assert found.stdout.startswith(
        f"the chain FORWARD of iptables-{other} {how} "
        "packets from dnet0 and packets to published ports of dnet0, whatever dnet accepts"
    )
    assert f"iptables-{other}" in site.host.dnet("bridge", "init", "dnet0").stderr
    change(*LET_THROUGH)
    assert site.ways() == (True, True)
    site.host.quiet("check")


def test_a_chain_that_drops_before_the_way_is_chosen(lab: Lab) -> None:
    site = reached(lab)
    early = "type filter hook prerouting priority -150; policy drop;"
    rules = 'add rule inet early pre iifname { "eth0", "lo" } accept'
    site.host.run("nft", f"add table inet early; add chain inet early pre {{ {early} }}; {rules}")
    assert site.ways()[1] is False
    assert "chain inet early pre drops by default packets from dnet0" in (
        site.host.dnet("check").stdout
    )
    site.host.run("nft", "add", "rule", "inet", "early", "pre", 'iifname "dnet0" accept')
    assert site.ways() == (True, True)
    site.host.quiet("check")


def test_without_nft_the_policy_is_what_is_known(lab: Lab, tmp_path: Path) -> None:
    host = lab.host()
    host.ok(*INIT)
    folder = tmp_path / "nothing"
    folder.mkdir()
    (folder / "nft").write_text("#!/bin/sh\nexit 1\n")
    (folder / "nft").chmod(0o755)
    env = {"PATH": f"{folder}:{host.env['PATH']}"}
    host.run("nft", "-f", "-", stdin=ruleset("inet", "accept", ["reject"]))
    assert host.dnet("check", env=env).returncode == 0
    host.run("nft", "-f", "-", stdin=DROPPING)
    found = host.dnet("check", env=env)
    assert found.stdout.startswith("the nftables chain inet other forward drops by default packets")
    assert found.stdout.count("\n") == 1
