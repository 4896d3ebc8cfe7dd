"""`dnet port`: reserve ports of the host."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.output import views
from dnet.cli.output.document import Column, Document, Item, column, ports_text
from dnet.cli.session import Request, nothing
from dnet.model import find, query
from dnet.model.entities import Reservation
from dnet.model.state import State
from dnet.network import portallocator
from dnet.transaction.operation import Operation
from dnet.typing import Any
from dnet.values.address import bracketed
from dnet.values.endpoint import EndpointQuery

COLUMNS = (
    column("host_ip", "HOST ADDRESS"),
    Column("PORT", lambda item: ports_text(item, "port")),
    column("proto"),
    column("owner", folds=True),
)


@define.group(unsaid=["allocate --port"])
def port() -> None:
    """Reserve ports of the host."""


@port.command(instead=["--port"])
@options.bridge
@define.option(
    "--host-ip",
    metavar="IP",
    type=options.HOST_IP,
    help="Host address (default: the bridge's binding address, of both families if it has IPv6).",
)
@define.option(
    "--proto", type=options.PROTO, default="tcp", show_default=True, help="tcp, udp or sctp."
)
@define.option(
    "--port",
    "ports",
    metavar="N|LO-HI",
    type=options.RESERVED,
    help="Port, or a range to take a free one from (default: the bridge's port range).",
)
@define.option(
    "--owner",
    metavar="ID",
    type=options.ID,
    help="Owner shown in lists; the interface with this id may publish the port.",
)
@define.option("--count", metavar="N", type=options.COUNT, help="How many.  [default: 1]")
@options.changes
def allocate(count: int | None, dry_run: bool, **request: Any) -> Request:
    """Reserve ports, and print each."""

    def show(_: State, made: list[Reservation]) -> Document:
        items = [views.reservation(one) for one in made]
        values = tuple(str(one.endpoint.port) for one in made)
        return Document(items if count is not None else items[0], values=values)

    operation = Operation(portallocator.allocate, count=count if count else 1, **request)
    return Request(show, operation, dry_run, many=dry_run or count is not None)


@port.command()
@define.argument(
    "endpoints", metavar="ENDPOINT...", nargs=-1, required=True, type=options.RESERVED_PORT
)
@options.if_exists
@options.changes
def release(endpoints: tuple[EndpointQuery, ...], if_exists: bool, dry_run: bool) -> Request:
    """Release reserved ports: all of them, or none.

    ENDPOINT is [HOST_IP:]PORT[/PROTO].
    """
    operation = Operation(portallocator.release, queries=endpoints, if_exists=if_exists)
    return Request(nothing, operation, dry_run)


@port.command("list", instead=["--bridge"])
@define.argument("asked", metavar="[ENDPOINT|ID]", required=False, type=options.TAKEN_PORT)
@options.listed_bridge
@options.lists
def list_(asked: str | None, bridge: str | None) -> Request:
    """List the ports that are taken, with their owners.

    All of them, or those of an owner, or whatever has one of the ports that ENDPOINT names.
    """

    def show(state: State, _: Any) -> Document:
        if bridge is not None:
            find.bridge(state, bridge)
        part = query.of_port(state, asked) if asked else state
        return Document(views.ports(part, bridge), columns=COLUMNS, key=_key)

    return Request(show)


def _key(item: Item) -> str:
    return f"{bracketed(item['host_ip'])}:{ports_text(item, 'port')}/{item['proto']}"
