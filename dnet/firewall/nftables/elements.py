"""What is in the sets and maps of the table `inet dnet`, as data computed from a state.

An element is its key, and its data where it is one of a map, both in the form in which nft(8)
prints them: `tcp . 8080` and `172.17.0.2 . 80`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnet.firewall.nftables import layout
from dnet.firewall.traffic import Pooled, filtered, pooled
from dnet.model.entities import Bridge, Link
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING, Any, NamedTuple
from dnet.values import family
from dnet.values.endpoint import Endpoint
from dnet.values.family import WILDCARDS
from dnet.values.names import split_port_proto

if TYPE_CHECKING:
    from dnet.values.sources import Sources

Elements = dict[str, dict[str, str]]
"""The elements of each set or map, by its name; those of a set have no data."""
NONE: Elements = {}


class Raw(NamedTuple):
    """An element of the kernel's; `end` is that of its interval, empty where it is its key."""

    key: bytes
    data: bytes = b""
    end: bytes = b""
    flags: int = 0


class Element(NamedTuple):
    """An element, with the name of what it is in."""

    holder: str
    key: str
    data: str = ""


def text(key: str, data: str) -> str:
    """An element as nft(8) prints it."""
    return f"{key} : {data}" if data else key


def device(name: str) -> str:
    r"""The name of a device: as the last character, `*` would stand for any (nft(8)); `\*` not."""
    return f'"{name[:-1]}\\*"' if name.endswith("*") else f'"{name}"'


def collected(elements: Iterable[Element]) -> Elements:
    """The elements by what they are in."""
    found: Elements = {}
    for holder, key, data in elements:
        found.setdefault(holder, {})[key] = data
    return found


def everything(state: State, closed: Collection[str]) -> Elements:
    """All elements of a state. `closed` are bridges that other networks do not reach into."""
    found = collected(of_bridges(state.bridges.values(), closed, pooled(state)))
    counts = state.counts
    for key, row in state.mappings.rows.items():
        for holder, mapped, data in of_mapping(key, row, counts=counts):
            found.setdefault(holder, {})[mapped] = data
    for link in state.links.values():
        for holder, linked, data in of_link(link):
            found.setdefault(holder, {})[linked] = data
    return found


def of_bridges(
    bridges: Iterable[Bridge], closed: Collection[str], hosts: Pooled | None = None
) -> Iterator[Element]:
    """What bridges need, if any has rules; of one without is noted that it is dnet's.

    `hosts` is the one that is part of a pool.
    """
    every = list(bridges)
    ruled = filtered(every)
    yield from (Element("inside", device(one.name)) for one in every if ruled)
    for one in ruled:
        name = device(one.name)
        yield Element("bridges", name)
        yield Element("within", f"{name} . {name}")
        if one.isolate:
            yield Element("isolated", name)
        if not one.icc:
            yield Element("noicc", name)
        if one.name in closed:
            yield Element("closed", name)
        for subnet in one.subnets:
            v, network = subnet.family.version, subnet.network
            yield Element(f"home{v}", f"{network} . {name}")
            if subnet.masquerade:
                yield Element(f"masq{v}", network)
                beside = hosts.pool if hosts and hosts.overlay.block == network else network
                yield Element(f"inside{v}", f"{network} . {beside}")
    if hosts is not None:
        yield from _of_hosts(hosts)


def _of_hosts(hosts: Pooled) -> Iterator[Element]:
    """What keeps a bridge in touch with its peers, and everybody else out."""
    bridge = device(hosts.bridge.name)
    if hosts.device is None:
        yield Element("pool", f"{hosts.pool} . {bridge}")
        return
    tunnel = device(hosts.device)
    yield Element("overlay", tunnel)
    yield Element("inside", tunnel)
    yield Element("within", f"{tunnel} . {bridge}")
    yield Element("within", f"{bridge} . {tunnel}")
    if not hosts.bridge.icc:
        yield Element("noicc", tunnel)
    yield Element("underlay", f"udp . {hosts.overlay.port}")
    yield from (Element("peers", one) for one in hosts.hosts)


def of_mapping(key: str, row: dict[str, Any], *, counts: bool) -> list[Element]:
    """The translation of a host port or of a range, from a row of the store, and who may use it.

    And its counters, each way, where it `counts`.

    A range that keeps its ports is one element. Of any other nftables would translate every port
    to the first one: NF_NAT_RANGE_PROTO_OFFSET of the kernel has no word in nft(8).
    """
    at, ip, first = Endpoint.from_key(key), row["container_ip"], row["container_port"]
    v = family.of(ip).version
    ahead, where = ("", "") if at.host_ip in WILDCARDS else (f"{at.host_ip} . ", "at")
    ahead += at.proto
    found = _restriction(at, f"{v}{where}", ahead, row["sources"]) if "sources" in row else []
    if counts:
        found += counters(at)
    if not at.is_range:
        return [*found, Element(f"port{v}{where}", f"{ahead} . {at.port}", f"{ip} . {first}")]
    if at.port == first:
        return [*found, Element(f"range{v}{where}", f"{ahead} . {at.port}-{at.end}", ip)]
    holder, offset = f"port{v}{where}", first - at.port
    return found + [
        Element(holder, f"{ahead} . {port}", f"{ip} . {port + offset}")
        for port in range(at.port, at.end + 1)
    ]


def _restriction(at: Endpoint, where: str, ahead: str, sources: list[str]) -> list[Element]:
    """Where it is decided who may use a mapping: in the chain of its list."""
    holder, ports = ("fromrange", f"{at.port}-{at.end}") if at.is_range else ("from", f"{at.port}")
    target = f"jump {layout.list_name(tuple(sources))}"
    return [Element(f"{holder}{where}", f"{ahead} . {ports}", target)]


def counters(at: Endpoint) -> list[Element]:
    """What counts through the mapping of an endpoint: there, and back."""
    v = family.of(at.host_ip).version
    ahead, where = ("", "") if at.host_ip in WILDCARDS else (f"{at.host_ip} . ", "at")
    holder, ports = ("countrange", f"{at.port}-{at.end}") if at.is_range else ("count", at.port)
    return [
        Element(f"{holder}{v}{where}", f"{way} . {ahead}{at.proto} . {ports}")
        for way in layout.WAYS
    ]


def lists(state: State) -> tuple[Sources, ...]:
    """Each list of who may use a mapping."""
    return tuple(sorted(state.mappings_by_sources.groups()))


def of_link(link: Link) -> Iterator[Element]:
    """A parent's way to each port of the child; that of the host is a translation."""
    for parent, child in link.ways:
        v = family.of(parent).version
        if not link.from_host:
            yield _parent(link, parent)
        for one in link.ports:
            port, proto = split_port_proto(one)
            if link.from_host:
                yield Element(f"port{v}at", f"{parent} . {proto} . {port}", f"{child} . {port}")
            else:
                yield Element(f"link{v}", f"{parent} . {child} . {proto} . {port}")


def parents(link: Link) -> Iterator[Element]:
    """Where what its parent sends comes from: the same for all of a parent's links."""
    for parent, _ in link.ways:
        yield _parent(link, parent)


def _parent(link: Link, ip: str) -> Element:
    return Element(f"parent{family.of(ip).version}", f"{device(link.parent_bridge or '')} . {ip}")
