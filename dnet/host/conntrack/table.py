"""Deleting connection tracking entries, so that a change of the rules holds for running flows too.

The rules of the nat table see only the first packet of a flow. A UDP client that keeps sending from
one port stays with the translation, or the lack of one, that its entry was made with, for as long
as it sends.

The kernel is asked for its whole table once, and tells of it what all flows have in common: of a
hundred thousand entries a few in 30 ms, all in 250. They are deleted one by one, each of which it
takes from its hash chain. By netlink it locks every chain on its way, empty or not: 262,144 of them
take nine milliseconds. As text it passes over the empty ones, in a fifth of a millisecond, so a
short table is asked for as text first, whether there is anything of a flow.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import struct
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from dnet.host import nlsocket
from dnet.host.conntrack.entry import (
    ANSWERS,
    ASKS,
    DESTINATION_PORT,
    IP,
    NAMES,
    NUMBER,
    PROTO,
    SOURCE_PORT,
    SOURCES,
    SUBSYSTEM,
    Entry,
    direction,
    read,
)
from dnet.host.localaddr import LocalAddresses
from dnet.host.nlsocket import NESTED, attribute
from dnet.host.system import read_file
from dnet.plan.flow import LOCAL, Flow, Ports
from dnet.typing import TypeGuard
from dnet.values import family
from dnet.values.address import contains
from dnet.values.family import V4, V6, Family

Term = tuple[int, int, int]
"""A direction, a part of its tuple, and an attribute of that part."""

_CT_GET = SUBSYSTEM | 1  # IPCTNL_MSG_CT_GET
_PORT = struct.Struct("!H")
_TEXT = "/proc/net/nf_conntrack"  # Kernels without CONFIG_NF_CONNTRACK_PROCFS do not have it.
# One read gives a page at most. What is as short is all of the table: one more entry, which has six
# hundred bytes at most, would have been in it.
_PAGE, _SHORT = 4096, 3000
# Up to so many signs are sooner looked for in an entry than the entry is taken apart.
_FEW = 8
_FILTER = 25  # CTA_FILTER; in it the flags of a direction are numbered as the directions are
_FLAGS = struct.Struct("=I")
# CTA_FILTER_F_CTA_IP_SRC, …, net/netfilter/nf_internals.h
_FLAG = {(IP, kind + at): 1 << at for kind in SOURCES.values() for at in (0, 1)}
_FLAG |= {(PROTO, NUMBER): 1 << 3, (PROTO, SOURCE_PORT): 1 << 4, (PROTO, DESTINATION_PORT): 1 << 5}
_NUMBERS: dict[str | None, int] = {name: number for number, name in NAMES.items()}
# Of which an entry can be made that needs to know nothing of the one before.
_HELD = ("tcp", "udp")


def delete(flows: Iterable[Flow], warn: Callable[[str], None]) -> list[str]:
    """Delete every entry that agrees with any of `flows`; the entries deleted, one text each.

    Where a flow says so, an entry that translates nothing takes the place of what it deletes.

    Reads the table once for each family that flows are of, or not at all when there is no flow or
    nothing of one in the table. What cannot be done is told to `warn` and left: the rules are right
    already, and an entry that stays affects no more than the flow it stands for. An entry that ends
    by itself meanwhile is no error.

    Raises ValueError for a flow that names neither an address nor a port, before anything is
    deleted: it would stand for everybody's entries.
    """
    wanted = tuple(dict.fromkeys(flows))
    for flow in wanted:
        if not flow.names_something:
            raise ValueError("a flow needs an address or a port")
    if not wanted or _is_table_empty() or not _are_mentioned(wanted):
        return []
    local = OfBothFamilies()
    try:
        matched = list(select(_listing(wanted), wanted, local))
    except OSError as error:
        warn(
            "cannot list connection tracking entries, existing connections keep their old route: "
            f"{error.strerror}"
        )
        return []
    if not matched:
        return []
    from dnet.host.conntrack import messages

    held = {
        entry
        for entry in select(matched, [flow for flow in wanted if flow.hold], local)
        if entry.is_aimed_elsewhere and entry.proto in _HELD
    }
    return [str(entry) for entry in messages.destroy(matched, warn, held)]


def count(flows: Sequence[Flow]) -> list[int]:
    """How many entries agree with each of `flows`, which name ports. Raises OSError."""
    found = [0] * len(flows)
    if not flows or _is_table_empty():
        return found
    local = OfBothFamilies()
    by_port: dict[int | None, list[int]] = {}
    for at, flow in enumerate(flows):
        first, last = flow.orig_dports or (0, 0)
        for port in range(first, last + 1):
            by_port.setdefault(port, []).append(at)
    for entry in _listing(flows):
        for at in by_port.get(entry.dport, ()):
            found[at] += _agrees(entry, flows[at], local)
    return found


class OfBothFamilies:
    """The host's own addresses, those of a family read when one of it is first asked about."""

    def __init__(self) -> None:
        self._of: dict[Family, LocalAddresses] = {}

    def __contains__(self, ip: object) -> bool:
        if not isinstance(ip, str):
            return False
        of = family.of(ip)
        if of not in self._of:
            self._of[of] = LocalAddresses(of)
        return ip in self._of[of]


