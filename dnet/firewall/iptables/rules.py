"""Every iptables rule dnet knows, as data: what a state stands for in the kernel's tables.

The only place where a bridge, a mapping or a link becomes rules. Rules are text in the form
iptables-save prints, without `-A CHAIN`. The *skeleton* is what bridges need, and what is
needed as soon as there is any mapping or link; each mapping and link then adds its own rules
to chains of dnet's. Adding one more therefore never needs a look at what is there.

For IPv6, where a bridge has that, ip6tables has the same in its own tables: `of_family`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnet.firewall.door import Chain
from dnet.firewall.iptables import blocks, overlay
from dnet.firewall.traffic import Pooled, closed, families, filtered, isolated, pooled
from dnet.model.entities import Bridge, Link, Mapping, Subnet
from dnet.model.state import State
from dnet.typing import NamedTuple
from dnet.values.address import bracketed
from dnet.values.family import FAMILIES, V4, V6, Family
from dnet.values.family import of as family_of
from dnet.values.names import split_port_proto

TABLES = ("raw", "filter", "nat")

Commands = dict[str, list[str]]
"""iptables commands by table, each without `iptables -t TABLE`."""


class Rule(NamedTuple):
    """A rule of a chain."""

    chain: Chain
    text: str


INPUT = Chain("filter", "INPUT")
FORWARD = Chain("filter", "FORWARD")
PREROUTING = Chain("nat", "PREROUTING")
OUTPUT = Chain("nat", "OUTPUT")
POSTROUTING = Chain("nat", "POSTROUTING")
RAW = Chain("raw", "PREROUTING")
SHARED = (RAW, FORWARD, PREROUTING, OUTPUT, POSTROUTING)
_BUILT_IN = (INPUT, *SHARED)

DNET_INPUT = Chain("filter", "DNET-INPUT")
DNET_FORWARD = Chain("filter", "DNET-FORWARD")
DNET_USER = Chain("filter", "DNET-USER")
DNET_LINK = Chain("filter", "DNET-LINK")
DNET_POSTROUTING = Chain("nat", "DNET-POSTROUTING")
DNET_PREROUTING = Chain("raw", "DNET-PREROUTING")
DNET_OVERLAY = Chain("raw", "DNET-OVERLAY")
DNET_PEERS = Chain("raw", "DNET-PEERS")
ORDERED = frozenset({DNET_FORWARD, DNET_POSTROUTING, DNET_PREROUTING, DNET_OVERLAY, DNET_PEERS})
"""The chains of dnet's own in which the order matters: elsewhere no packet meets two rules."""

EVERY_SHARED = (*_BUILT_IN, *(Chain(f"{V6.nft} {one.table}", one.name) for one in _BUILT_IN))

KEPT = f"-m comment --comment dnet -j {DNET_USER.name}"
"""In FORWARD, where another firewall has dnet's rules: what the administrator drops stays so."""

OWN = (
    *(DNET_INPUT, DNET_FORWARD, DNET_LINK, DNET_POSTROUTING, DNET_PREROUTING),
    *(DNET_OVERLAY, DNET_PEERS),
)

_GUARDING = (f"-I {RAW.name} ", f"-A {DNET_PREROUTING.name} ")
_LOCAL = {
    V4: "-m addrtype --dst-type LOCAL",
    # What comes from a link-local address is not forwarded (RFC 4291, 2.5.6): it is refused at once
    # where it is not translated.
    V6: "! -s fe80::/10 -m addrtype --dst-type LOCAL",
}
# Of what leaves a subnet that which gets the host's address: not what is for a group.
_BEYOND = {V4: "", V6: "-m addrtype ! --dst-type MULTICAST "}
# Who asks for a neighbour and who answers (RFC 4861), which a bridge hands on as it does with ARP.
# What was translated is forwarded: this is about what is the host's own, and new to it.
_UNTRANSLATED = (
    f"! -i lo -m addrtype --dst-type LOCAL -m conntrack --ctstate NEW -j {DNET_INPUT.name}"
)
_NEIGHBOURS = tuple(f"-p ipv6-icmp -m icmp6 --icmpv6-type {kind}" for kind in (135, 136))


def of_family(chain: Chain, family: Family) -> Chain:
    """The chain of a family that has the part of one of IPv4."""
    return chain if family is V4 else Chain(f"{family.nft} {chain.table}", chain.name)


def plain(chain: Chain) -> Chain:
    """The chain of IPv4 that has the part of one of any family."""
    return Chain(chain.table.removeprefix(f"{V6.nft} "), chain.name)


def is_user(chain: Chain) -> bool:
    """Whether a chain is the administrator's."""
    return plain(chain) == DNET_USER


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

    def chains(self) -> set[Chain]:
        """Dnet's chains, DNET-USER among them, which is the administrator's."""
        forward = (one for one in self.own if plain(one) == DNET_FORWARD)
        return set(self.own) | {of_family(DNET_USER, one.family) for one in forward}


