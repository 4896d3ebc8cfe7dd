"""`dnet link add host CHILD`: the host's own way to a child's ports, at 127.0.0.1."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.test_link import NO_ICC, world


@pytest.fixture
def br0(host: Host) -> Host:
    """Interfaces `web` and `db`, which exposes 5432/tcp, on a bridge."""
    host.ok(*NO_ICC)
    host.ok("interface", "allocate", "web")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    return host


def test_the_host_reaches_a_linked_child_at_its_loopback(every: Lab) -> None:
    host, _, _ = world(every)
    host.misses("tcp", "127.0.0.1", 5432)
    host.quiet("link", "add", "host", "db")
    host.reaches("db", "tcp", "127.0.0.1", 5432)
    host.misses("tcp", "127.0.0.1", 80)
    assert host.sysctl("net/ipv4/conf/br0/route_localnet") == "1"
    assert host.sysctl("net/ipv4/conf/all/route_localnet") == "0"
    host.quiet("link", "remove", "host", "db")
    host.misses("tcp", "127.0.0.1", 5432)
    assert host.sysctl("net/ipv4/conf/br0/route_localnet") == "0"


def test_what_comes_for_the_loopback_from_elsewhere_is_dropped(every: Lab) -> None:
    host, web, _ = world(every)
    client = every.outside(host)
    host.listen("tcp", 9999)
    host.ok("link", "add", "host", "db")
    for node, gateway in ((client, "10.99.0.1"), (web, "172.17.42.1")):
        node.sysctl("net/ipv4/conf/all/route_localnet", 1)
        node.ip(
            "route del local 127.0.0.0/8 dev lo table local",
            "route del local 127.0.0.1 dev lo table local",
            f"route add 127.0.0.1/32 via {gateway} src {_own(node, gateway)}",
        )
        node.misses("tcp", "127.0.0.1", 9999)
        node.misses("tcp", "127.0.0.1", 5432)
    host.reaches("db", "tcp", "127.0.0.1", 5432)
    host.reaches("host", "tcp", "127.0.0.1", 9999)


def _own(node: Node, gateway: str) -> str:
    """The address that a node has towards its gateway."""
    return node.run(f"ip -o route get {gateway} | sed 's/.* src //; s/ .*//'").strip()


def test_a_link_from_the_host_occupies_its_port(br0: Host) -> None:
    br0.ok("link", "add", "host", "db")
    before = br0.everything()
    for spec in ("127.0.0.1:5432:80", "5432:80"):
        br0.fails(4, "map", "add", "web", spec, code="port-in-use")
    br0.fails(4, "port", "allocate", "--port", 5432, code="port-in-use")
    br0.fails(4, "link", "add", "host", "web", "-p", "5432/tcp", code="port-in-use")
    assert br0.everything() == before
    assert br0.ok("map", "add", "web", "10.99.0.1:5432:80") == "10.99.0.1:5432/tcp"
    br0.ok("link", "remove", "host", "db")
    assert br0.ok("map", "add", "web", "127.0.0.1:5432:80") == "127.0.0.1:5432/tcp"


@pytest.mark.parametrize("held_by", ["mapping", "reservation", "process"])
def test_a_link_from_the_host_needs_its_port_free(br0: Host, held_by: str) -> None:
    if held_by == "mapping":
        br0.ok("map", "add", "web", "5432:80")
    elif held_by == "reservation":
        br0.ok("port", "allocate", "--port", 5432)
    else:
        br0.listen("tcp", 5432, address="127.0.0.1")
    before = br0.everything()
    refusal = br0.fails(4, "link", "add", "host", "db", code="port-in-use")
    assert br0.everything() == before
    if held_by == "process":
        # The port of a link is the child's own: what is advised works.
        br0.run(str(refusal.hint).partition(": ")[2])
