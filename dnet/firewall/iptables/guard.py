"""Whether the guard of 127.0.0.0/8 comes first: pure.

It is a jump in raw PREROUTING, and as good as nothing behind a rule that accepts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from dnet.firewall.iptables.ruletext import judge
from dnet.firewall.packet import Device, Packet, span
from dnet.firewall.verdict import ACCEPT, DROP, Walk
from dnet.values.family import V4

_LOOPBACK = span(V4.local) or (0, 0)
_WIRE = Device(None, frozenset({"lo"}))
_GUARDED = (
    Packet(_WIRE, Device(""), destination=_LOOPBACK, tracked=False),
    Packet(_WIRE, Device(""), source=_LOOPBACK, tracked=False),
)


def exposing(ahead: Collection[str], chains: Mapping[str, Collection[str]]) -> str | None:
    """The first of the rules ahead of it that may let past it what it is there to stop.

    `chains` are the others of the table, with their rules.
    """
    for packet in _GUARDED if ahead else ():
        judging = partial(judge, packet=packet, chains=chains.__contains__)
        walk = Walk[str](lambda name: chains.get(name, ()), judging, lenient=True)
        found = walk.from_base("PREROUTING", ahead, ACCEPT)
        if found and found.kind != DROP:
            return found.path[0][1]
    return None
