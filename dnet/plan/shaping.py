"""How much may pass an attachment: from how the host's end of its pair is to how it should be.

What goes in is limited where the host sends it. What comes out has been received by then, and goes
by a device made for it, which sends it on. None of it is in the container's namespace, where the
container could take it away. Loaded only where an attachment has a rate, or had one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnet.errors import ConflictError
from dnet.model.entities import Bridge, Interface
from dnet.plan.devicesteps import DeleteLink, SetLink
from dnet.plan.ratesteps import AddIfb, AddIngress, DeleteIngress, DeleteRate, Redirect, SetRate
from dnet.typing import TYPE_CHECKING
from dnet.values import rates
from dnet.values.veth import ifb_name, veth_name

if TYPE_CHECKING:
    from dnet.network.facts import Device, Shaping
    from dnet.plan.devicesteps import DeviceStep
    from dnet.plan.view import View

_LEAST_BURST = 1 << 15
_BURSTS = 250  # In so many parts of a second what goes at once has to have been sent.
_WAITS = 20
_HEADERS = 32  # Of a frame, around an MTU: the largest has to fit into a burst (tc-tbf(8)).
_MOST = (1 << 32) - 1


def steps(
    interface: Interface,
    bridge: Bridge,
    forms: Sequence[Interface],
    device: Device | None,
    view: View,
) -> Iterator[DeviceStep]:
    """Limit what passes, and no longer what does not have to be.

    `forms` are what the attachment was, or may have become; `device` is the host's end of its pair,
    None where it is about to be made. Raises ConflictError.
    """
    seen = view.shaping(device.name) if device else None
    yield from _inward(interface, bridge, forms, seen)
    yield from _outward(interface, bridge, forms, seen, view)


def _inward(
    interface: Interface, bridge: Bridge, forms: Sequence[Interface], seen: Shaping | None
) -> Iterator[DeviceStep]:
    name = veth_name(interface.id)
    if interface.rate_in is not None:
        yield from _limited(name, interface.rate_in, bridge, seen, f"to {interface.id}")
    elif seen and seen.bits is not None and any(one.rate_in for one in forms):
        yield DeleteRate(name, f"the rate to {interface.id} is limited")


def _outward(
    interface: Interface,
    bridge: Bridge,
    forms: Sequence[Interface],
    seen: Shaping | None,
    view: View,
) -> Iterator[DeviceStep]:
    name, by = veth_name(interface.id), ifb_name(interface.id)
    if interface.rate_out is None:
        if any(one.rate_out for one in forms):
            if seen and seen.redirect == by:
                yield DeleteIngress(name, f"packets from {interface.id} are redirected to {by}")
            yield from removal(interface.id, view)
        return
    there = view.device(by)
    if there is None:
        yield AddIfb(by, f"the device {by} is missing")
    elif there.kind != "ifb":
        raise ConflictError(
            f"the device {by} already exists and is not dnet's", f"ip link delete dev {by}"
        )
    elif not there.up:
        yield SetLink(by, f"{by} of {interface.id} is down", up=True)
    now = view.shaping(by) if there else None
    yield from _limited(by, interface.rate_out, bridge, now, f"from {interface.id}")
    if seen is None or seen.redirect != by:
        if seen and seen.ingress:
            yield DeleteIngress(name)
        yield AddIngress(name)
        yield Redirect(name, by, f"packets received on {name} are not redirected to {by}")


def removal(interface_id: str, view: View) -> Iterator[DeleteLink]:
    """Delete the device that what an attachment sends went by, if it is there."""
    device = view.device(ifb_name(interface_id))
    if device is not None and device.kind == "ifb":
        yield DeleteLink(device.name, f"the device {device.name} is left over")


def _limited(
    name: str, rate: str, bridge: Bridge, seen: Shaping | None, what: str
) -> Iterator[SetRate]:
    bits = rates.bits_of(rate)
    burst = max(_LEAST_BURST, 2 * (bridge.mtu + _HEADERS), bits // 8 // _BURSTS)
    limit = min(burst + bits // 8 // _WAITS, _MOST)
    if seen is None or (seen.bits, seen.limit) != (bits, limit):
        yield SetRate(name, bits, burst, limit, f"the rate {what} is not limited to {rate}")
