"""Which settings under /proc/sys a state needs: one list, by which they are made and mended.

Of each setting only what differs is given. Those of devices are described in
Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator

from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.plan.steps import SettingStep
from dnet.typing import TYPE_CHECKING
from dnet.values.family import V4, V6, Families

if TYPE_CHECKING:
    from dnet.plan.view import View

FORWARDING = ("net", "ipv4", "ip_forward")
BRIDGE_CALLS_IPTABLES = ("net", "bridge", "bridge-nf-call-iptables")
BRIDGE_CALLS_IP6TABLES = ("net", "bridge", "bridge-nf-call-ip6tables")
BRIDGE_CALLS = {V4: BRIDGE_CALLS_IPTABLES, V6: BRIDGE_CALLS_IP6TABLES}
BRIDGE_FILTERS_TAGGED = ("net", "bridge", "bridge-nf-filter-vlan-tagged")

LEAST_IPV6_MTU = 1280  # RFC 8200, section 5: with less a device has no IPv6.

_UNREACHED = "containers reach other networks only with it"
_SLOW = "the bridge asks for a second whether somebody has its link's address"
_ADVERTISED = "router advertisements of its containers may change the host's routes and addresses"


def differs(view: View, setting: SettingStep) -> bool:
    """Whether the kernel has another value, or none."""
    return view.value(setting) != setting.value


def barriers(families: Families, view: View) -> Iterator[SettingStep]:
    """What the rules of --no-icc need to be a barrier; to be made before anything is plugged in.

    Traffic between two ports of a bridge meets iptables only with br_netfilter, and tagged frames
    only with the last setting: a kernel takes one with the tag 0 for untagged (CERT VU#855201).
    """
    for name in (*(BRIDGE_CALLS[one] for one in families), BRIDGE_FILTERS_TAGGED):
        if differs(view, needed := SettingStep(name, "1")):
            yield needed


def localnet(bridges: Iterable[str], value: str) -> Iterator[SettingStep]:
    """route_localnet of devices: whether 127.0.0.1 may be translated to what lies behind."""
    for name in bridges:
        yield SettingStep(("net", "ipv4", "conf", name, "route_localnet"), value)


def without_device(bridges: Iterable[str], view: View) -> Iterator[str]:
    """Those whose device is gone: its settings go with it, and are read faster than it is."""
    return (name for name in bridges if None in map(view.value, localnet([name], "1")))


def closing(bridges: Iterable[str], view: View) -> Iterator[SettingStep]:
    """What takes route_localnet back from devices that are there."""
    return (one for one in localnet(bridges, "0") if view.value(one) not in (None, one.value))


def opening(bridges: Iterable[str], view: View) -> Iterator[SettingStep]:
    """What lets 127.0.0.1 be translated, once the guard of 127.0.0.0/8 is there."""
    return (one for one in localnet(bridges, "1") if differs(view, one))


def forwarding(state: State, failed: Container[str], view: View) -> Iterator[SettingStep]:
    """What lets packets through the host.

    To be made last, since nothing that is refused later takes it back: others may rely on it by
    then. The first setting, where it changes, sets that of every device.
    """
    routed = [one.name for one in state.bridges.values() if one.ip_forward]
    everywhere = SettingStep(FORWARDING, "1", _UNREACHED)
    if routed and differs(view, everywhere):
        yield everywhere
        return
    for name in routed:
        of_device = SettingStep(("net", V4.name, "conf", name, "forwarding"), "1", _UNREACHED)
        if name not in failed and will_be(view, of_device) != "1":
            yield of_device


def forwarding6(state: State, failed: Container[str], view: View) -> Iterator[SettingStep]:
    """The same for IPv6, where a bridge has that.

    A host that forwards takes no router advertisement any more, and loses its default route at
    once, but for a device that is told to take them all the same. Those have to be told ahead.
    """
    routed = [one.name for one in state.bridges.values() if one.ip_forward and one.address6]
    everywhere = _forwards6("all")
    if not routed or view.value(everywhere) is None:
        return
    if differs(view, everywhere):
        for name in _advertised_to(state, view):
            yield _ipv6_setting(name, "accept_ra", "2")._replace(without="")
        yield everywhere
        return
    for name in routed:
        if name not in failed and will_be(view, _forwards6(name)) != "1":
            yield _forwards6(name)


def _forwards6(name: str) -> SettingStep:
    return SettingStep(("net", V6.name, "conf", name, "forwarding"), "1", _UNREACHED)


def _advertised_to(state: State, view: View) -> Iterator[str]:
    """The devices from which the host takes router advertisements, as hosts do.

    Of bridges of dnet's only those that the host's default route goes by: of any other one a
    container could send them.
    """
    leading = view.default_devices6()
    for name in view.standing_alone():
        bridge = state.bridges.get(name)
        is_own = bridge is not None and (not bridge.adopted or name not in leading)
        accepts = view.value(_ipv6_setting(name, "accept_ra", "2"))
        if accepts == "1" and not is_own and takes_advertisements(name, view):
            yield name


def served(bridge: Bridge, view: View) -> Bridge:
    """A bridge as it can be: without IPv6 where the kernel has none."""
    if bridge.address6 is None or view.value(_forwards6("all")) is not None:
        return bridge
    return bridge._replace(address6=None)


def loopback6(view: View) -> bool:
    """Whether ::1 can be translated to what lies behind a bridge.

    Where bridged traffic meets ip6tables, the answer is ::1's again before it is routed, and the
    kernel lets no such packet in (ip6_rcv_core, net/ipv6/ip6_input.c).
    """
    return view.value(SettingStep(BRIDGE_CALLS_IP6TABLES, "1")) != "1"


def ipv6(bridge: Bridge, view: View, former: Collection[str] = ()) -> Iterator[SettingStep]:
    """What a bridge needs of IPv6 that has it, or what keeps it off.

    To be made before the bridge is up; `former` are addresses of IPv6 that it had from dnet.
    """
    if bridge.address6 is None:
        yield from _off(bridge, view, former)
        return
    needed = [_ipv6_setting(bridge.name, "disable_ipv6", "0")._replace(without="")]
    if not bridge.adopted:
        needed.insert(0, _ipv6_setting(bridge.name, "accept_ra", "0"))
        needed.insert(1, _ipv6_setting(bridge.name, "accept_dad", "0")._replace(without=_SLOW))
    yield from (one for one in needed if will_be(view, one) not in (None, one.value))


def _off(bridge: Bridge, view: View, former: Collection[str]) -> Iterator[SettingStep]:
    """What keeps IPv6 off a bridge that dnet makes, as long as somebody does not serve it there.

    Otherwise the host takes routes and addresses from whoever in a container sends router
    advertisements (CVE-2020-13401, CVE-2020-10749).
    """
    if bridge.adopted or bridge.mtu < LEAST_IPV6_MTU:
        return
    found = [_ipv6_setting(bridge.name, "accept_ra", "0")]
    if former:
        is_served = not set(former).issuperset(view.ipv6_addresses(bridge.name))
    else:
        is_served = view.has_global_ipv6(bridge.name)
    if not is_served:
        found.append(_ipv6_setting(bridge.name, "disable_ipv6", "1"))
    yield from (one for one in found if will_be(view, one) not in (None, one.value))


def missing_ipv6(view: View) -> tuple[str, str] | None:
    """Why no bridge can have IPv6, and what to do about it; None where one can.

    It is switched off for all devices, or for the kernel (`ipv6.disable`, Documentation/networking/
    ipv6.rst), or is not built into it.
    """
    everywhere = SettingStep(("net", "ipv6", "conf", "all", "disable_ipv6"), "0")
    found = view.value(everywhere)
    if found is None:
        return "the kernel has none", "start it without ipv6.disable=1"
    if found != everywhere.value:
        return f"it is switched off: {everywhere.why}", everywhere.shown
    return None


def takes_advertisements(name: str, view: View) -> bool:
    """Whether the host lets router advertisements on a device change its routes and addresses."""
    is_off = view.value(_ipv6_setting(name, "disable_ipv6", "")) != "0"
    accepts = view.value(_ipv6_setting(name, "accept_ra", ""))
    routes = view.value(_ipv6_setting(name, "forwarding", ""))
    return not is_off and (accepts == "2" or (accepts == "1" and routes == "0"))


def will_be(view: View, setting: SettingStep) -> str | None:
    """The value for a device that is there, or is made now."""
    value = view.value(setting)
    return value if value is not None else view.value(setting.of_new_device)


def _ipv6_setting(name: str, setting: str, value: str) -> SettingStep:
    return SettingStep(("net", "ipv6", "conf", name, setting), value, _ADVERTISED)
