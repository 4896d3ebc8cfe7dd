"""What has to be done to devices, as data: from how they are to how they should be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnet.errors import KernelError
from dnet.firewall.traffic import filtered
from dnet.model.entities import Bridge, Interface, Subnet
from dnet.plan.devicesteps import (
    INSIDE6,
    AddAddress,
    AddBridge,
    AddSubnetRoute,
    AddVeth,
    ConfigureInside,
    DeleteAddress,
    DeleteLink,
    DeviceStep,
    InsideStep,
    RouteInside,
    SetHairpin,
    SetIsolated,
    SetLink,
    SetMacInside,
    SetMtuInside,
)
from dnet.plan.steps import SettingStep
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family
from dnet.values.family import V6, Family
from dnet.values.names import for_shell as word
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.network.facts import ContainerDevice, Device, Namespace


def bridge_steps(
    bridge: Bridge,
    device: Device | None,
    former: Iterable[str],
    settings: Iterable[SettingStep] = (),
    unrouted: Iterable[Subnet] = (),
) -> Iterator[DeviceStep | SettingStep]:
    """Make the device, or mend what differs; `former` addresses of the bridge are taken away.

    An adopted device keeps them: they were there before dnet. `settings` are made before it is up,
    and `unrouted` are its subnets that do not lead to it. Raises KernelError for a device that is
    no bridge, or only has its name besides, and for an adopted one that is gone.
    """
    _refuse_unfit(bridge, device)
    name, mac = bridge.name, address.mac(bridge.gateway)
    if device is None:
        yield AddBridge(name, mac, f"the device {name} is missing")
    yield from _attributes(bridge, device, mac)
    moves = list(_addresses(bridge, device, () if bridge.adopted else former))
    # Those of IPv6 would go with a setting.
    leaving = [one for one in moves if isinstance(one, DeleteAddress) and family.of(one.cidr) is V6]
    yield from leaving
    yield from settings
    if device is None or not device.up:
        yield SetLink(name, f"{name} is down" if device else "", up=True)
    yield from (one for one in moves if one not in leaving)
    for one in unrouted:
        why = f"{one.network} is not routed to {name}"
        yield AddSubnetRoute(name, one.network, one.gateway, why)


def _refuse_unfit(bridge: Bridge, device: Device | None) -> None:
    name = bridge.name
    if device is None and bridge.adopted:
        raise KernelError(
            f"the device {name} existed before dnet and is gone",
            f"ip link add {word(name)} type bridge, or: dnet bridge remove {word(name)} --force",
        )
    if device is not None and device.name != name:
        raise KernelError(
            f"{name} is another name of the device {device.name}",
            f"ip link property del dev {word(device.name)} altname {word(name)} && dnet restore",
        )
    if device is not None and device.kind != "bridge":
        raise KernelError(
            f"the device {name} is not a bridge", f"ip link delete {word(name)} && dnet restore"
        )


def _addresses(
    bridge: Bridge, device: Device | None, former: Iterable[str]
) -> Iterator[AddAddress | DeleteAddress]:
    """Let the bridge have its addresses, none of its former ones, and whatever else it has."""
    has, name = device.addresses if device else (), bridge.name
    own = [one.address for one in bridge.subnets]
    leaving = [cidr for cidr in dict.fromkeys(former) if cidr in has and cidr not in own]
    for cidr in leaving:
        yield DeleteAddress(name, cidr, f"{name} has the address {cidr}")
    # The other addresses of a subnet go with its first one, but where promote_secondaries is set
    # (Documentation/networking/ip-sysctl.rst).
    shaken = {address.network(cidr) for cidr in leaving}
    for cidr in has:
        if cidr not in leaving and shaken and address.network(cidr) in shaken:
            yield AddAddress(name, cidr, again=True)
    for cidr in own:
        if cidr not in has:
            why = f"{name} has no address {cidr}" if device else ""
            yield AddAddress(name, cidr, why)


def _attributes(bridge: Bridge, device: Device | None, mac: str) -> Iterator[SetLink]:
    name = bridge.name
    if device is not None and not bridge.adopted and device.mac != mac:
        yield SetLink(name, f"{name} has the address {device.mac}, not {mac}", mac=mac)
    if device is None or device.mtu != bridge.mtu:
        why = f"{name} has MTU {device.mtu}, not {bridge.mtu}" if device else ""
        yield SetLink(name, why, mtu=bridge.mtu)


def pinning_steps(device: Device, is_pinned: bool | None) -> Iterator[SetLink]:
    """Let an adopted bridge keep its hardware address, whatever is plugged into it.

    Else it has the lowest of its ports' (br_stp_recalculate_bridge_id, net/bridge/br_stp_if.c), and
    what has learnt its address is without a network whenever that changes. `is_pinned` is None
    where that cannot be known; then it is set for sure, which changes nothing where it was.
    """
    if not is_pinned:
        why = "" if is_pinned is None else f"the MAC of {device.name} follows its ports"
        yield SetLink(device.name, why, mac=str(device.mac))


def giving_back_steps(bridge: Bridge, device: Device) -> Iterator[SetLink]:
    """Leave a device as it was before `bridge_steps` adopted it."""
    if device.mtu != bridge.mtu:
        yield SetLink(device.name, mtu=device.mtu)
    if not device.up:
        yield SetLink(device.name, up=False)


def closing_steps(
    former: Iterable[Bridge], device: Device | None, ports: Iterable[Device]
) -> Iterator[SetLink]:
    """Let nothing through a bridge that goes, ahead of the rules that keep its traffic apart.

    `ports` are those that dnet plugged in: of an adopted device only they are brought down.
    """
    is_made = any(removal_steps(former, device))
    for one in [device] if device and is_made else ports:
        if one.up:
            yield SetLink(one.name, up=False)


def removal_steps(former: Iterable[Bridge], device: Device | None) -> Iterator[DeleteLink]:
    """Delete the device, if it is one that dnet made: an adopted one stays."""
    if device is not None and any(not one.adopted and _is_of(one, device) for one in former):
        yield _delete(device.name)


def _is_of(bridge: Bridge, device: Device) -> bool:
    """Whether a device has anything that tells it is a bridge's: either address may drift."""
    known = device.mac == address.mac(bridge.gateway) or bridge.address in device.addresses
    return device.kind == "bridge" and known


