"""Many at once: nothing is handed out twice, nothing is lost, and nobody fails without a reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import figures
from tests.contract import STATUS
from tests.figures import Tally
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed

PROCESSES = 32
INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16", "--no-icc")
Command = tuple[str, ...]
Results = list[tuple[Command, Completed]]


@pytest.fixture
def host(every: Lab) -> Host:
    """A fresh machine, with each firewall in turn."""
    return every.host()


@pytest.fixture
def tally() -> Iterator[Tally]:
    with figures.tally("concurrency", "operations", "duplicates, lost, failed") as tally:
        yield tally


def at_once(host: Host, commands: Sequence[Command]) -> Results:
    """What became of every command."""
    return list(zip(commands, host.dnets(commands, PROCESSES), strict=True))


def fine(results: Results, *statuses: int) -> list[str]:
    """Everything that was printed, once no command has failed but for an honest reason."""
    for words, done in results:
        assert done.returncode in (0, *statuses), (words, done)
    return [line for _, done in results for line in done.stdout.split()]


def once_each(texts: list[str]) -> set[str]:
    """The texts, none of which is there twice."""
    assert [text for text, times in Counter(texts).items() if times > 1] == []
    return set(texts)


@pytest.mark.parametrize("start", ["cold", "loaded"])
def test_sixteen_cold_starts(host: Host, tally: Tally, start: str) -> None:
    """The folder, the lock, the bridge and its rules are made once."""
    with tally.trial("bridge init", 16):
        if start == "cold":
            with ThreadPoolExecutor(16) as pool:
                results = list(
                    pool.map(lambda words: (words, host.try_run("dnet", *words)), [INIT] * 16)
                )
        else:
            results = at_once(host, [INIT] * 16)
        fine(results)
        assert host.keys("bridge", "list") == ["dnet0"]
        assert host.json("bridge", "show")["address"] == "172.17.42.1/16"
        host.quiet("check")
        once = host.snapshot()
        host.ok(*INIT)
        assert host.snapshot() == once


def test_all_kinds_of_commands_together(host: Host, tally: Tally) -> None:
    """Each takes something of its own; in the end all of it is there, and each thing once."""
    host.ok(*INIT)
    commands: list[Command] = []
    for number in range(figures.amount(8, 90)):
        commands += [
            ("ip", "request", "--owner", f"ip{number}"),
            ("port", "allocate", "--owner", f"port{number}"),
            ("interface", "allocate", f"if{number}"),
            ("interface", "allocate", f"if{number}"),
            ("port", "allocate", "--proto", "udp", "--count", "3"),
            ("ip", "request", "--count", "2"),
            ("check",),
            ("ip", "list", "--json"),
        ]
    figures.chance("kinds").shuffle(commands)
    with tally.trial("all kinds", len(commands)):
        results = at_once(host, commands)
        fine(results)
        for _, done in results:
            if done.args == ["ip", "list", "--json"]:
                json.loads(done.stdout)
        interfaces = {words[2]: done.stdout for words, done in results if words[0] == "interface"}
        addresses = [text.strip() for text in interfaces.values()]
        given = once_each([*said(results, "ip", "request"), *addresses])
        assert given == set(host.keys("ip", "list"))
        for proto, begin in (
            ("tcp", ("port", "allocate", "--owner")),
            ("udp", ("port", "allocate", "--proto")),
        ):
            held = [key for key in host.keys("port", "list") if key.endswith(proto)]
            ports = once_each(said(results, *begin))
            assert {f"0.0.0.0:{port}/{proto}" for port in ports} == once_each(held)


def said(results: Results, *begin: str) -> list[str]:
    """What the commands that begin like this have printed."""
    found = (done.stdout.split() for words, done in results if words[: len(begin)] == begin)
    return [word for words in found for word in words]


def test_mappings_and_links_of_many(host: Host, tally: Tally) -> None:
    host.ok(*INIT)
    count = figures.amount(12, 150)
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80/tcp")
    adds: list[Command] = [("map", "add", "web", "80") for _ in range(count)]
    adds += [("map", "add", "db", f"{9000 + number}:80") for number in range(count)]
    adds += [("link", "add", "web", "db")] * 4
    with tally.trial("map and link", 4 * count + len(adds)):
        endpoints = fine(at_once(host, adds))
        assert once_each(endpoints) == set(host.keys("map", "list"))
        assert len(endpoints) == 2 * count
        host.quiet("check")
        away: list[Command] = [("map", "remove", endpoint) for endpoint in endpoints]
        results = at_once(host, [*away, *away])
        fine(results, STATUS["not-found"])
        # Each was removed by one of the two.
        assert sum(done.returncode == 0 for _, done in results) == len(endpoints)
        assert host.keys("map", "list") == []
        host.quiet("check")


def test_many_releases_of_the_same_thing(host: Host, tally: Tally) -> None:
    """One succeeds, the others are told that it is gone, and nobody else's is released."""
    host.ok(*INIT)
    tries = figures.amount(8, 32)
    for number in range(figures.amount(1, 5)):
        host.ok("interface", "allocate", "web", "--ip", f"172.17.1.{number + 1}")
        host.ok("port", "allocate", "--port", "7000", "--owner", "web")
        host.ok("ip", "request", "--ip", "172.17.2.2")
        with tally.trial("release", 2 * tries):
            results = at_once(host, [("interface", "release", "web")] * tries)
            results += at_once(host, [("ip", "release", "172.17.2.2")] * tries)
            fine(results, STATUS["not-found"])
            assert sum(done.returncode == 0 for _, done in results) == 2
            assert host.keys("ip", "list") == host.keys("port", "list") == []
    host.quiet("check")


WISHES = (
    ("ip", "request", "--ip", "172.17.3.3"),
    ("port", "allocate", "--port", "7000"),
    ("map", "add", "web", "8080:80", "8081:81"),
)


def test_a_race_for_one_address_and_one_port(host: Host, tally: Tally) -> None:
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    tries = figures.amount(8, 32)
    for wish in WISHES:
        with tally.trial(wish, tries):
            results = at_once(host, [wish] * tries)
            fine(results, STATUS["conflict"])
            # The same mapping again is the same one; an address or a port has one holder.
            winners = sum(done.returncode == 0 for _, done in results)
            assert winners == (tries if wish[0] == "map" else 1)
    host.quiet("check")


def test_check_sees_nothing_of_what_others_are_doing(host: Host, tally: Tally) -> None:
    """It may look at any moment of commands that change the kernel, and finds no difference."""
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    count = figures.amount(12, 80)
    adds: list[Command] = [("map", "add", "web", f"{9000 + number}:80") for number in range(count)]
    for changes in (adds, [("map", "remove", words[3].split(":")[0]) for words in adds]):
        looks: list[Command] = [("check",), ("map", "list", "--json")] * count
        mixed = [*changes, *looks]
        figures.chance(changes).shuffle(mixed)
        with tally.trial("check meanwhile", len(mixed)):
            fine(at_once(host, mixed))
