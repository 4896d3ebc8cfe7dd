"""Elements as the kernel has them, in the form in which nft(8) prints them.

A key of several fields has each of them filled up to four bytes; so has what it is translated to
(net/netfilter/nft_set_pipapo.c, concatenations in nft(8)).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from ipaddress import IPv6Address

from dnet.firewall.nftables.elements import Raw, device
from dnet.typing import Any, NamedTuple

END, CATCH_ALL = 1, 2  # NFT_SET_ELEM_INTERVAL_END, NFT_SET_ELEM_CATCHALL
# NF_DROP, NF_ACCEPT, and NFT_JUMP and others of include/uapi/linux/netfilter/nf_tables.h
_VERDICTS = {0: "drop", 1: "accept", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
_DIRECTIONS = ("original", "reply")  # enum ip_conntrack_dir
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}


class _Field(NamedTuple):
    """A type of nft's: its bytes in the kernel, how they are read, and what it looks like."""

    size: int
    layout: str
    shown: Callable[[Any], str]

    @property
    def room(self) -> int:
        """The bytes it takes up next to others."""
        return self.size + 3 & ~3

    def text(self, value: bytes) -> str:
        """One value, of that many bytes."""
        return self.shown(*struct.unpack(f"!{self.layout.partition(' ')[0]}", value))


def texts(declaration: Sequence[str], found: Iterable[Raw]) -> Iterator[tuple[str, str]]:
    """Key and data of the elements of a set or map, by what it was declared with."""
    key, _, data = declaration[0].removeprefix("type ").partition(" : ")
    fields = _fields(key)
    if "flags interval" in declaration[1:] and len(fields) == 1:
        found = _paired(found, fields[0].size)
    plain: list[Raw] = []
    others: list[Raw] = []
    for one in found:
        (others if one.end or one.flags else plain).append(one)
    keys = _joined(fields, [one.key for one in plain])
    keys += [_span_of(fields, one) for one in others]
    if not data:
        return ((key, "") for key in keys)
    values = [one.data for one in (*plain, *others)]
    shown = map(_verdict, values) if data == "verdict" else _joined(_fields(data), values)
    return zip(keys, shown, strict=True)


def _verdict(value: bytes) -> str:
    """A verdict by its code, with the name of the chain that it leads to."""
    code, chain = int.from_bytes(value[:4], "big", signed=True), value[4:].rstrip(b"\0")
    word = _VERDICTS.get(code, str(code))
    return f"{word} {chain.decode(errors='surrogateescape')}".rstrip()


def _span_of(fields: tuple[_Field, ...], one: Raw) -> str:
    return "*" if one.flags & CATCH_ALL else " . ".join(_spans(fields, one.key, one.end))


def _fields(types: str) -> tuple[_Field, ...]:
    return tuple(_TYPES[name] for name in types.split(" . "))


def _joined(fields: tuple[_Field, ...], values: Sequence[bytes]) -> list[str]:
    """Values of several fields, column by column: there may be ten thousand of them."""
    layout = struct.Struct("!" + "".join(field.layout for field in fields))
    columns = zip(*layout.iter_unpack(b"".join(values)), strict=True)
    shown = (map(field.shown, column) for field, column in zip(fields, columns, strict=False))
    return list(map(" . ".join, zip(*shown, strict=True)))


def _spans(fields: tuple[_Field, ...], first: bytes, last: bytes) -> Iterator[str]:
    at = 0
    for field in fields:
        begin, end = first[at : at + field.size], last[at : at + field.size]
        yield field.text(begin) if end in (begin, b"") else _span(field, begin, end)
        at += field.room


def _span(field: _Field, begin: bytes, end: bytes) -> str:
    """A network where it is one, else the first and the last."""
    low, high = int.from_bytes(begin, "big"), int.from_bytes(end, "big")
    size = high - low + 1
    if field.shown in (_ipv4, _ipv6) and not size & size - 1 and not low % size:
        return f"{field.text(begin)}/{field.size * 8 - size.bit_length() + 1}"
    if field.shown == _device and end.rstrip(b"\xff") == (start := begin.rstrip(b"\0")):
        return f'"{start.decode(errors="surrogateescape")}*"'
    if field.shown == _protocol:
        return f"{low}-{high}"  # By their names nft does not know them here.
    return f"{field.text(begin)}-{field.text(end)}"


def _paired(found: Iterable[Raw], size: int) -> Iterator[Raw]:
    """Intervals whose ends are elements of their own: each behind the last that is in it.

    nft_set_rbtree.c. The kernel gives the last one first.
    """
    begin: bytes | None = None
    for one in sorted(found, key=lambda raw: (raw.key, not raw.flags & END)):
        if not one.flags & END:
            begin = one.key
        elif begin is not None:
            last = (int.from_bytes(one.key, "big") - 1).to_bytes(size, "big")
            yield Raw(begin, end=last)
            begin = None
    if begin is not None:
        yield Raw(begin, end=b"\xff" * size)


@cache
def _ipv4(value: bytes) -> str:
    return ".".join(map(str, value))


@cache
def _ipv6(value: bytes) -> str:
    return str(IPv6Address(value))


@cache
def _protocol(number: int) -> str:
    return _PROTOCOLS.get(number, str(number))


@cache
def _device(value: bytes) -> str:
    return device(value.rstrip(b"\0").decode(errors="surrogateescape"))


_TYPES = {
    "ct_dir": _Field(1, "B 3x", _DIRECTIONS.__getitem__),
    "ifname": _Field(16, "16s", _device),
    "ipv4_addr": _Field(4, "4s", _ipv4),
    "ipv6_addr": _Field(16, "16s", _ipv6),
    "inet_proto": _Field(1, "B 3x", _protocol),
    "inet_service": _Field(2, "H 2x", str),
}
