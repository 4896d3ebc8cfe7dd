"""The table `inet dnet` but for what is in its sets and maps: the same text for every state.

Or rather for every form of it: the half of IPv6 is there where a bridge has that, what several
hosts need where there are several, and who is let in where not everybody is. Text is in the form in
which `nft --terse --numeric-priority list ruleset` prints it. docs/rules.md explains each rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from dnet.firewall.door import Chain
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values.family import FAMILIES, V4, V6, Families, Family
from dnet.values.family import of as family_of

if TYPE_CHECKING:
    from dnet.values.sources import Sources


class Form(NamedTuple):
    """What the text depends on.

    Attributes:
        families: those that any bridge has.
        pooled: whether there is a pool of several hosts, or just one host.
        restricts: whether there may be lists of who may use a mapping.
        lists: those that are in use.
        counts: whether what passes through mappings is counted.
    """

    families: Families = (V4,)
    pooled: bool = False
    restricts: bool = False
    lists: tuple[Sources, ...] = ()
    counts: bool = False


PLAIN = Form()
WHOLE = Form(FAMILIES, pooled=True, restricts=True, counts=True)

TABLE = "inet dnet"
WAYS = ("original", "reply")
"""The directions of a connection, as nft calls them: to whom it was opened, and back."""
TRACE = Chain("inet", "dnet", "table")
MARK = 'comment "dnet: made and mended by dnet; rules of your own belong into chain user"'
USER = "user"
CHAIN = "chain"
_LIST = "from-"


class Object(NamedTuple):
    """What a table holds by a name: a `set`, a `map`, a `chain`, and so on."""

    kind: str
    name: str

    @property
    def is_administrators(self) -> bool:
        """Whether it is the administrator's, who may do with it as they like."""
        return self.name.startswith(USER)

    @property
    def chain(self) -> Chain:
        """As a finding names it."""
        return Chain(TABLE, self.name, self.kind)


Objects = dict[Object, tuple[str, ...]]
"""What is in a table, each with its lines: the declaration, and in a chain the rules behind it."""

THE_USERS = Object(CHAIN, USER)
FORWARD = Object(CHAIN, "forward")
TO_USER = f"jump {USER}"

_BETWEEN = "iifname . oifname @within"
_KNOWN = ("ct state established,related accept", "ct status dnat accept")
_PUBLISHED = "fib daddr type local goto publish"
_INTERVALS = "flags interval"
_COUNTER = "counter"
_REDIRECT = {V4: "icmp type redirect", V6: "icmpv6 type nd-redirect"}
# Who asks for a neighbour, and who answers (RFC 4861): a bridge hands it on as it does with ARP.
_NEIGHBOURS = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
# The kernel forwards nothing from there (RFC 4291, 2.5.6): translated it would get no answer, where
# otherwise it is refused.
_LINK_LOCAL = "fe80::/10"
_GROUPS = "ff00::/8"

# Of several hosts. What comes out of VXLAN has to come from where it would be sent to, which is
# inside of a peer's block; what VXLAN itself is given, be it by broadcast, from a peer, and not
# from a container. Nor does one send to a peer's, for which it would be this host.
_CLOSED = (
    "iifname @overlay fib saddr . iif oif 0 drop",
    "meta l4proto . th dport @underlay jump encapsulated",
)
_ENCAPSULATED = (
    "iifname @bridges drop",
    "ip saddr @peers return",
    "ip daddr @peers drop",
    "fib daddr type != unicast drop",
)
# What goes to other hosts comes from this one's block.
_FORGED = (
    "oifname @overlay ip saddr . iifname != @home4 drop",
    "ip daddr . iifname @pool ip saddr . iifname != @home4 drop",
)
# Containers of the other hosts: by VXLAN they are within, as siblings are; otherwise they are known
# by their addresses.
_BEYOND = (
    "iifname @overlay drop",
    "oifname @overlay drop",
    "iifname != @inside ip saddr . oifname @pool accept",
)
_SIBLINGS_BEYOND = (
    "iifname != @inside oifname @noicc ip saddr . oifname @pool jump refuse",
    "iifname @noicc oifname != @inside ip daddr . iifname @pool jump refuse",
)


@cache
def objects(form: Form = PLAIN) -> Objects:
    """Everything that a table of a form declares, in an order in which it can be made."""
    hosts = _sets_of_hosts() if form.pooled else ()
    return dict([*_sets(form), *hosts, *_chains(form)])


def forms(there: Objects) -> list[Form]:
    """What a table that holds some objects may be a form of, the smallest first."""
    lists = listed(there)
    return [
        Form(families, pooled, restricts, lists if restricts else (), counts)
        for counts in (False, True)
        for restricts in (False, True)
        for pooled in (False, True)
        for families in ((V4,), FAMILIES)
    ]


