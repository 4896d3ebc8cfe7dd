"""Which bridges are kept apart, whichever firewall sees to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations

from dnet.model.entities import Bridge
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values.family import FAMILIES, V4, Families

if TYPE_CHECKING:
    from dnet.model.pool import Overlay
    from dnet.model.state import State


class Pooled(NamedTuple):
    """A bridge that is part of a pool of several hosts, and what is to come from where.

    `pool` is the pool's addresses, `hosts` the underlay addresses of the others.
    """

    bridge: Bridge
    overlay: Overlay
    pool: str
    hosts: tuple[str, ...]

    @property
    def device(self) -> str | None:
        """What its packets come in by and go out of, where that carries no others."""
        return self.overlay.device if self.overlay.transport == "vxlan" else None


def pooled(state: State) -> Pooled | None:
    """The bridge with rules that is part of a pool, if there is one."""
    own = state.overlay
    if own is None or own.block is None or own.pool is None:
        return None
    bridge = state.bridges[own.bridge]
    hosts = (one.underlay for one in state.peers.values())
    return Pooled(bridge, own, own.pool, tuple(filter(None, hosts))) if bridge.iptables else None


def kept_apart(bridges: Iterable[Bridge]) -> Iterator[tuple[Bridge, Bridge]]:
    """The bridges between which nothing passes, in that direction; one with --no-icc and itself."""
    there = filtered(bridges)
    yield from ((one, one) for one in there if not one.icc)
    yield from isolated(there)


def filtered(bridges: Iterable[Bridge]) -> list[Bridge]:
    """Those that the firewall has rules for."""
    return [one for one in bridges if one.iptables]


def families(bridges: Iterable[Bridge]) -> Families:
    """The families of IP that rules are for: IPv6 where any of these bridges has it."""
    return FAMILIES if any(one.address6 for one in filtered(bridges)) else (V4,)


def closed(bridges: Iterable[Bridge]) -> Iterator[tuple[Bridge, list[Bridge]]]:
    """Those that other networks do not reach directly, with the bridges that do all the same."""
    every = list(bridges)
    for one in filtered(every):
        if one.direct_access is False:
            others = (other for other in every if other.name != one.name)
            yield one, [other for other in others if not (one.isolate or other.isolate)]


def isolated(bridges: Iterable[Bridge]) -> Iterator[tuple[Bridge, Bridge]]:
    """Those of kept_apart that are two."""
    for source, destination in permutations(bridges, 2):
        if source.isolate or destination.isolate:
            yield source, destination
