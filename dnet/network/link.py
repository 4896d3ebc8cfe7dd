"""Links: one container's way to the ports of another, and the variables that tell of it.

The source's links (links/links.go). The parent `host` is the machine itself, which reaches
the child's ports at 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dnet.errors import ConflictError, NotFoundError, PortInUseError, UsageError
from dnet.model import find
from dnet.model.entities import Interface, Link
from dnet.model.state import State
from dnet.network import portallocator
from dnet.typing import TYPE_CHECKING
from dnet.values import address, family, names, nearby
from dnet.values.family import V6

if TYPE_CHECKING:
    from dnet.network.facts import Facts


def add(
    state: State,
    facts: Facts,
    *,
    parent: str,
    child: str,
    ports: Sequence[str] = (),
    alias: str | None = None,
) -> Link:
    """Open the child's ports to the parent: those named, else all that the child exposes.

    It leads in each family that both have. The same link again is confirmed. Raises NotFoundError,
    ConflictError where it is there with other ports or another alias, UsageError where no port is
    known, PortInUseError.
    """
    target = find.interface(state, child)
    link = _make(state, parent, target, ports or target.expose, alias or child)
    existing = state.links.get(link.key)
    if existing == link:
        state.confirm()
        return link
    if existing is not None and link != _extended(state, existing):
        raise ConflictError(
            f"the link {link.key} is there with {_described(existing)}",
            f"dnet link remove {link.key}",
        )
    if existing is None:
        _refuse_same_alias(state, link)
    for bridge in filter(None, (link.parent_bridge, link.child_bridge)):
        find.filtered(state, bridge, "link")
    _put(state, facts, link)
    return link


def extend(state: State, facts: Facts, interface_id: str) -> None:
    """Let the links of an interface that has got IPv6 lead there as well, where both ends have it.

    One of the host whose port is taken there stays as it is, which is remarked.
    """
    for key in state.links_by_member.keys(interface_id):
        link = _extended(state, state.links[key])
        if link == state.links[key]:
            continue
        try:
            _put(state, facts, link)
        except PortInUseError as error:
            again = f"dnet link add {link.parent} {link.child}"
            state.remark(f"the link {key} stays without IPv6: {error}; once it is free: {again}")


def _put(state: State, facts: Facts, link: Link) -> None:
    """Add a link, or more of it. Raises PortInUseError for a port that it does not have yet."""
    existing = state.links.get(link.key)
    for endpoint in link.endpoints:
        if existing is None or endpoint not in existing.endpoints:
            # Its port cannot be another one, as that of a mapping can.
            other = f"{address.bracketed(endpoint.host_ip)}::{endpoint.port}/{endpoint.proto}"
            advice = f"publish it on another port: dnet map add {link.child} {other}"
            portallocator.claim(state, facts, endpoint, owner=link.child, advice=advice)
    state.links.put(link.key, link)


def remove(
    state: State, _facts: Facts, *, parent: str, child: str, if_exists: bool = False
) -> None:
    """Close a link. Raises NotFoundError."""
    key = f"{parent}:{child}"
    if key in state.links:
        state.links.drop(key)
    elif not if_exists:
        suggest = partial(_meant, f"{child}:{parent}", key, state)
        raise NotFoundError(f"there is no link {key}", "dnet link list", suggest)


def environment(state: State, parent: str) -> dict[str, str]:
    """The variables that tell a parent of its children, as 0.11.1 named them.

    ALIAS_PORT is the lowest port, tcp before udp. What cannot stand in a variable's name is
    replaced by an underscore. Raises NotFoundError for an unknown parent.
    """
    if parent != names.HOST:
        find.interface(state, parent)
    variables: dict[str, str] = {}
    for key in state.links_by_member.keys(parent):
        link = state.links[key]
        if link.parent == parent:
            variables.update(_variables(link))
    return variables


def drop_of(state: State, interface_id: str) -> None:
    """Drop every link of which an interface is one end."""
    for key in state.links_by_member.keys(interface_id):
        state.links.drop(key)


def _meant(other_way: str, key: str, state: State) -> list[str]:
    return [other_way] if other_way in state.links else nearby.names(key, state.links)


def _make(state: State, parent: str, child: Interface, ports: Sequence[str], alias: str) -> Link:
    if parent == child.id:
        raise UsageError(
            f"{parent} cannot be linked to itself", "its own ports it reaches at 127.0.0.1"
        )
    if not ports:
        raise UsageError(f"{child.id} exposes no port", "name the ports with -p PORT/PROTO")
    parent_ip, parent_bridge = family.of(child.ip).loopback, None
    if parent != names.HOST:
        source = find.interface(state, parent)
        parent_ip, parent_bridge = source.ip, source.bridge
    made = Link(
        parent=parent,
        child=child.id,
        parent_ip=parent_ip,
        parent_bridge=parent_bridge,
        child_ip=child.ip,
        child_bridge=child.bridge,
        ports=names.sort_ports(tuple(ports)),
        alias=names.interface_id(alias),
    )
    return _extended(state, made)


def _extended(state: State, link: Link) -> Link:
    """A link in each family that both ends have."""
    child = state.interfaces[link.child].ip6
    if child is None:
        return link
    parent = V6.loopback if link.from_host else state.interfaces[link.parent].ip6
    return link._replace(parent_ip6=parent, child_ip6=child) if parent else link


def _refuse_same_alias(state: State, link: Link) -> None:
    for key in state.links_by_member.keys(link.parent):
        other = state.links[key]
        if other.parent == link.parent and prefix(other.alias) == prefix(link.alias):
            raise ConflictError(
                f"{link.parent} has a link with the alias {other.alias} already: {key}",
                "choose another with --alias",
            )


def _described(link: Link) -> str:
    return f"{' '.join(link.ports)} and the alias {link.alias}"


def prefix(alias: str) -> str:
    """How the variables of an alias begin: as the shell lets a name begin, with no digit."""
    name = "".join(one if one.isascii() and one.isalnum() else "_" for one in alias.upper())
    return f"_{name}" if names.is_number(name[0]) else name


def _variables(link: Link) -> dict[str, str]:
    begin = prefix(link.alias)
    ip, *second = (parent if link.from_host else child for parent, child in link.ways)
    halves = [names.split_port_proto(text) for text in link.ports]
    port, proto = halves[0]
    variables = {f"{begin}_PORT": f"{proto}://{ip}:{port}"}
    for port, proto in halves:
        one = f"{begin}_PORT_{port}_{proto.upper()}"
        variables[one] = f"{proto}://{ip}:{port}"
        variables[f"{one}_ADDR"] = ip
        variables |= {f"{one}_ADDR6": ip6 for ip6 in second}
        variables[f"{one}_PORT"] = str(port)
        variables[f"{one}_PROTO"] = proto
    variables[f"{begin}_NAME"] = f"/{link.parent}/{link.alias}"
    return variables
