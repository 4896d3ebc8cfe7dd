"""Subnets as the configurations of others have them: by the network, with a gateway and a range."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.values import address, address6, family
from dnet.values.family import V6
from dnet.values.names import quoted


def parse(text: str) -> str:
    """A network in its canonical form, such as 10.9.0.0/24. Raises UsageError."""
    import ipaddress

    host, slash, _ = text.partition("/")
    if not slash:
        raise UsageError(f"{quoted(text)} has no prefix length", "write it like 10.9.0.0/24")
    address.parse_any(host)
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise UsageError(
            f"{quoted(text)} is not in CIDR form", "write it like 10.9.0.0/24"
        ) from None


def gateway(subnet: str, given: str | None) -> str:
    """The address of a bridge with a subnet: the gateway, or the first one there is.

    Raises UsageError.
    """
    network = address.network(parse(subnet))
    inside = address.parse_any(given) if given else str(network[1])
    if not address.contains(str(network), inside):
        raise UsageError(f"the gateway {inside} is not in {network}", f"choose one of {network}")
    parse_cidr = address6.parse_cidr if family.of(inside) is V6 else address.parse_cidr
    return parse_cidr(f"{inside}/{network.prefixlen}")


def part(subnet: str, first: str | None, last: str | None) -> str | None:
    """The part of a subnet from one address to another, in CIDR form; None for all of it.

    What no container has, its own first and last address, may be left out. Raises UsageError for
    addresses that no single prefix has.
    """
    import ipaddress

    network = address.network(parse(subnet))
    low = address.to_int(address.parse_any(first)) if first else int(network[0])
    high = address.to_int(address.parse_any(last)) if last else int(network[-1])
    length = network.max_prefixlen - (low ^ high).bit_length()
    found = ipaddress.ip_network(f"{ipaddress.ip_address(low)}/{max(length, 0)}", strict=False)
    if low - int(found[0]) in (0, 1) and int(found[-1]) - high in (0, 1):
        return None if found == network else str(found)
    raise UsageError(
        f"the addresses from {first or network[0]} to {last or network[-1]} are not exactly one "
        "prefix",
        "give a range in CIDR form, such as 10.9.0.128/25",
    )
