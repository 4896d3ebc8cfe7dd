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
        sender.miss_all(("tcp", "127.0.0.1", 8082), ("tcp", "127.0.0.1", 7000))

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
        sender.miss_all(("tcp", "127.0.0.1", 8082), ("tcp", "127.0.0.1", 7000))
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
    assert _index(steps, CLOSING) < _index(steps, "-D DNET ") < _index(steps, "DNET-PREROUTING")


def _index(steps: list[str], text: str) -> int:
    (found, *_) = [number for number, step in enumerate(steps) if text in step]
    return found


# What lets packets past the guard, where it comes ahead of it in raw PREROUTING.
EXPOSING = {
    "all": "-j ACCEPT",
    "with a comment": '-m comment --comment "to -j DROP" -j ACCEPT',
    "all but one device": "! -i eth9 -j ACCEPT",
    "a protocol": "-p tcp -j ACCEPT",
    "the addresses": "-d 127.0.0.0/16 -j ACCEPT",
    "back to the policy": "-j RETURN",
    "by a chain": "-j THEIRS",
    "by a chain gone to": "-p tcp -g EMPTY",
}
# What comes ahead of it and lets nothing past; the first two are Docker's.
HARMLESS = [
    "-d 172.18.0.2/32 ! -i docker0 -j DROP",
    "-d 127.0.0.1/32 ! -i lo -p tcp -m tcp --dport 9 -j DROP",
    "-i lo -j ACCEPT",
    "-p udp -j LOG --log-prefix ' -j ACCEPT '",
    "-j MARK --set-mark 7",
    "-s 192.0.2.0/24 ! -d 127.0.0.0/8 -j DROP",
    "-d 10.99.0.1 ! -s 127.0.0.0/8 -j DROP",
    "-j EMPTY",
    "-j DROPPING",
]


def ahead_of_the_guard(host: Host, *rules: str) -> None:
    chains = ("-N THEIRS", "-A THEIRS -j ACCEPT", "-N EMPTY", "-N DROPPING")
    dropping = ("-A DROPPING -s 192.0.2.1 -j DROP", "-A DROPPING -j RETURN")
    heads = (f"-I PREROUTING 1 {rule}" for rule in rules)
    host.iptables(*(f"-t raw {line}" for line in (*chains, *dropping, *heads)))


@pytest.mark.parametrize("name", EXPOSING)
def test_what_is_ahead_of_it_and_lets_past_is_told_and_put_behind(
    guarded: Guarded, name: str
) -> None:
    host, neighbour, rogue = guarded
    host.quiet("check")
    ahead_of_the_guard(host, EXPOSING[name])
    neighbour.reaches("web", "tcp", "127.0.0.1", 8082)
    rogue.reaches("loopback", "tcp", "127.0.0.1", 7000)

    found = host.dnet("check")
    assert found.returncode == 1
    (line,) = found.stdout.splitlines()
    assert line.startswith("raw PREROUTING: ahead of the guard of 127.0.0.0/8: ")
    theirs = [rule for rule in host.rules("raw") if "DNET" not in rule]
    done = host.dnet("restore")
    assert (done.returncode, done.stderr) == (0, f"dnet: repaired: {line}\n")
    assert [rule for rule in host.rules("raw") if "DNET" not in rule] == theirs
    neighbour.misses("tcp", "127.0.0.1", 8082)
    rogue.misses("tcp", "127.0.0.1", 7000)
    host.reaches("web", "tcp", "127.0.0.1", 8082)
    host.quiet("check")


def test_what_is_ahead_of_it_and_lets_nothing_past_stays(guarded: Guarded) -> None:
    host, neighbour, rogue = guarded
    ahead_of_the_guard(host, *HARMLESS)
    before = host.snapshot()
    host.quiet("check")
    host.quiet("restore")
    host.ok("bridge", "init", "dnet0")
    assert host.snapshot() == before
    for sender in (neighbour, rogue):
        sender.misses("tcp", "127.0.0.1", 8082)


def test_a_bridge_confirmed_puts_it_first_too(guarded: Guarded) -> None:
    host, neighbour, _ = guarded
    ahead_of_the_guard(host, "-i eth0 -j ACCEPT")
    host.ok("map", "add", "web", "8090:80")  # Which looks at nothing.
    neighbour.reaches("web", "tcp", "127.0.0.1", 8082)
    done = host.dnet("bridge", "init", "dnet0")
    assert "ahead of the guard of 127.0.0.0/8: -i eth0 -j ACCEPT" in done.stderr
    neighbour.misses("tcp", "127.0.0.1", 8082)


def test_it_is_put_first_where_one_bridge_follows_another(guarded: Guarded) -> None:
    host, neighbour, _ = guarded
    ahead_of_the_guard(host, "-j ACCEPT")
    host.ok("bridge", "init", "dnet1")
    neighbour.misses("tcp", "127.0.0.1", 8082)
