"""How a command runs: it describes itself as a request, and the session carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from dnet import STATE_DIR
from dnet.cli.output.document import NOTHING, Document, column
from dnet.errors import DnetError, NotFoundError, UsageError, on_one_line
from dnet.typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from dnet.model.state import Change, State
    from dnet.plan.steps import Plan
    from dnet.transaction.driver import Decide, Outcome
    from dnet.transaction.maintenance import Maintenance
    from dnet.transaction.recovery import Settings

Show: TypeAlias = "Callable[[State, Any], Document]"


def nothing(_state: State, _result: Any) -> Document:
    """For commands that have nothing to say."""
    return NOTHING


class Request(NamedTuple):
    """What a command line asks for.

    Attributes:
        show: what is said of the state, and of what the operation returned.
        operation: what is changed; None only reads.
        dry_run: show the steps, and change nothing.
        maintain: what is done to the store and the kernel as a whole, in place of the others.
        run: what a command does that is neither, with the session to do it in.
        finds: whether it changes only what it finds in the store by itself.
        many: whether it has a list to say, which cannot be shell variables.
    """

    show: Show = nothing
    operation: Decide[Any] | None = None
    dry_run: bool = False
    maintain: Callable[[Maintenance], Document] | None = None
    run: Callable[[Session], Document] | None = None
    finds: bool = False
    many: bool = False

    @property
    def presumes_store(self) -> bool:
        """Whether it has nothing to do where there is no store."""
        return self.finds or (self.operation is None and self.run is None)


class Session:
    """One run of dnet: what the global options say, and what its command said of its output.

    Attributes:
        state_dir: where the store is.
        form: text, json, env, or a form of the command's own.
        is_form_known: whether the command line was read as far as that.
        quiet: whether only keys are wanted.
    """

    def __init__(
        self,
        state_dir: str,
        lock_timeout: float,
        *,
        verbose: bool = False,
        named_by: str | None = None,
    ) -> None:
        self.state_dir = state_dir
        self._named_by = named_by
        self._lock_timeout = lock_timeout
        self._verbose = verbose
        self.form = "text"
        self.is_form_known = False
        self.quiet = False
        self.has_changed = False

    @classmethod
    def of(cls, values: Mapping[str, Any], named_by: str | None) -> Session:
        """The session of the global options' values. Raises UsageError."""
        if not values["state_dir"]:
            raise UsageError("--state-dir: '' is no folder", "leave it out for /var/lib/dnet")
        timeout = _seconds(values["lock_timeout"])
        verbose = bool(values["verbose"])
        return cls(values["state_dir"], timeout, verbose=verbose, named_by=named_by)

    def carry_out(self, request: Request) -> Document:
        """Carry a request out, and give what it has to say.

        Raises UsageError before anything is done where its output has no such form.
        """
        if request.many and self.form == "env":
            raise UsageError("--format env shows one thing, not a list", "use --format json")
        missing = "" if request.run else self._missing_store()
        try:
            document = self._document(request)
        except NotFoundError as error:
            if not missing:
                raise
            raise error.with_hint("; ".join(filter(None, (error.hint, missing)))) from None
        if missing and request.presumes_store:
            self.warn(missing)
        if self.form == "text":
            for note in document.notes:
                self.tell(note)
        return document

    def _missing_store(self) -> str:
        """What to say of a store that was asked for by name, and cannot be the one that is meant.

        The default one is made by the first command that changes something.
        """
        if self._named_by is None:
            return ""
        from dnet.store.folder import Store

        store = Store(self.state_dir)
        if store.has_folder() or store.is_at(STATE_DIR):
            return ""
        return (
            f"there is no store in {self.state_dir}, which {self._named_by} names: no such folder"
        )

    def _document(self, request: Request) -> Document:
        if request.run is not None:
            return request.run(self)
        if request.maintain is not None:
            from dnet.transaction.maintenance import Maintenance

            return request.maintain(Maintenance(self.settings()))
        if request.operation is None:
            from dnet.store.folder import Store

            return request.show(Store(self.state_dir).load(), None)
        outcome = self.change(request.operation, dry_run=request.dry_run)
        if request.dry_run:
            return steps(outcome.plan, outcome.changes)
        document = request.show(outcome.state, outcome.result)
        return document._replace(status=outcome.status) if outcome.status else document

    def change(self, operation: Decide[Any], *, dry_run: bool) -> Outcome[Any]:
        """Carry an operation out, or only see what it would come to."""
        from dnet.transaction.driver import Driver

        driver = Driver(self.settings())
        if dry_run:
            return driver.rehearse(operation)
        outcome = driver.change(operation)
        self.has_changed = True
        return outcome

    def settings(self) -> Settings:
        """What a driver needs to know."""
        from dnet.host.signals import end_by_exception
        from dnet.transaction.recovery import Settings

        trace = self.trace if self._verbose else None
        notice = self.tell if sys.stderr.isatty() else None
        return Settings(
            self.state_dir,
            self._lock_timeout,
            self.warn,
            self.tell,
            trace,
            notice,
            begin=end_by_exception,
        )

    def warn(self, line: str) -> None:
        """A warning: the command goes on."""
        _say(f"dnet: warning: {line}")

    def tell(self, line: str) -> None:
        """What was done, for commands that have nothing else to say; in JSON they say it there."""
        if self.form != "json":
            _say(f"dnet: {line}")

    def complain(self, error: DnetError) -> None:
        """An error of one of many things, of which the others go on."""
        for line in self.with_store(error).lines():
            _say(line)

    def with_store(self, error: DnetError) -> DnetError:
        """The error as it is shown: its hint names the store where the command line did."""
        from dnet.cli.hints import for_store

        return for_store(error, self.state_dir if self._named_by == "--state-dir" else None)

    def trace(self, line: str) -> None:
        """A kernel step, with --verbose."""
        _say(f"dnet: {line}")


def _say(line: str) -> None:
    """A line on stderr; that nobody reads it is no reason to stop in the middle of a change."""
    with suppress(OSError):
        sys.stderr.write(f"{on_one_line(line)}\n")


_STEPS = (column("kind"), column("step"))


def steps(plan: Plan, changes: Iterable[Change] = ()) -> Document:
    """What a dry run shows: the kernel's steps as command lines, the store's as comments."""
    lines = list(plan.lines())
    kept = [
        f"{table.name}: {'+' if key in table else '-'} {key}"
        for table, key, _, _ in changes
        if table.name not in ("cursors", "released")
    ]
    data = [{"kind": kind, "step": line} for kind, line in lines]
    data += [{"kind": "store", "step": line} for line in kept]
    texts = [line for _, line in lines] + [f"# store: {line}" for line in kept]
    return Document(data, tuple(texts), _STEPS)


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.isascii() else -1
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise UsageError(f"--lock-timeout: '{text}' is not a number of seconds", "give 0 to 86400")
    return seconds
