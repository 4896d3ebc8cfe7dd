"""Which attachments to plug in, to mend and to unplug, as steps of a plan."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from dnet import address
from dnet.host import devices, netns
from dnet.host.steps import Netlink as NetlinkStep
from dnet.host.steps import Plan
from dnet.host.veth import veth_name
from dnet.model import Bridge, Interface
from dnet.state import State

if TYPE_CHECKING:
    from dnet.facts import Device
    from dnet.host.inside import Inner
    from dnet.host.netlink import Netlink


def plan_all(
    plan: Plan,
    state: State,
    netlink: Callable[[], Netlink],
    touched: Iterable[Interface],
    again: Iterable[str] = (),
) -> None:
    """Plug in what should be and unplug what should not; what has nowhere to go is left.

    `touched` are attachments as they are, were or may have become.
    Who is plugged in may take the place of one that is unplugged, which then goes first.
    Otherwise it goes last, as nothing brings back what was set in its namespace by hand.
    """
    ips: dict[str, set[str]] = {one: set() for one in again}
    for one in touched:
        ips.setdefault(one.id, set()).add(one.ip)
    unplugs: list[NetlinkStep] = []
    plugs: list[NetlinkStep] = []
    for interface_id in ips:
        device = netlink().device(veth_name(interface_id))
        wanted = state.interfaces.get(interface_id)
        if wanted is None or wanted.netns is None:
            unplugs += devices.unplug_steps(device)
        else:
            others = ips[interface_id] - {wanted.ip}
            plugs += _plug(plan, state, netlink, wanted, others, device, unplugs)
    if plugs:
        plan.before += [*unplugs, *plugs]
    else:
        plan.after += unplugs


def _plug(
    plan: Plan,
    state: State,
    netlink: Callable[[], Netlink],
    one: Interface,
    others: Collection[str],
    device: Device | None,
    unplugs: list[NetlinkStep],
) -> Iterator[NetlinkStep]:
    """`others` are addresses that it had, or was to have."""
    bridge = state.bridges[one.bridge]
    if bridge.name in plan.blocked:
        plan.loose.append(f"{one.id} is unplugged: there is no bridge {bridge.name}")
        return
    place = netns.locate(str(one.netns), one.cookie)
    inner = netlink().inner(one, place) if device is not None and place else None
    why = ""
    if device and place and not _is_other_end(one, bridge, device, inner, others):
        why = f"{one.ifname} in {one.netns} is not the other end of {device.name} of {one.id}"
        unplugs += devices.unplug_steps(device, why="")
        device = None
    if device is not None:
        home = netlink().device(one.bridge)
        index = home.ifindex if home else None
        yield from devices.port_steps(one, bridge, place, device, index)
        if inner is not None and place:
            again = one.id in state.replug
            yield from devices.inner_steps(one, bridge, place, inner, again=again)
    elif place is not None:
        yield from devices.plug_steps(one, bridge, place, why)
    else:
        plan.loose.append(f"{one.id} is unplugged: its network namespace {one.netns} is gone")


def _is_other_end(
    one: Interface, bridge: Bridge, device: Device, inner: Inner | None, others: Collection[str]
) -> bool:
    """Whether what is in the namespace is the other end of the interface's own pair.

    One that has neither its hardware address nor its address is that of another attachment, and
    so is one with any of the `others`, which it had before.
    """
    if inner is None or inner.peer != device.ifindex:
        return False
    if not set(others).isdisjoint(map(address.host, inner.addresses)):
        return False
    return inner.mac == one.hardware_address or devices.inner_cidr(one, bridge) in inner.addresses
