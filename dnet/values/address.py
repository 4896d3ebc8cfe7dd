"""Addresses and subnets as text, and the arithmetic the allocators need.

An address is text everywhere in dnet, in the one canonical form that the strict standard
library prints, which for IPv6 is that of RFC 5952.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING
from dnet.values import family
from dnet.values.family import V4, V6, Family
from dnet.values.names import is_number, quoted

if TYPE_CHECKING:
    # Loaded where an address is taken apart: a list does not need it.
    import ipaddress

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network
    Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

SHORTEST_PREFIX, LONGEST_PREFIX = 8, 30
_OWN_MACS = "02:42:"


def _supported(text: str, version: int, hint: str = "") -> None:
    if version != V4.version:
        raise UsageError(
            f"{quoted(text)} is an IPv6 address",
            hint or "give an IPv4 address, such as 172.17.0.2",
        )


def parse_any(text: str) -> str:
    """An address of either family in its canonical form."""
    import ipaddress

    try:
        found = str(ipaddress.ip_address(unbracketed(text)))
    except ValueError:
        raise UsageError(
            f"{quoted(text)} is not an IP address", "an address looks like 172.17.0.2"
        ) from None
    if "%" in found:  # RFC 4007
        raise UsageError(f"{quoted(text)} is an IPv6 address of a single link", "leave the % out")
    return found


def parse(text: str, hint: str = "") -> str:
    """An IPv4 address in its canonical form; `hint` is where one of IPv6 belongs."""
    found = parse_any(text)
    _supported(text, family.of(found).version, hint)
    return found


def parse_host_ip(text: str) -> str:
    """An address of the host that a port can be bound to; 0.0.0.0 and :: mean every one.

    The one name that is understood is localhost: 127.0.0.1, as RFC 6761, 6.3 has it. None is an
    address of a single link, from which nothing is forwarded (RFC 4291, 2.5.6), nor one of IPv4
    in the form of IPv6, which no packet has (RFC 4291, 2.5.5).
    """
    import ipaddress

    if is_localhost(text):
        return V4.loopback
    found = ipaddress.ip_address(parse_any(text))
    unusable = found.is_multicast or str(found) == "255.255.255.255"
    if isinstance(found, ipaddress.IPv6Address):
        unusable = unusable or found.is_link_local or found.ipv4_mapped is not None
    if unusable:
        every = family.of(str(found)).any
        raise UsageError(
            f"{text} is not an address a port can be bound to",
            f"name one of the host's own, or {bracketed(every)} for all of them",
        )
    return str(found)


def is_localhost(text: str) -> bool:
    """Whether it is the name of the host's own loopback address."""
    return text.lower() == "localhost"


def _prefixed(text: str, example: str) -> Interface:
    interface = any_prefixed(text, example)
    _supported(text, interface.version, f"write it like {example}")
    return interface


def any_prefixed(text: str, example: str) -> Interface:
    """An address of either family with its prefix length, in whatever notation."""
    import ipaddress

    if "/" not in text:
        raise UsageError(f"{quoted(text)} has no prefix length", f"write it like {example}")
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        raise UsageError(
            f"{quoted(text)} is not in CIDR form", f"write it like {example}"
        ) from None


def has_plain_prefix(text: str) -> bool:
    """Whether the prefix length is a number, and no mask."""
    return is_number(text.partition("/")[2])


def parse_cidr(text: str) -> str:
    """A bridge's address with its prefix length, such as 172.17.42.1/16.

    Raises UsageError without a host part (172.17.0.0/16), for the broadcast address, and for
    a prefix that leaves no room for containers or is no private network's size.
    """
    interface = _prefixed(text, "172.17.42.1/16")
    network = interface.network
    if not has_plain_prefix(text):
        raise UsageError(f"{quoted(text)} is not in CIDR form", "write it like 172.17.42.1/16")
    if not SHORTEST_PREFIX <= network.prefixlen <= LONGEST_PREFIX:
        raise UsageError(f"prefix /{network.prefixlen} is out of range", "use /8 to /30")
    if interface.ip == network.network_address:
        raise UsageError(
            f"{interface} has no host part",
            f"a bridge needs its own address, such as {network[1]}/{network.prefixlen}",
        )
    if interface.ip == network.broadcast_address:
        raise UsageError(
            f"{interface.ip} is the broadcast address of {network}",
            f"choose another one of it, such as {network[1]}/{network.prefixlen}",
        )
    # 0.0.0.0/8 is "this network" (RFC 1122, 3.2.1.3): nothing is routed through it.
    is_this_network = int(interface.ip) >> 24 == 0
    if interface.is_multicast or interface.is_loopback or is_this_network:
        raise UsageError(
            f"{interface} cannot be the address of a bridge", "write it like 172.17.42.1/16"
        )
    return str(interface)


def parse_range(text: str, bridge_address: str) -> str:
    """A part of the bridge's subnet in CIDR form, without a host part: 172.17.5.0/24.

    Raises UsageError for what reaches out of the subnet, and for a prefix longer than /30.
    """
    interface = _prefixed(text, "172.17.5.0/24")
    if not has_plain_prefix(text):
        raise UsageError(f"{quoted(text)} is not in CIDR form", "write it like 172.17.5.0/24")
    if interface.network.prefixlen > LONGEST_PREFIX and not has_host_part(interface):
        raise UsageError(f"prefix /{interface.network.prefixlen} is out of range", "use /8 to /30")
    return part_of(text, interface, bridge_address)


