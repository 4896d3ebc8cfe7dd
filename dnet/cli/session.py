"""How a command runs: it describes itself as a request, and the session carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dnet.cli.document import NOTHING, Column, Document, column
from dnet.driver import Driver, Operation, Settings
from dnet.host.steps import Plan
from dnet.state import Change, State

if TYPE_CHECKING:
    from dnet.maintenance import Maintenance

Show = Callable[[State, Any], Document]


def nothing(_state: State, _result: Any) -> Document:
    """For commands that have nothing to say."""
    return NOTHING


@dataclass(frozen=True)
class Request:
    """What a command line asks for.

    Attributes:
        show: what is said of the state, and of what the operation returned.
        operation: what is changed; None only reads.
        dry_run: show the steps, and change nothing.
        maintain: what is done to the store and the kernel as a whole, in place of the others.
    """

    show: Show
    operation: Operation[Any] | None = None
    dry_run: bool = False
    maintain: Callable[[Maintenance], Document] | None = None


class Session:
    """One run of dnet: its settings and, once needed, its driver.

    `form` is the output format that the command asked for.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, warn=self.warn, trace=self.trace)
        self.verbose = False
        self.form = "text"
        self.quiet = False

    def run(self, request: Request) -> Document:
        """Carry a request out, and give what it has to say."""
        if request.maintain is not None:
            from dnet.maintenance import Maintenance

            return request.maintain(Maintenance(self.settings))
        driver = Driver(self.settings)
        if request.operation is None:
            return request.show(driver.read(), None)
        if request.dry_run:
            outcome = driver.rehearse(request.operation)
            return steps(outcome.plan, outcome.changes)
        outcome = driver.change(request.operation)
        return request.show(outcome.state, outcome.result)

    def warn(self, line: str) -> None:
        """A warning: the command goes on."""
        print(f"dnet: warning: {line}", file=sys.stderr)

    def trace(self, line: str) -> None:
        """A kernel step, with --verbose."""
        if self.verbose:
            print(f"dnet: {line}", file=sys.stderr)


_STEPS = (column("kind"), Column("STEP", lambda item: item["step"]))


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
