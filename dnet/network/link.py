"""Links: one container's way to the ports of another, and the variables that tell of it.

The source's links (links/links.go). The parent `host` is the machine itself, which reaches
the child's ports at 127.0.0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dnet.errors import ConflictError, NotFoundError, PortInUseError, UsageError
from dnet.model import find
from dnet.model.entities import Link
from dnet.model.state import State
from dnet.network import portallocator
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import address, names, nearby
from dnet.values.family import V4, V6

if TYPE_CHECKING:
    from dnet.model.pool import Overlay
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
    link = _make(state, parent, child, ports, alias)
    existing = state.links.get(link.key)
    if existing == link:
        state.confirm()
        return link
    if existing is not None and link != _extended(state, existing):
        raise ConflictError(
            f"the link {link.key} already exists with {_described(existing)}",
            f"dnet link remove {link.key}",
        )
    if existing is None:
        _refuse_same_alias(state, link)
    for bridge in filter(None, (link.parent_bridge, link.child_bridge)):
        if bridge in state.bridges:
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
            state.remark(f"the link {key} has no IPv6: {error}; to add it later: {again}")


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


class _End(NamedTuple):
    """Where one end of a link is: its address, and what leads there; None from the host itself."""

    ip: str
    bridge: str | None
    ip6: str | None = None
    expose: tuple[str, ...] = ()


_HOST = _End(V4.loopback, None, V6.loopback)


def _end(state: State, name: str) -> _End:
    """An end by its name: an interface's id, or an address of another host's container."""
    here = state.overlay
    if here and here.pool and here.block and names.reads_as_address(name):
        return _on_another_host(here, here.pool, here.block, name)
    found = find.interface(state, name)
    return _End(found.ip, found.bridge, found.ip6, found.expose)


def _on_another_host(here: Overlay, pool: str, block: str, ip: str) -> _End:
    if not address.contains(pool, ip) or address.contains(block, ip):
        raise UsageError(
            f"{ip} is not an address of another host in the pool {pool}",
            "give a container of this host by its id: dnet interface list",
        )
    if here.transport != "vxlan":
        raise ConflictError(
            f"the pool uses --transport route, so other machines could forge the address {ip}",
            "links to other hosts need --transport vxlan",
        )
    return _End(ip, here.device)


def _make(state: State, parent: str, child: str, ports: Sequence[str], alias: str | None) -> Link:
    target = _end(state, child)
    if parent == child:
        raise UsageError(
            f"{parent} cannot be linked to itself", "it reaches its own ports at 127.0.0.1"
        )
    ports = ports or target.expose
    if not ports:
        raise UsageError(f"{child} exposes no port", "name the ports with -p PORT/PROTO")
    source = _HOST if parent == names.HOST else _end(state, parent)
    if child not in state.interfaces and parent not in state.interfaces:
        raise UsageError(
            f"neither {parent} nor {child} is a container of this host",
            "run this on the host of one of them; the host itself needs no link to other hosts",
        )
    made = Link(
        parent=parent,
        child=child,
        parent_ip=source.ip,
        parent_bridge=source.bridge,
        child_ip=target.ip,
        child_bridge=str(target.bridge),
        ports=names.sort_ports(tuple(ports)),
        alias=names.interface_id(alias or _alias_of(child)),
    )
    return _extended(state, made)


def _alias_of(child: str) -> str:
    """What a child is called by its parent: an address in a form that a name can have."""
    return child.replace(".", "-") if names.reads_as_address(child) else child


def _extended(state: State, link: Link) -> Link:
    """A link in each family that both ends have."""
    source = _HOST if link.from_host else _end(state, link.parent)
    parent, child = source.ip6, _end(state, link.child).ip6
    return link._replace(parent_ip6=parent, child_ip6=child) if parent and child else link


def _refuse_same_alias(state: State, link: Link) -> None:
    for key in state.links_by_member.keys(link.parent):
        other = state.links[key]
        if other.parent == link.parent and prefix(other.alias) == prefix(link.alias):
            raise ConflictError(
                f"{link.parent} already has a link with the alias {other.alias}: {key}",
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
