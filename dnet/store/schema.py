"""What each part of the store's document may be, value by value.

The checks are the parsers that a command line goes through: what stands in the store is what
they accept, in the canonical form that they return.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from dnet.errors import UsageError
from dnet.hosts import fields as hosts
from dnet.model.entities import (
    FIREWALLS,
    MTUS,
    NFTABLES,
    REUSE,
    ROUND_ROBIN,
    Bridge,
    Interface,
    Link,
    Mapping,
    Origin,
    Reservation,
)
from dnet.model.fields import CURSORS
from dnet.model.pool import STANDINGS, TRANSPORTS, Overlay, Peer
from dnet.typing import Any, NamedTuple
from dnet.values import (
    address,
    address6,
    endpoint,
    family,
    linkends,
    names,
    rates,
    sources,
    subnet,
)
from dnet.values.family import V4, V6, Family
from dnet.values.origins import RUNTIMES


class Check(NamedTuple):
    """What a value is to be, in words, and whether it is."""

    what: str
    passes: Callable[[Any], bool]


class Kind(NamedTuple):
    """What the keys of a table are to be, the fields of its rows, and those never left out."""

    key: Check
    fields: dict[str, Check]
    required: frozenset[str]


def _canonical(what: str, parse: Callable[[str], object]) -> Check:
    def passes(value: Any) -> bool:
        try:
            return type(value) is str and value != "" and str(parse(value)) == value
        except UsageError:
            return False

    return Check(what, passes)


def _number(what: str, low: int, high: int) -> Check:
    return Check(what, lambda value: type(value) is int and low <= value <= high)


def _one_of(*texts: str) -> Check:
    return Check(" or ".join(texts), lambda value: type(value) is str and value in texts)


def _host_ip(of: Family) -> Check:
    """An address of a family that ports can be published on."""
    check = _canonical("an address of the host", address.parse_host_ip)
    return Check(check.what, lambda value: check.passes(value) and family.of(value) is of)


def _or_none(check: Check) -> Check:
    return Check(f"{check.what} or null", lambda value: value is None or check.passes(value))


def _kind(entity: Any, key: Check, checks: dict[str, Check]) -> Kind:
    defaults = entity._field_defaults
    flags = {name: _FLAG for name, default in defaults.items() if type(default) is bool}
    always = set(entity._fields) - set(defaults)
    return Kind(key, flags | checks, frozenset(always & checks.keys()))


def _is_text(value: Any) -> bool:
    """Whether it can be written out again; a path of the system may be any bytes."""
    try:
        return type(value) is str and value.encode(errors="surrogateescape") != b""
    except UnicodeEncodeError:
        return False


def _is_span(value: Any) -> bool:
    if type(value) is not list or not all(map(_PORT.passes, value)):
        return False
    return len(value) == 2 and value[0] <= value[1]


def _are_ports(value: Any) -> bool:
    if type(value) is not list or not all(map(_PORT_PROTO.passes, value)):
        return False
    return value == list(names.sort_ports(tuple(value)))


def _are_sources(value: Any) -> bool:
    if type(value) is not list or not value or not all(map(_NETWORK.passes, value)):
        return False
    return sources.ANY not in value and value == list(sources.ordered(value))


def _is_ipv6(value: Any) -> bool:
    return type(value) is str and family.of(value) is V6


def _are_addresses(value: Any) -> bool:
    return type(value) is list and all(map(_ANY_ADDRESS.passes, value))


def _is_origin(value: Any) -> bool:
    return (
        type(value) is dict
        and value.keys() == set(Origin._fields)
        and all(check.passes(value[name]) for name, check in _ORIGIN.items())
    )


def _made_for(text: str) -> str:
    """`BY:NETWORK`, the container runtime and its network. Raises UsageError."""
    by, _, network = text.partition(":")
    return text if by in RUNTIMES and network else ""


def _network(text: str) -> str:
    """A network of IPv4, such as 10.244.0.0/16. Raises UsageError."""
    return subnet.parse(text) if family.of(text) is V4 else ""


def _pair(text: str) -> str:
    """`PARENT:CHILD`, of which the parent may be the host. Raises UsageError."""
    parent, _, child = text.partition(":")
    one = parent if parent == names.HOST else linkends.parse(parent)
    return f"{one}:{linkends.parse(child)}" if parent != child else ""


def _endpoint(text: str) -> str:
    """An endpoint with its address, as it prints. Raises UsageError."""
    return str(endpoint.parse_endpoint(text)) if ":" in text else ""


def _single(text: str) -> str:
    return _endpoint(text) if "-" not in text else ""


TEXT = Check("a text", _is_text)
_FLAG = Check("true or false", lambda value: type(value) is bool)
_TABLE = Check("a JSON object", lambda value: type(value) is dict)
_COUNT = _number("a whole number", 0, (1 << 64) - 1)
NOTHING = Check("null", lambda value: value is None)
_PORT = _number("a port", 1, 65535)
_DEVICE = _canonical("a device name", names.device)
# As address.parse would have it, in a tenth of the time: a store can have 100,000 of them.
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}\Z")
ADDRESS = Check("an address", lambda value: type(value) is str and bool(_ADDRESS.match(value)))
ADDRESS6 = _canonical("an IPv6 address", address6.parse)
_ANY_ADDRESS = Check(
    "an address", lambda value: (ADDRESS6 if _is_ipv6(value) else ADDRESS).passes(value)
)
OWNER = _or_none(_canonical("an interface id", names.interface_id))
_ID = _canonical("an interface id", names.interface_id)
_ENDPOINT = _canonical("a host endpoint", _endpoint)
_PORT_PROTO = _canonical("a port with its protocol", names.port_proto)
_NETWORK = _canonical("a network", sources.parse)
_PORTS = Check("a sorted list of ports with protocols", _are_ports)

_BRIDGE: dict[str, Check] = {
    "address": _canonical("an address with its prefix length", address.parse_cidr),
    "mtu": _number("an MTU", MTUS[0], MTUS[-1]),
    "created": TEXT,
    "range": _or_none(TEXT),
    "chain": _canonical("a chain name", names.chain),
    "binding_ip": _host_ip(V4),
    "port_range": Check("a list of the first and the last port", _is_span),
    "allocation": _one_of(ROUND_ROBIN, REUSE),
    "other_ips": Check("a list of addresses", _are_addresses),
    "direct_access": _or_none(_FLAG),
    "address6": _or_none(_canonical("an IPv6 address with its prefix length", address6.parse_cidr)),
    "range6": _or_none(TEXT),
    "masquerade6": _or_none(_FLAG),
    "binding_ip6": _host_ip(V6),
    "origin": _or_none(_canonical("a container runtime and its network", _made_for)),
}
_ORIGIN = {
    "by": _one_of(*RUNTIMES),
    **dict.fromkeys(("network", "container"), TEXT),
    "ifname": _DEVICE,
    "name": _or_none(TEXT),
}
_INTERFACE = {
    "bridge": _DEVICE,
    "ip": ADDRESS,
    "expose": _PORTS,
    "mac": _or_none(_canonical("a MAC address", address.parse_mac)),
    "netns": _or_none(TEXT),
    "ifname": _or_none(_DEVICE),
    "cookie": _or_none(_COUNT),
    "ip6": _or_none(ADDRESS6),
    "origin": _or_none(Check("what a container runtime asked for", _is_origin)),
    **dict.fromkeys(("rate_in", "rate_out"), _or_none(_canonical("a rate", rates.parse))),
    "hosts_file": _or_none(_canonical("the path of a file", names.file_path)),
}
_RESERVATION = {"bridge": _DEVICE, "owner": OWNER, "host_ip6": _or_none(_host_ip(V6))}
_MAPPING = {
    "container_ip": _ANY_ADDRESS,
    "container_port": _PORT,
    "bridge": _DEVICE,
    "sources": Check("a sorted list of networks", _are_sources),
}
_LINK = {
    "parent_ip": ADDRESS,
    "parent_bridge": _or_none(_DEVICE),
    "child_ip": ADDRESS,
    "child_bridge": _DEVICE,
    "ports": _PORTS,
    "alias": _ID,
    "parent_ip6": _or_none(ADDRESS6),
    "child_ip6": _or_none(ADDRESS6),
}
_NETWORK = _canonical("a network of IPv4", _network)
_OVERLAY = {
    **dict.fromkeys(("name", "registry", "token"), TEXT),
    "underlay": ADDRESS,
    "pool": _or_none(_NETWORK),
    "block": _or_none(_NETWORK),
    "transport": _one_of(*TRANSPORTS),
    "vni": _number("a VXLAN network identifier", 1, (1 << 24) - 1),
    "port": _PORT,
    "revision": _COUNT,
    **dict.fromkeys(("ca", "cert", "key", "user", "digest"), TEXT),
}
_PEER = {
    "block": _NETWORK,
    "underlay": _or_none(ADDRESS),
    "revision": _COUNT,
    "state": _one_of(*STANDINGS),
}
KINDS = {
    "bridges": _kind(Bridge, _DEVICE, _BRIDGE),
    "interfaces": _kind(Interface, _ID, _INTERFACE),
    "reservations": _kind(
        Reservation, _canonical("an endpoint of one port", _single), _RESERVATION
    ),
    "mappings": _kind(Mapping, _ENDPOINT, _MAPPING),
    "links": _kind(Link, _canonical("PARENT:CHILD", _pair), _LINK),
    "overlays": _kind(Overlay, _DEVICE, _OVERLAY),
    "peers": _kind(Peer, _canonical("the name of a host", hosts.parse_name), _PEER),
}
SETTINGS = {
    "firewall": _one_of(NFTABLES),
    "former": _one_of(*FIREWALLS),
    "counts": _one_of(NFTABLES),
    "site6": _canonical("a unique local /48", address6.parse_site),
}
CURSOR = {
    **dict.fromkeys(names.PROTOCOLS, _PORT),
    **{name: ADDRESS6 if name.endswith("6") else ADDRESS for name in CURSORS},
}
LEASES = {"leases": V4, "leases6": V6}
RELEASED = {"released": V4, "released6": V6}
HEAD = {
    "schema": _COUNT,
    "serial": _COUNT,
    "boot_id": _or_none(TEXT),
    "netns": _or_none(_COUNT),
    "variant": _or_none(_one_of("nft", "legacy")),
    "generation": _COUNT,
    **dict.fromkeys((*KINDS, "settings", "cursors", *LEASES, *RELEASED), _TABLE),
}
