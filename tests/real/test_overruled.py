"""Rules of others ahead of dnet's: what they open and stop is told, as far as it is certain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import lab as labs
from tests.contract import STATUS
from tests.host import Host
from tests.node import Node

OPENED = "a rule before dnet's accepts connections that --no-icc or --isolate forbids, of"
STOPPED = "a rule before dnet's stops all packets: "


class Machine(NamedTuple):
    """Two containers kept apart on one bridge, and one on another bridge."""

    host: Host
    one: Node
    two: Node
    far: Node


@pytest.fixture(scope="module", params=["nft", "legacy"])
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, variant_folders: Path
) -> Iterator[Machine]:
    """One for all tests, which takes its rules away after each."""
    if not (variant_folders / request.param).exists():
        pytest.skip(f"iptables-{request.param} does not work here")
    with labs.opened(tmp_path_factory.mktemp("lab"), variant_folders, request.param) as lab:
        host, nodes = lab.host(), [lab.node() for _ in range(3)]
        host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
        host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16", "--chain", "SECOND")
        homes = ("dnet0", "dnet0", "dnet1")
        for name, node, bridge in zip(("one", "two", "far"), nodes, homes, strict=True):
            host.ok("attach", name, "--netns", node.netns, "--bridge", bridge)
            node.listen("tcp", 80, name)
        yield Machine(host, *nodes)


@pytest.fixture
def ahead(machine: Machine) -> Iterator[Machine]:
    """The machine, with a chain that leads nowhere yet."""
    host = machine.host
    host.iptables("-N THEIRS")
    host.quiet("check")
    yield machine
    host.iptables("-F FORWARD", "-F THEIRS", "-X THEIRS")
    host.ok("restore")


def insert(host: Host, *rules: str) -> None:
    """Rules at the head of FORWARD in their order, and at the end of the chain that some name."""
    ends = [f"-A {rule}" for rule in rules if rule.startswith("THEIRS ")]
    heads = [f"-I FORWARD 1 {rule}" for rule in reversed(rules) if not rule.startswith("THEIRS ")]
    host.iptables(*ends, *heads)


def opened(machine: Machine) -> set[str]:
    """Who reaches whom in spite of what keeps them apart."""
    asked = {
        "dnet0": (machine.one, "172.17.0.3"),
        "dnet0 to dnet1": (machine.one, "172.18.0.2"),
        "dnet1 to dnet0": (machine.far, "172.17.0.3"),
    }
    return {name for name, (node, ip) in asked.items() if node.ask("tcp", ip, 80, timeout=0.3)}


OPENING = {
    "everything": ["-j ACCEPT"],
    "with a comment": ['-m comment --comment "it is -j DROP" -j ACCEPT'],
    "from the bridge": ["-i dnet0 -j ACCEPT"],
    "to the bridge": ["-o dnet0 -j ACCEPT"],
    "any bridge of the name": ["-i dnet+ -j ACCEPT"],
    "all but a device": ["! -i eth9 -j ACCEPT"],
    "from one bridge to all but the uplink": ["-i dnet1 ! -o eth9 -j ACCEPT"],
    "from bridge to bridge": ["-i dnet0 -o dnet1 -j ACCEPT"],
    "the subnet": ["-s 172.17.0.0/16 -j ACCEPT"],
    "a larger subnet": ["-d 172.16.0.0/12 -j ACCEPT"],
    "all but a subnet": ["! -s 10.0.0.0/8 -j ACCEPT"],
    "bridged": ["-m physdev --physdev-is-bridged -j ACCEPT"],
    "new ones": ["-m conntrack --ctstate NEW -j ACCEPT"],
    "new ones of the bridge": ["-i dnet0 -m state --state NEW,ESTABLISHED -j ACCEPT"],
    "all but broken ones": ["-m conntrack ! --ctstate INVALID -j ACCEPT"],
    "in a chain": ["-i dnet0 -j THEIRS", "THEIRS -s 10.9.9.9 -j DROP", "THEIRS -j ACCEPT"],
    "in a chain gone to": ["-g THEIRS", "THEIRS -j ACCEPT"],
    "back to the policy": ["-i dnet0 -j RETURN"],
    "at the end of a chain gone to": ["-o dnet0 -g THEIRS", "THEIRS -i eth9 -j DROP"],
    "after a part is dropped": ["-p tcp -m tcp --dport 25 -j DROP", "-i dnet0 -j ACCEPT"],
    "after a note": ['-j LOG --log-prefix "a -j DROP "', "-i dnet0 -j ACCEPT"],
}
KEEPING = {
    "replies": ["-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"],
    "another device": ["-i eth9 -j ACCEPT", "! -i dnet+ -j ACCEPT"],
    "another subnet": ["-s 10.0.0.0/8 -j ACCEPT", "! -d 172.16.0.0/12 -j ACCEPT"],
    "out only": ["-i dnet0 -o eth9 -j ACCEPT"],
    "published": ["-m conntrack --ctstate DNAT -j ACCEPT"],
    "what is dropped before": ["-i dnet+ -o dnet+ -j DROP", "-j ACCEPT"],
    "what is rejected before": ["-j THEIRS", "THEIRS -o dnet+ -j REJECT", "-o dnet0 -j ACCEPT"],
    "a chain that comes back": ["-j THEIRS", "THEIRS -j RETURN", "THEIRS -j ACCEPT"],
    "a note": ['-m comment --comment "-j ACCEPT" -j LOG --log-prefix " -j ACCEPT"'],
    "nothing at all": ["-i dnet0"],
}
# Certainly about some packets only, or nobody can tell about which.
UNTOLD = {
    "a port": ["-i dnet0 -p tcp -m tcp --dport 80 -j ACCEPT"],
    "a protocol": ["-i dnet0 -p tcp -j ACCEPT"],
    "one container": ["-s 172.17.0.2 -j ACCEPT"],
    "a mark": ["-m mark ! --mark 0x7 -j ACCEPT"],
    "a rate": ["-m limit --limit 1000/second -j ACCEPT"],
    "after some may have gone back": [
        "-j THEIRS",
        "THEIRS -m mark --mark 0x7 -j RETURN",
        "THEIRS -j ACCEPT",
    ],
}


@pytest.mark.parametrize("name", OPENING)
def test_what_opens_is_told_with_what_it_opens(ahead: Machine, name: str) -> None:
    insert(ahead.host, *OPENING[name])
    through = opened(ahead)
    assert through
    before = ahead.host.snapshot()
    found = ahead.host.dnet("check")
    assert found.returncode == STATUS["drift"]
    (line,) = found.stdout.splitlines()
    assert OPENED in line
    told = line.partition(OPENED)[2]
    assert set(told.partition(": ")[0].strip().split(", ")) == through
    done = ahead.host.dnet("restore")
    assert (done.returncode, done.stderr) == (0, f"dnet: warning: {line}\n")
    assert ahead.host.snapshot() == before


@pytest.mark.parametrize("name", KEEPING)
def test_what_opens_nothing_is_not_told(ahead: Machine, name: str) -> None:
    insert(ahead.host, *KEEPING[name])
    assert opened(ahead) == set()
    assert OPENED not in ahead.host.dnet("check").stdout


@pytest.mark.parametrize("name", UNTOLD)
def test_what_is_not_certain_is_not_told(ahead: Machine, name: str) -> None:
    insert(ahead.host, *UNTOLD[name])
    assert opened(ahead)
    ahead.host.quiet("check")


def test_what_the_administrator_lets_through_is_meant(ahead: Machine) -> None:
    host = ahead.host
    host.iptables("-A DNET-USER -i dnet0 -j ACCEPT", "-I FORWARD 1 -j DNET-USER")
    assert opened(ahead) == {"dnet0", "dnet0 to dnet1"}
    host.quiet("check")
    host.iptables("-F DNET-USER")


def test_what_comes_behind_is_not_told(ahead: Machine) -> None:
    ahead.host.iptables("-A FORWARD -j ACCEPT")
    assert opened(ahead) == set()
    ahead.host.quiet("check")


def test_what_the_change_itself_puts_first_is_not_told(ahead: Machine) -> None:
    """A DROP that was missing comes ahead of what is there."""
    host = ahead.host
    host.ok("bridge", "init", "dnet0", "--icc")
    host.iptables("-I FORWARD 1 -i dnet0 -o dnet0 -m mark --mark 0 -j ACCEPT")
    host.iptables("-R FORWARD 1 -i dnet0 -j ACCEPT")
    done = host.dnet("bridge", "init", "dnet0", "--no-icc")
    assert (done.returncode, done.stderr) == (0, "")
    assert opened(ahead) == set()
    host.quiet("check")


STOPPING = {
    "by a chain": ["-j THEIRS", "THEIRS -m comment --comment x -j REJECT"],
    "after some": ["-p tcp -m tcp --dport 25 -j ACCEPT", "-j DROP"],
    "all but replies": ["-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-j DROP"],
    "new ones": ["-m conntrack --ctstate NEW -j DROP"],
}
HARMLESS = {
    "some": [
        "-p tcp -m tcp --dport 25 -j DROP",
        "-s 10.0.0.0/8 -j DROP",
        "-m mark --mark 1 -j DROP",
    ],
    "broken ones": ["-m conntrack --ctstate INVALID -j DROP"],
    "others": ["-i eth9 -j DROP", "-o eth9 -j REJECT"],
    "a bridge by its name": ["-i dnet0 -j DROP", "-o dnet0 -j DROP", "-i dnet1 -j DROP"],
    "a list for a bridge": [
        "-i dnet0 -j THEIRS",
        "THEIRS -d 10.0.0.0/8 -j ACCEPT",
        "THEIRS -j DROP",
    ],
}


@pytest.mark.parametrize("name", STOPPING)
def test_what_stops_everything_is_told(ahead: Machine, name: str) -> None:
    insert(ahead.host, *STOPPING[name])
    found = ahead.host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert STOPPED in found.stdout


@pytest.mark.parametrize("name", HARMLESS)
def test_what_stops_something_is_somebody_s_will(ahead: Machine, name: str) -> None:
    insert(ahead.host, *HARMLESS[name])
    assert STOPPED not in ahead.host.dnet("check").stdout
