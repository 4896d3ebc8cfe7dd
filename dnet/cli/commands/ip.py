"""`dnet ip`: take addresses and give them back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dnet.cli import define, options
from dnet.cli.output import views
from dnet.cli.output.document import Document, Item, column
from dnet.cli.session import Request, nothing
from dnet.errors import UsageError
from dnet.model import find, query
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.network import ipallocator
from dnet.transaction.operation import Operation
from dnet.transaction.presence import machine
from dnet.typing import Any

COLUMNS = (column("ip", "ADDRESS"), column("owner", folds=True), column("bridge"))


@define.group(unsaid=["request --ip"])
def ip() -> None:
    """Allocate and release addresses."""


@ip.command(instead=["--ip"])
@options.bridge
@define.option(
    "--ip",
    metavar="ADDR",
    type=options.ANY_ADDRESS,
    help="Take this address (default: the next free one).",
)
@define.option("--ipv6", is_flag=True, help="Allocate IPv6 addresses.")
@define.option("--owner", metavar="ID", type=options.ID, help="Owner shown in lists.")
@define.option("--count", metavar="N", type=options.COUNT, help="How many.  [default: 1]")
@options.changes
def request(
    bridge: str | None,
    ip: str | None,
    ipv6: bool,
    owner: str | None,
    count: int | None,
    dry_run: bool,
) -> Request:
    """Allocate addresses, and print them."""

    def show(state: State, taken: list[str]) -> Document:
        def items() -> Any:
            home = state.bridge_of(taken[0])
            name = home.name if home else ""
            found = [views.taken_address(one, owner, name) for one in taken]
            return found if count is not None else found[0]

        return Document(items, values=tuple(taken))

    operation = Operation(
        ipallocator.request, bridge=bridge, ip=ip, owner=owner, count=count or 1, ipv6=ipv6
    )
    return Request(show, operation, dry_run, many=dry_run or count is not None)


@ip.command()
@define.argument(
    "addresses", metavar="ADDR...", nargs=-1, required=True, type=options.TAKEN_ADDRESS
)
@options.if_exists
@options.changes
def release(addresses: tuple[str, ...], if_exists: bool, dry_run: bool) -> Request:
    """Release addresses: all of them, or none."""
    operation = Operation(ipallocator.release, ips=addresses, if_exists=if_exists)
    return Request(nothing, operation, dry_run)


@ip.command("list", instead=["--bridge"])
@define.argument("asked", metavar="[ADDR|ID]", required=False, type=options.TARGET)
@options.listed_bridge
@define.option("--available", is_flag=True, help="List free addresses instead.")
@options.lists
def list_(asked: str | None, bridge: str | None, available: bool) -> Request:
    """List the addresses that are taken, with their owners.

    All of them, one, or those of an owner.
    """
    if asked and available:
        raise UsageError(
            "--available lists free addresses, without an owner", "dnet ip list --available"
        )

    def show(state: State, _: Any) -> Document:
        part = query.of_address(state, asked) if asked else state
        chosen = [find.bridge(state, bridge)] if bridge else list(part.bridges.values())
        found = _available if available else _taken
        return Document(
            items=partial(found, part, chosen), columns=COLUMNS, key=lambda item: str(item["ip"])
        )

    return Request(show)


def _taken(state: State, homes: list[Bridge]) -> Iterator[Item]:
    for home in homes:
        for ip, owner in ipallocator.taken(state, home):
            yield views.taken_address(ip, owner, home.name)


def _available(state: State, homes: list[Bridge]) -> Iterator[Item]:
    facts = machine()
    for home in homes:
        for ip in ipallocator.available(state, facts, home):
            yield views.taken_address(ip, None, home.name)