def _is_table_empty() -> bool:
    try:
        return int(read_file("/proc/sys/net/netfilter/nf_conntrack_count")) == 0
    except OSError:
        return False


def _are_mentioned(flows: Sequence[Flow]) -> bool:
    """Whether an entry may agree with any of `flows`; it may where that would take long to say."""
    words = list(map(_word, flows))
    try:
        text = read_file(_TEXT, _PAGE)
    except OSError:
        return True
    return len(text) > _SHORT or any(word in text for word in words)


def _word(flow: Flow) -> bytes:
    """What is in the text of every entry that agrees with a flow: a part of a tuple, or nothing."""
    key = _key(flow)
    if key is None:
        return b""
    if isinstance(key, int):
        return f" dport={key} ".encode()
    shown = key if family.of(key) is V4 else _packed(key).hex(":", 2)
    return f"={shown} ".encode()


def _listing(flows: Iterable[Flow]) -> Iterator[Entry]:
    """The entries that can agree with a flow, as far as that is quick to tell."""
    of: dict[Family, list[Flow]] = {}
    for flow in flows:
        of.setdefault(_family(flow), []).append(flow)
    for some in of.values():
        yield from _of_one_family(some)


def _of_one_family(flows: Sequence[Flow]) -> Iterator[Entry]:
    signs = _signs(flows)
    for data, at, end in nlsocket.places(nlsocket.NETFILTER, _CT_GET, narrow(flows)):
        if not signs or any(data.find(sign, at, end) >= 0 for sign in signs):
            yield read(data[at + nlsocket.ABOUT.size : end])


def narrow(flows: Iterable[Flow]) -> bytes:
    """The question for the entries that have what all `flows` have in common.

    It only spares answers: what it cannot say, or a kernel before Linux 5.8 passes over, `select`
    sees to.
    """
    first, *others = map(_terms, flows)
    common = {
        term: value
        for term, value in first.items()
        if all(other.get(term) == value for other in others)
    }
    families = {_family(flow).number for flow in flows}
    question = nlsocket.ABOUT.pack(families.pop() if len(families) == 1 else 0, 0, 0)
    flags = b""
    for way in (ASKS, ANSWERS):
        ip, proto = _part(common, way, IP), _part(common, way, PROTO)
        # The kernel takes ports only beside a protocol.
        if NUMBER not in proto:
            proto = {}
        asked = [(IP, kind) for kind in ip] + [(PROTO, kind) for kind in proto]
        if asked:
            question += direction(way, ip, proto)
            flags += attribute(way, _FLAGS.pack(sum(_FLAG[one] for one in asked)))
    return question + attribute(_FILTER | NESTED, flags) if flags else question


def _part(terms: dict[Term, bytes], way: int, part: int) -> dict[int, bytes]:
    return {term[2]: value for term, value in terms.items() if term[:2] == (way, part)}


def _family(flow: Flow) -> Family:
    if flow.of is V6:
        return V6
    addresses = (flow.orig_dst, flow.orig_src, flow.reply_src, flow.either)
    found = {family.of(one) for one in addresses if one}
    return V6 if V6 in found else V4


