"""The figures that dnet has promised to keep, each measured against its promise."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.clock import BASE, Ran, Way, bare_interpreter, progress, take_turns
from benchmarks.ground import DNET, Host, containers, host
from dnet.cli.define import COMMANDS
from dnet.host import netns

LINES = [f"map add web {port}:80" for port in range(10000, 20000)]
MANY = len(LINES)


class Figure(NamedTuple):
    """Something promised: `measured` and `promised` in `unit`, at most, or `at_least`."""

    work: str
    measured: float
    promised: float | None
    unit: str = "×"
    seconds: float | None = None
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        if self.promised is None:
            return True
        return (self.measured >= self.promised) if self.at_least else self.measured <= self.promised


@contextmanager
def host_with(name: str, folder: Path, mappings: int, firewall: str = "iptables") -> Iterator[Host]:
    """A host with a bridge, an interface `web` and so many mappings of it."""
    with host(name, folder, firewall) as made:
        made.dnet("bridge", "init", "--address", "172.17.42.1/16")
        made.dnet("interface", "allocate", "web", "--expose", "80")
        made.dnet("interface", "allocate", "db", "--expose", "5432")
        if mappings:
            made.batch(iter(LINES[:mappings]))
        yield made


def single_commands(folder: Path, rounds: int) -> Iterator[Figure]:
    """One command, as a multiple of a bare interpreter."""
    progress("single commands")
    with host_with("single", folder, 100) as made, containers(1):
        made.dnet("ip", "request", "--count", "98")
        ip = ""

        def keep(ran: Ran) -> float:
            nonlocal ip
            ip = ran.output.strip()
            return ran.seconds

        def link() -> float:
            seconds = made.dnet("link", "add", "web", "db").seconds
            made.dnet("link", "remove", "web", "db")
            return seconds

        def allocate() -> float:
            seconds = made.dnet("interface", "allocate", "new").seconds
            made.dnet("interface", "release", "new")
            return seconds

        promised: dict[str, tuple[float | None, Way]] = {
            "`--version`": (1.8, lambda: made.dnet("--version").seconds),
            "`--help`": (4.5, lambda: made.dnet("--help").seconds),
            **_completion(made),
            "`ip list` of 100": (3.3, lambda: made.dnet("ip", "list").seconds),
            "`map list --json` of 100": (2.6, lambda: made.dnet("map", "list", "--json").seconds),
            "`ip request`": (3, lambda: keep(made.dnet("ip", "request"))),
            "`ip release`": (7.5, lambda: made.dnet("ip", "release", ip).seconds),
            "`port allocate`": (4.5, lambda: made.dnet("port", "allocate").seconds),
            "`interface allocate`": (4.5, allocate),
            "`map add`": (3.6, lambda: made.dnet("map", "add", "web", "8080:80").seconds),
            "`map remove`": (9, lambda: made.dnet("map", "remove", "8080").seconds),
            "`link add`": (5, link),
            "`attach` with a published port": (
                5.5,
                lambda: made.dnet("attach", "c0", "--netns", "c0", "-p", "8080:80").seconds,
            ),
            "`detach`": (None, lambda: made.dnet("detach", "c0").seconds),
        }
        ways = {BASE: bare_interpreter(made.env)} | {n: way for n, (_, way) in promised.items()}
        times = take_turns(ways, rounds)
        for name, (most, _) in promised.items():
            yield Figure(name, times[name] / times[BASE], most, seconds=times[name])


def _completion(made: Host) -> dict[str, tuple[float | None, Way]]:
    if "completion" not in COMMANDS:
        return {}
    return {"`completion bash`": (4.5, lambda: made.dnet("completion", "bash").seconds)}


def large(folder: Path, rounds: int) -> Iterator[Figure]:
    """Ten thousand of something in one command."""
    progress("ten thousand at once")
    with host_with("large", folder, 0) as made, host("empty", folder) as empty:
        empty.dnet("bridge", "init", "--address", "172.17.42.1/16")
        peak = 0.0

        def batch() -> float:
            nonlocal peak
            made.dnet("map", "remove", "--all", "web")
            ran = made.batch(iter(LINES))
            peak = max(peak, ran.megabytes)
            return ran.seconds

        def restore() -> float:
            for table in ("nat", "filter", "raw"):
                made.run("iptables", "-t", table, "-F")
                made.run("iptables", "-t", table, "-X")
            return made.dnet("restore").seconds

        def forgetting(*words: str) -> Way:
            """An allocation, of which the store is then rid again."""
            store, kept = empty.folder / "state/state.json", empty.folder / "kept.json"
            shutil.copy(store, kept)

            def way() -> float:
                seconds = empty.dnet(*words).seconds
                shutil.copy(kept, store)
                return seconds

            return way

        named: dict[str, tuple[float, Way]] = {
            "`batch`: 10,000 `map add`": (60, batch),
            "`restore` of 10,000 mappings": (60, restore),
            "`ip request --count 65532`, all of a /16": (
                25,
                forgetting("ip", "request", "--count", "65532"),
            ),
            "`port allocate --count 16383`, all dynamic ones": (
                25,
                forgetting("port", "allocate", "--count", "16383"),
            ),
        }
        ways = {BASE: bare_interpreter(made.env)} | {name: way for name, (_, way) in named.items()}
        times = take_turns(ways, rounds)
        for name, (most, _) in named.items():
            yield Figure(name, times[name] / times[BASE], most, seconds=times[name])
        yield Figure("peak memory of that batch", peak, 150, "MB")


def each(folder: Path, rounds: int) -> Iterator[Figure]:
    """One line of a co-process."""
    progress("batch --each")
    with (
        host_with("each", folder, 10) as made,
        open(made.path) as file,
        netns.inside(file.fileno()),
    ):
        process = subprocess.Popen(
            [DNET, "batch", "--each", "-"],
            env=made.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(line: str) -> float:
            begin = time.perf_counter()
            stdin.write(f"{line}\n")
            answer = stdout.readline()
            seconds = time.perf_counter() - begin
            assert "error" not in answer, answer
            return seconds

        ask("map add web 7999:80")
        numbers = iter(range(8000, 9999))
        times = take_turns(
            {
                BASE: bare_interpreter(made.env),
                "add": lambda: ask(f"map add web {next(numbers)}:80"),
            },
            rounds,
        )
        stdin.close()
        process.wait()
        yield Figure(
            "`batch --each`: one `map add`", times["add"] / times[BASE], 0.6, seconds=times["add"]
        )


def flat(folder: Path, rounds: int) -> Iterator[Figure]:
    """What one command takes with much in the store, against little."""
    progress("with much in force")
    with host_with("few", folder, 10) as few, host_with("many", folder, MANY) as many:

        def add(made: Host, spec: str) -> Way:
            return lambda: made.dnet("map", "add", "web", spec).seconds

        def remove(made: Host, endpoint: str) -> Way:
            return lambda: made.dnet("map", "remove", endpoint).seconds

        times = take_turns(
            {
                "add few": add(few, "8080:80"),
                "add many": add(many, "8080:80"),
                "remove few": remove(few, "8080"),
                "remove many": remove(many, "8080"),
                "range": add(few, "3000-3999:3000-3999"),
                "remove range": remove(few, "3000-3999"),
            },
            rounds,
        )
        # What so many add, half of it to read them, is beside ever less of a start.
        yield ratio("`map add` with 10,000 mappings against 10", times, "add many", "add few", 1.8)
        yield ratio(
            "`map remove` with 10,000 mappings against 10", times, "remove many", "remove few", 1.6
        )
        yield ratio("a range of 1,000 ports against one port", times, "range", "add few", 1.2)
    with host_with("few", folder, 0) as few, host_with("many", folder, 0) as many:
        few.dnet("ip", "request", "--count", "8")
        many.dnet("ip", "request", "--count", "59998")
        times = take_turns(
            {
                "few": lambda: few.dnet("ip", "request").seconds,
                "many": lambda: many.dnet("ip", "request").seconds,
            },
            rounds,
        )
        yield ratio("`ip request` with 60,000 leases against 10", times, "many", "few", 2.3)


def ratio(work: str, times: dict[str, float], one: str, other: str, most: float | None) -> Figure:
    """What one takes, as a multiple of the other."""
    return Figure(work, times[one] / times[other], most, "", times[one])