def skeleton(state: State, *, restricted: Collection[Family] = ()) -> Layout:
    """What the bridges need, without the rules of single mappings and links.

    `restricted` says of which families there are rules in DNET-USER, which must not stop to apply.
    """
    bridges = filtered(reversed(list(state.bridges.values())))
    shared: dict[Chain, list[str]] = {}
    own: dict[Chain, list[str]] = {}
    for family in families(bridges):
        hosts = pooled(state) if family is V4 else None
        found = _skeleton(state, bridges, family, hosts, restricted=family in restricted)
        for there, chains in zip((shared, own), found, strict=True):
            there.update((of_family(chain, family), texts) for chain, texts in chains.items())
    for bridge in bridges:
        for rule in bridge_rules(bridge):
            shared[rule.chain].append(rule.text)
    return Layout(shared, own, blocks.is_dispatched(state))


def _skeleton(
    state: State, every: list[Bridge], family: Family, hosts: Pooled | None, *, restricted: bool
) -> tuple[dict[Chain, list[str]], dict[Chain, list[str]]]:
    """The shared chains and dnet's own for a family, as those of IPv4 are called."""
    bridges = [one for one in every if one.subnet_of(family)]
    names = {one.name for one in bridges}
    translates = bool(bridges) and (bool(state.mappings) or any(state.link_endpoints()))
    isolation = [pair for pair in isolated(every) if any(one.name in names for one in pair)]
    direct = [one for one in closed(state.bridges.values()) if one[0].name in names]
    forwards = translates or bool(
        state.links or isolation or direct or hosts or (bridges and restricted)
    )
    shared: dict[Chain, list[str]] = {chain: [] for chain in _BUILT_IN}
    own: dict[Chain, list[str]] = {}
    if bridges and restricts(state):
        shared[INPUT].append(_UNTRANSLATED)
        own[DNET_INPUT] = []
    if forwards:
        shared[FORWARD].append("-j DNET-FORWARD")
        own[DNET_FORWARD] = [
            *_forward(bridges, bool(state.links), isolation),
            *(overlay.forward(hosts) if hosts else ()),
            *_closed(direct),
        ]
        if state.links:
            own[DNET_LINK] = []
    if translates:
        shared[RAW].append("-j DNET-PREROUTING")
        own[DNET_PREROUTING] = [f"{side} {family.local} ! -i lo -j DROP" for side in ("-d", "-s")]
    if hosts and hosts.device:
        shared[RAW].append("-j DNET-OVERLAY")
        own[DNET_PEERS] = list(overlay.peers(hosts, bridges))
        own[DNET_OVERLAY] = list(overlay.guard(hosts))
    if translates or hosts:
        shared[POSTROUTING].append("-j DNET-POSTROUTING")
        own[DNET_POSTROUTING] = [
            *(_postrouting(bridges, family) if translates else ()),
            *(overlay.postrouting(hosts) if hosts else ()),
        ]
    local = _LOCAL[family]
    for chain in dict.fromkeys(one.chain for one in bridges):
        own[Chain("nat", chain)] = []
        shared[PREROUTING].append(f"{local} -j {chain}")
        if translates:
            shared[OUTPUT].append(f"-d {family.local} {local} -j {chain}")
        shared[OUTPUT].append(f"! -d {family.local} {local} -j {chain}")
    return shared, own


def layout(state: State, *, restricted: Collection[Family] = ()) -> Layout:
    """Everything a state stands for; see skeleton."""
    whole = skeleton(state, restricted=restricted)
    if whole.dispatched:
        for block in blocks.blocks(state):
            whole.own[block.own] = []
            whole.own[block.home].append(block.jump)
    for rule in entity_rules(state):
        whole.own[rule.chain].append(rule.text)
    return whole


def entity_rules(state: State) -> Iterator[Rule]:
    """The rules of every mapping and link."""
    bridges = {bridge.name: bridge for bridge in state.bridges.values()}
    dispatched = blocks.is_dispatched(state)
    for mapping in state.mappings.values():
        yield from mapping_rules(mapping, bridges[mapping.bridge].chain, dispatched=dispatched)
    for link in state.links.values():
        child = bridges.get(link.child_bridge)  # Of another host it is none.
        yield from link_rules(link, child.chain if child else "")


def bridge_rules(bridge: Bridge) -> Iterator[Rule]:
    """A bridge's rules in the built-in chains: those of the source's setupIPTables."""
    for home in bridge.subnets:
        for chain, text in _of_subnet(bridge, home):
            yield Rule(of_family(chain, home.family), text)


