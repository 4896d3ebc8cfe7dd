"""What a record of a host says, part by part: each returned in its canonical form.

Text from a registry is input like any other. All of these raise UsageError.
"""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.hosts.record import Transport
from dnet.values import address, family
from dnet.values.family import V4, V6
from dnet.values.names import quoted, reads_as_address

TRANSPORTS: tuple[Transport, ...] = ("vxlan", "route")
TOKEN_BITS = 128

_DIGITS = frozenset("0123456789")
ALPHANUMERIC = _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
NAME = ALPHANUMERIC | frozenset("_.-")
_MOST_OF_NAME = 63
_HEX = _DIGITS | frozenset("abcdef")
# What is no single host's address: RFC 1122, 3.2.1.3; RFC 5771; RFC 1112, 4 (240.0.0.0/4).
_BYTES = {str(number): number for number in range(256)}
_FIRST_UNICAST, _FIRST_MULTICAST, _LOOPBACK = 1 << 24, 224 << 24, 127


def token(random_bits: int) -> str:
    """What tells a host from a copy of another: so many bits of chance, as text."""
    return f"{random_bits:0{TOKEN_BITS // 4}x}"


def parse_token(text: str) -> str:
    """A token as it was made."""
    if len(text) != TOKEN_BITS // 4 or not _HEX.issuperset(text):
        raise UsageError(f"the token {quoted(text)} is not one of dnet's")
    return text


def parse_name(text: str) -> str:
    """A host's name: what is usual for one, and nothing that reads as an address."""
    is_one = 1 <= len(text) <= _MOST_OF_NAME and NAME.issuperset(text)
    if not is_one or text[0] not in ALPHANUMERIC or reads_as_address(text):
        raise UsageError(
            f"{quoted(text)} is not a name of a host",
            "a name has 1 to 63 letters, digits, '_', '.' and '-'; first a letter or digit",
        )
    return text


def parse_transport(text: str) -> Transport:
    """How packets get to a host: in VXLAN, or by a plain route on a common network."""
    for one in TRANSPORTS:
        if text == one:
            return one
    raise UsageError(f"the transport {quoted(text)} is neither {' nor '.join(TRANSPORTS)}")


def parse_underlay(text: str) -> str:
    """The address that other hosts reach a host by: a single host's, on more than one link."""
    number = v4(text)
    if number is not None:
        if is_unicast(number, number):
            return text
    else:
        text = address.parse_any(text)
        if family.of(text) is V6 and _is_global_enough(text):
            return text
    raise UsageError(f"{quoted(text)} is not an address at which other hosts can reach a host")


def parse_block(text: str) -> str:
    """A part of a pool: a network of IPv4."""
    ip, _, length = text.partition("/")
    number = v4(ip)
    is_length = 1 <= len(length) <= 2 and _DIGITS.issuperset(length) and length[0] != "0"
    if number is None or not is_length or not is_network(number, int(length)):
        raise UsageError(f"{quoted(text)} is not an IPv4 network", "write it like 10.244.1.0/24")
    return text


def is_network(number: int, prefix: int) -> bool:
    """Whether there is a network of IPv4 that begins there with that prefix length."""
    return prefix <= V4.bits and not number & size(prefix) - 1


def size(prefix: int) -> int:
    """How many addresses a network of IPv4 has."""
    return int(1 << V4.bits - prefix)


def is_unicast(first: int, last: int) -> bool:
    """Whether all of these addresses of IPv4 are ones that a host on a network can have."""
    is_outside = last >> 24 < _LOOPBACK or first >> 24 > _LOOPBACK
    return first >= _FIRST_UNICAST and last < _FIRST_MULTICAST and is_outside


def bounds(network: str) -> tuple[int, int]:
    """The first and the last address of a network of IPv4 in canonical form, as numbers."""
    first = address.to_int(address.host(network))
    return first, first + size(address.prefix_len(network)) - 1


def v4(text: str) -> int | None:
    """The number behind an address of IPv4 in its canonical form; None for any other text.

    By hand, as a list of hosts has hundreds and the standard library loads and reads long.
    """
    number, parts = 0, text.split(".")
    for part in parts:
        byte = _BYTES.get(part)
        if byte is None:
            return None
        number = number << 8 | byte
    return number if len(parts) == 4 else None


def _is_global_enough(text: str) -> bool:
    import ipaddress

    found = ipaddress.IPv6Address(text)
    no_host_s = found.is_multicast or found.is_unspecified or found.is_loopback
    return not (no_host_s or found.is_link_local or found.ipv4_mapped)