def own_address(device: Device) -> str | None:
    """The address that dnet made a bridge with, by the hardware address that follows from it."""
    if device.kind != "bridge":
        return None
    made = (cidr for cidr in device.addresses if device.mac == address.mac(address.host(cidr)))
    return next(made, None)


def _delete(name: str, why: str | None = None) -> DeleteLink:
    return DeleteLink(name, f"the device {name} is left over" if why is None else why)


def plug_steps(
    interface: Interface,
    bridge: Bridge,
    netns: Namespace,
    why: str = "",
    *,
    isolates: bool = False,
    limits: Iterable[DeviceStep] = (),
) -> Iterator[DeviceStep]:
    """Make the veth pair, its host end a port of the bridge, its other end the interface.

    `why` is what was found instead of it, if anything. The host's end is up from the beginning,
    so that the announcement of the address finds its way; or from when it is isolated, for
    whoever rules the namespace may bring up the other end at once. `limits` are there before
    anything passes.
    """
    name = veth_name(interface.id)
    why = why or f"{interface.id} is not plugged into {interface.netns}"
    inner, mac = str(interface.ifname), interface.hardware_address
    yield AddVeth(name, bridge.name, bridge.mtu, netns, inner, mac, why, up=not isolates)
    if isolates:
        yield SetIsolated(name, on=True)
        yield SetLink(name, up=True)
    yield from limits
    yield _configuration(interface, bridge, netns, "")
    yield SetHairpin(name)


def _configuration(
    interface: Interface, bridge: Bridge, netns: Namespace, why: str
) -> ConfigureInside:
    subnet6 = bridge.subnet_of(V6)
    return ConfigureInside(
        device=veth_name(interface.id),
        netns=netns,
        ifname=str(interface.ifname),
        mac=interface.hardware_address,
        cidr=inner_cidr(interface, bridge),
        gateway=bridge.gateway,
        apart=bool(filtered([bridge])) and not bridge.icc,
        why=why,
        cidr6=inner_cidr6(interface, bridge),
        gateway6=subnet6.gateway if subnet6 else None,
    )


def inner_cidr6(interface: Interface, bridge: Bridge) -> str | None:
    """The same of IPv6, where the interface has an address and the bridge a subnet of it."""
    if interface.ip6 is None or bridge.address6 is None:
        return None
    return f"{interface.ip6}/{address.prefix_len(bridge.address6)}"


def inner_cidr(interface: Interface, bridge: Bridge) -> str:
    """The address of an attachment's interface, with the length of the bridge's prefix."""
    return f"{interface.ip}/{address.prefix_len(bridge.address)}"


