"""Every iptables rule dnet knows, as data: what a state stands for in the kernel's tables.

The only place where a bridge, a mapping or a link becomes rules. Rules are text in the form
iptables-save prints, without `-A CHAIN`. The *skeleton* is what bridges need, and what is
needed as soon as there is any mapping or link; each mapping and link then adds its own rules
to chains of dnet's. Adding one more therefore never needs a look at what is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dnet.firewall.door import Chain
from dnet.firewall.iptables import blocks
from dnet.firewall.traffic import closed, filtered, isolated
from dnet.model.entities import Bridge, Link, Mapping
from dnet.model.state import State
from dnet.values.family import V4
from dnet.values.names import split_port_proto

TABLES = ("raw", "filter", "nat")

Commands = dict[str, list[str]]
"""iptables commands by table, each without `iptables -t TABLE`."""


class Rule(NamedTuple):
    """A rule of a chain."""

    chain: Chain
    text: str


FORWARD = Chain("filter", "FORWARD")
PREROUTING = Chain("nat", "PREROUTING")
OUTPUT = Chain("nat", "OUTPUT")
POSTROUTING = Chain("nat", "POSTROUTING")
RAW = Chain("raw", "PREROUTING")
SHARED = (RAW, FORWARD, PREROUTING, OUTPUT, POSTROUTING)

DNET_FORWARD = Chain("filter", "DNET-FORWARD")
DNET_USER = Chain("filter", "DNET-USER")
DNET_LINK = Chain("filter", "DNET-LINK")
DNET_POSTROUTING = Chain("nat", "DNET-POSTROUTING")
DNET_PREROUTING = Chain("raw", "DNET-PREROUTING")
ORDERED = frozenset({DNET_FORWARD, DNET_POSTROUTING, DNET_PREROUTING})
"""The chains of dnet's own in which the order matters: elsewhere no packet meets two rules."""

KEPT = f"-m comment --comment dnet -j {DNET_USER.name}"
"""In FORWARD, where another firewall has dnet's rules: what the administrator drops stays so."""

OWN = (DNET_FORWARD, DNET_LINK, DNET_POSTROUTING, DNET_PREROUTING)

_GUARDING = (f"-I {RAW.name} ", f"-A {DNET_PREROUTING.name} ")
_LOCAL = "-m addrtype --dst-type LOCAL"


class Layout(NamedTuple):
    """What should be in the tables.

    Attributes:
        shared: dnet's rules in the built-in chains, in their order, ahead of others' as they came.
        own: dnet's chains with all their rules.
        dispatched: whether the rules of mappings are in chains by port.
    """

    shared: dict[Chain, list[str]]
    own: dict[Chain, list[str]]
    dispatched: bool = False

    @property
    def user(self) -> bool:
        """Whether DNET-USER, whose rules are the administrator's, has to be there."""
        return DNET_FORWARD in self.own

    def chains(self) -> set[Chain]:
        """Dnet's chains, DNET-USER among them."""
        return set(self.own) | ({DNET_USER} if self.user else set())


def skeleton(state: State, *, restricted: bool = False) -> Layout:
    """What the bridges need, without the rules of single mappings and links.

    `restricted` says whether there are rules in DNET-USER, which must not stop to apply.
    """
    bridges = filtered(reversed(list(state.bridges.values())))
    translates = bool(bridges) and (bool(state.mappings) or any(state.link_endpoints()))
    isolation = list(isolated(bridges))
    direct = list(closed(state.bridges.values()))
    forwards = translates or bool(state.links or isolation or direct or (bridges and restricted))
    shared: dict[Chain, list[str]] = {chain: [] for chain in SHARED}
    own: dict[Chain, list[str]] = {}
    if forwards:
        shared[FORWARD].append("-j DNET-FORWARD")
        own[DNET_FORWARD] = [*_forward(bridges, bool(state.links), isolation), *_closed(direct)]
        if state.links:
            own[DNET_LINK] = []
    if translates:
        shared[RAW].append("-j DNET-PREROUTING")
        shared[POSTROUTING].append("-j DNET-POSTROUTING")
        own[DNET_PREROUTING] = [f"{side} {V4.local} ! -i lo -j DROP" for side in ("-d", "-s")]
        own[DNET_POSTROUTING] = list(_postrouting(bridges))
    for chain in dict.fromkeys(one.chain for one in bridges):
        own[Chain("nat", chain)] = []
        shared[PREROUTING].append(f"{_LOCAL} -j {chain}")
        if translates:
            shared[OUTPUT].append(f"-d {V4.local} {_LOCAL} -j {chain}")
        shared[OUTPUT].append(f"! -d {V4.local} {_LOCAL} -j {chain}")
    for bridge in bridges:
        for rule in bridge_rules(bridge):
            shared[rule.chain].append(rule.text)
    return Layout(shared, own, blocks.is_dispatched(state))


def layout(state: State, *, restricted: bool = False) -> Layout:
    """Everything a state stands for; see skeleton."""
    whole = skeleton(state, restricted=restricted)
    if whole.dispatched:
        for block in blocks.blocks(state):
            whole.own[Chain("nat", block.name)] = []
            whole.own[Chain("nat", block.chain)].append(block.jump)
    for rule in entity_rules(state):
        whole.own[rule.chain].append(rule.text)
    return whole


