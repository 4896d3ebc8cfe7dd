"""How a command runs: it describes itself as a request, and the session carries it out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dnet.cli.document import NOTHING, Column, Document, column
from dnet.driver import Driver, Operation, Outcome, Settings
from dnet.state import State

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
    """

    show: Show
    operation: Operation[Any] | None = None
    dry_run: bool = False


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
        driver = Driver(self.settings)
        if request.operation is None:
            return request.show(driver.read(), None)
        if request.dry_run:
            return steps(driver.rehearse(request.operation))
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


def steps(outcome: Outcome[Any]) -> Document:
    """What a dry run shows: the kernel's steps as command lines, the store's as comments."""
    lines = list(outcome.plan.lines())
    kept = [
        f"{table.name}: {'+' if table.rows.get(key) is not None or key in table.rows else '-'} {key}"
        for table, key, _, _ in outcome.changes
        if table.name != "cursors"
    ]
    data = [{"kind": kind, "step": line} for kind, line in lines]
    data += [{"kind": "store", "step": line} for line in kept]
    texts = [line for _, line in lines] + [f"# store: {line}" for line in kept]
    return Document(data, tuple(texts), _STEPS)
