"""The first packet of a connection, as far as it is described, and how what rules ask meets it.

And which of them have to get through for bridges to work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from dnet.firewall.verdict import NO, SOME, UNKNOWN, YES
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.address import is_loopback, to_int
from dnet.values.endpoint import host_ip_of
from dnet.values.family import V4, Family

Span = tuple[int, int]
"""The first and the last of a range of ports, or of addresses as numbers."""


def everywhere(family: Family) -> Span:
    """All addresses of a family."""
    return 0, (1 << family.bits) - 1


ANYWHERE = everywhere(V4)

Published = Mapping[str, Collection[tuple[str | None, Span | None]]]
"""The protocols and ports of containers that are published, by bridge."""

_MANY = 16


class Device(NamedTuple):
    """A device by its name, or where that is None any other than those of some names."""

    name: str | None
    others: frozenset[str] = frozenset()

    def is_called(self, name: str) -> int:
        """Whether it has that name."""
        if self.name is not None:
            return YES if self.name == name else NO
        return NO if name in self.others else UNKNOWN

    def begins_with(self, start: str) -> int:
        """Whether its name begins so."""
        if self.name is not None:
            return YES if self.name.startswith(start) else NO
        return UNKNOWN if start else YES


class Packet(NamedTuple):
    """What begins a connection.

    Attributes:
        came_in: the device it came in by.
        goes_out: the device it leaves by.
        source: the addresses it may come from.
        destination: the addresses it may go to.
        proto: its protocol.
        ports: the ports it may go to.
        translated: whether its destination was another before (DNAT).
        bridged: whether a bridge hands it from port to port.
        tracked: whether its connection is known already, as it is behind the table raw.
        family: the version of IP that it is of.
    """

    came_in: Device
    goes_out: Device
    source: Span = ANYWHERE
    destination: Span = ANYWHERE
    proto: str | None = None
    ports: Span | None = None
    translated: bool = False
    bridged: bool = False
    tracked: bool = True
    family: Family = V4

    def is_of(self, proto: str) -> int:
        """Whether it is of a protocol."""
        if self.proto is None:
            return SOME
        return YES if self.proto == proto else NO

    def goes_to(self, ports: Span) -> int:
        """Whether it goes to a port of a range."""
        return SOME if self.ports is None else within(self.ports, ports)


def within(described: Span, asked: Span) -> int:
    """Whether all that is described is among what is asked for."""
    if asked[0] <= described[0] and described[1] <= asked[1]:
        return YES
    return NO if described[1] < asked[0] or asked[1] < described[0] else SOME


def any_of(truths: Iterable[int]) -> int:
    """Of several alternatives one is enough."""
    return max(truths, default=NO)


def span(text: str) -> Span | None:
    """The addresses of a subnet, with a prefix length or a mask, or of a range A-B.

    None for what is no range of addresses.
    """
    own = family.of(text)
    first, dash, last = text.partition("-")
    if dash:
        begin, end = _number(first, own), _number(last, own)
        return (begin, end) if begin is not None and end is not None else None
    host, _, length = text.partition("/")
    address, mask = _number(host, own), _mask(length or f"{own.bits}", own)
    if address is None or mask is None:
        return None
    return address & mask, address & mask | ~mask & everywhere(own)[1]


def home(bridge: Bridge, of: Family) -> Span:
    """The addresses of a bridge's containers; all, where it has none of the family."""
    subnet = bridge.subnet_of(of)
    return (subnet and span(subnet.network)) or everywhere(of)


def port_span(text: str) -> Span | None:
    """The ports of A:B or A-B, or a single one; None for what is no number."""
    first, _, last = text.replace(":", "-").partition("-")
    last = last or first
    return (int(first), int(last)) if first.isdecimal() and last.isdecimal() else None


def _mask(text: str, of: Family) -> int | None:
    last = everywhere(of)[1]
    if text.isdecimal():
        return last << of.bits - int(text) & last if int(text) <= of.bits else None
    mask = _number(text, of)
    holes = mask is None or (~mask & last) & (~mask & last) + 1
    return None if holes else mask


def _number(text: str, of: Family) -> int | None:
    if of is not V4:
        try:
            return to_int(text)
        except ValueError:
            return None
    parts = text.split(".")
    if len(parts) != 4 or not all(part.isdecimal() and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)), "big")


def described(
    bridges: Collection[Bridge],
    published: Published,
    of: Family = V4,
    gateways: Collection[str] = (),
    wires: Collection[str] = (),
) -> Iterator[tuple[Bridge, str, list[Packet]]]:
    """What has to get through for a bridge to work, in words too: one of the packets at least.

    Of one family, and of bridges that have that. `gateways` are the devices towards other networks,
    `wires` those that somebody may come in by, where they are known; bridges among them are none.
    """
    names = frozenset(one.name for one in bridges)
    inward = [Device(name, names) for name in wires if name not in names] or [Device(None, names)]
    outward = [Device(name, names) for name in gateways if name not in names] or inward
    anywhere, version = everywhere(of), "" if of is V4 else " by IPv6"
    for bridge in bridges:
        if bridge.subnet_of(of) is None:
            continue
        device, inside = Device(bridge.name), home(bridge, of)
        away = [Packet(device, one, inside, anywhere, family=of) for one in outward]
        yield bridge, f"packets from {bridge.name}{version}", away
        if ports := published.get(bridge.name):
            yield (
                bridge,
                f"packets to published ports of {bridge.name}{version}",
                [
                    Packet(one, device, anywhere, inside, proto, at, translated=True, family=of)
                    for one in inward
                    for proto, at in ports
                ],
            )


def published(state: State, of: Family = V4) -> Published:
    """What is open to others than the host itself; of many ports on a bridge, only that.

    In one family.
    """
    found: dict[str, dict[tuple[str | None, Span | None], None]] = {}
    for key, row in state.mappings.rows.items():
        if family.of(row["container_ip"]) is not of:
            continue
        ports = found.setdefault(row["bridge"], {})
        if len(ports) <= _MANY and not is_loopback(host_ip_of(key)):
            one = state.mappings[key]
            ports[one.endpoint.proto, (one.container_port, one.container_end)] = None
    return {
        bridge: tuple(ports) if len(ports) <= _MANY else ((None, None),)
        for bridge, ports in found.items()
    }