def inner_steps(
    interface: Interface,
    bridge: Bridge,
    netns: Namespace,
    inner: ContainerDevice,
    former: Collection[str] = (),
    *,
    again: bool,
    forgets: bool = False,
) -> Iterator[InsideStep]:
    """Mend the inside of a namespace.

    It `forgets` how its neighbours were reached when its hardware address is set, be it the same
    (NETDEV_CHANGEADDR, net/ipv4/arp.c): whoever comes to be isolated would go on sending to
    siblings what now has to go to the host.

    A default route that was taken away counts only when the attachment is asked for `again`: a lab
    may have its reasons, and what it was may have gone with another attachment. IPv6 that it is not
    to have counts only where it would lead past a link, or has a `former` address of its.
    """
    device, ifname, mac = veth_name(interface.id), str(interface.ifname), interface.hardware_address
    where = f"{ifname} in {interface.netns}"
    if inner.mac != mac:
        why = f"{where} of {interface.id} has the MAC {inner.mac}, not {mac}"
        yield SetMacInside(device, netns, ifname, mac, why)
    elif forgets:
        yield SetMacInside(device, netns, ifname, mac, "")
    if inner.mtu != bridge.mtu:
        why = f"{where} of {interface.id} has MTU {inner.mtu}, not {bridge.mtu}"
        yield SetMtuInside(device, netns, ifname, bridge.mtu, why)
    if lacks := next(_lacks(interface, bridge, inner, former, again=again), None):
        yield _configuration(interface, bridge, netns, lacks)


def _lacks(
    interface: Interface,
    bridge: Bridge,
    inner: ContainerDevice,
    former: Collection[str],
    *,
    again: bool,
) -> Iterator[str]:
    """What an attachment's interface does not have as it should, in words."""
    where, cidr6 = f"{interface.ifname} in {interface.netns}", inner_cidr6(interface, bridge)
    if inner_cidr(interface, bridge) not in inner.addresses:
        yield f"{where} has no address {interface.ip}"
    if not inner.up:
        yield f"{where} is down"
    if again and inner.default is None:
        yield f"{interface.netns} of {interface.id} has no default route"
    if cidr6 is None:
        had = not set(former).isdisjoint(map(address.host, inner.addresses))
        if inner.ipv6 and (had or not bridge.icc):
            yield f"{where} speaks IPv6"
        return
    if cidr6 not in inner.addresses:
        yield f"{where} has no address {interface.ip6}"
    yield from (f"{setting} of {where} is not {INSIDE6[setting]}" for setting in inner.unset6)
    if again and inner.default6 is None:
        yield f"{interface.netns} of {interface.id} has no default route of IPv6"


def route_steps(
    interface: Interface, bridge: Bridge, netns: Namespace, families: Collection[Family]
) -> Iterator[RouteInside]:
    """Give a namespace default routes by another attachment than the one that it had."""
    for subnet in bridge.subnets:
        if subnet.family in families and interface.address_of(subnet.family):
            yield RouteInside(veth_name(interface.id), netns, str(interface.ifname), subnet.gateway)


def port_steps(
    interface: Interface,
    bridge: Bridge,
    netns: Namespace | None,
    device: Device,
    bridge_index: int | None,
    *,
    isolates: bool | None = None,
) -> Iterator[DeviceStep]:
    """Mend the host's end of the pair: a port that is up, with MTU and hairpin mode.

    `isolates` is whether it is to be isolated, None where nobody minds.
    """
    name = device.name
    if device.mtu != bridge.mtu:
        why = f"{name} of {interface.id} has MTU {device.mtu}, not {bridge.mtu}"
        yield SetLink(name, why, mtu=bridge.mtu)
    is_port = bridge_index is not None and device.master == bridge_index
    yield from _active(interface, bridge, device, is_port=is_port, isolates=isolates)
    if not is_port or not device.hairpin:
        if netns is not None:
            yield _configuration(interface, bridge, netns, "")
        yield SetHairpin(name, f"{name} of {interface.id} is not in hairpin mode")
    elif not device.guarded:
        yield SetHairpin(name, f"{name} of {interface.id} takes BPDUs")


def _active(
    interface: Interface, bridge: Bridge, device: Device, *, is_port: bool, isolates: bool | None
) -> Iterator[SetLink | SetIsolated]:
    """Let a device be a port that is up; isolated before anything passes, if it is to be."""
    name = device.name
    why = f"{name} of {interface.id} is not an active port of {bridge.name}"
    if isolates and not is_port:
        if device.up:
            yield SetLink(name, up=False)
        yield SetLink(name, why, master=bridge.name)
        yield SetIsolated(name, on=True)
        yield SetLink(name, up=True)
        return
    if is_port and isolates is not None and isolates != device.isolated:
        now = "not isolated" if isolates else "isolated, and should not be"
        yield SetIsolated(name, isolates, f"{name} of {interface.id} is {now}")
    if not is_port or not device.up:
        yield SetLink(name, why, master=bridge.name, up=True)


def unplug_steps(device: Device | None, why: str | None = None) -> Iterator[DeleteLink]:
    """Delete the veth pair, if it is there."""
    if device is not None and device.kind in ("veth", "ifb"):
        yield _delete(device.name, why)
