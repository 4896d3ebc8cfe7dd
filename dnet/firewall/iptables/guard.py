"""Whether the guard of 127.0.0.0/8, or of ::1, comes first: pure.

It is a jump in raw PREROUTING, and as good as nothing behind a rule that accepts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from dnet.firewall.iptables.ruletext import judge
from dnet.firewall.packet import Device, Packet, everywhere, span
from dnet.firewall.verdict import ACCEPT, DROP, Walk
from dnet.values.family import Family

_WIRE = Device(None, frozenset({"lo"}))


def exposing(
    ahead: Collection[str], chains: Mapping[str, Collection[str]], family: Family
) -> str | None:
    """The first of the rules ahead of it that may let past it what it is there to stop.

    `chains` are the others of the table, with their rules.
    """
    for packet in _guarded(family) if ahead else ():
        judging = partial(judge, packet=packet, chains=chains.__contains__)
        walk = Walk[str](lambda name: chains.get(name, ()), judging, lenient=True)
        found = walk.from_base("PREROUTING", ahead, ACCEPT)
        if found and found.kind != DROP:
            return found.path[0][1]
    return None


def _guarded(family: Family) -> Iterator[Packet]:
    """What it stops: packets from the wire for the loopback addresses, and from them."""
    loopback, anywhere = span(family.local) or (0, 0), everywhere(family)
    for source, destination in ((anywhere, loopback), (loopback, anywhere)):
        yield Packet(_WIRE, Device(""), source, destination, family=family, tracked=False)
