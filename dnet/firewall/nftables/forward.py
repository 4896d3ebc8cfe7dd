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
from dnet.model.entities import Bridge, Subnet
from dnet.values import address
from dnet.values.family import Family

NAME = "FORWARD"
_OURS = re.compile(r'[io]ifname "[^"]+" counter accept comment "dnet"')
# The end of a rule, behind what it asks for.
_END = re.compile(
    r"(?:^|(?<= ))(?<!jump )(?<!goto )(?:counter )?"
    r'(?:(?P<stops>drop|reject\b[^"]*|xt target "?REJECT"?)|(?P<lets>accept))(?: comment .*)?$'
)
_STATES, _NEW = re.compile(r"\bct state ([\w,]+)"), "new"
_WAY = re.compile(r'\b([io])ifname (!= )?"((?:[^"\\]|\\.)*)"')
_TO = re.compile(r"\bip6? daddr ([\da-f.:/]+)(?= )")


def place(family: Family) -> Chain:
    """The chain of a family."""
    return Chain(f"{family.nft} filter", NAME)


def rules(bridge: Bridge) -> Iterator[str]:
    """The two of a bridge."""
    for side in ("iifname", "oifname"):
        yield f'{side} {device(bridge.name)} counter accept comment "dnet"'


def opened(forward: Mapping[Family, Forward], bridges: Collection[Bridge]) -> list[str]:
    """The bridges into which those rules would let what the chain has stopped until now.

    They are closed for it, in both families, unless they are to be open by name.
    """
    names = {one.name for one in bridges}
    return [
        one.name
        for one in bridges
        if one.direct_access is None
        and any(_stops(chain, one, family, names) for family, chain in forward.items())
    ]


def difference(
    forward: Mapping[Family, Forward], bridges: Collection[Bridge], former: Iterable[Bridge]
) -> tuple[list[Command], list[Finding]]:
    """What is to be done to the chains, and why, where `former` bridges had rules too."""
    commands: list[Command] = []
    findings: list[Finding] = []
    once = {rule for one in former for rule in rules(one)}
    for family, chain in forward.items():
        mine = [one for one in bridges if one.subnet_of(family)]
        to_do, found = _difference(place(family), chain, mine, once)
        commands += to_do
        findings += found
    return commands, findings


def _difference(
    at: Chain, forward: Forward, bridges: Sequence[Bridge], once: Collection[str]
) -> tuple[list[Command], list[Finding]]:
    commands: list[Command] = []
    wanted = [rule for one in reversed(bridges) for rule in rules(one)]
    ours = [one for one in forward.rules if one.text in wanted or one.text in once]
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


def _stops(forward: Forward, bridge: Bridge, family: Family, inside: Collection[str]) -> bool:
    """Whether a new connection from outside might end there: by a rule, or by the policy.

    What other chains do to which it leads is not looked at.
    """
    home = bridge.subnet_of(family)
    if home is None:
        return False
    for text in (one.text for one in forward.rules if not _OURS.fullmatch(one.text)):
        end = _END.search(text)
        if end and end["stops"] and _may_meet(text, bridge, home, inside):
            return True
        if end and end["lets"] and not text[: end.start()]:
            return False
    return forward.drops


def _may_meet(rule: str, bridge: Bridge, home: Subnet, inside: Collection[str]) -> bool:
    """Whether a rule may be about what is new and comes to a bridge, but from none of dnet's."""
    states, to = _STATES.search(rule), _TO.search(rule)
    if states and _NEW not in states[1].split(","):
        return False
    if to and not address.overlap(to[1], home.network):
        return False
    for way, unless, asked in _WAY.findall(rule):
        if way == "i" and not unless and asked in inside:
            return False
        if way == "o" and _is_called(asked, bridge.name) == bool(unless):
            return False
    return True


def _is_called(asked: str, name: str) -> bool:
    r"""Whether a name is what a rule asks for, where `*` stands for any end and `\*` for itself."""
    if asked.endswith("*") and not asked.endswith("\\*"):
        return name.startswith(asked[:-1])
    return asked.replace("\\*", "*") == name