def list_name(sources: Sources) -> str:
    """The name of the chain that lets these in, which no other list has."""
    from hashlib import sha256

    return f"{_LIST}{sha256(' '.join(sources).encode()).hexdigest()[:16]}"


def is_list(one: Object) -> bool:
    """Whether it is a chain by who is let in."""
    return one.kind == CHAIN and one.name.startswith(_LIST)


def listed(there: Objects) -> tuple[Sources, ...]:
    """The lists whose chains are there, as far as a chain is named by what is in it."""
    found = (tuple(filter(None, map(_source, there[one]))) for one in there if is_list(one))
    names = {one.name for one in there}
    return tuple(sorted(one for one in found if list_name(one) in names))


def _source(rule: str) -> str | None:
    """The network that a rule of a list lets in."""
    if rule == "drop":
        return None
    ip, _, rest = rule.partition(" saddr ")
    text = rest.removesuffix(" return")
    family = V4 if ip == V4.nft else V6
    return text if "/" in text else f"{text}/{family.bits}"


def _list(sources: Sources) -> Iterator[str]:
    for one in sources:
        family = family_of(one)
        yield f"{family.nft} saddr {one.removesuffix(f'/{family.bits}')} return"
    yield "drop"


def _sets(form: Form) -> Iterator[tuple[Object, tuple[str, ...]]]:
    for name in ("inside", "bridges", "isolated", "noicc", "closed"):
        yield Object("set", name), ("type ifname",)
    yield Object("set", "within"), ("type ifname . ifname",)
    for family in form.families:
        yield from _sets_of(family)
        if form.restricts:
            yield from _restricting(family)
        if form.counts:
            yield from _counting(family)


def _counting(family: Family) -> Iterator[tuple[Object, tuple[str, ...]]]:
    v, port = family.version, "inet_proto . inet_service"
    at = f"type ct_dir . {family.name}_addr . {port}"
    yield Object("set", f"count{v}at"), (at, _COUNTER)
    yield Object("set", f"count{v}"), (f"type ct_dir . {port}", _COUNTER)
    yield Object("set", f"countrange{v}at"), (at, _INTERVALS, _COUNTER)
    yield Object("set", f"countrange{v}"), (f"type ct_dir . {port}", _INTERVALS, _COUNTER)


def _restricting(family: Family) -> Iterator[tuple[Object, tuple[str, ...]]]:
    v, port = family.version, "inet_proto . inet_service : verdict"
    yield Object("map", f"from{v}at"), (f"type {family.name}_addr . {port}",)
    yield Object("map", f"from{v}"), (f"type {port}",)
    yield Object("map", f"fromrange{v}at"), (f"type {family.name}_addr . {port}", _INTERVALS)
    yield Object("map", f"fromrange{v}"), (f"type {port}", _INTERVALS)


def _sets_of(family: Family) -> Iterator[tuple[Object, tuple[str, ...]]]:
    v, address = family.version, f"{family.name}_addr"
    port = "inet_proto . inet_service"
    yield Object("set", f"home{v}"), (f"type {address} . ifname", _INTERVALS)
    yield Object("set", f"masq{v}"), (f"type {address}", _INTERVALS)
    yield Object("set", f"inside{v}"), (f"type {address} . {address}", _INTERVALS)
    yield Object("map", f"port{v}at"), (f"type {address} . {port} : {address} . inet_service",)
    yield Object("map", f"port{v}"), (f"type {port} : {address} . inet_service",)
    yield Object("map", f"range{v}at"), (f"type {address} . {port} : {address}", _INTERVALS)
    yield Object("map", f"range{v}"), (f"type {port} : {address}", _INTERVALS)
    yield Object("set", f"parent{v}"), (f"type ifname . {address}",)
    yield Object("set", f"link{v}"), (f"type {address} . {address} . {port}",)


def _sets_of_hosts() -> Iterator[tuple[Object, tuple[str, ...]]]:
    yield Object("set", "overlay"), ("type ifname",)
    yield Object("set", "underlay"), ("type inet_proto . inet_service",)
    yield Object("set", "peers"), ("type ipv4_addr",)
    yield Object("set", "pool"), ("type ipv4_addr . ifname", _INTERVALS)


