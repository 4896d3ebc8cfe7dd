"""Which bridges are kept apart, whichever firewall sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations

from dnet.model.entities import Bridge


def kept_apart(bridges: Iterable[Bridge]) -> Iterator[tuple[Bridge, Bridge]]:
    """The bridges between which nothing passes, in that direction; one with --no-icc and itself."""
    there = filtered(bridges)
    yield from ((one, one) for one in there if not one.icc)
    yield from isolated(there)


def filtered(bridges: Iterable[Bridge]) -> list[Bridge]:
    """Those that the firewall has rules for."""
    return [one for one in bridges if one.iptables]


def isolated(bridges: Iterable[Bridge]) -> Iterator[tuple[Bridge, Bridge]]:
    """Those of kept_apart that are two."""
    for source, destination in permutations(bridges, 2):
        if source.isolate or destination.isolate:
            yield source, destination
