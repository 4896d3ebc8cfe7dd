"""`dnet check`, `restore`, `gc` and `reset`: store and kernel as a whole."""

from __future__ import annotations

import sys

from dnet.cli import define, options
from dnet.cli.output.document import NOTHING, Document
from dnet.cli.session import Request, steps
from dnet.errors import DnetError, UsageError, on_one_line
from dnet.model.entities import Interface
from dnet.model.state import State
from dnet.network import attachment
from dnet.transaction.operation import Operation
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.transaction.maintenance import Maintenance
    from dnet.transaction.unowned import Unowned

_MORE = "to test whether published ports answer: dnet probe"


@define.command()
@options.output
def check() -> Request:
    """Compare the kernel with the store.

    Prints one line per difference, and exits 1 if there is any. Changes nothing; other commands
    can run meanwhile.
    """

    def compare(maintenance: Maintenance) -> Document:
        found = maintenance.check()
        last = (_MORE,) if found and maintenance.publishes else ()
        return Document(found, values=tuple(found), last=last, status=1 if found else 0)

    return Request(maintain=compare)


@define.command()
@define.option(
    "--adopt", is_flag=True, help="Take over a store whose network namespace no longer exists."
)
@options.changes
def restore(adopt: bool, dry_run: bool) -> Request:
    """Make the kernel match the store: after a boot, a firewall's reload, or by hand."""

    def mend(maintenance: Maintenance) -> Document:
        plan = maintenance.restore(adopt=adopt, dry_run=dry_run)
        if dry_run:
            return steps(plan)
        return Document({"repaired": plan.differences(), "unplugged": plan.unplugged}, values=())

    return Request(maintain=mend)


@define.command(instead=["--owner"])
@define.option(
    "--owner",
    "owners",
    metavar="ID",
    multiple=True,
    type=options.ID,
    help="Also release this interface, whatever it is plugged into; repeatable.",
)
@options.origin(
    "Only interfaces this container runtime asked for (on this network, for this container)."
)
@options.changes
def gc(owners: tuple[str, ...], origin: tuple[str, ...] | None, dry_run: bool) -> Request:
    """Release interfaces whose network namespace is gone, and print their ids."""

    def show(_: State, gone: list[Interface]) -> Document:
        return Document([one.id for one in gone], values=tuple(one.id for one in gone))

    operation = Operation(attachment.collect, owners=owners, origin=origin or ())
    return Request(show, operation, dry_run, finds=True, many=True)


@define.command()
@define.option("--yes", is_flag=True, help="Do not ask.")
@define.option(
    "--unowned",
    is_flag=True,
    help="Also remove devices and rules that have dnet's names but belong to no known store.",
)
@options.changes
def reset(yes: bool, unowned: bool, dry_run: bool) -> Request:
    """Remove everything dnet made, then the store."""
    if not yes and not dry_run and not sys.stdin.isatty():
        raise UsageError(
            "this removes everything dnet made: no terminal to confirm it", "add --yes"
        )

    def clear(maintenance: Maintenance) -> Document:
        if not yes and not dry_run:
            _confirm(maintenance.state_dir, maintenance.unowned() if unowned else None)
        plan = maintenance.reset(unowned=unowned, dry_run=dry_run)
        return steps(plan) if dry_run else NOTHING

    return Request(maintain=clear)


def _confirm(state_dir: str, unowned: Unowned | None) -> None:
    besides = f", and {unowned}, of no known store" if unowned else ""
    if not _agreed(f"Remove every bridge, mapping, link and address of {state_dir}{besides}?"):
        raise DnetError("nothing was removed")


def _agreed(question: str) -> bool:
    import click

    try:
        return click.confirm(on_one_line(question), err=True)
    except click.Abort:  # The end of the input: Ctrl-C ends the process itself here.
        click.echo(err=True)
        return False
