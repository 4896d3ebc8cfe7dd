"""dnet beside the others: the same work, done by each of them in turn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import engines, peers
from benchmarks.clock import progress
from benchmarks.ground import containers, host
from benchmarks.peers import Maker

BATCH = "dnet batch"
SOURCE = "two iptables calls"
UNHURRIED = 1000
"""From so many on, iptables takes a minute to delete the rules one by one: that is left out."""

Halves = tuple[float, float | None]
"""The seconds of adding and of removing; None where that was not measured."""


class Size(NamedTuple):
    """How much is measured.

    Attributes:
        rounds, few: how often what is small is done, and what is large.
        counts: the N for everybody.
        attached: one more N for containers.
        own_counts: more N for addresses with a port, the last one for dnet alone.
    """

    rounds: int
    few: int
    counts: tuple[int, ...]
    attached: int
    own_counts: tuple[int, ...]


class Comparison(NamedTuple):
    """For N containers, what each way took; a way that is missing was not measured."""

    title: str
    names: tuple[str, ...]
    rows: list[tuple[int, dict[str, Halves]]]

    def add(self, count: int) -> dict[str, float]:
        """What each way took to add so many."""
        return {name: halves[0] for name, halves in dict(self.rows)[count].items()}


class Times:
    """What was measured, by N and by the name of the way."""

    def __init__(self) -> None:
        self._found: dict[int, dict[str, list[Halves]]] = {}

    def take(
        self,
        folder: Path,
        maker: Maker,
        names: list[str],
        counts: Sequence[int] = (),
        *,
        removing: bool = True,
    ) -> None:
        """Let one way have its turn, on a host of its own.

        With `counts`, what it does for one container after the other stands for these N as
        well: the first of them it adds, the last of them it removes.
        """
        with host(f"host-{maker.__name__.replace('_', '-')}", folder) as made:
            peer = maker(made)
            if peer is None:
                return
            adding = peer.add(names)
            removed = peer.remove(names) if removing else None
        for count in counts or [len(names)]:
            part = None if removed is None else sum(removed[-count:])
            by_name = self._found.setdefault(count, {})
            by_name.setdefault(peer.name, []).append((sum(adding[:count]), part))

    def comparison(self, title: str) -> Comparison:
        """The medians."""
        rows = [
            (count, {name: _medians(halves) for name, halves in by_name.items()})
            for count, by_name in sorted(self._found.items())
        ]
        names = dict.fromkeys(name for _, by_name in rows for name in by_name)
        return Comparison(title, tuple(names), rows)


def _medians(halves: list[Halves]) -> Halves:
    removed = [one for _, one in halves if one is not None]
    added = statistics.median(one for one, _ in halves)
    return added, statistics.median(removed) if removed else None


def mapped(folder: Path, size: Size) -> Comparison:
    """An address and a published port, without a container."""
    times = Times()
    for count in (*size.counts, *size.own_counts):
        progress(f"{count:,} addresses with a port")
        names = [f"c{number}" for number in range(count)]
        for _ in range(_rounds(size, count)):
            times.take(folder, peers.dnet_batch, names)
            if count not in size.own_counts:
                times.take(folder, peers.dnet_single, names)
            if count not in size.own_counts[1:]:
                times.take(folder, peers.source, names, removing=count < UNHURRIED)
    return times.comparison("An address and a published port")


def attached(folder: Path, size: Size) -> Comparison:
    """A container with a veth pair, an address, a route and a published port."""
    times = Times()
    one, *more = sorted({*size.counts, size.attached})
    progress(f"{one} container")
    with containers(one) as names:
        for _ in range(size.rounds):
            for maker in (peers.attach_batch, peers.attach_single, engines.cni, engines.netavark):
                times.take(folder, maker, names)
    with containers(more[-1]) as names:
        for number in range(size.few):
            progress(f"{more} containers, round {number + 1}")
            for count in more:
                times.take(folder, peers.attach_batch, names[:count])
                times.take(folder, peers.attach_single, names[:count])
            for maker in (engines.cni, engines.netavark):
                times.take(folder, maker, names, more)
    return times.comparison("A container with a veth pair, an address, a route and a port")


def _rounds(size: Size, count: int) -> int:
    return size.rounds if count == 1 else size.few
