"""Who may use a mapping: networks, as `--from` takes them."""

from __future__ import annotations

from collections.abc import Iterable

from dnet.errors import UsageError
from dnet.values import address, family
from dnet.values.family import V4, Family
from dnet.values.names import quoted

ANY = "any"
"""In place of networks: everybody."""

Sources = tuple[str, ...]
"""Networks in their order, each once; none is everybody."""

_EXAMPLE = "10.0.0.0/8"
_MAPPED, _MAPPED_BITS = bytes(10) + b"\xff\xff", 96  # RFC 4291, 2.5.5.2


def parse(text: str) -> str:
    """A network in its canonical form, such as 10.0.0.0/8 or fd00::/8; or `any`.

    A single address is a network of its own. Raises UsageError for what has a host part.
    """
    if text.lower() == ANY:
        return ANY
    whole = text if "/" in text else f"{text}/{family.of(text).bits}"
    try:
        interface = address.any_prefixed(whole, _EXAMPLE)
    except UsageError:
        raise _not_in_form(text) from None
    if "%" in text or not address.has_plain_prefix(whole):
        raise _not_in_form(text)
    if address.has_host_part(interface):
        raise UsageError(
            f"{text} has a host part", f"give {interface.network}, or {interface.ip} alone"
        )
    if (packed := interface.ip.packed)[
        :12
    ] == _MAPPED and interface.network.prefixlen >= _MAPPED_BITS:
        raise UsageError(
            f"{text} is an IPv4 network in IPv6 form, which no packet comes from",
            f"give {address.from_int(int.from_bytes(packed[12:], 'big'), V4)}"
            f"/{interface.network.prefixlen - _MAPPED_BITS}",
        )
    return str(interface.network)


def _not_in_form(text: str) -> UsageError:
    return UsageError(
        f"{quoted(text)} is neither an address nor in CIDR form", f"write it like {_EXAMPLE}"
    )


def given(networks: Iterable[str]) -> Sources | None:
    """What a command line asks for; None where it asks for nothing.

    Raises UsageError for networks besides everybody.
    """
    named = set(networks)
    if named > {ANY}:
        raise UsageError("--from any already allows everybody", "leave one out")
    return ordered(named - {ANY}) if named else None


def ordered(networks: Iterable[str]) -> Sources:
    """Networks in their order, IPv4 first, each once."""
    return tuple(sorted(set(networks), key=_place))


def of_family(sources: Sources, of: Family) -> Sources:
    """Those of a family; where all are of the other one, what nobody but the host sends from."""
    if not sources:
        return ()
    own = tuple(one for one in sources if family.of(one) is of)
    return own or (f"{of.loopback}/{of.bits}",)


def admit(sources: Sources, ip: str) -> bool:
    """Whether an address may come in."""
    return not sources or any(address.contains(one, ip) for one in sources)


def widens(before: Sources, after: Sources) -> bool:
    """Whether nobody who might come in before is kept out."""
    if not before or not after:
        return not after
    return all(any(_covers(wide, one) for wide in after) for one in before)


def _covers(wide: str, one: str) -> bool:
    is_as_wide = address.prefix_len(wide) <= address.prefix_len(one)
    return is_as_wide and address.overlap(wide, one)


def _place(one: str) -> tuple[int, int, int]:
    network = address.network(one)
    return network.version, int(network[0]), network.prefixlen
