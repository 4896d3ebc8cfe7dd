"""What has to be done to devices, as data: from how they are to how they should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dnet.errors import KernelError
from dnet.firewall.traffic import filtered
from dnet.model.entities import Bridge, Interface
from dnet.plan.steps import Netlink, Sysctl
from dnet.values import address
from dnet.values.names import for_shell as word
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.network.facts import Device, Inner, Namespace


def bridge_steps(
    bridge: Bridge,
    device: Device | None,
    former: Iterable[str],
    settings: Iterable[Sysctl] = (),
    *,
    is_routed: bool = True,
) -> Iterator[Netlink | Sysctl]:
    """Make the device, or mend what differs; `former` addresses of the bridge are taken away.

    An adopted device keeps them: they were there before dnet. `settings` are made before it is up,
    and `is_routed` is whether its subnet leads to it. Raises KernelError for a device that is no
    bridge, or only has its name besides, and for an adopted one that is gone.
    """
    _refuse_unfit(bridge, device)
    name, mac = bridge.name, address.mac(bridge.gateway)
    if device is None:
        yield Netlink(
            "add_bridge",
            {"name": name, "mac": mac},
            f"ip link add name {word(name)} address {mac} type bridge",
            f"the device {name} is missing",
        )
    yield from _attributes(bridge, device, mac)
    yield from settings
    if device is None or not device.up:
        yield Netlink(
            "set_link",
            {"name": name, "up": True},
            f"ip link set dev {word(name)} up",
            f"{name} is down" if device else "",
        )
    yield from _addresses(bridge, device, () if bridge.adopted else former)
    if not is_routed:
        yield Netlink(
            "add_subnet_route",
            {"name": name, "subnet": bridge.subnet, "source": bridge.gateway},
            f"ip route replace {bridge.subnet} dev {word(name)} "
            f"proto kernel scope link src {bridge.gateway}",
            f"{bridge.subnet} is not routed to {name}",
        )


def _refuse_unfit(bridge: Bridge, device: Device | None) -> None:
    name = bridge.name
    if device is None and bridge.adopted:
        raise KernelError(
            f"the device {name} was there before dnet and is gone",
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


def _addresses(bridge: Bridge, device: Device | None, former: Iterable[str]) -> Iterator[Netlink]:
    """Let the bridge have its address, none of its former ones, and whatever else it has."""
    has, name = device.addresses if device else (), bridge.name
    leaving = [cidr for cidr in dict.fromkeys(former) if cidr in has and cidr != bridge.address]
    for cidr in leaving:
        yield _address("delete", name, cidr, f"{name} has the address {cidr}")
    # The other addresses of a subnet go with its first one, but where promote_secondaries is set
    # (Documentation/networking/ip-sysctl.rst).
    shaken = {address.network(cidr) for cidr in leaving}
    for cidr in has:
        if cidr not in leaving and shaken and address.network(cidr) in shaken:
            yield _address("replace", name, cidr, "")
    if bridge.address not in has:
        why = f"{name} has no address {bridge.address}" if device else ""
        yield _address("add", name, bridge.address, why)


def _attributes(bridge: Bridge, device: Device | None, mac: str) -> Iterator[Netlink]:
    name = bridge.name
    if device is not None and not bridge.adopted and device.mac != mac:
        yield _set(name, "address", mac, f"{name} has the address {device.mac}, not {mac}")
    if device is None or device.mtu != bridge.mtu:
        why = f"{name} has MTU {device.mtu}, not {bridge.mtu}" if device else ""
        yield _set(name, "mtu", bridge.mtu, why)


def pinning_steps(device: Device, is_pinned: bool | None) -> Iterator[Netlink]:
    """Let an adopted bridge keep its hardware address, whatever is plugged into it.

    Else it has the lowest of its ports' (br_stp_recalculate_bridge_id, net/bridge/br_stp_if.c), and
    what has learnt its address is without a network whenever that changes. `is_pinned` is None
    where that cannot be known; then it is set for sure, which changes nothing where it was.
    """
    if not is_pinned:
        why = "" if is_pinned is None else f"the MAC of {device.name} follows its ports"
        yield _set(device.name, "address", str(device.mac), why)


def giving_back_steps(bridge: Bridge, device: Device) -> Iterator[Netlink]:
    """Leave a device as it was before `bridge_steps` adopted it."""
    if device.mtu != bridge.mtu:
        yield _set(device.name, "mtu", device.mtu, "")
    if not device.up:
        shown = f"ip link set dev {word(device.name)} down"
        yield Netlink("set_link", {"name": device.name, "up": False}, shown)


def _set(name: str, attribute: str, value: object, why: str) -> Netlink:
    shown = f"ip link set dev {word(name)} {attribute} {value}"
    return Netlink("set_link", {"name": name, attribute: value}, shown, why)


def closing_steps(
    former: Iterable[Bridge], device: Device | None, ports: Iterable[Device]
) -> Iterator[Netlink]:
    """Let nothing through a bridge that goes, ahead of the rules that keep its traffic apart.

    `ports` are those that dnet plugged in: of an adopted device only they are brought down.
    """
    is_made = any(removal_steps(former, device))
    for one in [device] if device and is_made else ports:
        if one.up:
            shown = f"ip link set dev {word(one.name)} down"
            yield Netlink("set_link", {"name": one.name, "up": False}, shown)


def removal_steps(former: Iterable[Bridge], device: Device | None) -> Iterator[Netlink]:
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


def _delete(name: str, why: str | None = None) -> Netlink:
    shown = f"ip link delete dev {word(name)}"
    why = f"the device {name} is left over" if why is None else why
    return Netlink("delete_link", {"name": name}, shown, why)


def _address(verb: str, name: str, cidr: str, why: str) -> Netlink:
    arguments: dict[str, object] = {"name": name, "cidr": cidr}
    broadcast = "" if verb == "delete" else "brd + "
    shown = f"ip address {verb} {cidr} {broadcast}dev {word(name)}"
    return Netlink(f"{verb}_address", arguments, shown, why)


def plug_steps(
    one: Interface, bridge: Bridge, netns: Namespace, why: str = ""
) -> Iterator[Netlink]:
    """Make the veth pair, its host end a port of the bridge, its other end the interface.

    `why` is what was found instead of it, if anything. The host's end is up from the beginning,
    so that the announcement of the address finds its way.
    """
    name, inner, mac, mtu = veth_name(one.id), str(one.ifname), one.hardware_address, bridge.mtu
    outer = {"name": name, "bridge": bridge.name, "mtu": mtu}
    yield Netlink(
        "add_veth",
        {**outer, "peer": inner, "mac": mac, "netns": netns},
        f"ip link add name {name} mtu {mtu} master {word(bridge.name)} up type veth "
        f"peer name {word(inner)} address {mac} mtu {mtu} netns {word(str(one.netns))}",
        why or f"{one.id} is not plugged into {one.netns}",
    )
    yield _configuration(one, bridge, netns, "")
    yield _hairpin(one, "")


def _configuration(one: Interface, bridge: Bridge, netns: Namespace, why: str) -> Netlink:
    inner, cidr = str(one.ifname), inner_cidr(one, bridge)
    # In double quotes, for the script as a whole is in single ones.
    shown = inner if word(inner) == inner else f'"{inner}"'.replace("$", "\\$")
    return Netlink(
        "configure_inside",
        {
            "netns": netns,
            "name": inner,
            "mac": one.hardware_address,
            "cidr": cidr,
            "gateway": bridge.gateway,
            "port": veth_name(one.id),
            "apart": bool(filtered([bridge])) and not bridge.icc,
        },
        f"nsenter --net={word(netns.path)} sh -c '"
        f"sysctl -w net.ipv6.conf.{shown}.disable_ipv6=1; "
        f"ip link set lo up; ip address add {cidr} brd + dev {shown}; "
        f"ip link set {shown} up; ip route add default via {bridge.gateway}'",
        why,
    )


def inner_cidr(one: Interface, bridge: Bridge) -> str:
    """The address of an attachment's interface, with the length of the bridge's prefix."""
    return f"{one.ip}/{address.prefix_len(bridge.address)}"


def inner_steps(
    one: Interface, bridge: Bridge, netns: Namespace, inner: Inner, *, again: bool
) -> Iterator[Netlink]:
    """Mend the inside of a namespace.

    A default route that was taken away counts only when the attachment is asked for `again`:
    a lab may have its reasons, and what it was may have gone with another attachment. IPv6
    counts only where it would lead past a link.
    """
    where, mac = f"{one.ifname} in {one.netns}", one.hardware_address
    if inner.mac != mac:
        yield Netlink(
            "set_mac_inside",
            {"netns": netns, "name": str(one.ifname), "mac": mac},
            _inside(one, netns, f"address {mac}"),
            f"{where} of {one.id} has the MAC {inner.mac}, not {mac}",
        )
    if inner.mtu != bridge.mtu:
        yield Netlink(
            "set_mtu_inside",
            {"netns": netns, "name": str(one.ifname), "mtu": bridge.mtu},
            _inside(one, netns, f"mtu {bridge.mtu}"),
            f"{where} of {one.id} has MTU {inner.mtu}, not {bridge.mtu}",
        )
    if inner_cidr(one, bridge) not in inner.addresses:
        yield _configuration(one, bridge, netns, f"{where} has no address {one.ip}")
    elif not inner.up:
        yield _configuration(one, bridge, netns, f"{where} is down")
    elif again and inner.default is None:
        yield _configuration(one, bridge, netns, f"{one.netns} of {one.id} has no default route")
    elif inner.ipv6 and not bridge.icc:
        yield _configuration(one, bridge, netns, f"{where} speaks IPv6")


def route_steps(one: Interface, bridge: Bridge, netns: Namespace) -> Iterator[Netlink]:
    """Give a namespace a default route by another attachment than the one that it had."""
    yield Netlink(
        "route_inside",
        {"netns": netns, "name": str(one.ifname), "gateway": bridge.gateway},
        f"nsenter --net={word(netns.path)} ip route add default via {bridge.gateway} "
        f"dev {word(str(one.ifname))}",
    )


def _inside(one: Interface, netns: Namespace, change: str) -> str:
    """The command line that changes the device in a namespace."""
    return f"nsenter --net={word(netns.path)} ip link set dev {word(str(one.ifname))} {change}"


def port_steps(
    one: Interface,
    bridge: Bridge,
    netns: Namespace | None,
    device: Device,
    bridge_index: int | None,
) -> Iterator[Netlink]:
    """Mend the host's end of the pair: a port that is up, with MTU and hairpin mode."""
    name = device.name
    if device.mtu != bridge.mtu:
        why = f"{name} of {one.id} has MTU {device.mtu}, not {bridge.mtu}"
        yield _set(name, "mtu", bridge.mtu, why)
    is_port = bridge_index is not None and device.master == bridge_index
    if not is_port or not device.up:
        yield Netlink(
            "set_port",
            {"name": name, "bridge": bridge.name},
            f"ip link set dev {name} master {word(bridge.name)} up",
            f"{name} of {one.id} is not an active port of {bridge.name}",
        )
    if not is_port or not device.hairpin:
        if netns is not None:
            yield _configuration(one, bridge, netns, "")
        yield _hairpin(one, f"{name} of {one.id} is not in hairpin mode")
    elif not device.guarded:
        yield _hairpin(one, f"{name} of {one.id} takes BPDUs")


def _hairpin(one: Interface, why: str) -> Netlink:
    """Let a port be its own client. Last of all: who has it was plugged in to the end."""
    name = veth_name(one.id)
    shown = f"bridge link set dev {name} hairpin on guard on"
    return Netlink("set_hairpin", {"name": name}, shown, why)


def unplug_steps(device: Device | None, why: str | None = None) -> Iterator[Netlink]:
    """Delete the veth pair, if it is there."""
    if device is not None and device.kind == "veth":
        yield _delete(device.name, why)