def _of_subnet(bridge: Bridge, home: Subnet) -> Iterator[tuple[Chain, str]]:
    name, subnet = bridge.name, home.network
    yield FORWARD, f"-o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    yield FORWARD, f"-i {name} ! -o {name} -j ACCEPT"
    if home.family is V6 and not bridge.icc:
        yield from ((FORWARD, f"-i {name} -o {name} {one} -j ACCEPT") for one in _NEIGHBOURS)
    yield FORWARD, between(bridge)
    if home.masquerade:
        beyond = _BEYOND[home.family]
        yield POSTROUTING, f"-s {subnet} ! -d {subnet} {beyond}-j MASQUERADE"


def between(bridge: Bridge) -> str:
    """The rule in FORWARD about what its containers send to one another."""
    return f"-i {bridge.name} -o {bridge.name} -j {'ACCEPT' if bridge.icc else 'DROP'}"


def mapping_rules(mapping: Mapping, chain: str, *, dispatched: bool) -> Iterator[Rule]:
    """The translation of a host port, or of a range with the same offset throughout.

    `chain` is the bridge's, or leads to the one it is in. Without `! -i BRIDGE`, so that
    containers reach it too. Where only some may use it there is a rule for what the host itself
    sends and for each network; what is translated by none of them does not get to a process of the
    host's instead.
    """
    at, of = mapping.endpoint, family_of(mapping.container_ip)
    destination = "" if at.host_ip == of.any else f"-d {at.host_ip}/{of.bits} "
    ports, target = f"{at.port}", f"{mapping.container_port}"
    if at.is_range:
        ports = f"{at.port}:{at.end}"
        target = f"{mapping.container_port}-{mapping.container_end}/{at.port}"
    block = blocks.block_of(at, chain) if dispatched else None
    home = block.own if block else of_family(Chain("nat", chain), of)
    match = f"{destination}-p {at.proto} -m {at.proto} --dport {ports}"
    translation = f"-j DNAT --to-destination {bracketed(mapping.container_ip)}:{target}"
    if not mapping.sources:
        yield Rule(home, f"{match} {translation}")
        return
    yield Rule(home, f"{match} -m addrtype --src-type LOCAL {translation}")
    for source in mapping.sources:
        sender = "" if source.endswith("/0") else f"-s {source} "
        yield Rule(home, f"{sender}{match} {translation}")
    yield Rule(of_family(DNET_INPUT, of), f"{match} -j DROP")


def restricts(state: State) -> bool:
    """Whether there is any mapping that not everybody may use."""
    return bool(state.mappings_by_sources.groups())


def link_rules(link: Link, chain: str) -> Iterator[Rule]:
    """A parent's way to each port of the child; `chain` is that of the child's bridge.

    The replies pass as established traffic. The source's second rule, by source port, would
    let the child reach every port of the parent.
    """
    for parent, child in link.ways:
        of = family_of(child)
        for text in link.ports:
            port, proto = split_port_proto(text)
            match = f"-p {proto} -m {proto} --dport {port}"
            if link.from_host:
                yield Rule(
                    of_family(Chain("nat", chain), of),
                    f"-d {parent}/{of.bits} {match} "
                    f"-j DNAT --to-destination {bracketed(child)}:{port}",
                )
            else:
                yield Rule(
                    of_family(DNET_LINK, of),
                    f"-s {parent}/{of.bits} -d {child}/{of.bits} "
                    f"-i {link.parent_bridge} -o {link.child_bridge} {match} -j ACCEPT",
                )


def in_order(commands: Commands) -> list[tuple[str, list[str]]]:
    """The commands of each table, in an order in which whatever closes goes ahead.

    A table is changed as a whole, one after the other; those of IPv6 behind those of IPv4, for
    neither family opens what rules of the other one close. The guard of 127.0.0.0/8 is there before
    anything is translated, and until nothing is any more.
    """
    return [table for family in FAMILIES for table in _in_order(commands, family)]


def _in_order(commands: Commands, family: Family) -> Iterator[tuple[str, list[str]]]:
    guard, *others = (of_family(Chain(one, ""), family).table for one in TABLES)
    is_guarding = any(line.startswith(_GUARDING) for line in commands.get(guard, ()))
    for table in (guard, *others) if is_guarding else (*others, guard):
        if lines := commands.get(table):
            yield table, lines


def shared_variants(bridges: Iterable[Bridge]) -> set[Rule]:
    """Whatever rule in a built-in chain dnet may have made for these bridges, now or before."""
    found = {Rule(of_family(FORWARD, family), KEPT) for family in FAMILIES}
    for bridge in bridges:
        for icc in (True, False):
            whole = bridge._replace(icc=icc, masquerade=True, masquerade6=True)
            found.update(bridge_rules(whole))
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


def _postrouting(bridges: list[Bridge], family: Family) -> Iterator[str]:
    for bridge in bridges:
        home = bridge.subnet_of(family)
        yield f"-s {family.local} -o {bridge.name} -j MASQUERADE"
        if home:
            yield f"-s {home.network} -o {bridge.name} -m conntrack --ctstate DNAT -j MASQUERADE"