def entity_rules(state: State) -> Iterator[Rule]:
    """The rules of every mapping and link."""
    bridges = {bridge.name: bridge for bridge in state.bridges.values()}
    dispatched = blocks.is_dispatched(state)
    for mapping in state.mappings.values():
        yield mapping_rule(mapping, bridges[mapping.bridge].chain, dispatched=dispatched)
    for link in state.links.values():
        yield from link_rules(link, bridges[link.child_bridge].chain)


def bridge_rules(bridge: Bridge) -> Iterator[Rule]:
    """A bridge's rules in the built-in chains: those of the source's setupIPTables."""
    name, subnet = bridge.name, bridge.subnet
    yield Rule(FORWARD, f"-o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")
    yield Rule(FORWARD, f"-i {name} ! -o {name} -j ACCEPT")
    yield Rule(FORWARD, between(bridge))
    if bridge.masquerade:
        yield Rule(POSTROUTING, f"-s {subnet} ! -d {subnet} -j MASQUERADE")


def between(bridge: Bridge) -> str:
    """The rule in FORWARD about what its containers send to one another."""
    return f"-i {bridge.name} -o {bridge.name} -j {'ACCEPT' if bridge.icc else 'DROP'}"


def mapping_rule(mapping: Mapping, chain: str, *, dispatched: bool) -> Rule:
    """The translation of a host port, or of a range with the same offset throughout.

    `chain` is the bridge's, or leads to the one it is in. Without `! -i BRIDGE`, so that
    containers reach it too.
    """
    at = mapping.endpoint
    destination = "" if at.host_ip == V4.any else f"-d {at.host_ip}/{V4.bits} "
    ports, target = f"{at.port}", f"{mapping.container_port}"
    if at.is_range:
        ports = f"{at.port}:{at.end}"
        target = f"{mapping.container_port}-{mapping.container_end}/{at.port}"
    block = blocks.block_of(at, chain) if dispatched else None
    return Rule(
        Chain("nat", block.name if block else chain),
        f"{destination}-p {at.proto} -m {at.proto} --dport {ports} "
        f"-j DNAT --to-destination {mapping.container_ip}:{target}",
    )


def link_rules(link: Link, chain: str) -> Iterator[Rule]:
    """A parent's way to each port of the child; `chain` is that of the child's bridge.

    The replies pass as established traffic. The source's second rule, by source port, would
    let the child reach every port of the parent.
    """
    for text in link.ports:
        port, proto = split_port_proto(text)
        match = f"-p {proto} -m {proto} --dport {port}"
        if link.from_host:
            yield Rule(
                Chain("nat", chain),
                f"-d {link.parent_ip}/{V4.bits} {match} "
                f"-j DNAT --to-destination {link.child_ip}:{port}",
            )
        else:
            yield Rule(
                DNET_LINK,
                f"-s {link.parent_ip}/{V4.bits} -d {link.child_ip}/{V4.bits} "
                f"-i {link.parent_bridge} -o {link.child_bridge} {match} -j ACCEPT",
            )


def in_order(commands: Commands) -> list[tuple[str, list[str]]]:
    """The commands of each table, in an order in which whatever closes goes ahead.

    A table is changed as a whole, one after the other. The guard of 127.0.0.0/8 is there before
    anything is translated, and until nothing is any more.
    """
    guarding = any(line.startswith(_GUARDING) for line in commands.get(RAW.table, ()))
    order = TABLES if guarding else (*TABLES[1:], RAW.table)
    return [(table, commands[table]) for table in order if commands.get(table)]


def shared_variants(bridges: Iterable[Bridge]) -> set[Rule]:
    """Whatever rule in a built-in chain dnet may have made for these bridges, now or before."""
    found = {Rule(FORWARD, KEPT)}
    for bridge in bridges:
        for icc in (True, False):
            found.update(bridge_rules(bridge._replace(icc=icc, masquerade=True)))
    return found


def _forward(
    bridges: list[Bridge], links: bool, isolation: list[tuple[Bridge, Bridge]]
) -> Iterator[str]:
    yield "-j DNET-USER"
    for bridge in bridges:
        yield f"-o {bridge.name} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT"
    if links:
        yield "-j DNET-LINK"
    for source, destination in isolation:
        yield f"-i {source.name} -o {destination.name} -j DROP"


def _closed(direct: Iterable[tuple[Bridge, list[Bridge]]]) -> Iterator[str]:
    """What keeps other networks from containers' own addresses, and dnet's bridges in."""
    for bridge, others in direct:
        for other in others:
            yield f"-i {other.name} -o {bridge.name} -j RETURN"
        yield f"! -i {bridge.name} -o {bridge.name} -j DROP"


def _postrouting(bridges: list[Bridge]) -> Iterator[str]:
    for bridge in bridges:
        yield f"-s {V4.local} -o {bridge.name} -j MASQUERADE"
        yield f"-s {bridge.subnet} -o {bridge.name} -m conntrack --ctstate DNAT -j MASQUERADE"
