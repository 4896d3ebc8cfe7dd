"""Beside iptables-nft: what lets bridges past a FORWARD that drops, and what it then is to close.

There is one of each family.

A drop there is final, whatever dnet's own table accepts. What is put there uses devices and a
comment alone: with an expression of nft's own, iptables-save would no longer list the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from dnet.firewall.door import Chain, Finding
from dnet.firewall.nftables.change import FOREIGN, MISSING, Command
from dnet.firewall.nftables.elements import device
from dnet.firewall.nftables.listing import Forward
from dnet.model.entities import Bridge
from dnet.values.family import Family

NAME = "FORWARD"
_OURS = re.compile(r'[io]ifname "[^"]+" counter accept comment "dnet"')
_STOPS = re.compile(r'(?:counter )?(?:drop|reject\b.*|xt target "REJECT")(?: comment .*)?')


def place(family: Family) -> Chain:
    """The chain of a family."""
    return Chain(f"{family.nft} filter", NAME)


def rules(bridge: Bridge) -> Iterator[str]:
    """The two of a bridge."""
    for side in ("iifname", "oifname"):
        yield f'{side} {device(bridge.name)} counter accept comment "dnet"'


def opened(forward: Mapping[Family, Forward], bridges: Iterable[Bridge]) -> list[str]:
    """The bridges into which those rules would let what the chain has stopped until now.

    They are closed for it, in both families, unless they are to be open by name.
    """
    stopping = {family for family, chain in forward.items() if _stops(chain)}
    return [
        one.name
        for one in bridges
        if one.direct_access is None and any(home.family in stopping for home in one.subnets)
    ]


def difference(
    forward: Mapping[Family, Forward], bridges: Collection[Bridge]
) -> tuple[list[Command], list[Finding]]:
    """What is to be done to the chains, and why."""
    commands: list[Command] = []
    findings: list[Finding] = []
    for family, chain in forward.items():
        mine = [one for one in bridges if one.subnet_of(family)]
        to_do, found = _difference(place(family), chain, mine)
        commands += to_do
        findings += found
    return commands, findings


def _difference(
    at: Chain, forward: Forward, bridges: Sequence[Bridge]
) -> tuple[list[Command], list[Finding]]:
    commands: list[Command] = []
    wanted = [rule for one in reversed(bridges) for rule in rules(one)]
    ours = [one for one in forward.rules if _OURS.fullmatch(one.text)]
    there = Counter(one.text for one in ours)
    missing = list((Counter(wanted) - there).elements())
    foreign = list((there - Counter(wanted)).elements())
    if missing or foreign:
        # All of them anew, for the same order whatever came when.
        where = f"{at.table} {at.name}"
        commands += (Command(f"delete rule {where} handle {one.handle}") for one in ours)
        commands += (Command(f"insert rule {where}", rule) for rule in reversed(wanted))
    findings = [Finding(at, FOREIGN, rule) for rule in foreign]
    return commands, [*findings, *(Finding(at, MISSING, rule) for rule in missing)]


def _stops(forward: Forward) -> bool:
    """Whether a new connection would end there: by its policy, or by what it has as last rule."""
    others = [one.text for one in forward.rules if not _OURS.fullmatch(one.text)]
    return forward.drops or bool(others and _STOPS.fullmatch(others[-1]))