def _chains(form: Form) -> Iterator[tuple[Object, tuple[str, ...]]]:
    of, pooled = form.families, form.pooled
    # A chain stands behind those that it leads to.
    yield THE_USERS, ()
    if pooled:
        yield Object(CHAIN, "encapsulated"), _ENCAPSULATED
    yield _base("guard", "filter", "prerouting", -300, *(_CLOSED if pooled else ()), *_guard(of))
    yield Object(CHAIN, "publish"), tuple(_publish(of))
    for sources in form.lists:
        yield Object(CHAIN, list_name(sources)), tuple(_list(sources))
    if form.restricts:
        yield Object(CHAIN, "admit"), tuple(_admit(of))
    admitted = ("fib daddr type local jump admit",) if form.restricts else ()
    yield _base("prerouting", "nat", "prerouting", -100, *admitted, _PUBLISHED)
    yield _base("output", "nat", "output", -100, _PUBLISHED)
    if form.counts:
        # Each way where all of it comes by, the host's own as well.
        yield Object(CHAIN, "counted"), tuple(_count(of))
        there, back = (f"ct direction {way} ct status dnat goto counted" for way in WAYS)
        yield _base("sent", "filter", "postrouting", 300, there)
        yield _base("answered", "filter", "prerouting", -90, back)
    yield Object(CHAIN, "refuse"), (*_links(of), "drop")
    yield _base("forward", "filter", "forward", 0, *_forward(pooled=pooled))
    # Later than the forward chain, so that no accept of the administrator's lets siblings through.
    siblings = f"iifname @noicc oifname @noicc {_BETWEEN} jump refuse"
    beyond = _SIBLINGS_BEYOND if pooled else ()
    yield _base("siblings", "filter", "forward", 10, *_KNOWN, siblings, *beyond)
    yield _base("redirects", "filter", "output", 0, *_redirects(of))
    yield _base("postrouting", "nat", "postrouting", 100, *_postrouting(of))


def _base(
    name: str, kind: str, hook: str, priority: int, *rules: str
) -> tuple[Object, tuple[str, ...]]:
    head = f"type {kind} hook {hook} priority {priority}; policy accept;"
    return Object(CHAIN, name), (head, *rules)


def _guard(of: Families) -> Iterator[str]:
    yield 'iifname "lo" accept'
    for family in of:
        yield f"{family.nft} daddr {_local(family)} drop"
        yield f"{family.nft} saddr {_local(family)} drop"


def _admit(of: Families) -> Iterator[str]:
    """Who is let in to what; what the host itself sends does not come by here."""
    for family in of:
        v, port = family.version, "meta l4proto . th dport vmap"
        at, every = f"{family.nft} daddr . {port}", f"meta nfproto {family.name} {port}"
        yield f"{at} @from{v}at"
        yield f"{every} @from{v}"
        yield f"{at} @fromrange{v}at"
        yield f"{every} @fromrange{v}"


def _count(of: Families) -> Iterator[str]:
    for family in of:
        v = family.version
        # nft knows what ports are only behind a protocol.
        ports, port = "meta l4proto { tcp, udp, sctp } ct direction", "ct original proto-dst"
        at = f"{ports} . ct original {family.nft} daddr . meta l4proto . {port}"
        every = f"meta nfproto {family.name} {ports} . meta l4proto . {port}"
        yield f"{every} @count{v} return"
        yield f"{at} @count{v}at return"
        yield f"{every} @countrange{v} return"
        yield f"{at} @countrange{v}at return"


def _publish(of: Families) -> Iterator[str]:
    for family in of:
        v, ip = family.version, family.nft
        at, port = f"{ip} daddr . meta l4proto . th dport", "meta l4proto . th dport"
        if family is V6:
            yield f"{ip} saddr {_LINK_LOCAL} return"
        yield f"dnat {ip} to {at} map @port{v}at"
        yield f"dnat {ip} to {port} map @port{v}"
        yield f"dnat {ip} to {at} map @range{v}at"
        yield f"dnat {ip} to {port} map @range{v}"


def _links(of: Families) -> Iterator[str]:
    if V6 in of:
        yield _NEIGHBOURS
    for family in of:
        v, ip = family.version, family.nft
        way = f"{ip} saddr . {ip} daddr . meta l4proto . th dport"
        yield f"iifname . {ip} saddr @parent{v} {way} @link{v} accept"


def _forward(*, pooled: bool) -> Iterator[str]:
    yield TO_USER
    yield from _KNOWN
    if pooled:
        yield from _FORGED
    yield f"{_BETWEEN} accept"
    if pooled:
        yield from _BEYOND
    yield "iifname @isolated oifname @bridges jump refuse"
    yield "iifname @bridges oifname @isolated jump refuse"
    yield "iifname != @inside oifname @closed drop"


def _redirects(of: Families) -> Iterator[str]:
    # With ports kept apart the way to a linked sibling leads through the host, and stays there.
    for family in of:
        yield f"oifname @noicc {_REDIRECT[family]} drop"


def _postrouting(of: Families) -> Iterator[str]:
    for family in of:
        yield f"{family.nft} saddr {_local(family)} oifname @bridges masquerade"
    for family in of:
        # By address: with br_netfilter there is no device here that it came in by.
        yield f"ct status dnat {family.nft} saddr . oifname @home{family.version} masquerade"
    for family in of:
        v, ip = family.version, family.nft
        beyond = f"{ip} daddr != {_GROUPS} " if family is V6 else ""
        yield f"{ip} saddr @masq{v} {beyond}{ip} saddr . {ip} daddr != @inside{v} masquerade"


def _local(family: Family) -> str:
    return family.local.removesuffix(f"/{family.bits}")
