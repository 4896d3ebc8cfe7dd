"""Many at once: nothing is handed out twice, nothing is lost, and nobody fails without a reason."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests import figures
from tests.contract import STATUS
from tests.host import Host
from tests.node import Completed

PROCESSES = 32
INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
Command = tuple[str, ...]


def at_once(host: Host, commands: Iterable[Command]) -> list[tuple[Command, Completed]]:
    """What became of every command, as many at a time as there are processes."""
    with ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(lambda words: (words, host.dnet(*words)), commands))


def fine(results: list[tuple[Command, Completed]], *statuses: int) -> list[str]:
    """Everything that was printed, once no command has failed but for an honest reason."""
    for words, done in results:
        assert done.returncode in (0, *statuses), (words, done)
    return [line for _, done in results for line in done.stdout.split()]


def once_each(texts: list[str]) -> set[str]:
    """The texts, none of which is there twice."""
    assert [text for text, times in Counter(texts).items() if times > 1] == []
    return set(texts)


def test_sixteen_cold_starts(host: Host) -> None:
    """The folder, the lock, the bridge and its rules are made once."""
    fine(at_once(host, [INIT] * 16))
    assert host.keys("bridge", "list") == ["dnet0"]
    assert host.json("bridge", "show")["address"] == "172.17.42.1/16"
    host.quiet("check")
    once = host.everything()
    fine(at_once(host, [INIT] * 2))
    assert host.snapshot() == once[0]
    figures.count("concurrency", operations=18, duplicates=0, lost=0, failures=0)


def test_all_kinds_of_commands_together(host: Host) -> None:
    """Each takes something of its own; in the end all of it is there, and each thing once."""
    host.ok(*INIT)
    rounds = figures.amount(1, 16)
    commands: list[Command] = []
    for number in range(8 * rounds):
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
    results = at_once(host, commands)
    fine(results)
    for words, done in results:
        if words == ("ip", "list", "--json"):
            json.loads(done.stdout)
    ips = said(results, "ip", "request")
    interfaces = {words[2]: done.stdout for words, done in results if words[0] == "interface"}
    given = once_each([*ips, *(text.strip() for text in interfaces.values())])
    assert given == set(host.keys("ip", "list"))
    for proto in ("tcp", "udp"):
        ports = [
            line
            for words, done in results
            if words[0] == "port" and ("udp" in words) == (proto == "udp")
            for line in done.stdout.split()
        ]
        listed = host.keys("port", "list")
        held = {key.split(":")[1].split("/")[0] for key in listed if key.endswith(proto)}
        assert once_each(ports) == held
    figures.count("concurrency", operations=len(commands), duplicates=0, lost=0, failures=0)


def said(results: list[tuple[Command, Completed]], *begin: str) -> list[str]:
    """What the commands that begin like this have printed."""
    return [
        line
        for words, done in results
        if words[: len(begin)] == begin
        for line in done.stdout.split()
    ]


def test_mappings_and_links_of_many(host: Host) -> None:
    host.ok(*INIT, "--no-icc")
    count = figures.amount(16, 128)
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80/tcp")
    adds: list[Command] = [("map", "add", "web", "80") for _ in range(count)]
    adds += [("map", "add", "db", f"{9000 + number}:80") for number in range(count)]
    adds += [("link", "add", "web", "db")] * 4
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
    total = len(adds) + len(results)
    figures.count("concurrency", operations=total, duplicates=0, lost=0, failures=0)


def test_many_releases_of_the_same_thing(host: Host) -> None:
    """One succeeds, the others are told that it is gone, and nobody else's is released."""
    host.ok(*INIT)
    tries = figures.amount(8, 32)
    for number in range(figures.amount(2, 6)):
        host.ok("interface", "allocate", "web", "--ip", f"172.17.1.{number + 1}")
        host.ok("port", "allocate", "--port", "7000", "--owner", "web")
        host.ok("ip", "request", "--ip", "172.17.2.2")
        results = at_once(host, [("interface", "release", "web")] * tries)
        results += at_once(host, [("ip", "release", "172.17.2.2")] * tries)
        fine(results, STATUS["not-found"])
        assert sum(done.returncode == 0 for _, done in results) == 2
        assert host.keys("ip", "list") == host.keys("port", "list") == []
        total = 2 * tries
        figures.count("concurrency", operations=total, duplicates=0, lost=0, failures=0)
    host.quiet("check")


def test_a_race_for_one_address_and_one_port(host: Host) -> None:
    host.ok(*INIT)
    host.ok("interface", "allocate", "web")
    wishes: list[Command] = [
        ("ip", "request", "--ip", "172.17.3.3"),
        ("port", "allocate", "--port", "7000"),
        ("map", "add", "web", "8080:80", "8081:81"),
    ]
    for wish in wishes:
        tries = figures.amount(8, 32)
        results = at_once(host, [wish] * tries)
        fine(results, STATUS["conflict"])
        # The same mapping again is the same one; an address or a port has one holder.
        winners = sum(done.returncode == 0 for _, done in results)
        assert winners == (tries if wish[0] == "map" else 1)
        figures.count("concurrency", operations=tries, duplicates=0, lost=0, failures=0)
    host.quiet("check")


def test_check_sees_nothing_of_what_others_are_doing(host: Host) -> None:
    """It may look at any moment of commands that change the kernel, and finds no difference."""
    host.ok(*INIT, "--no-icc")
    host.ok("interface", "allocate", "web")
    over = threading.Event()
    checks: list[Completed] = []

    def look() -> None:
        while not over.is_set():
            checks.append(host.dnet("check"))
            checks.append(host.dnet("map", "list", "--json"))

    def work(port: str) -> None:
        for _ in range(figures.amount(3, 20)):
            host.ok("map", "add", "web", f"{port}:80")
            host.ok("map", "remove", port)

    watch([look] * 4, [partial(work, f"{9000 + number}") for number in range(4)], over)
    assert checks
    assert [(done.stdout, done) for done in checks if done.returncode] == []
    total = len(checks) + 8 * figures.amount(3, 20)
    figures.count("concurrency", operations=total, duplicates=0, lost=0, failures=0)


def watch(
    watchers: list[Callable[[], None]], workers: list[Callable[[], None]], over: threading.Event
) -> None:
    """Run the watchers for as long as the workers work."""
    with ThreadPoolExecutor(len(watchers) + len(workers)) as pool:
        watching = [pool.submit(watcher) for watcher in watchers]
        working = [pool.submit(worker) for worker in workers]
        try:
            for one in working:
                one.result()
        finally:
            over.set()
        for one in watching:
            one.result()
