"""Chains by port on a real kernel: they come with many mappings, hold, and go again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pytest

from dnet.firewall.iptables.blocks import THRESHOLD, is_block_chain
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

HERE = "10.99.0.1"


class World(NamedTuple):
    """A host with an attached container and many mappings of ports nobody listens on."""

    host: Host
    client: Node
    web: Node


def add(host: Host, ports: Iterable[int]) -> None:
    host.ok("batch", stdin="".join(f"map add web {port}:9\n" for port in ports))


def remove(host: Host, ports: Iterable[int]) -> None:
    host.ok("batch", stdin="".join(f"map remove {port}\n" for port in ports))


def blocks(host: Host) -> set[str]:
    chains = [line.split()[1] for line in host.rules("nat") if line.startswith("-N ")]
    return {chain for chain in chains if is_block_chain(chain, ["DNET"])}


@pytest.fixture
def world(both: Lab) -> World:
    """As many mappings as still fit into one chain, from port 1000 on."""
    host = both.host()
    client, web = both.outside(host), both.node()
    host.ok("bridge", "init")
    host.ok("attach", "web", "--netns", web.netns)
    add(host, range(1000, 1000 + THRESHOLD))
    for port in (80, 81, 9100, 9105, 9109):
        for proto in ("tcp", "udp"):
            web.listen(proto, port, f"web:{port}")
    return World(host, client, web)


def test_crossing_up_and_down_with_everything_reachable_throughout(world: World) -> None:
    host, client, _ = world
    remove(host, range(1000, 1004))
    host.ok(
        "map", "add", "web", "8080:80", "8080:80/udp", "53000-53009:9100-9109", "127.0.0.1:7:81"
    )
    before = host.snapshot()
    for _ in range(2):
        assert blocks(host) == set()
        reachable(world)
        host.ok("map", "add", "web", "20000:81")
        assert {"DNET-tcp-7936", "DNET-udp-7936", "DNET-tcp-19968"} <= blocks(host)
        client.reaches("web:81", "tcp", HERE, 20000)
        reachable(world)
        assert host.ok("check") == ""
        host.quiet("map", "remove", "20000")
        client.misses("tcp", HERE, 20000)
        assert host.ok("check") == ""
        assert sorted(host.snapshot().splitlines()) == sorted(before.splitlines())


def reachable(world: World) -> None:
    host, client, _ = world
    for proto in ("tcp", "udp"):
        client.reaches("web:80", proto, HERE, 8080)
        host.reaches("web:80", proto, HERE, 8080)
    client.reaches("web:9105", "tcp", HERE, 53005)
    host.reaches("web:81", "tcp", "127.0.0.1", 7)


def test_a_range_over_the_edge_of_blocks_stays_in_the_bridge_s_chain(world: World) -> None:
    host, client, _ = world
    add(host, [2000])
    # Blocks begin at multiples of 256: this one reaches from one into the next.
    host.ok("map", "add", "web", "9210-9219:9100-9109")
    rules = [line for line in host.rules("nat") if "--dport 9210:9219" in line]
    assert [line.split()[1] for line in rules] == ["DNET"]
    for port, inside in ((9210, 9100), (9215, 9105), (9219, 9109)):
        client.reaches(f"web:{inside}", "tcp", HERE, port)
    host.ok("map", "add", "web", "9220:80", "9209:81")
    client.reaches("web:80", "tcp", HERE, 9220)
    client.reaches("web:81", "tcp", HERE, 9209)
    host.quiet("map", "remove", "9210-9219")
    client.misses("tcp", HERE, 9215)
    assert host.ok("check") == ""


def test_a_block_s_chain_comes_with_its_first_mapping_and_goes_with_its_last(world: World) -> None:
    host, client, _ = world
    add(host, [2000])
    there = blocks(host)
    host.ok("map", "add", "web", "30000:80")
    assert blocks(host) - there == {"DNET-tcp-29952"}
    host.ok("map", "add", "web", "30001:81")
    host.quiet("map", "remove", "30000")
    client.reaches("web:81", "tcp", HERE, 30001)
    assert blocks(host) - there == {"DNET-tcp-29952"}
    # The last goes and another one comes, in one transaction.
    host.ok("batch", stdin="map remove 30001\nmap add web 30002:80\n")
    client.reaches("web:80", "tcp", HERE, 30002)
    host.quiet("map", "remove", "30002")
    assert blocks(host) == there
    assert host.ok("check") == ""


def test_what_was_flushed_is_restored(world: World) -> None:
    host, client, _ = world
    add(host, [2000])
    host.ok("map", "add", "web", "8080:80")
    before = host.snapshot()
    for damage in (
        "-F",
        "-F DNET",
        "-F DNET-tcp-7936",
        "-D DNET -p tcp --dport 7936:8191 -j DNET-tcp-7936",
    ):
        host.iptables(f"-t nat {damage}")
        assert host.dnet("check").returncode == 1
        host.ok("restore")
        assert sorted(host.snapshot().splitlines()) == sorted(before.splitlines()), damage
        client.reaches("web:80", "tcp", HERE, 8080)
        assert host.ok("check") == ""


def test_a_change_repairs_what_it_finds_missing(world: World) -> None:
    host, client, _ = world
    add(host, [2000])
    host.ok("map", "add", "web", "8080:80")
    host.iptables("-t nat -F", "-t nat -X")
    done = host.dnet("map", "add", "web", "8081:81")
    assert done.returncode == 0
    assert "repaired" in done.stderr
    client.reaches("web:80", "tcp", HERE, 8080)
    client.reaches("web:81", "tcp", HERE, 8081)
    assert host.ok("check") == ""


def test_a_change_of_what_is_around_them_and_others_chains_disturb_nothing(world: World) -> None:
    host, _, _ = world
    add(host, [2000])
    host.iptables("-t nat -N DNET-tcp-mine", "-t nat -N OTHER-tcp-256")
    host.ok("link", "add", "host", "web", "-p", "80/tcp")
    host.reaches("web:80", "tcp", "127.0.0.1", 80)
    host.ok("bridge", "init", "--no-masquerade")
    host.ok("restore")
    assert host.ok("check") == ""
    chains = {line.split()[1] for line in host.rules("nat") if line.startswith("-N ")}
    assert {"DNET-tcp-mine", "OTHER-tcp-256"} <= chains


def test_nothing_is_left_when_the_bridge_goes(both: Lab) -> None:
    host = both.host()
    before = host.snapshot()
    long = "A-chain-name-of-28-characters"[:28]
    for chain in ("DNET", long):
        host.ok("bridge", "init", "--chain", chain)
        host.ok("interface", "allocate", "web")
        add(host, range(1000, 1000 + THRESHOLD + 5))
        assert len([line for line in host.rules("nat") if line.startswith("-N")]) > 3
        host.ok("bridge", "remove", "dnet0", "--force")
        found = [line for line in host.snapshot().splitlines() if "ip_forward" not in line]
        assert found == [line for line in before.splitlines() if "ip_forward" not in line]


def test_two_bridges_have_their_own_chains_by_port(
    both: Lab,
) -> None:
    host = both.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", "--chain", "ONE")
    host.ok("bridge", "init", "br1", "--address", "172.18.42.1/16", "--chain", "TWO")
    for name, bridge in (("web", "br0"), ("far", "br1")):
        host.ok("interface", "allocate", name, "--bridge", bridge)
    lines = [f"map add web {1000 + n}:80\nmap add far {2000 + n}:80\n" for n in range(100)]
    host.ok("batch", stdin="".join(lines))
    chains = {line.split()[1] for line in host.rules("nat") if line.startswith("-N ")}
    assert {"ONE-tcp-768", "TWO-tcp-1792"} <= chains
    host.ok("bridge", "remove", "br1", "--force")
    chains = {line.split()[1] for line in host.rules("nat") if line.startswith("-N ")}
    assert not any("TWO" in chain or "-tcp-" in chain for chain in chains)
    assert host.ok("check") == ""
