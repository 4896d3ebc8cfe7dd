"""A state as the lines of a batch that recreate it in an empty store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from dnet.model.entities import Bridge, Interface, Link, Mapping, Reservation
from dnet.model.state import State
from dnet.typing import Any
from dnet.values.endpoint import Endpoint, PublishSpec
from dnet.values.family import FAMILIES
from dnet.values.names import in_quotes

_OF_A_MACHINE = {"created", "adopted", "other_ips", "origin"}
_OF_IPV6 = {"address6", "range6", "masquerade6", "binding_ip6"}
_OF_A_PROCESS = "/proc/"


def lines(state: State) -> Iterator[str]:
    """The batch, in an order in which each line finds what it needs.

    Whatever belongs to what a container runtime asked for is left out: the runtime asks again.
    """
    others = {one.id: one.origin.by for one in state.interfaces.values() if one.origin}
    yield from (f"# {name} is left out: {by} asks for it" for name, by in others.items())
    if (here := state.overlay) and here.block:
        yield f"# {here.bridge} is a bridge of this host alone here: dnet host join"
    homes = [home for home in state.bridges.values() if _is_kept(state, home, others)]
    for home in state.bridges.values():
        if home not in homes:
            yield f"# {home.name} is left out: it is made for {home.origin}"
    yield from _plugged(state, homes, others)
    yield from _addresses(state, homes)
    for reserved in state.reservations.values():
        if reserved.owner not in others:
            yield from _reservation(state, reserved)
    yield from _mappings(state, others)
    yield from _links(state, others)


def _links(state: State, others: Collection[str]) -> Iterator[str]:
    for link in state.links.values():
        if not state.bridges.rows.keys() >= {link.child_bridge, link.parent_bridge} - {None}:
            yield f"# the link {link.key} is left out: one end of it is on another host"
        elif not {link.parent, link.child} & {*others}:
            yield _link(link)


def _plugged(state: State, homes: list[Bridge], others: Collection[str]) -> Iterator[str]:
    """Bridges and interfaces.

    An interface without IPv6 on a bridge that has it was there before: the bridge gets it later.
    """
    own = [one for one in state.interfaces.values() if one.id not in others]
    early = [one for one in own if one.ip6 is None and state.bridges[one.bridge].address6]
    late = {one.bridge for one in early}
    for number, home in enumerate(homes):
        firewall = () if number else ("--firewall", state.firewall)
        without = _OF_IPV6 if home.name in late else ()
        yield _line("bridge init", home.name, firewall, _options(home, without))
    for one in early:
        yield from _interface(one)
    for home in homes:
        if home.name in late:
            yield _line("bridge init", home.name, _options(home, home.row().keys() - _OF_IPV6))
    for one in own:
        if one not in early:
            yield from _interface(one)


def _line(command: str, *words: str | Iterable[str]) -> str:
    flat = (text for one in words for text in ([one] if isinstance(one, str) else one))
    return " ".join([command, *map(in_quotes, flat)])


def _is_kept(state: State, bridge: Bridge, others: Collection[str]) -> bool:
    """Whether a bridge is a person's, or has something other than what a runtime made it for."""
    owners = {owner for of in FAMILIES for owner in state.leases(bridge.name, of).rows.values()}
    owners |= {one.owner for one in state.reservations.values() if one.bridge == bridge.name}
    return bridge.origin is None or not owners.issubset(others)


def _options(bridge: Bridge, left_out: Iterable[str]) -> Iterator[str]:
    """Those that are not at their default."""
    for field, value in bridge.row().items():
        if field not in _OF_A_MACHINE.union(left_out):
            yield from _option(field, value)


def _option(field: str, value: Any) -> Iterator[str]:
    name = field.removesuffix("6") if field == "binding_ip6" else field
    name = name.replace("_", "-")
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
    else:
        yield from (
            f"--{name}",
            "-".join(map(str, value)) if isinstance(value, list) else str(value),
        )


def _interface(one: Interface) -> Iterator[str]:
    """Attached, unless its namespace is known by a process alone: that one is nowhere else."""
    own = ["--bridge", one.bridge, "--ip", one.ip]
    own += ["--ip6", one.ip6] if one.ip6 else []
    own += [word for port in one.expose for word in ("--expose", port)]
    if one.netns is None or one.ifname is None:
        yield _line("interface allocate", one.id, own)
        return
    where = ["--netns", one.netns, "--ifname", one.ifname, *(["--mac", one.mac] if one.mac else [])]
    where += ["--rate-in", one.rate_in] if one.rate_in else []
    where += ["--rate-out", one.rate_out] if one.rate_out else []
    where += ["--hosts-file", one.hosts_file] if one.hosts_file else []
    if one.netns.startswith(_OF_A_PROCESS):
        yield _line("interface allocate", one.id, own)
        yield f"# to do: {_line('attach', one.id, where)}"
    else:
        yield _line("attach", one.id, where, own)


def _addresses(state: State, homes: Iterable[Bridge]) -> Iterator[str]:
    """Those that are taken without an interface."""
    for home in homes:
        for of in FAMILIES:
            for ip, owner in state.leases(home.name, of).rows.items():
                if state.holder(ip) is None:
                    whose = ["--owner", owner] if owner else []
                    yield _line("ip request", ["--bridge", home.name, "--ip", ip], whose)


def _reservation(state: State, one: Reservation) -> Iterator[str]:
    at = one.endpoint
    whose = ["--owner", one.owner] if one.owner else []
    port = ["--bridge", one.bridge, "--port", str(at.port), "--proto", at.proto, *whose]
    hosts = tuple(endpoint.host_ip for endpoint in one.endpoints)
    if hosts == state.bridges[one.bridge].binding_ips:
        yield _line("port allocate", port)
    else:
        yield from (_line("port allocate", port, ["--host-ip", ip]) for ip in hosts)


def _mappings(state: State, others: Collection[str]) -> Iterator[str]:
    """Those of both families in one line where one made both."""
    told = set[str]()
    for one in state.mappings.values():
        holder = state.holder(one.container_ip)
        whose = state.leases_with(one.bridge, one.container_ip).get(one.container_ip)
        if one.key in told or whose in others:
            continue
        at, beside = one.endpoint, _beside(state, one, holder)
        told.add(beside.key if beside else one.key)
        host_ip = None if beside else at.host_ip
        ports = (at.port, at.end, one.container_port, one.container_end)
        spec = PublishSpec(host_ip, *ports, at.proto)
        some = [word for source in one.sources for word in ("--from", source)]
        yield _line("map add", holder.id if holder else one.container_ip, str(spec), some)


def _beside(state: State, one: Mapping, holder: Interface | None) -> Mapping | None:
    """What a mapping of IPv4 is in IPv6, where the bridge's addresses make both of them."""
    home = state.bridges[one.bridge]
    if holder is None or home.binding_ips[1:] == () or one.endpoint.host_ip != home.binding_ip:
        return None
    key = str(one.endpoint._replace(host_ip=home.binding_ip6))
    other = state.mappings.get(key)
    wanted = one._replace(endpoint=Endpoint.from_key(key), container_ip=str(holder.ip6))
    return other if other == wanted else None


def _link(one: Link) -> str:
    ports = [word for port in one.ports for word in ("-p", port)]
    alias = ["--alias", one.alias] if one.alias != one.child else []
    return _line("link add", one.parent, one.child, ports, alias)
