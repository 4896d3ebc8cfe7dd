"""`dnet show`: the whole picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.cli import define, options
from dnet.cli.output import occupancy, views
from dnet.cli.output.document import Branch, Document, Item, missing, published_text, unplugged
from dnet.cli.session import Request
from dnet.model import query
from dnet.model.entities import Link
from dnet.model.state import State
from dnet.transaction.presence import Presence, machine
from dnet.typing import Any


@define.command()
@define.argument("asked", metavar="[ID]", required=False, type=options.PARENT)
@options.picture
def show(asked: str | None) -> Request:
    """Show every bridge with its interfaces, their ports and links.

    All of it, or what ID has: an interface's id or another owner, or host for this machine.
    """

    def picture(state: State, _: Any) -> Document:
        part = query.of_owner(state, asked) if asked else state
        whole, facts = views.inventory(part, Presence(part)), machine()
        for bridge in whole["bridges"]:
            bridge.update(occupancy.of_bridge(state, facts, state.bridges[bridge["name"]]))
        return Document(
            whole,
            picture=lambda: tuple(_tree(part, whole, asked)),
            forms={
                "dot": lambda: _dot(part, whole),
                "hosts": lambda: _hosts(state, asked),
                "batch": lambda: _batch(part),
            },
        )

    return Request(picture)


def _tree(state: State, whole: Item, asked: str | None) -> Iterator[Branch]:
    for bridge in whole["bridges"]:
        room = () if asked else _room(bridge)
        hanging = (*room, *_addresses(state, whole, bridge), *_reserved(state, bridge))
        problem = missing(bridge) and f"the device is {missing(bridge)}"
        own = "  ".join(filter(None, (bridge["address"], bridge["address6"])))
        yield Branch(bridge["name"], own, problem, hanging)
    for parent in _other_parents(state):
        yield Branch(parent, branches=tuple(_links(state, parent)))


def _other_parents(state: State) -> Iterator[str]:
    """Whose links hang on no bridge: the host's, and those of whoever is not to be shown."""
    parents = dict.fromkeys(link.parent for link in state.links.values())
    return (one for one in parents if one not in state.interfaces)


def _room(bridge: Item) -> Iterator[Branch]:
    addresses = bridge["addresses"]
    yield Branch(text=f"addresses: {addresses['taken']} taken, {addresses['free']} free")
    if ipv6 := bridge["addresses6"]:
        yield Branch(text=f"IPv6 addresses: {ipv6['taken']} taken, {ipv6['free']} free")
    for proto, ports in bridge["ports"].items():
        free = f"{ports['free']} of {bridge['port_range']} free"
        yield Branch(text=f"{proto} ports: {ports['taken']} taken, {free}")


def _addresses(state: State, whole: Item, bridge: Item) -> Iterator[Branch]:
    interfaces = {one["ip"]: one for one in whole["interfaces"]}
    second = {one["ip6"] for one in whole["interfaces"]}
    for taken in whole["addresses"]:
        ip, owner = taken["ip"], taken["owner"]
        if taken["bridge"] != bridge["name"] or ip in second:
            continue
        if ip in interfaces:
            yield _interface(state, interfaces[ip])
        else:
            yield Branch(owner or "-", ip, branches=tuple(_published(_ports(state, ip))))


def _interface(state: State, one: Item) -> Branch:
    where = f"  {one['ifname']} in {one['netns']}" if one["netns"] else ""
    reserved = (Branch(text=f"reserves {key}") for key in _keys_of(state, one["id"]))
    hanging = (*_published(one["ports"]), *_links(state, one["id"]), *reserved)
    own = "  ".join(filter(None, (one["ip"], one["ip6"])))
    return Branch(one["id"], f"{own}{where}", unplugged(one), hanging)


def _published(ports: list[Item]) -> Iterator[Branch]:
    return (Branch(text=f"publishes {published_text(port)}{_restriction(port)}") for port in ports)


def _restriction(port: Item) -> str:
    """Who may use a port, where not everybody may."""
    return f" from {' '.join(port['from'])}" if "from" in port else ""


def _ports(state: State, ip: str) -> list[Item]:
    return [views.published(state.mappings[key]) for key in state.mappings_by_target.keys(ip)]


def _links(state: State, parent: str) -> Iterator[Branch]:
    return (Branch(text=f"links to {_described(link)}") for link in _links_of(state, parent))


def _links_of(state: State, parent: str) -> Iterator[Link]:
    links = (state.links[key] for key in state.links_by_member.keys(parent))
    return (link for link in links if link.parent == parent)


def _described(link: Link) -> str:
    alias = f" as {link.alias}" if link.alias != link.child else ""
    return f"{link.child}{alias}  {' '.join(link.ports)}"


def _keys_of(state: State, owner: str) -> tuple[str, ...]:
    """The ports that are reserved for an owner."""
    return state.reservations_by_owner.keys(owner)


def _reserved(state: State, bridge: Item) -> Iterator[Branch]:
    """The reserved ports that belong to no interface."""
    for one in state.reservations.values():
        if one.bridge == bridge["name"] and one.owner not in state.interfaces.rows:
            owner = f"  for {one.owner}" if one.owner else ""
            yield Branch(text=f"reserved {one.key}{owner}")


def _dot(state: State, whole: Item) -> Iterable[str]:
    from dnet.cli.output import dot

    return dot.lines(state, whole)


def _hosts(state: State, asked: str | None) -> Iterable[str]:
    from dnet.plan import hostsfiles

    return hostsfiles.whole(state, asked)


def _batch(state: State) -> Iterable[str]:
    from dnet.cli.output import rebuild

    return rebuild.lines(state)
