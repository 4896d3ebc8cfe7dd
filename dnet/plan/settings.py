"""Which settings under /proc/sys a state needs: one list, by which they are made and mended.

Of each setting only what differs is given. Those of devices are described in
Documentation/networking/ip-sysctl.rst.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING

from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.plan.steps import Sysctl
from dnet.values.family import V4

if TYPE_CHECKING:
    from dnet.plan.view import View

FORWARDING = ("net", "ipv4", "ip_forward")
BRIDGE_CALLS_IPTABLES = ("net", "bridge", "bridge-nf-call-iptables")
BRIDGE_FILTERS_TAGGED = ("net", "bridge", "bridge-nf-filter-vlan-tagged")

_LEAST_IPV6_MTU = 1280  # RFC 8200, section 5: with less a device has no IPv6.

_UNREACHED = "containers reach other networks only with it"
_ADVERTISED = "router advertisements of its containers may change the host's routes and addresses"


def differs(view: View, setting: Sysctl) -> bool:
    """Whether the kernel has another value, or none."""
    return view.value(setting) != setting.value


def barriers(view: View) -> Iterator[Sysctl]:
    """What the rules of --no-icc need to be a barrier; to be made before anything is plugged in.

    Traffic between two ports of a bridge meets iptables only with br_netfilter, and tagged frames
    only with the second setting: a kernel takes one with the tag 0 for untagged (CERT VU#855201).
    """
    for name in (BRIDGE_CALLS_IPTABLES, BRIDGE_FILTERS_TAGGED):
        if differs(view, needed := Sysctl(name, "1")):
            yield needed


def localnet(bridges: Iterable[str], value: str) -> Iterator[Sysctl]:
    """route_localnet of devices: whether 127.0.0.1 may be translated to what lies behind."""
    for name in bridges:
        yield Sysctl(("net", "ipv4", "conf", name, "route_localnet"), value)


def without_device(bridges: Iterable[str], view: View) -> Iterator[str]:
    """Those whose device is gone: its settings go with it, and are read faster than it is."""
    return (name for name in bridges if None in map(view.value, localnet([name], "1")))


def closing(bridges: Iterable[str], view: View) -> Iterator[Sysctl]:
    """What takes route_localnet back from devices that are there."""
    return (one for one in localnet(bridges, "0") if view.value(one) not in (None, one.value))


def opening(bridges: Iterable[str], view: View) -> Iterator[Sysctl]:
    """What lets 127.0.0.1 be translated, once the guard of 127.0.0.0/8 is there."""
    return (one for one in localnet(bridges, "1") if differs(view, one))


def forwarding(state: State, blocked: Container[str], view: View) -> Iterator[Sysctl]:
    """What lets packets through the host.

    To be made last, since nothing that is refused later takes it back: others may rely on it by
    then. The first setting, where it changes, sets that of every device.
    """
    routed = [one.name for one in state.bridges.values() if one.ip_forward]
    everywhere = Sysctl(FORWARDING, "1", _UNREACHED)
    if routed and differs(view, everywhere):
        yield everywhere
        return
    for name in routed:
        of_device = Sysctl(("net", V4.name, "conf", name, "forwarding"), "1", _UNREACHED)
        if name not in blocked and _will_be(view, of_device) != "1":
            yield of_device


def ipv6(bridge: Bridge, view: View) -> Iterator[Sysctl]:
    """What keeps IPv6 off a bridge that dnet makes, as long as somebody does not serve it there.

    Otherwise the host takes routes and addresses from whoever in a container sends router
    advertisements (CVE-2020-13401, CVE-2020-10749). To be made before the bridge is up.
    """
    if bridge.adopted or bridge.mtu < _LEAST_IPV6_MTU:
        return
    found = [_ipv6_setting(bridge.name, "accept_ra", "0")]
    if not view.has_global_ipv6(bridge.name):
        found.append(_ipv6_setting(bridge.name, "disable_ipv6", "1"))
    yield from (one for one in found if _will_be(view, one) not in (None, one.value))


def takes_advertisements(name: str, view: View) -> bool:
    """Whether the host lets router advertisements on a device change its routes and addresses."""
    is_off = view.value(_ipv6_setting(name, "disable_ipv6", "")) != "0"
    accepts = view.value(_ipv6_setting(name, "accept_ra", ""))
    routes = view.value(_ipv6_setting(name, "forwarding", ""))
    return not is_off and (accepts == "2" or (accepts == "1" and routes == "0"))


def _will_be(view: View, setting: Sysctl) -> str | None:
    """The value for a device that is there, or is made now."""
    value = view.value(setting)
    return value if value is not None else view.value(setting.of_new_device)


def _ipv6_setting(name: str, setting: str, value: str) -> Sysctl:
    return Sysctl(("net", "ipv6", "conf", name, setting), value, _ADVERTISED)
