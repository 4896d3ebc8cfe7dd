"""Beside iptables-nft: what lets bridges past a FORWARD that drops, and what it then is to close.

A drop there is final, whatever dnet's own table accepts. What is put there uses devices and a
comment alone: with an expression of nft's own, iptables-save would no longer list the table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from dnet.firewall.door import Chain, Finding
from dnet.firewall.nftables.change import FOREIGN, MISSING, Command
from dnet.firewall.nftables.elements import device
from dnet.firewall.nftables.listing import Forward
from dnet.model.entities import Bridge

FORWARD = Chain("ip filter", "FORWARD")
_PLACE = f"{FORWARD.table} {FORWARD.name}"
_OURS = re.compile(r'[io]ifname "[^"]+" counter accept comment "dnet"')
_STOPS = re.compile(r'(?:counter )?(?:drop|reject\b.*|xt target "REJECT")(?: comment .*)?')


def rules(bridge: Bridge) -> Iterator[str]:
    """The two of a bridge."""
    for side in ("iifname", "oifname"):
        yield f'{side} {device(bridge.name)} counter accept comment "dnet"'


def opened(forward: Forward | None, bridges: Iterable[Bridge]) -> list[str]:
    """The bridges into which those rules would let what the chain has stopped until now.

    They are closed for it, unless they are to be open by name.
    """
    if forward is None or not _stops(forward):
        return []
    return [one.name for one in bridges if one.direct_access is None]


def difference(
    forward: Forward | None, bridges: Iterable[Bridge]
) -> tuple[list[Command], list[Finding]]:
    """What is to be done to the chain, and why."""
    commands: list[Command] = []
    findings: list[Finding] = []
    if forward is None:
        return commands, findings
    wanted = [rule for one in reversed(list(bridges)) for rule in rules(one)]
    ours = [one for one in forward.rules if _OURS.fullmatch(one.text)]
    there = Counter(one.text for one in ours)
    missing = list((Counter(wanted) - there).elements())
    foreign = list((there - Counter(wanted)).elements())
    if missing or foreign:
        # All of them anew, for the same order whatever came when.
        commands += (Command(f"delete rule {_PLACE} handle {one.handle}") for one in ours)
        commands += (Command(f"insert rule {_PLACE}", rule) for rule in reversed(wanted))
    findings += (Finding(FORWARD, FOREIGN, rule) for rule in foreign)
    findings += (Finding(FORWARD, MISSING, rule) for rule in missing)
    return commands, findings


def _stops(forward: Forward) -> bool:
    """Whether a new connection would end there: by its policy, or by what it has as last rule."""
    others = [one.text for one in forward.rules if not _OURS.fullmatch(one.text)]
    return forward.drops or bool(others and _STOPS.fullmatch(others[-1]))
