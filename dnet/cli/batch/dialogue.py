"""`dnet batch --each`: a co-process that answers each line before it reads the next."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain

from dnet.cli.batch import script
from dnet.cli.output.document import Document
from dnet.cli.output.render import as_json, one_line, render, write
from dnet.cli.session import Session
from dnet.errors import DnetError, interrupted, on_one_line
from dnet.typing import IO


def answer_each(session: Session, stream: IO[str]) -> Document:
    """Carry each line out in a transaction of its own, and answer it before the next is read."""
    import gc

    from dnet.transaction.driver import answered

    reader = script.reader_of(session, each=True)
    form = session.form
    gc.enable()  # Unlike a single command, this one may live for days.
    for line in script.lines(stream):
        session.form, session.quiet = form, False
        try:
            request = line.request(reader)
            if form == "json":
                session.form, session.quiet = form, False
            answer = _answer(session.carry_out(request), session.form, quiet=session.quiet)
        except Exception as error:
            if interrupted(error):
                raise
            told = session.with_store(_known(error, line))
            answer = [_complaint(told, as_object="json" in (form, session.form))]
        for piece in chain(answer, "\n"):
            write(piece)
        sys.stdout.flush()
        answered()
    return Document()


def _known(error: Exception, line: script.Line) -> DnetError:
    """The error of a line: whatever it is, the next line may be another matter."""
    if isinstance(error, DnetError):
        return error
    from dnet.transaction.fault import known

    return known(error, ["batch", "--each", *line.words])


def _answer(document: Document, form: str, *, quiet: bool) -> Iterable[str]:
    if document.items is not None:
        from dnet.cli import stream

        return stream.one_line(document, form, quiet=quiet)
    if form == "text" or quiet:
        return [one_line(document)]
    if form == "json":
        return [as_json(document.content())]
    return [" ".join(render(document, form).splitlines())]


def _complaint(error: DnetError, *, as_object: bool) -> str:
    if as_object:
        return as_json({"error": error.body()})
    return on_one_line(f"error: {error.code}: {error}")
