"""`dnet show`: the whole picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from dnet import ipallocator, views
from dnet.cli import options
from dnet.cli.document import Document, Item, published_text
from dnet.cli.session import Request
from dnet.cli.tree import Command
from dnet.names import HOST
from dnet.state import State


@click.command(cls=Command)
@options.drawing
def show() -> Request:
    """Show every bridge with its interfaces, their ports and links."""

    def picture(state: State, _: Any) -> Document:
        inventory = views.inventory(state)
        return Document(inventory, values=tuple(_tree(state, inventory)), drawing=_dot(inventory))

    return Request(picture)


def _tree(state: State, inventory: Item) -> Iterator[str]:
    for bridge in inventory["bridges"]:
        name = bridge["name"]
        taken, room = len(state.leases(name)), ipallocator.capacity(state.bridges[name])
        yield f"{name}  {bridge['address']}  {taken} of {room} addresses taken"
        ids = {one["ip"]: one for one in inventory["interfaces"]}
        for taken_address in inventory["addresses"]:
            if taken_address["bridge"] == name:
                yield from _branch(ids.get(taken_address["ip"]) or _bare(state, taken_address))
    for link in inventory["links"]:
        if link["parent"] == HOST:
            yield f"{HOST} links to {link['child']}  {' '.join(link['ports'])}"
    for port in state.reservations.values():
        yield f"reserved {port.key}{f'  for {port.owner}' if port.owner else ''}"


def _bare(state: State, taken: Item) -> Item:
    """A taken address without an interface, as if it were one."""
    mapped = (state.mappings[key] for key in state.mappings_by_target.keys(taken["ip"]))
    ports = [views.published(one) for one in mapped]
    owner = taken["owner"] or "-"
    return {"id": owner, "ip": taken["ip"], "netns": None, "ports": ports, "links": []}


def _branch(interface: Item) -> Iterator[str]:
    where = f"  {interface['ifname']} in {interface['netns']}" if interface["netns"] else ""
    yield f"  {interface['id']}  {interface['ip']}{where}"
    yield from (f"    publishes {published_text(port)}" for port in interface["ports"])
    yield from (f"    links to {child}" for child in interface["links"])


def _dot(inventory: Item) -> tuple[str, ...]:
    """The picture in Graphviz' language; ids need no escaping, by the rules for names."""
    nodes = [f'"bridge {one["name"]}" [shape=box];' for one in inventory["bridges"]]
    edges = []
    for one in inventory["interfaces"]:
        label = "\\n".join([one["id"], one["ip"], *map(published_text, one["ports"])])
        nodes.append(f'"{one["id"]}" [label="{label}"];')
        edges.append(f'"bridge {one["bridge"]}" -> "{one["id"]}" [dir=none];')
    for link in inventory["links"]:
        label = "\\n".join(link["ports"])
        edges.append(f'"{link["parent"]}" -> "{link["child"]}" [style=dashed, label="{label}"];')
    return ("digraph dnet {", *(f"  {line}" for line in (*nodes, *edges)), "}")
