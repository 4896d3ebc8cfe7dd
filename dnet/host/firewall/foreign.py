"""Other people's firewalls: chains that stop what dnet accepts.

A packet that one base chain accepts still goes through every other one of the hook
(nft(8), "Base chains"), so a chain of somebody else's that drops or rejects has the last word.
So have the chains of the other variant of iptables.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import groupby

from dnet.errors import RulesUnreadableError
from dnet.firewall import nftrules
from dnet.firewall.iptables import promises
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import FORWARD, of_family
from dnet.firewall.nftables.layout import TRACE
from dnet.firewall.packet import Packet, Published, described
from dnet.firewall.traffic import families
from dnet.firewall.verdict import ACCEPT, DROP, Found, Walk
from dnet.host import process, routes, system
from dnet.host.firewall import nf_tables, program
from dnet.host.firewall.nf_tables import BaseChain
from dnet.model.entities import NFTABLES, Bridge
from dnet.typing import Any, NamedTuple
from dnet.values.family import V4, Family
from dnet.values.names import for_shell

_OF_IPTABLES = frozenset({"filter", "mangle", "nat", "raw", "security"})
_BY_DEFAULT = "drops by default"
_ALLOW = "allow the bridge there"
_INSERT = "nft insert rule {} {{}} {{{{0}}}} accept"
_INSERT_LEGACY = "-I FORWARD {} {{0}} -j ACCEPT"
# Whatever zone it is in, or none.
_FIREWALLD = "firewall-cmd --zone=trusted --change-interface={}"
_FEW = 3


class _Chain(NamedTuple):
    """A chain at a hook: its name, how it ends a packet's way, in words, and what helps.

    `early` is one that a packet meets before its destination is translated.
    """

    name: str
    end: Callable[[Packet], str | None]
    allow: str = _ALLOW
    early: bool = False


def stopping(
    variant: str,
    bridges: Collection[Bridge],
    published: Callable[[Family], Published],
    outward: Callable[[], Collection[str]],
) -> Iterator[str]:
    """What chains of others stop of what dnet lets through, in words.

    `variant` is that of the iptables in use, or `nftables` where dnet's rules are in its own table.
    `outward` are the devices by which any route of IPv4 leads.
    """
    for of in families(bridges):
        yield from _stopping(variant, bridges, published, outward, of)


def _stopping(
    variant: str,
    bridges: Collection[Bridge],
    published: Callable[[Family], Published],
    outward: Callable[[], Collection[str]],
    of: Family,
) -> Iterator[str]:
    chains = list(_chains(variant, of))
    if not chains:
        return
    gateways = routes.default_devices(of)
    every = list(
        described(bridges, published(of), of, gateways, outward() if of is V4 else gateways)
    )
    for chain in chains:
        stopped: dict[str, list[tuple[str, str]]] = {}
        for bridge, what, packets in every:
            if chain.early and packets[0].translated:
                continue
            ends = list(map(chain.end, packets))
            if ends and all(ends):
                stopped.setdefault(str(ends[0]), []).append((what, bridge.name))
        for end, found in stopped.items():
            whats = " and ".join(what for what, _ in found[:_FEW])
            more = f" and {len(found) - _FEW} more" if len(found) > _FEW else ""
            allow = chain.allow.format(for_shell(found[0][1]))
            yield f"the {chain.name} {end} {whats}{more}, whatever dnet accepts: {allow}"


def _chains(variant: str, of: Family) -> Iterator[_Chain]:
    """Those that are not of the iptables in use."""
    try:
        found = [one for one in nf_tables.base_chains() if _concerns(one, variant, of)]
    except OSError:
        found = []  # A kernel without nftables, where nothing of the kind can be.
    for place, group in groupby(sorted(found), lambda one: _place(one)):
        listing = _listed(*place)
        for one in group:
            if one[:3] == _of_iptables(of) and (saved := _saved("nft", of)):
                yield _Chain(f"chain FORWARD of {of.xtables}-nft", partial(_end_in_text, saved))
                continue
            name = f"{one.family} {one.table} {one.name}"
            early = one.hook != nf_tables.FORWARD
            end = partial(_end_in_nft, one, listing)
            yield _Chain(f"nftables chain {name}", end, _allowing(one, variant), early)
    if variant in ("nft", NFTABLES) and (saved := _saved("legacy", of)):
        insert = f"{of.xtables}-legacy {_INSERT_LEGACY}"
        allow = _both(insert, "-i", "-o") if variant == NFTABLES else _ALLOW
        yield _Chain(f"chain FORWARD of {of.xtables}-legacy", partial(_end_in_text, saved), allow)


def _allowing(chain: BaseChain, variant: str) -> str:
    """What lets a bridge pass, with a place for its name."""
    if (chain.family, chain.table) == ("inet", "firewalld"):
        return _FIREWALLD
    if variant != NFTABLES:
        return _ALLOW
    return _both(_INSERT.format(f"{chain.family} {chain.table} {chain.name}"), "iifname", "oifname")


def _both(command: str, *sides: str) -> str:
    return "; ".join(map(command.format, sides))


def _of_iptables(of: Family) -> tuple[str, str, str]:
    return of.nft, FORWARD.table, FORWARD.name


def _concerns(chain: BaseChain, variant: str, of: Family) -> bool:
    if chain.family not in ("inet", of.nft):
        return False
    if (variant == "nft" and chain[:3] == _of_iptables(of)) or (
        variant == NFTABLES and chain[:2] == (TRACE.table, TRACE.name)
    ):
        return False
    return chain.hook == nf_tables.FORWARD or (chain.hook == nf_tables.PREROUTING and chain.drops)


def _place(chain: BaseChain) -> tuple[str, ...]:
    """What has to be listed: a table, or where iptables has its own there the chain alone."""
    return chain[:3] if chain.family != "inet" and chain.table in _OF_IPTABLES else chain[:2]


def _listed(*place: str) -> nftrules.Listing | None:
    """A table or chain with its rules, and with what is in its sets of devices.

    None where there is no `nft` to list it, or where what it prints is something else.
    """
    kind = "table" if len(place) == 2 else "chain"
    try:
        listing = nftrules.Listing(nf_tables.listed("-t", "list", kind, *place))
        for name, what in listing.untold.items():
            listing.add(nf_tables.listed("list", what, *place[:2], name))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return listing


def _saved(variant: str, of: Family) -> Tables | None:
    """The filter table of a variant of iptables, where there is one and it can be listed."""
    saver = system.find_program(f"{of.xtables}-{variant}-save")
    try:
        if saver is None or (variant == "legacy" and not _has_legacy_filter(of)):
            return None
        found = Tables.parse(process.run([saver, "-t", FORWARD.table]).output, of)
    except (OSError, RulesUnreadableError):
        return None
    return found if of_family(FORWARD, of) in found.chains else None


def _has_legacy_filter(of: Family) -> bool:
    """Whether the table is there already: to list it would make it."""
    return FORWARD.table in system.read_file(program.LEGACY_TABLES[of]).decode().split()


def _end_in_text(saved: Tables, packet: Packet) -> str | None:
    forward = of_family(FORWARD, packet.family)
    rules = saved.chains[forward]
    found = promises.decision(saved, rules, packet, lenient=packet.translated)
    if found is None:
        return _BY_DEFAULT if saved.policies[forward] == "DROP" else None
    return "stops" if found.kind == DROP else None


def _end_in_nft(chain: BaseChain, listing: nftrules.Listing | None, packet: Packet) -> str | None:
    by_default = _BY_DEFAULT if chain.drops else None
    if listing is None:
        return by_default
    judging = partial(nftrules.judge, packet=packet, elements=listing.elements)
    walk = Walk[Any](listing.rules, judging, lenient=packet.translated)
    try:
        found: Found[Any] | None = walk.from_base(
            chain.name, listing.rules(chain.name), DROP if chain.drops else ACCEPT
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return by_default
    if found is None:
        return by_default
    return "stops" if found.kind == DROP else None
