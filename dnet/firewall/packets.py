"""The packets that have to get through for bridges to work."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from dnet.firewall.packet import ANYWHERE, Device, Packet, Span, span
from dnet.model.entities import Bridge
from dnet.model.state import State

_MANY = 16

Published = Mapping[str, Collection[tuple[str | None, Span | None]]]
"""The protocols and ports of containers that are published, by bridge."""


def described(
    bridges: Collection[Bridge],
    published: Published,
    gateways: Collection[str | None] = (None,),
    wires: Collection[str | None] = (None,),
) -> Iterator[tuple[Bridge, str, list[Packet]]]:
    """What has to get through for a bridge to work, in words too: one of the packets at least.

    `gateways` are the devices towards other networks, `wires` those that somebody may come in
    by, where they are known.
    """
    names = frozenset(one.name for one in bridges)
    outward, inward = ([Device(name, names) for name in group] for group in (gateways, wires))
    for bridge in bridges:
        device, home = Device(bridge.name), span(bridge.subnet) or ANYWHERE
        away = [Packet(device, one, source=home) for one in outward]
        yield bridge, f"what comes from {bridge.name}", away
        if ports := published.get(bridge.name):
            yield (
                bridge,
                f"what is published on {bridge.name}",
                [
                    Packet(one, device, ANYWHERE, home, proto, at, translated=True)
                    for one in inward
                    for proto, at in ports
                ],
            )


def published(state: State) -> Published:
    """What is open to others than the host itself; of many ports on a bridge, only that."""
    found: dict[str, dict[tuple[str | None, Span | None], None]] = {}
    for key, row in state.mappings.rows.items():
        ports = found.setdefault(row["bridge"], {})
        if not key.startswith("127.") and len(ports) <= _MANY:
            one = state.mappings[key]
            ports[one.endpoint.proto, (one.container_port, one.container_end)] = None
    return {
        bridge: tuple(ports) if len(ports) <= _MANY else ((None, None),)
        for bridge, ports in found.items()
    }