def has_host_part(interface: Interface) -> bool:
    """Whether an address is another one than its network's own."""
    return interface.ip != interface.network.network_address


def part_of(text: str, interface: Interface, bridge_address: str) -> str:
    """A part of a bridge's subnet. Raises UsageError."""
    if has_host_part(interface):
        raise UsageError(f"range {text} has a host part", f"write {interface.network}")
    whole = network(bridge_address)
    if interface.network.prefixlen < whole.prefixlen or interface.ip not in whole:
        raise UsageError(
            f"range {interface.network} is not inside the bridge's subnet {whole}",
            f"name a part of {whole}",
        )
    return str(interface.network)


@lru_cache(maxsize=64)
def network(cidr: str) -> Network:
    """The subnet of an address with a prefix length, or of a range."""
    import ipaddress

    return ipaddress.ip_interface(cidr).network


def subnet(cidr: str) -> str:
    """The same as text, such as 172.17.0.0/16 of 172.17.42.1/16.

    Put together by hand: what only needs this does without ipaddress.
    """
    if family.of(cidr) is V6:
        return str(network(cidr))
    length = prefix_len(cidr)
    return f"{from_int(to_int(host(cidr)) >> 32 - length << 32 - length, V4)}/{length}"


def broadcast(cidr: str) -> str:
    """The last address of a subnet, which all of it hears (RFC 919)."""
    return str(network(cidr)[-1])


def host(cidr: str) -> str:
    """The address alone of `172.17.42.1/16`."""
    return cidr.partition("/")[0]


def prefix_len(cidr: str) -> int:
    """The prefix length of `172.17.42.1/16`."""
    return int(cidr.partition("/")[2])


def to_int(address: str) -> int:
    """The number behind an address in canonical form, for arithmetic and for sorting."""
    if family.of(address) is V6:
        import ipaddress

        return int(ipaddress.IPv6Address(address))
    first, second, third, fourth = address.split(".")
    return int(first) << 24 | int(second) << 16 | int(third) << 8 | int(fourth)


def from_int(number: int, of: Family) -> str:
    """The address of a family behind a number, in canonical form."""
    if of is V6:
        import ipaddress

        return str(ipaddress.IPv6Address(number))
    return ".".join(map(str, number.to_bytes(4, "big")))


def of_family(addresses: Iterable[str], of: Family) -> Iterator[str]:
    """Those of a family out of addresses, with or without a prefix length."""
    return (one for one in addresses if family.of(one) is of)


def between(first: int, last: int, of: Family) -> Iterator[str]:
    """The addresses of a family between two numbers, both included, as text."""
    if of is V4:
        return ascending(first, last)
    return (from_int(number, of) for number in range(first, last + 1))


def ascending(first: int, last: int) -> Iterator[str]:
    """The IPv4 addresses between two numbers, both included, as text.

    Put together by hand: a subnet of 65,534 is walked in a tenth of the time ipaddress takes.
    """
    for block in range(first >> 8, (last >> 8) + 1):
        head = f"{block >> 16}.{block >> 8 & 255}.{block & 255}."
        lowest, highest = max(first, block << 8), min(last, block << 8 | 255)
        for byte in range(lowest & 255, (highest & 255) + 1):
            yield f"{head}{byte}"


def bracketed(address: str) -> str:
    """An address as it stands ahead of a port: IPv6 in brackets (RFC 3986, 3.2.2)."""
    return f"[{address}]" if family.of(address) is V6 else address


def unbracketed(text: str) -> str:
    """An address without the brackets that it may stand in."""
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def is_loopback(address: str) -> bool:
    """Whether an address is one of the host's own loopback network."""
    own = family.of(address)
    differing = to_int(address) ^ to_int(host(own.local))
    return differing >> own.bits - prefix_len(own.local) == 0


def contains(cidr: str, address: str) -> bool:
    """Whether `address` lies in the subnet of `cidr`."""
    import ipaddress

    return ipaddress.ip_address(address) in network(cidr)


def overlap(one: str, other: str) -> bool:
    """Whether two subnets have an address in common."""
    first, second = network(one), network(other)
    return first.version == second.version and first.overlaps(second)


def mac(address: str) -> str:
    """The hardware address that belongs to an IPv4 address: 02:42 and its four bytes.

    Locally administered (IEEE 802), and the same for an address every time, so that a reused
    address never meets a stale neighbour entry. Docker derives it in the same way.
    """
    return f"{_OWN_MACS}{':'.join(f'{int(byte):02x}' for byte in address.split('.'))}"


def of_mac(mac: str) -> str | None:
    """The address that `mac` gives a hardware address for, None where it gives that for none."""
    if not mac.startswith(_OWN_MACS):
        return None
    return ".".join(str(int(byte, 16)) for byte in mac.removeprefix(_OWN_MACS).split(":"))


def parse_mac(text: str) -> str:
    """A hardware address that a device can have, not a group's, in the form `ip` prints.

    In any common notation: 02:42:ac:11:00:02, 02-42-AC-11-00-02, 0242.ac11.0002.
    """
    import netaddr

    if not text.isprintable() or not netaddr.valid_mac(text):
        raise UsageError(f"{quoted(text)} is not a MAC address", "it looks like 02:42:ac:11:00:02")
    found = netaddr.EUI(text, version=48, dialect=netaddr.mac_unix_expanded)
    if int(found) == 0 or found.words[0] & 1:
        raise UsageError(
            f"{text} is not the MAC address of a single device",
            "its first byte is even and not all are 00: 02:42:ac:11:00:02",
        )
    return str(found)
