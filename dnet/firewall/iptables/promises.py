"""Rules of others ahead of dnet's in FORWARD: what they let through, and what they stop.

Pure. Only what is certain is told: a rule that is about a port, an established connection or a
mark neither opens nor closes a bridge. DNET-USER is the administrator's, who may do both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial

from dnet.firewall.door import Chain
from dnet.firewall.iptables import rules
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import DNET_FORWARD, DNET_USER, FORWARD, of_family
from dnet.firewall.iptables.ruletext import Canonical, canonical, judge, parse
from dnet.firewall.packet import Device, Packet, Published, described, home
from dnet.firewall.traffic import kept_apart
from dnet.firewall.verdict import ACCEPT, DROP, Found, Walk
from dnet.model.entities import Bridge
from dnet.values.family import Family

_FEW = 3


class Forward:
    """FORWARD of a family, of whose rules `ours` are dnet's, and the chains that they lead to."""

    def __init__(
        self, of: Family, found: Collection[str], ours: Iterable[str], actual: Tables
    ) -> None:
        self._family = of
        self._chain = of_family(FORWARD, of)
        self._actual = actual
        mine = {canonical(text) for text in ours}
        self._foreign: list[str] = []
        self._ahead: dict[Canonical, int] = {}
        for text in found:
            if (shown := canonical(text)) in mine:
                self._ahead.setdefault(shown, len(self._foreign))
            else:
                self._foreign.append(text)

    def opened(self, bridges: Iterable[Bridge]) -> Iterator[str]:
        """What is let through though bridges keep it apart, in words."""
        if not any(self._ahead.values()):
            return
        told: dict[tuple[str, str], list[str]] = {}
        of = self._family
        for source, destination in kept_apart(one for one in bridges if one.subnet_of(of)):
            same = source == destination
            resting = rules.between(source) if same else f"-j {DNET_FORWARD.name}"
            packet = Packet(
                Device(source.name),
                Device(destination.name),
                home(source, of),
                home(destination, of),
                bridged=same,
                family=of,
            )
            found = self._decision(packet, self._ahead.get(canonical(resting), 0))
            if found and found.kind == ACCEPT:
                pair = source.name if same else f"{source.name} to {destination.name}"
                told.setdefault(found.path[-1], []).append(pair)
        for (chain, rule), pairs in told.items():
            more = f" and {len(pairs) - _FEW} more" if len(pairs) > _FEW else ""
            yield (
                f"{self._chain.table} {chain}: a rule before dnet's accepts connections that "
                f"--no-icc or --isolate forbids, of {', '.join(pairs[:_FEW])}{more}: {rule}"
            )

    def stopped(self, bridges: Collection[Bridge], published: Callable[[], Published]) -> list[str]:
        """What never gets to dnet's rules, in words.

        A rule that names the bridge is meant.
        """
        first = min(self._ahead.values(), default=0)
        if not first:
            return []
        told: dict[tuple[str, str], list[str]] = {}
        ways = self._actual.ways(self._family)
        every = list(described(bridges, published(), self._family, *ways))
        for bridge, what, packets in every:
            found = [self._decision(one, first, lenient=one.translated) for one in packets]
            if all(one and one.kind == DROP and not _names(one, bridge) for one in found):
                told.setdefault(found[0].path[-1], []).append(what)  # type: ignore[union-attr]
        return [
            f"{self._chain.table} {chain}: a rule before dnet's stops "
            f"{'all packets' if len(whats) == len(every) else ' and '.join(whats)}: {rule}"
            for (chain, rule), whats in told.items()
        ]

    def _decision(self, packet: Packet, count: int, *, lenient: bool = False) -> Found[str] | None:
        """What decides among so many of the rules of others."""
        return decision(self._actual, self._foreign[:count], packet, lenient=lenient)


def decision(
    actual: Tables, rules_there: Collection[str], packet: Packet, *, lenient: bool = False
) -> Found[str] | None:
    """What decides about a packet in rules of FORWARD; None where it gets past them."""
    forward = of_family(FORWARD, packet.family)

    def rules_of(name: str) -> Collection[str]:
        return () if name == DNET_USER.name else actual.chains.get(Chain(forward.table, name), ())

    def is_chain(name: str) -> bool:
        return Chain(forward.table, name) in actual.chains

    walk = Walk(rules_of, partial(judge, packet=packet, chains=is_chain), lenient=lenient)
    policy = DROP if actual.policies.get(forward) == "DROP" else ACCEPT
    return walk.from_base(FORWARD.name, rules_there, policy)


def _names(found: Found[str], bridge: Bridge) -> bool:
    return any(parse(rule).names(bridge.name) for _, rule in found.path)
