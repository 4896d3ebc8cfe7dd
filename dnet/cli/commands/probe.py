"""`dnet probe`: why does a published port not answer."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.define import Checked
from dnet.cli.output.document import Document, Item, column
from dnet.cli.session import Request, Session
from dnet.errors import UsageError
from dnet.values import names

EXAMPLES = """\
dnet probe
dnet probe web --from outside
dnet probe 8080 --from db"""

_OUTSIDE = "outside"
_ORIGIN = Checked(
    "origin",
    lambda text: text if text in (_OUTSIDE, names.HOST) else names.interface_id(text),
    (_OUTSIDE, names.HOST, "<id>"),
)
_PROBED = Checked("endpoint", str, ("<mapping>", "<id>"))
_MOST_SECONDS = 60.0
_COLUMNS = (
    column("from"),
    column("endpoint"),
    column("result"),
    column("where", folds=True),
    column("hint", folds=True),
)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.isascii() else -1
    except ValueError:
        seconds = -1
    if not 0 < seconds <= _MOST_SECONDS:
        raise UsageError(f"{names.quoted(text)} is not a number of seconds", "give 0.1 to 60")
    return seconds


@define.command(epilog=EXAMPLES)
@define.argument("asked", metavar="[ENDPOINT|ID]...", nargs=-1, type=_PROBED)
@define.option(
    "--from",
    "origins",
    metavar="outside|host|ID",
    multiple=True,
    type=_ORIGIN,
    help="Where to try from; repeatable (default: from where the port is to answer).",
)
@define.option(
    "--via",
    metavar="DEV",
    type=options.DEVICE,
    help="Device for packets from outside (default: the default route's).",
)
@define.option(
    "--timeout",
    metavar="SECONDS",
    type=Checked("seconds", _seconds),
    default="1",
    show_default=True,
    help="How long to wait for an answer.",
)
@options.output
def probe(
    asked: tuple[str, ...], origins: tuple[str, ...], via: str | None, timeout: float
) -> Request:
    """Send real packets to published ports, and report what stopped them.

    Changes nothing. Exits 1 if anything it tried does not answer.
    """

    def run(session: Session) -> Document:
        from dnet.transaction.probing import Probing

        outcome = Probing(session.settings()).probe(asked, origins, via, timeout)
        rows = [
            _row(one.trial.origin, one.trial.mapping.key, one.verdict.result, *one.verdict[1:])
            for one in outcome.judged
        ]
        limits = [_row(None, None, "not-tried", limit) for limit in outcome.limits]
        bad = any(one.verdict.is_bad for one in outcome.judged)
        return Document([*rows, *limits], columns=_COLUMNS, status=1 if bad else 0)

    return Request(run=run, many=True)


def _row(
    origin: str | None, key: str | None, result: str, where: str | None, hint: str | None = None
) -> Item:
    return {"from": origin, "endpoint": key, "result": result, "where": where, "hint": hint}
