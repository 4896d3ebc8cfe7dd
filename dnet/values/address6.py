"""Addresses and subnets of IPv6, beyond what dnet.values.address has for both families.

Loaded by commands alone that are about IPv6.
"""

from __future__ import annotations

from functools import lru_cache

from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family
from dnet.values.family import V6
from dnet.values.names import quoted

if TYPE_CHECKING:
    from dnet.values.address import Interface

# A site has a /48 as a rule (RFC 6177); of a /127 (RFC 6164) nothing is left for a container.
SHORTEST_PREFIX, LONGEST_PREFIX = 48, 126
# Of a wider subnet only so much is handed out on its own accord, and can be listed.
WIDEST_POOL = 112
LEAST_MTU = 1280  # RFC 8200, section 5: with less a device has no IPv6.
SUBNETS = 1 << 16  # RFC 4193, 3.1: the subnet id has 16 bits,
GLOBAL_ID_BITS = 40  # the global id 40.

_UNIQUE_LOCAL = "fc00::/7"  # RFC 4193
_GLOBAL_UNICAST = "2000::/3"  # What of IPv6 is given out so far: RFC 4291, 2.4.
_SUBNET = 64
_EXAMPLE = "write it like fd00:1:2:3::1/64"


def parse(text: str) -> str:
    """An IPv6 address in its canonical form (RFC 5952)."""
    found = address.parse_any(text)
    if family.of(found) is not V6:
        raise UsageError(
            f"{quoted(text)} is an IPv4 address", "give an IPv6 address, such as fd00:1:2:3::2"
        )
    return found


def parse_cidr(text: str) -> str:
    """A bridge's address with its prefix length, such as fd00:1:2:3::1/64.

    Raises UsageError for the network's own address, which every router of it answers to
    (RFC 4291, 2.6.1), and for what is neither unique local nor global unicast.
    """
    interface = _prefixed(text)
    network = interface.network
    if not address.has_host_part(interface):
        raise UsageError(
            f"{interface} has no host part",
            f"a bridge needs its own address, such as {network[1]}/{network.prefixlen}",
        )
    if not any(
        address.contains(one, str(interface.ip)) for one in (_UNIQUE_LOCAL, _GLOBAL_UNICAST)
    ):
        raise UsageError(f"{interface} is neither a unique local nor a global address", _EXAMPLE)
    return str(interface)


def parse_range(text: str, bridge_address: str) -> str:
    """A part of the bridge's subnet in CIDR form, without a host part: fd00:1:2:3:4::/80.

    Raises UsageError for what reaches out of the subnet, and for a prefix longer than /126.
    """
    return address.part_of(text, _prefixed(text), bridge_address)


@lru_cache(maxsize=64)
def pool(cidr: str) -> str:
    """The part of a subnet that addresses are handed out from: all of it, or its first /112."""
    whole = address.network(cidr)
    return f"{whole[0]}/{max(whole.prefixlen, WIDEST_POOL)}"


def _prefixed(text: str) -> Interface:
    interface = address.any_prefixed(text, "fd00:1:2:3::1/64")
    if interface.version != V6.version:
        raise UsageError(f"{quoted(text)} is an IPv4 address", _EXAMPLE)
    if "%" in text or not address.has_plain_prefix(text):
        raise UsageError(f"{quoted(text)} is not in CIDR form", _EXAMPLE)
    length = interface.network.prefixlen
    if not SHORTEST_PREFIX <= length <= LONGEST_PREFIX:
        raise UsageError(f"prefix /{length} is out of range", "use /48 to /126")
    return interface


@lru_cache(maxsize=64)
def is_unique_local(cidr: str) -> bool:
    """Whether an address, with or without a prefix length, is of its site alone (RFC 4193)."""
    return address.contains(_UNIQUE_LOCAL, address.host(cidr))


def site(global_id: int) -> str:
    """The unique local /48 with this global id, of 40 bits (RFC 4193, 3.1)."""
    prefix = 0xFD << GLOBAL_ID_BITS | global_id
    return f"{address.from_int(prefix << V6.bits - SHORTEST_PREFIX, V6)}/{SHORTEST_PREFIX}"


def site_of(cidr: str) -> str:
    """The /48 that a unique local address is of."""
    number = address.to_int(address.host(cidr)) >> V6.bits - SHORTEST_PREFIX
    return site(number & (1 << GLOBAL_ID_BITS) - 1)


def parse_site(text: str) -> str:
    """A unique local /48 in canonical form. Raises UsageError."""
    interface = _prefixed(text)
    is_whole = not address.has_host_part(interface) and is_unique_local(text)
    if not is_whole or interface.network.prefixlen != SHORTEST_PREFIX:
        raise UsageError(f"{quoted(text)} is not a unique local /48")
    return str(interface)


def gateway(of_site: str, number: int) -> str:
    """The first address of a /64 of a site, with its prefix length; `number` has 16 bits."""
    prefix = address.to_int(address.host(of_site)) | number << V6.bits - _SUBNET
    return f"{address.from_int(prefix | 1, V6)}/{_SUBNET}"


def numbers(of_site: str, cidr: str) -> range:
    """The numbers of a site's /64 that a network has an address in common with."""
    if not address.overlap(of_site, cidr):
        return range(0)
    net = address.network(cidr)
    if net.prefixlen <= SHORTEST_PREFIX:
        return range(SUBNETS)
    first = int(net[0]) >> V6.bits - _SUBNET & SUBNETS - 1
    return range(first, first + (1 << max(_SUBNET - net.prefixlen, 0)))
