"""What is shown again and again: a live table on a terminal, a line of JSON elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from dnet.cli.output.render import as_json, write
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.cli.output.document import Document
    from dnet.cli.session import Session

_SECONDS = 1.0


def watch(session: Session, look: Callable[[], Document]) -> None:
    """Show what there is each second, until somebody ends it."""
    import gc

    from dnet.host.signals import end_by_exception

    gc.enable()  # Unlike other commands, this one may live for days.
    end_by_exception()
    if session.form == "json" or not sys.stdout.isatty():
        _in_lines(look)
    else:
        _live(look)


def _in_lines(look: Callable[[], Document]) -> None:
    while True:
        write(as_json(look().content()) + "\n")
        sys.stdout.flush()
        time.sleep(_SECONDS)


def _live(look: Callable[[], Document]) -> None:
    from rich.live import Live
    from rich.text import Text

    from dnet.cli.output import terminal

    def drawn() -> Text:
        document = look()
        return Text.from_ansi(terminal.table(document.columns, document.content()))

    with Live(drawn(), auto_refresh=False) as live:
        while True:
            time.sleep(_SECONDS)
            live.update(drawn(), refresh=True)
