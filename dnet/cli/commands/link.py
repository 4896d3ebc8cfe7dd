"""`dnet link`: open ports of one container to another."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.output import views
from dnet.cli.output.document import Document, column
from dnet.cli.session import Request, nothing
from dnet.errors import UsageError
from dnet.model import find, query
from dnet.model.entities import Link
from dnet.model.state import State
from dnet.network import link as operations
from dnet.transaction.operation import Operation
from dnet.typing import Any
from dnet.values import linkends, names

COLUMNS = (
    column("parent", folds=True),
    column("child", folds=True),
    column("alias", folds=True),
    column("parent_ip", "PARENT ADDRESS"),
    column("child_ip", "CHILD ADDRESS"),
    column("ports"),
)

EXAMPLES = """\
dnet link add web db
dnet link add web db --port 6379/tcp --alias cache
dnet link add host db"""


@define.group(unsaid=["add", "env"])
def link() -> None:
    """Open ports of one container to another."""


@link.command(epilog=EXAMPLES, instead=["-p"])
@define.argument("parent", type=options.LINKED_PARENT)
@define.argument("child", type=options.LINKED_CHILD)
@define.option(
    "-p",
    "--port",
    "ports",
    metavar="PORT/PROTO",
    multiple=True,
    type=options.EXPOSED,
    help="Port of CHILD; repeatable (default: the ports CHILD exposes).",
)
@define.option(
    "--alias",
    metavar="NAME",
    type=options.NEW_ID,
    help="Name of CHILD in PARENT's variables.  [default: CHILD]",
)
@options.changes
def add(
    parent: str, child: str, ports: tuple[str, ...], alias: str | None, dry_run: bool
) -> Request:
    """Let PARENT reach ports of CHILD.

    This also works on a bridge whose containers may not reach one another. PARENT is an
    interface's id, or host for this machine, which reaches them at 127.0.0.1. Either may be an
    address of a container on another host of the pool.
    """

    def show(state: State, made: Link) -> Document:
        return Document(lambda: views.link(state, made), values=())

    operation = Operation(operations.add, parent=parent, child=child, ports=ports, alias=alias)
    return Request(show, operation, dry_run)


@link.command()
@define.argument("parent", type=options.LINK)
@define.argument("child", required=False, type=options.LINK_CHILD)
@options.if_exists
@options.changes
def remove(parent: str, child: str | None, if_exists: bool, dry_run: bool) -> Request:
    """Close a link, named as PARENT CHILD or PARENT:CHILD."""
    if child is None:
        parent, colon, child = parent.partition(":")
        if not colon:
            raise UsageError("name a link as PARENT CHILD or PARENT:CHILD", "dnet link list")
    if parent != names.HOST:
        linkends.parse(parent)
    linkends.parse(child)
    operation = Operation(operations.remove, parent=parent, child=child, if_exists=if_exists)
    return Request(nothing, operation, dry_run)


@link.command("list")
@define.argument("asked", metavar="[ID]", required=False, type=options.PARENT)
@options.listed_bridge
@options.lists
def list_(asked: str | None, bridge: str | None) -> Request:
    """List the links: all, or those that lead from ID or to it.

    ID is an interface's id, or host for this machine.
    """

    def show(state: State, _: Any) -> Document:
        if bridge is not None:
            find.bridge(state, bridge)
        part = query.of_owner(state, asked) if asked else state
        items = [
            views.link(state, one)
            for one in part.links.values()
            if bridge in (None, one.parent_bridge, one.child_bridge)
        ]
        return Document(
            items, columns=COLUMNS, key=lambda item: f"{item['parent']}:{item['child']}"
        )

    return Request(show)


@link.command()
@define.argument("parent", type=options.LINK_PARENT)
@options.output
def env(parent: str) -> Request:
    """Print the environment variables for PARENT's links.

    They are named as Docker's links named them.
    """

    def show(state: State, _: Any) -> Document:
        variables = operations.environment(state, parent)
        lines = tuple(f"{name}={names.for_shell(value)}" for name, value in variables.items())
        return Document(variables, values=lines)

    return Request(show)
