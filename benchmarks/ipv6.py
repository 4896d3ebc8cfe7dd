"""Bridges with IPv6 beside those without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import packets
from benchmarks.clock import Way, progress, take_turns
from benchmarks.figures import MANY, Figure, ratio
from benchmarks.first_packet import with_server
from benchmarks.ground import Host, containers, host

FIREWALLS = ("iptables", "nftables")
FAMILIES = {"IPv4": (), "both": ("--address6", "fd00:17::1/64")}
TOGETHER = 100
_SECOND = "fd00:17::3"


def ipv6(folder: Path, rounds: int) -> Iterator[Figure]:
    """Everything that is promised of it."""
    yield from _commands(folder, rounds)
    yield from _first_packets(folder, rounds)


def _commands(folder: Path, rounds: int) -> Iterator[Figure]:
    progress("IPv6")
    ways: dict[str, Way] = {}
    with containers(TOGETHER) as names, ExitStack() as stack:
        stack.enter_context(packets.echo_in(names[1], packets.EVERYBODY6))
        for firewall in FIREWALLS:
            for what, options in FAMILIES.items():
                made = stack.enter_context(host(f"{firewall}-{what}", folder, firewall))
                made.dnet("bridge", "init", "--address", "172.17.42.1/16", *options)
                made.dnet("attach", "first", "--netns", names[0], "--ifname", made.name[:15])
                ways[f"attach {firewall} {what}"] = _attaching(made, names[1])
                ways[f"batch {firewall} {what}"] = _attaching_many(made, names[1:])
                ways[f"map {firewall} {what}"] = _adding(made)
            ways[f"answer {firewall}"] = _answering(made, names[1])
        times = take_turns(ways, rounds)
    for firewall in FIREWALLS:
        for what, work, most in (
            ("attach", "`attach` with a published port", 1.25),
            ("batch", f"`batch`: {TOGETHER - 1} of these", 1.3),
            ("map", "`map add`", 1.1 if firewall == "nftables" else None),
        ):
            both, alone = (f"{what} {firewall} {one}" for one in ("both", "IPv4"))
            named = f"{firewall}: {work} in both families, against IPv4 alone"
            yield ratio(named, times, both, alone, most)
        work = f"{firewall}: until an IPv6 address answers, after `attach` has returned"
        seconds = times[f"answer {firewall}"]
        yield Figure(work, seconds * 1000, 50, "ms", seconds)


def _attaching(made: Host, name: str) -> Way:
    def way() -> float:
        seconds = made.dnet("attach", "one", "--netns", name, "-p", "8080:80").seconds
        made.dnet("detach", "one")
        return seconds

    return way


def _attaching_many(made: Host, names: list[str]) -> Way:
    def way() -> float:
        lines = (f"attach {one} --netns {one} -p 80" for one in names)
        seconds = made.batch(lines).seconds
        made.batch(f"detach {one}" for one in names)
        return seconds

    return way


def _adding(made: Host) -> Way:
    ports = iter(range(2000, 9000))
    return lambda: made.dnet("map", "add", "first", f"{next(ports)}:80").seconds


def _answering(made: Host, name: str) -> Way:
    """The server already exists, and listens on whatever address comes."""

    def way() -> float:
        made.dnet("attach", "one", "--netns", name, "--ip6", _SECOND)
        seconds = packets.seconds_until_answered(made.path, _SECOND, 80)
        made.dnet("detach", "one")
        return seconds

    return way


def _first_packets(folder: Path, rounds: int) -> Iterator[Figure]:
    progress("first packets by IPv6")
    with containers(2) as names, ExitStack() as stack:

        def made(name: str, container: str, mappings: int) -> str:
            server = with_server(name, folder, container, mappings, "nftables", packets.EVERYBODY6)
            return stack.enter_context(server)[1]

        clients = {
            "alone": made("alone", names[0], 0),
            "mapped": made("mapped", names[1], MANY - 1),
        }
        ways = {
            name: partial(packets.seconds_of_first_packets, client, packets.HOST6)
            for name, client in clients.items()
        }
        times = take_turns(ways, max(5, rounds // 3))
    work = "nftables: first packet of a connection by IPv6, 10,000 mappings against 1"
    yield ratio(work, times, "mapped", "alone", 1.3)
