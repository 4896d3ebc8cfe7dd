"""What the host's own routes and settings do to traffic that dnet's rules let through, in words.

None of it is dnet's to mend: `dnet check` tells it, and so does what sets a bridge up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from dnet.firewall import traffic
from dnet.host import routes
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.network import ipallocator
from dnet.plan import settings, siblings
from dnet.plan.devicesteps import SetIsolated
from dnet.plan.steps import SettingStep
from dnet.typing import TYPE_CHECKING
from dnet.values import address
from dnet.values.family import FAMILIES, V4, V6, Family
from dnet.values.names import for_shell as word
from dnet.values.veth import veth_name

if TYPE_CHECKING:
    from dnet.host.machine import Machine
    from dnet.host.netlink import Netlink
    from dnet.network.facts import Facts


def hindrances(state: State, machine: Machine, netlink: Netlink) -> Iterator[str]:
    """Everything that is known to keep traffic from a bridge, or to lead it astray."""
    for bridge in state.bridges.values():
        served = settings.served(bridge, machine)
        if served != bridge:
            yield f"{bridge.name} has no IPv6, because the kernel has none"
        if _is_up(served, machine):
            containers = _containers(state, machine, served)
            astray = list(_astray(state, machine, served, containers, netlink))
            yield from astray or _misled(machine, served, containers, netlink)
    yield from _homeless(state)
    routed = [bridge for bridge in state.bridges.values() if bridge.ip_forward]
    for of in FAMILIES:
        if any(bridge.subnet_of(of) for bridge in routed):
            yield from (
                _silent(_forwards(name, of)) for name in _silent_uplinks(state, machine, of)
            )


def _is_up(bridge: Bridge, machine: Machine) -> bool:
    """Whether the device is there with its route: what is missing of it is told as such."""
    device = machine.device(bridge.name)
    if device is None or not device.up or device.master is not None:
        return False
    has = (*device.addresses, *(machine.ipv6_addresses(device.name) if bridge.address6 else ()))
    return all(
        one.address in has and machine.is_routed(device, one.network) for one in bridge.subnets
    )


def _astray(
    state: State, facts: Facts, bridge: Bridge, containers: Sequence[str], netlink: Netlink
) -> Iterator[str]:
    """Containers' addresses for which the kernel chooses another device than their bridge.

    A more specific route does that, as of a VPN, and so do a rule of ip-rule(8) and an address
    of the host's own.
    """
    own = {
        ip: device
        for one in bridge.subnets
        for ip, device in facts.own_addresses(one.network).items()
    }
    wrong: dict[str | None, list[str]] = {}
    for ip, device in netlink.ways_to(containers):
        if ip in own:
            yield _doubled(state, bridge, ip, own[ip])
        elif device != bridge.name:
            wrong.setdefault(device, []).append(ip)
    for device, (ip, *others) in wrong.items():
        more = f" and {len(others)} more" if others else ""
        way = f"by {device}, not by {bridge.name}" if device else "nowhere: it has no route"
        yield f"packets from the host to {ip}{more} leave {way}; see: ip route get {ip}"


def _homeless(state: State) -> Iterator[str]:
    """An address that other hosts of a pool send to, and that this one has no longer."""
    own = state.overlay
    if not own or not own.block:
        return
    from dnet.host.localaddr import LocalAddresses

    if own.underlay not in LocalAddresses(V4):
        yield (
            f"{own.underlay}, the underlay address of {own.name}, is not an address of this host, "
            "so other hosts do not reach it: add it, or register another: dnet host join --moved "
            "--underlay IP"
        )


def _misled(
    machine: Machine, bridge: Bridge, containers: Sequence[str], netlink: Netlink
) -> Iterator[str]:
    """Where the host sends on elsewhere what its own containers send to one another.

    A rule for what comes from them does that (ip-rule(8)). What they send to a published port goes
    that way, and where ports are isolated so do links.
    """
    device = machine.device(bridge.name)
    for of in FAMILIES:
        own = list(islice(address.of_family(containers, of), 2))
        if not device or len(own) < 2 or machine.value(_forwards(bridge.name, of)) != "1":
            continue
        ip, source = own
        found = netlink.way_on(ip, source, device)
        if found != bridge.name:
            way = f"by {found}, not by {bridge.name}" if found else "nowhere"
            yield (
                f"packets from containers of {bridge.name} to {ip} through the host leave {way}; "
                f"see: ip rule; ip route get {ip} from {source} iif {bridge.name}"
            )


def _doubled(state: State, bridge: Bridge, ip: str, device: str) -> str:
    whose = state.leases_with(bridge.name, ip).get(ip) or "its container"
    return (
        f"{ip} of {whose} is an address of this host as well, on {device}, so the host does not "
        f"reach {whose}; remove it there, or release {whose}"
    )


def _containers(state: State, facts: Facts, bridge: Bridge) -> list[str]:
    """The addresses of a bridge's containers, and the next one."""
    found = dict.fromkeys(
        ip
        for one in state.interfaces.values()
        if one.bridge == bridge.name
        for ip in one.addresses
        if ip == one.ip or bridge.address6
    )
    mappings = state.mappings.rows.values()
    found |= {row["container_ip"]: None for row in mappings if row["bridge"] == bridge.name}
    for one in bridge.subnets:
        free = ipallocator.available(state, facts, bridge, one.family)
        found.update(dict.fromkeys(islice(free, 1)))
    return list(found)


