"""`dnet firewall`: what the rules of all bridges are made with."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.define import Choice
from dnet.cli.output.document import Document
from dnet.cli.session import Request, nothing
from dnet.model.entities import FIREWALLS
from dnet.network import firewalls
from dnet.transaction.operation import Operation
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.transaction.maintenance import Maintenance

EXAMPLES = """\
dnet firewall show
dnet firewall use nftables"""


@define.group(unsaid=["use"])
def firewall() -> None:
    """Show and change the firewall that dnet's rules are in."""


@firewall.command()
@options.output
def show() -> Request:
    """Show the firewall in use, and other rules that overrule it."""
    return Request(maintain=_shown)


def _shown(maintenance: Maintenance) -> Document:
    return Document(maintenance.firewall()._asdict())


@firewall.command(epilog=EXAMPLES)
@define.argument("name", type=Choice(FIREWALLS))
@options.changes
def use(name: str, dry_run: bool) -> Request:
    """Move the rules of all bridges over to another firewall.

    No connection is lost, new or old, and nothing is open meanwhile that was closed before.
    """
    return Request(nothing, Operation(firewalls.use, name=name), dry_run)
