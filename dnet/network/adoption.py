"""A bridge made of a device that was there before dnet: which of its addresses it gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dnet.errors import ConflictError, UsageError
from dnet.model.entities import Bridge
from dnet.typing import TYPE_CHECKING
from dnet.values import address
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Device

_LINK_LOCAL = "169.254.0.0/16"


def address_of(device: Device, wanted: str | None) -> str:
    """The address of a device that was there before. Raises ConflictError if it will not do."""
    if device.kind != "bridge":
        raise ConflictError(
            f"the device {device.name} already exists and is not a bridge",
            "choose another name for the bridge",
        )
    if wanted in device.addresses:
        return str(wanted)
    has = ", ".join(device.addresses) or "no address"
    usable = [cidr for cidr in device.addresses if _is_usable(cidr)]
    if wanted is None and usable:
        # What a device gives itself where nobody gives it any (RFC 3927) comes last.
        return min(usable, key=lambda cidr: address.overlap(cidr, _LINK_LOCAL))
    unusable = wanted is None and device.addresses
    raise ConflictError(
        f"the device {device.name} already exists, with {has}"
        + (", none of which a bridge can use" if unusable else ""),
        f"give it one with: ip address add {wanted or 'ADDRESS/PREFIX'} dev "
        f"{for_shell(device.name)}" + ("; its prefix is /8 to /30" if unusable else ""),
    )


def _is_usable(cidr: str, parse: Callable[[str], str] = address.parse_cidr) -> bool:
    try:
        return parse(cidr) == cidr
    except UsageError:
        return False


def address6_of(device: Device, known: Sequence[str], wanted: str | None) -> str:
    """The IPv6 address of a device that was there before, out of those it has beyond its link.

    Raises ConflictError if none will do.
    """
    from dnet.values import address6

    usable = [cidr for cidr in known if _is_usable(cidr, address6.parse_cidr)]
    found = next((cidr for cidr in usable if wanted in (None, cidr)), None)
    if found is not None:
        return found
    has = ", ".join(known) or "no IPv6 address except link-local ones"
    raise ConflictError(
        f"the device {device.name} existed before dnet, with {has}",
        f"give it one with: ip address add {wanted or 'ADDRESS/PREFIX'} dev "
        f"{for_shell(device.name)} nodad; its prefix is /48 to /126",
    )


def without_others(bridge: Bridge, device: Device, known: Iterable[str]) -> Bridge:
    """An adopted bridge that hands out none of the further addresses of its device.

    `known` are those of IPv6.
    """
    hosts = map(address.host, (*device.addresses, *known))
    own = {one.gateway for one in bridge.subnets}
    others = (ip for ip in hosts if bridge.contains(ip) and ip not in own)
    return bridge._replace(other_ips=tuple(dict.fromkeys(others)))
