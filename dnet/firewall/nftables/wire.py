"""Elements as the kernel has them, in the form in which nft(8) prints them.

A key of several fields has each of them filled up to four bytes; so has what it is translated to
(net/netfilter/nft_set_pipapo.c, concatenations in nft(8)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from ipaddress import IPv6Address
from typing import NamedTuple

from dnet.firewall.nftables.elements import device

END, CATCH_ALL = 1, 2  # NFT_SET_ELEM_INTERVAL_END, NFT_SET_ELEM_CATCHALL
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}


class Raw(NamedTuple):
    """An element of a dump; `end` is the end of its interval, and empty where it is its key."""

    key: bytes
    end: bytes = b""
    data: bytes = b""
    flags: int = 0


class _Field(NamedTuple):
    """A type of nft's: its bytes in the kernel, and what it looks like."""

    size: int
    shown: Callable[[bytes], str]

    @property
    def room(self) -> int:
        """The bytes it takes up beside others."""
        return self.size + 3 & ~3


def texts(declaration: Sequence[str], found: Iterable[Raw]) -> Iterator[tuple[str, str]]:
    """Key and data of the elements of a set or map, by what it was declared with."""
    types = declaration[0].removeprefix("type ")
    key, _, data = types.partition(" : ")
    fields, target = _fields(key), _fields(data) if data else ()
    if "flags interval" in declaration[1:] and len(fields) == 1:
        found = _paired(found, fields[0].size)
    for one in found:
        if one.flags & CATCH_ALL:
            shown = "*"
        elif one.end and one.end != one.key:
            shown = " . ".join(_spans(fields, one.key, one.end))
        else:
            shown = _joined(fields, one.key)
        yield shown, _joined(target, one.data) if target else ""


def _fields(types: str) -> tuple[_Field, ...]:
    return tuple(_TYPES[name] for name in types.split(" . "))


def _joined(fields: tuple[_Field, ...], value: bytes) -> str:
    at, found = 0, []
    for size, shown in fields:
        found.append(shown(value[at : at + size]))
        at += size + 3 & ~3
    return " . ".join(found)


def _spans(fields: tuple[_Field, ...], first: bytes, last: bytes) -> Iterator[str]:
    at = 0
    for field in fields:
        begin, end = first[at : at + field.size], last[at : at + field.size]
        yield field.shown(begin) if begin == end else _span(field, begin, end)
        at += field.room


def _span(field: _Field, begin: bytes, end: bytes) -> str:
    """A network where it is one, else the first and the last."""
    low, high = int.from_bytes(begin, "big"), int.from_bytes(end, "big")
    size = high - low + 1
    if field.shown in (_ipv4, _ipv6) and not size & size - 1 and not low % size:
        return f"{field.shown(begin)}/{field.size * 8 - size.bit_length() + 1}"
    return f"{field.shown(begin)}-{field.shown(end)}"


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
            yield Raw(begin, last)
            begin = None
    if begin is not None:
        yield Raw(begin, b"\xff" * size)


@cache
def _ipv4(value: bytes) -> str:
    return ".".join(map(str, value))


@cache
def _ipv6(value: bytes) -> str:
    return str(IPv6Address(value))


@cache
def _port(value: bytes) -> str:
    return str(int.from_bytes(value, "big"))


@cache
def _protocol(value: bytes) -> str:
    return _PROTOCOLS.get(value[0], str(value[0]))


@cache
def _device(value: bytes) -> str:
    return device(value.rstrip(b"\0").decode(errors="surrogateescape"))


_TYPES = {
    "ifname": _Field(16, _device),
    "ipv4_addr": _Field(4, _ipv4),
    "ipv6_addr": _Field(16, _ipv6),
    "inet_proto": _Field(1, _protocol),
    "inet_service": _Field(2, _port),
}
