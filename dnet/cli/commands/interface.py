"""`dnet interface`: give ids an address, and forget them."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.output import views
from dnet.cli.output.document import Column, Document, column, published_text, unplugged
from dnet.cli.session import Request, nothing
from dnet.model import find
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.network import interface as operations
from dnet.transaction.operation import Operation
from dnet.transaction.presence import Presence
from dnet.typing import Any

COLUMNS = (
    column("id", folds=True),
    column("ip", "ADDRESS"),
    column("bridge"),
    Column("NETNS", lambda item: item["netns"], True, unplugged),
    Column("PORTS", lambda item: [published_text(port) for port in item["ports"]]),
    column("links", folds=True),
)


@define.group(unsaid=["show", "allocate"])
def interface() -> None:
    """Allocate addresses under an id, and release them."""


@interface.command(instead=["--ip"])
@define.argument("interface_id", metavar="ID", type=options.NEW_ID)
@options.bridge
@options.addresses
@options.expose
@options.changes
def allocate(
    interface_id: str,
    bridge: str | None,
    ip: str | None,
    ip6: str | None,
    expose: tuple[str, ...],
    dry_run: bool,
) -> Request:
    """Allocate an address for ID, and print it. Repeating it returns the same address."""
    operation = Operation(
        operations.allocate,
        interface_id=interface_id,
        bridge=bridge,
        ip=ip,
        ip6=ip6,
        expose=expose,
    )
    return Request(allocated, operation, dry_run)


@interface.command()
@define.argument("ids", metavar="ID...", nargs=-1, required=True, type=options.ID)
@options.if_exists
@options.changes
def release(ids: tuple[str, ...], if_exists: bool, dry_run: bool) -> Request:
    """Release interfaces, and all that is theirs.

    All of them, or none.
    """
    operation = Operation(operations.release, ids=ids, if_exists=if_exists)
    return Request(nothing, operation, dry_run)


@interface.command("list", instead=["dnet interface show {}"])
@options.listed_bridge
@options.origin(
    "Only interfaces this container runtime asked for (on this network, for this container)."
)
@options.lists
def list_(bridge: str | None, origin: tuple[str, ...] | None) -> Request:
    """List the interfaces."""

    def show(state: State, _: Any) -> Document:
        if bridge is not None:
            find.bridge(state, bridge)
        seen = Presence(state)
        found = find.by_origin(state, origin) if origin else state.interfaces.values()
        items = [views.interface(state, one, seen) for one in found if bridge in (None, one.bridge)]
        return Document(items, columns=COLUMNS, key=lambda item: str(item["id"]))

    return Request(show)


@interface.command()
@define.argument("interface_id", metavar="ID", type=options.ID)
@options.output
def show(interface_id: str) -> Request:
    """Show an interface with its ports and links."""

    def shown(state: State, _: Any) -> Document:
        item = views.interface(state, find.interface(state, interface_id), Presence(state))
        return Document(item, brief=views.OF_IPV6 | {"origin", "rate_in", "rate_out", "hosts_file"})

    return Request(shown)


def allocated(state: State, made: Interface) -> Document:
    """The interface, or in text just its address."""
    return Document(lambda: views.interface(state, made, Presence(state)), values=(made.ip,))
