"""What there is on a packet's way that decides: looked up where it did not arrive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from dnet.errors import DnetError
from dnet.host import fib, netns, sockdiag, sockets, sysctl
from dnet.host.probe import early, ipsec
from dnet.host.rtnl import Channel, find_index, name_of, unless_missing
from dnet.network.facts import Namespace
from dnet.plan.steps import SettingStep
from dnet.probe.evidence import REQUEST, Around, Evidence, Route, Setting
from dnet.probe.trials import Trial
from dnet.typing import NamedTuple
from dnet.values import address
from dnet.values.address import bracketed, is_loopback
from dnet.values.family import V4, V6, Family
from dnet.values.veth import veth_name

_FORWARDING = 3  # BR_STATE_FORWARDING, include/uapi/linux/if_bridge.h
_STATES = {0: "disabled: it has no carrier", 1: "listening", 2: "learning", 4: "blocked"}
_MOST_SHOWN = 8
_LINK = fib.prefix("fe80::/10")


class _Inside(NamedTuple):
    route: Route | None = None
    beyond: str | None = None
    mac: tuple[str, str] | None = None


class Surroundings:
    """The host, and what is behind its bridges."""

    def __init__(self) -> None:
        self._channel = Channel()
        self._queues = early.Queues()

    def close(self) -> None:
        """Close what is held open."""
        self._channel.close()

    def of(self, seen: Evidence, client: str | None) -> Around:
        """What there is around an attempt; `client` is the address it came from."""
        trial = seen.trial
        mapping, of = trial.mapping, trial.family
        netns_of = located(trial)
        way = self._way(mapping.container_ip, client, seen.device)
        back = (
            self._way(client, mapping.container_ip, mapping.bridge)
            if client and seen.device
            else None
        )
        return Around(
            way,
            back,
            self._missing_router(back),
            *self._inside(trial, netns_of, seen),
            _gone(trial, netns_of),
            self._has_neighbour(trial),
            self._port(trial),
            *_listening(trial, netns_of),
            _process(trial),
            (
                _forwarding(seen.device, of) if seen.device else None,
                _forwarding(mapping.bridge, of) if seen.device else None,
            ),
            (
                self._filtering(seen.device, back),
                self._filtering(mapping.bridge, way),
            ),
            _loopback(mapping.bridge, of) if is_loopback(seen.address) else None,
            _tracking(),
            tuple(ipsec.policies(mapping.container_ip)),
            (
                tuple(early.at(seen.device)) if seen.device else (),
                tuple(chain.from_iterable(_ahead_of_answers(mapping.bridge, seen.port))),
            ),
            (
                tuple(self._queues.dropping(mapping.bridge, seen.port)),
                tuple(self._queues.dropping(seen.home)),
            ),
        )

    def _way(self, ip: str, source: str | None, device: str | None) -> Route:
        came_in = find_index(device) if device else None
        source = None if source and is_loopback(source) else source
        index = self._channel.way_to(ip, source, came_in or 0)
        return Route(ip, name_of(index))

    def _missing_router(self, back: Route | None) -> str | None:
        """The router on the way back, where nobody has its address."""
        router = self._channel.router_to(back.address) if back else None
        index = find_index(back.device) if back and back.device else None
        if router is None or index is None:
            return None
        return router if self._channel.has_neighbour(index, router) is False else None

    def _has_neighbour(self, trial: Trial) -> bool | None:
        index = find_index(trial.mapping.bridge)
        if index is None:
            return None
        with suppress(OSError):
            return self._channel.has_neighbour(index, trial.mapping.container_ip)
        return None

    def _inside(self, trial: Trial, found: Namespace | None, seen: Evidence) -> _Inside:
        """How the container would answer where it sees the packet come from."""
        towards = [
            one.source
            for one in seen.packets
            if one.kind == REQUEST and one.leaving and one.destination == trial.mapping.container_ip
        ]
        if found is None or trial.target is None or not towards:
            return _Inside()
        bridge = find_index(trial.mapping.bridge)
        known = bridge and self._channel.neighbour_mac(bridge, trial.mapping.container_ip)
        try:
            with netns.opened(found) as descriptor, netns.inside(descriptor):
                return _looked_inside(towards[-1], trial.target.ifname, known or None)
        except (OSError, DnetError):
            return _Inside()

    def _port(self, trial: Trial) -> tuple[str, str] | None:
        """The port of an interface that is plugged in, and what is wrong with it."""
        if trial.target is None or trial.target.netns is None:
            return None
        name = veth_name(trial.target.id)
        index = find_index(name)
        link = unless_missing(lambda: self._channel.link(index)) if index else None
        if link is None:
            return name, "missing"
        if link.master != find_index(trial.mapping.bridge):
            return name, f"not plugged into {trial.mapping.bridge}"
        if not link.up:
            return name, "down"
        if link.state not in (None, _FORWARDING):
            return name, _STATES.get(link.state, "not forwarding")
        return None

    def _filtering(self, device: str | None, back: Route | None) -> Setting | None:
        if device is None or back is None or back.device == device:
            return None
        names = (("net", V4.name, "conf", one, "rp_filter") for one in ("all", device))
        found = {one: sysctl.value(SettingStep(one, "")) for one in names}
        if max((value for value in found.values() if value), default="0") != "1":
            return None
        return next(_setting(one, "1", "2") for one, value in found.items() if value == "1")


def _setting(name: tuple[str, ...], value: str, wanted: str) -> Setting:
    return Setting(".".join(part.replace(".", "/") for part in name), value, wanted)


def _forwarding(device: str, of: Family) -> Setting | None:
    """The setting that keeps what comes in by a device from being sent on."""
    every = (
        ("net", of.name, "ip_forward")
        if of is V4
        else ("net", of.name, "conf", "all", "forwarding")
    )
    own = ("net", of.name, "conf", device, "forwarding")
    for name in (every, own):
        if sysctl.value(SettingStep(name, "1")) == "0" and (name is every or of is V4):
            if name is every and of is V4 and sysctl.value(SettingStep(own, "1")) == "1":
                continue
            return _setting(name, "0", "1")
    return None


def _loopback(bridge: str, of: Family) -> Setting | None:
    """The setting that keeps answers to the loopback away that come in by a bridge."""
    if of is not V4:
        every = ("net", "bridge", "bridge-nf-call-ip6tables")
        return _setting(every, "1", "0") if sysctl.value(SettingStep(every, "0")) == "1" else None
    own, everywhere = (("net", of.name, "conf", one, "route_localnet") for one in (bridge, "all"))
    if "1" in (sysctl.value(SettingStep(own, "1")), sysctl.value(SettingStep(everywhere, "1"))):
        return None
    return _setting(own, "0", "1")


def located(trial: Trial) -> Namespace | None:
    """The network namespace of the container, None where it has none or that is gone."""
    one = trial.target
    if one is None or one.netns is None:
        return None
    try:
        return netns.locate(one.netns, one.cookie)
    except DnetError:
        return None


def _gone(trial: Trial, found: Namespace | None) -> str | None:
    one = trial.target
    if one is None or one.netns is None or found is not None:
        return None
    with suppress(DnetError):
        if netns.locate(one.netns, one.cookie) is None:
            return one.netns
    return None


def _looked_inside(ip: str, device: str | None, known: str | None) -> _Inside:
    """The way to an address; `known` is the hardware address that the device is thought to have."""
    channel = Channel()
    try:
        index = channel.way_to(ip)
        beyond = channel.router_to(ip) or ip
        is_missing = index is not None and channel.has_neighbour(index, beyond) is False
        own = find_index(device) if device else None
        mac = channel.link(own).mac if own else None
        return _Inside(
            Route(ip, name_of(index)),
            beyond if is_missing else None,
            (known, mac) if known and mac and known != mac else None,
        )
    finally:
        channel.close()


def _ahead_of_answers(bridge: str, port: str | None) -> Iterator[Iterator[str]]:
    if port:
        yield early.at(port)
    yield early.on_bridges()
    yield early.at(bridge)


def _tracking() -> Setting | None:
    """The setting that keeps more connections from being tracked, where there are as many."""
    names = (("net", "netfilter", f"nf_conntrack_{one}") for one in ("count", "max"))
    count, most = (sysctl.value(SettingStep(one, "")) for one in names)
    if count is None or most is None or int(count) < int(most):
        return None
    return Setting("net.netfilter.nf_conntrack_max", most, str(2 * int(most)))


class _Heard(NamedTuple):
    """Whether somebody in the container listens, on what in all, and the backlog that is full."""

    listens: bool | None = None
    ports: tuple[str, ...] = ()
    backlog: int | None = None


def _listening(trial: Trial, found: Namespace | None) -> _Heard:
    mapping = trial.mapping
    if found is None:
        return _Heard()
    try:
        with netns.opened(found) as descriptor, netns.inside(descriptor):
            sockets_there = sockdiag.listening(mapping.endpoint.proto)
    except (OSError, DnetError):
        return _Heard()
    if sockets_there is None:
        return _Heard()
    meant = []
    shown: dict[str, None] = {}
    for one in sockets_there:
        text = one.heard_at(trial.family)
        if text is None:
            continue
        if one.port == mapping.container_port and text in ("", mapping.container_ip):
            meant.append(one)
        at = f"{bracketed(text)}:" if text else ""
        shown[f"{at}{one.port}/{mapping.endpoint.proto}"] = None
    full = next((one.backlog for one in meant if one.waiting > one.backlog), None)
    return _Heard(bool(meant), tuple(shown)[:_MOST_SHOWN], full)


def _process(trial: Trial) -> str | None:
    endpoint = trial.mapping.endpoint
    with suppress(OSError, DnetError):
        return sockets.HostPorts().busy_range(
            endpoint.host_ip, endpoint.port, endpoint.port, endpoint.proto
        )
    return None


def own_addresses(of: Family) -> Iterator[str]:
    """The host's own addresses, without those of the loopback network and of links.

    The loopback ones may be on any device: for IPv6 a bridge has a route to the host by ::1.
    """
    for (number, length), _ in fib.to_host(of):
        is_of_link = of is V6 and fib.meet((number, length), _LINK, of)
        ip = address.from_int(number, of)
        if length == of.bits and not is_of_link and not is_loopback(ip):
            yield ip