def _terms(flow: Flow) -> dict[Term, bytes]:
    """What every entry has that agrees with a flow, as far as a question can say it."""
    terms = {}
    source = SOURCES[V4]
    for way, kind, ip in (
        (ASKS, source, flow.orig_src),
        (ASKS, source + 1, flow.orig_dst),
        (ANSWERS, source, flow.reply_src),
    ):
        # Those of IPv6 the kernel compares the wrong way round: !ipv6_addr_cmp in
        # ctnetlink_filter_match_tuple, net/netfilter/nf_conntrack_netlink.c.
        if _is_one(ip) and family.of(ip) is V4:
            terms[way, IP, kind] = _packed(ip)
    if flow.proto in _NUMBERS:
        number = bytes([_NUMBERS[flow.proto]])
        terms |= {(ASKS, PROTO, NUMBER): number, (ANSWERS, PROTO, NUMBER): number}
    for way, kind, ports in (
        (ASKS, DESTINATION_PORT, flow.orig_dports),
        (ANSWERS, SOURCE_PORT, flow.reply_sports),
    ):
        if ports and ports[0] == ports[1]:
            terms[way, PROTO, kind] = _PORT.pack(ports[0])
    return terms


def _is_one(ip: str | None) -> TypeGuard[str]:
    """Whether it is a single address."""
    return ip is not None and ip != LOCAL and "/" not in ip


def _packed(ip: str) -> bytes:
    return _socket.inet_pton(family.of(ip).number, ip)


def _signs(flows: Sequence[Flow]) -> list[bytes]:
    """Some bytes of which one is in every entry that can agree with a flow; none if unknown."""
    keys = {_key(flow) for flow in flows}
    if len(keys) > _FEW or None in keys:
        return []
    return [_sign(key) for key in keys if key is not None]


def _sign(key: str | int) -> bytes:
    if isinstance(key, int):
        return attribute(DESTINATION_PORT, _PORT.pack(key))
    return _packed(key)


def select(
    entries: Iterable[Entry], flows: Iterable[Flow], local: Container[str]
) -> Iterator[Entry]:
    """Those of `entries` that agree with any of `flows`."""
    wanted = _Index(flows, local)
    return (entry for entry in entries if wanted.means(entry))


class _Index:
    """Flows by the most telling thing they name.

    So that thousands of them cost an entry no more than a few comparisons.
    """

    def __init__(self, flows: Iterable[Flow], local: Container[str]) -> None:
        self._local = local
        self._flows: dict[str | int | None, list[tuple[Flow, _Index | None]]] = {}
        for flow in flows:
            spared = _Index(flow.spared, local) if flow.spared else None
            self._flows.setdefault(_key(flow), []).append((flow, spared))

    def means(self, entry: Entry) -> bool:
        """Whether an entry agrees with any of the flows."""
        keys = {None, entry.dport, entry.src, entry.dst, entry.reply_src, entry.reply_dst}
        return any(
            _agrees(entry, flow, self._local) and not (spared and spared.means(entry))
            for key in keys
            for flow, spared in self._flows.get(key, ())
        )


def _key(flow: Flow) -> str | int | None:
    found = (flow.either, flow.reply_src, flow.orig_src, flow.orig_dst)
    address = next(filter(_is_one, found), None)
    if address is None and flow.orig_dports and flow.orig_dports[0] == flow.orig_dports[1]:
        return flow.orig_dports[0]
    return address


def _agrees(entry: Entry, flow: Flow, local: Container[str]) -> bool:
    places = (entry.src, entry.dst, entry.reply_src, entry.reply_dst)
    return (
        flow.proto in (None, entry.proto)
        and _is_at(entry.src, flow.orig_src, flow.of, local)
        and flow.reply_src in (None, entry.reply_src)
        and (flow.either is None or flow.either in places)
        and _is_within(entry.dport, flow.orig_dports)
        and _is_within(entry.reply_sport, flow.reply_sports)
        and _is_at(entry.dst, flow.orig_dst, flow.of, local)
        and not (flow.direct and (entry.dst != entry.reply_src or _concerns(entry, local)))
    )


def _is_at(ip: str, asked: str | None, of: Family, local: Container[str]) -> bool:
    """Whether it is the asked address, in the asked subnet, or any of the host's in a family."""
    if asked == LOCAL:
        return family.of(ip) is of and ip in local
    return asked is None or ip == asked or ("/" in asked and contains(asked, ip))


def _concerns(entry: Entry, local: Container[str]) -> bool:
    """Whether the host itself is one of the two."""
    return entry.src in local or entry.dst in local


def _is_within(port: int | None, ports: Ports | None) -> bool:
    return ports is None or (port is not None and ports[0] <= port <= ports[1])
