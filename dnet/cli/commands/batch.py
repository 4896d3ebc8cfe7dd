"""`dnet batch`: many commands in one transaction, or one after the other for a co-process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.cli import define, options
from dnet.cli.batch import script
from dnet.cli.output.document import Document
from dnet.cli.output.render import bare, render
from dnet.cli.session import Request, Session, steps
from dnet.errors import DnetError, UsageError
from dnet.model.state import State
from dnet.network.facts import Facts
from dnet.typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from dnet.cli.batch.progress import Part, Progress


@define.command()
@define.argument("file", required=False, default="-", type=options.FILE)
@define.option("--keep-going", is_flag=True, help="Skip lines that are refused.")
@define.option(
    "--each",
    is_flag=True,
    help="Run each line as its own transaction, and answer with one line.",
)
@options.changes
def batch(file: str, keep_going: bool, each: bool, dry_run: bool) -> Request:
    """Run the commands in FILE, one per line, as one transaction.

    A line is what one would type after dnet, with quotes as in the shell; a # begins a comment.
    FILE is - for standard input, which is the default. A line that fails is named, and nothing
    of the batch remains.
    """
    if each and (keep_going or dry_run):
        raise UsageError("--each excludes --keep-going and --dry-run", "leave one out")

    def run(session: Session) -> Document:
        with script.opened(file) as stream:
            if each:
                from dnet.cli.batch.dialogue import answer_each

                return answer_each(session, stream)
            return carry_out(session, stream, keep_going=keep_going, dry_run=dry_run)

    return Request(run=run, many=not each)


class Wanted(NamedTuple):
    """A line with what it asks for, or why it cannot be read, and the form of its output."""

    line: script.Line
    request: Request | DnetError
    form: str
    quiet: bool


class Batch:
    """The lines of a batch as one operation on the state.

    `documents` fills while it runs: what each line has to say, or why it was left out.
    """

    def __init__(
        self, wanted: list[Wanted], form: str, progress: Progress, *, keep_going: bool
    ) -> None:
        self._wanted = wanted
        self._progress = progress
        self._form = form
        self._keep_going = keep_going
        self._state: State | None = None
        self._done: list[tuple[script.Line, int, int]] = []
        self.documents: list[Document | DnetError] = []

    def __call__(self, state: State, facts: Facts) -> None:
        """Carry the lines out, each seeing what those before it did."""
        self._state = state
        part = self._progress.begin("deciding", len(self._wanted))
        for wanted in self._wanted:
            part.done += 1
            mark = state.mark()
            try:
                self.documents.append(self._result(wanted, state, facts))
            except DnetError as error:
                if not self._keep_going:
                    raise wanted.line.blame(error) from None
                state.undo(mark)
                self.documents.append(wanted.line.blame(error))
            self._done.append((wanted.line, mark, state.mark()))
        self._progress.begin("applying")

    def blamed(self, error: DnetError) -> DnetError:
        """The error, with the line named that asked for what the kernel refused."""
        if self._state is None or error.origin is None:
            return error
        for line, since, until in reversed(self._done):
            if error.origin in self._state.written(since, until):
                return line.blame(error)
        return error

    def _result(self, wanted: Wanted, state: State, facts: Facts) -> Document:
        """What a line has to say, while the state is as the line left it."""
        request = wanted.request
        if isinstance(request, DnetError):
            raise request
        result = request.operation(state, facts) if request.operation else None
        document = request.show(state, result)
        if document.items is not None:  # They are those of now.
            document = document._replace(data=document.content(), items=None)
        if self._form == "json":
            return document._replace(data=document.content())
        if wanted.quiet:
            return bare(document)
        if wanted.form != "text":
            return Document(values=tuple(render(document, wanted.form).splitlines()))
        return document


def carry_out(session: Session, stream: IO[str], *, keep_going: bool, dry_run: bool) -> Document:
    """The whole file in one transaction."""
    from dnet.cli.batch import progress

    with progress.shown() as meter:
        part = meter.begin("" if stream.isatty() else "reading")
        wanted = _wanted(session, stream, part, keep_going=keep_going)
        work = Batch(wanted, session.form, meter, keep_going=keep_going)
        meter.begin("waiting for the store")
        try:
            outcome = session.change(work, dry_run=dry_run)
        except DnetError as failure:
            raise work.blamed(failure) from None
    refused = [one for one in work.documents if isinstance(one, DnetError)]
    if session.form != "json" or dry_run:
        for error in refused:
            session.complain(error)
    status = refused[0].status if refused else outcome.status
    if dry_run:
        return steps(outcome.plan, outcome.changes)._replace(status=status)
    return Document(
        lambda: [_data(one, session) for one in work.documents],
        values=tuple(_texts(work.documents)),
        notes=tuple(_notes(work.documents)),
        status=status,
    )


def _wanted(session: Session, stream: IO[str], part: Part, *, keep_going: bool) -> list[Wanted]:
    """Every line read before the first is carried out: a bad one costs nothing."""
    reader = script.reader_of(session)
    form = session.form
    found = []
    for line in script.lines(stream):
        part.done += 1
        session.form, session.quiet = form, False
        try:
            request: Request | DnetError = line.request(reader)
        except DnetError as error:
            if not keep_going:
                session.form = form
                raise line.blame(error) from None
            request = error
        found.append(Wanted(line, request, session.form, session.quiet))
    session.form = form
    return found


def _data(one: Document | DnetError, session: Session) -> Any:
    return (
        {"error": session.with_store(one).body()} if isinstance(one, DnetError) else one.content()
    )


def _notes(documents: Iterable[Document | DnetError]) -> Iterator[str]:
    for one in documents:
        if isinstance(one, Document):
            yield from one.notes


def _texts(documents: Iterable[Document | DnetError]) -> Iterator[str]:
    for one in documents:
        if isinstance(one, Document):
            yield from render(one, "text").splitlines()