def advertised(state: State, machine: Machine, *, ahead: bool) -> Iterator[str]:
    """The adopted bridges by which a container can change the host's IPv6 routes.

    Without any container that is harmless, and told only `ahead` of it.
    """
    plugged_in = {one.bridge for one in state.interfaces.values() if one.netns}
    for bridge in state.bridges.values():
        exposed = bridge.adopted and (ahead or bridge.name in plugged_in)
        if exposed and settings.takes_advertisements(bridge.name, machine):
            yield _advertised(bridge.name)


def _advertised(name: str) -> str:
    setting = f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra=0"
    return (
        f"the host accepts router advertisements from {name}, also those of containers, which can "
        f"change its IPv6 routes; to refuse them: sysctl -w {word(setting)}"
    )


def forgetting(state: State, machine: Machine) -> Iterator[str]:
    """The devices of default routes of IPv6 that are gone once systemd-networkd restarts."""
    from dnet.host import networkd

    if not any(one.ip_forward and one.address6 for one in state.bridges.values()):
        return
    for name in machine.default_devices6():
        device = machine.device(name)
        is_kernel_s = machine.value(SettingStep(("net", V6.name, "conf", name, "accept_ra"), "0"))
        file = networkd.forgetting(device.ifindex) if device and is_kernel_s == "0" else None
        if file is not None:
            yield (
                f"the IPv6 default route by {name} is from systemd-networkd, which will not set "
                "it again after a restart, because the host forwards; to keep it: IPv6AcceptRA=yes "
                f"in [Network] of {file}"
            )


def beside_isolated(state: State, icc_by: str, machine: Machine) -> Iterator[str]:
    """What of others is not apart from isolated ports, and which of these have no way by the host.

    The way of a link leads by the host there, be it switched on for other traffic or not.
    """
    own = {veth_name(one.id) for one in state.interfaces.values() if one.netns}
    linked = {one.parent_bridge for one in state.links.values()}
    for bridge in sorted(siblings.isolated(state, icc_by)):
        for port in machine.ports(bridge):
            if not port.isolated and port.name not in own:
                yield _unseparated(port.name, bridge)
        for of in FAMILIES if bridge in linked else ():
            if machine.value(_forwards(bridge, of)) == "0" and state.bridges[bridge].subnet_of(of):
                yield (
                    f"{bridge} does not forward{_which(of)}, so links between its containers do "
                    f"not work: {_forwards(bridge, of).shown}"
                )


def _unseparated(port: str, bridge: str) -> str:
    return (
        f"{port}, which is not dnet's, can reach the containers of {bridge} despite --no-icc: "
        f"{SetIsolated(port, on=True).shown}"
    )


def _silent_uplinks(state: State, machine: Machine, of: Family) -> list[str]:
    """The devices towards other networks that do not forward, where the host as such does.

    Those of default routes; without any, those of whatever route there is.
    """
    if machine.value(_forwards("all", of)) != "1":
        return []
    return [
        name
        for name in routes.default_devices(of) or (machine.outward if of is V4 else ())
        if name not in state.bridges and machine.value(_forwards(name, of)) == "0"
    ]


def _forwards(name: str, of: Family) -> SettingStep:
    return SettingStep(("net", of.name, "conf", name, "forwarding"), "1")


def _which(of: Family) -> str:
    return "" if of is V4 else " IPv6"


def unanswered(state: State, icc_by: str, machine: Machine) -> Iterator[str]:
    """Why nothing that is published answers the host at ::1, if so; see settings.loopback6."""
    dual = any(one.address6 for one in traffic.filtered(state.bridges.values()))
    if not dual or settings.loopback6(machine):
        return
    is_needed = icc_by == siblings.BR_NETFILTER
    off = SettingStep(settings.BRIDGE_CALLS_IP6TABLES, "0").shown
    why = "as --no-icc needs it here" if is_needed else f"if nothing needs it: {off}"
    yield (
        f"published ports do not answer at [{V6.loopback}] while bridged packets pass ip6tables; "
        f"{why}"
    )


def _silent(setting: SettingStep) -> str:
    *_, name, _ = setting.name
    which = _which(V4 if V4.name in setting.name else V6)
    return f"{name} does not forward{which}, so containers cannot reach it: {setting.shown}"
