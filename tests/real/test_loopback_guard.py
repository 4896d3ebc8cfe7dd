"""127.0.0.1 of the host is opened towards containers by name only, and the wire stays out."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.world import send_loopback_packets

GUARD = "-d 127.0.0.0/8 ! -i lo -j DROP"
SENDER_GUARD = "-s 127.0.0.0/8 ! -i lo -j DROP"
SPEAK = """
import socket
speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
speaker.bind(("127.0.0.2", 0))
speaker.sendto(b"hello", ("172.17.42.1", 9999))
"""
OPENING = "route_localnet=1"
CLOSING = "route_localnet=0"


class Guarded(NamedTuple):
    host: Host
    neighbour: Node
    rogue: Node


@pytest.fixture
def guarded(both: Lab) -> Guarded:
    """A mapping bound to 127.0.0.1, a service there, and two who send packets for it."""
    host = both.host()
    neighbour, rogue, web = both.outside(host), both.node(), both.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "web", "--netns", web.netns, "-p", "127.0.0.1:8082:80")
    host.ok("attach", "rogue", "--netns", rogue.netns)
    send_loopback_packets(neighbour, "10.99.0.1")
    send_loopback_packets(rogue, "172.17.42.1")
    web.listen("tcp", 80, "web")
    host.listen("tcp", 7000, "loopback", "127.0.0.1")
    return Guarded(host, neighbour, rogue)


def test_without_the_guard_the_packets_arrive_until_it_is_restored(guarded: Guarded) -> None:
    host, neighbour, rogue = guarded
    host.reaches("web", "tcp", "127.0.0.1", 8082)
    host.reaches("loopback", "tcp", "127.0.0.1", 7000)
    for sender in (neighbour, rogue):
        sender.misses("tcp", "127.0.0.1", 8082)
        sender.misses("tcp", "127.0.0.1", 7000)

    # What the rows above are worth: the packets do reach the host.
    host.iptables(f"-t raw -D DNET-PREROUTING {GUARD}")
    neighbour.reaches("web", "tcp", "127.0.0.1", 8082)
    rogue.reaches("web", "tcp", "127.0.0.1", 8082)
    rogue.reaches("loopback", "tcp", "127.0.0.1", 7000)

    found = host.dnet("check")
    assert found.returncode == 1
    assert GUARD in found.stdout
    host.ok("restore")
    for sender in (neighbour, rogue):
        sender.misses("tcp", "127.0.0.1", 8082)
        sender.misses("tcp", "127.0.0.1", 7000)
    host.reaches("web", "tcp", "127.0.0.1", 8082)


def test_nobody_speaks_to_the_host_as_its_own_loopback(guarded: Guarded) -> None:
    """Where route_localnet is on, the kernel takes such a sender for a possible one."""
    host, _, rogue = guarded
    host.iptables("-A INPUT -s 127.0.0.2 -p udp --dport 9999")
    rogue.ip("address add 127.0.0.2/32 dev lo")
    rogue.misses("tcp", "172.17.42.1", 9)  # By which it knows the way there.

    def arrived() -> int:
        rogue.run(sys.executable, "-c", SPEAK)
        rules = host.run("iptables -vnxL INPUT").splitlines()
        (line,) = [rule for rule in rules if " dpt:9999" in rule]
        return int(line.split()[0])

    assert arrived() == 0
    host.iptables(f"-t raw -D DNET-PREROUTING {SENDER_GUARD}")
    assert arrived() == 1
    host.ok("restore")
    assert arrived() == 1


def test_it_is_there_before_the_opening_and_goes_after_it(both: Lab) -> None:
    host = both.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    steps = host.ok("map", "add", "web", "8080:80", "--dry-run").splitlines()
    assert _index(steps, GUARD) < _index(steps, OPENING)
    host.ok("map", "add", "web", "8080:80")
    steps = host.ok("map", "remove", "8080", "--dry-run").splitlines()
    # The guard goes with its chain, in one of several ways.
    assert _index(steps, CLOSING) < _index(steps, "DNET-PREROUTING")


def _index(steps: list[str], text: str) -> int:
    (found, *_) = [number for number, step in enumerate(steps) if text in step]
    return found
