"""How many programs a change starts: the one that changes rules, once, and nothing that looks."""

from __future__ import annotations

import json

import pytest

from tests import observed
from tests.host import Host
from tests.lab import NFTABLES, Lab

FORBIDDEN = {"netaddr", "rich", "dnet.plan.devicesteps"}


@pytest.fixture
def host(every: Lab) -> Host:
    """A machine with three interfaces, a mapping and a link."""
    host = every.host()
    host.ok("bridge", "init")
    for name in ("web", "db", "app"):
        host.ok("interface", "allocate", name, "--expose", "80")
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db")
    return host


def one_change(host: Host) -> list[str]:
    """The one program that changes rules."""
    return ["nft"] if host.variant == NFTABLES else ["iptables-restore"]


def committed(host: Host) -> int:
    """How many changes the store has seen."""
    return int(json.loads((host.state_dir / "state.json").read_text())["serial"])


@pytest.mark.parametrize(
    "words",
    [
        ["map", "add", "web", "8081:80"],
        ["map", "add", "web", "80", "81", "9000-9999:80-1079"],
        ["map", "add", "--json", "db", "80/udp"],
        ["link", "add", "db", "app"],
        ["link", "add", "app", "db", "-p", "1/udp", "-p", "2/tcp"],
    ],
    ids=" ".join,
)
def test_one_more_is_one_program_and_no_look(host: Host, words: list[str]) -> None:
    seen = observed.on(host, *words)
    assert seen.programs == one_change(host)
    assert seen.locks == 1
    assert not FORBIDDEN & seen.modules


@pytest.mark.parametrize(
    "words",
    [["map", "remove", "8081"], ["map", "remove", "8081", "8082"], ["link", "remove", "db", "app"]],
    ids=" ".join,
)
def test_one_fewer_is_one_program_and_no_look(host: Host, words: list[str]) -> None:
    host.ok("map", "add", "web", "8081:80", "8082:80")
    host.ok("link", "add", "db", "app")
    seen = observed.on(host, *words)
    assert seen.programs == one_change(host)
    assert seen.locks == 1
    assert not FORBIDDEN & seen.modules


def test_with_chains_by_port_too(host: Host) -> None:
    lines = "".join(f"map add web {port}:80\n" for port in range(1000, 1200))
    host.ok("batch", stdin=lines)
    assert observed.on(host, "map", "add", "web", "20000:80").programs == one_change(host)
    assert observed.on(host, "map", "remove", "20000").programs == one_change(host)


def test_what_changes_nothing_starts_nothing(host: Host) -> None:
    for words in (
        ["interface", "allocate", "web"],
        ["map", "remove", "9", "--if-exists"],
        ["link", "remove", "app", "web", "--if-exists"],
        ["ip", "request"],
        ["port", "allocate"],
        ["map", "list"],
    ):
        seen = observed.on(host, *words)
        assert seen.programs == [], words
        assert not FORBIDDEN & seen.modules


def test_a_thousand_mappings_are_one_change_under_one_lock(host: Host) -> None:
    host.ok("batch", stdin="".join(f"map add web {port}:80\n" for port in range(1000, 1200)))
    serial = committed(host)
    lines = "".join(f"map add web {port}:80\n" for port in range(10000, 11000))
    seen = observed.on(host, "batch", stdin=lines)
    assert (seen.programs, seen.locks) == (one_change(host), 1)
    assert committed(host) == serial + 1
    assert not FORBIDDEN & seen.modules


def test_attaching_loads_nothing_but_dnet(lab: Lab) -> None:
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init")
    for words in (["attach", "web", "--netns", node.netns, "-p", "8080:80"], ["detach", "web"]):
        seen = observed.on(host, *words).modules
        assert not {"asyncio", "click", "logging", "netaddr", "socket"} & seen
