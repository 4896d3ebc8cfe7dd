"""--no-direct-access: other networks get to a container by its published ports alone."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import NFTABLES, Lab
from tests.node import Node

WEB, FAR = "172.17.0.2", "172.18.0.2"


@pytest.fixture
def host(every: Lab) -> Host:
    """Two bridges that reach each other, of which the first is closed."""
    host = every.host()
    bridges = {"dnet0": "172.17.42.1/16", "dnet1": "172.18.42.1/16"}
    for name, address in bridges.items():
        host.ok("bridge", "init", name, "--address", address, "--no-isolate")
    host.ok("bridge", "init", "dnet0", "--no-direct-access")
    for name, bridge in (("web", "dnet0"), ("sibling", "dnet0"), ("far", "dnet1")):
        node = every.node()
        node.listen("tcp", 80, name)
        host.ok("attach", name, "--netns", node.netns, "--bridge", bridge)
    host.ok("map", "add", "web", "8080:80")
    return host


@pytest.fixture
def client(every: Lab, host: Host) -> Node:
    """Somebody outside with a route to the containers."""
    client = every.outside(host)
    client.ip("route add 172.16.0.0/12 via 10.99.0.1")
    return client


def inside(host: Host, name: str, every: Lab) -> Node:
    (found,) = [one for one in host.json("interface", "list") if one["id"] == name]
    (node,) = [one for one in every.nodes if one.netns == found["netns"]]
    return node


def test_what_is_not_published_is_reached_from_dnets_bridges_alone(
    every: Lab, host: Host, client: Node
) -> None:
    client.misses("tcp", WEB, 80)
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    client.reaches("far", "tcp", FAR, 80)
    host.reaches("web", "tcp", WEB, 80)
    inside(host, "sibling", every).reaches("web", "tcp", WEB, 80)
    far = inside(host, "far", every)
    far.reaches("web", "tcp", WEB, 80)
    client.listen("tcp", 90, "client")
    inside(host, "web", every).reaches("client", "tcp", "10.99.0.2", 90)
    far.reaches("web", "tcp", "10.99.0.1", 8080)
    host.quiet("check")


def test_a_tunnel_and_a_bridge_of_somebody_else_are_outside_too(every: Lab, host: Host) -> None:
    host.ip("link add br-other type bridge", "addr add 10.77.0.1/24 dev br-other")
    host.ip("link set br-other up")
    guest = every.container(host, "br-other", "10.77.0.2", 24, "10.77.0.1")
    guest.misses("tcp", WEB, 80)
    guest.reaches("web", "tcp", "10.77.0.1", 8080)
    guest.reaches("far", "tcp", FAR, 80)


def test_it_is_opened_again(host: Host, client: Node) -> None:
    assert not host.json("bridge", "show", "dnet0")["direct_access"]
    host.ok("bridge", "init", "dnet0", "--direct-access")
    client.reaches("web", "tcp", WEB, 80)
    assert host.json("bridge", "show", "dnet0")["direct_access"]
    host.quiet("check")


def test_it_holds_without_any_mapping(host: Host, client: Node) -> None:
    host.ok("map", "remove", "--all", "web")
    client.misses("tcp", WEB, 80)
    host.reaches("web", "tcp", WEB, 80)
    host.quiet("check")


def test_an_isolated_bridge_is_closed_to_everybody(every: Lab, host: Host, client: Node) -> None:
    host.ok("bridge", "init", "dnet0", "--isolate")
    far = inside(host, "far", every)
    far.misses("tcp", WEB, 80)
    far.reaches("web", "tcp", "172.18.42.1", 8080)
    client.misses("tcp", WEB, 80)
    client.reaches("web", "tcp", "10.99.0.1", 8080)


def test_an_administrators_rule_lets_somebody_in(host: Host, client: Node) -> None:
    if host.variant == NFTABLES:
        host.run("nft", "add rule inet dnet user ip saddr 10.99.0.2 accept")
    else:
        host.iptables("-A DNET-USER -s 10.99.0.2 -j ACCEPT")
    client.reaches("web", "tcp", WEB, 80)
