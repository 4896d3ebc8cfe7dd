"""How far a long command is: on stderr, where that is a terminal, and after a second only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threading import Event, Thread

_PATIENCE_SECONDS = 1.0
_REDRAW_SECONDS = 0.1


class Part:
    """What a command is doing, and how often it is done; `total` is None where nobody can tell."""

    def __init__(self, doing: str = "", total: int | None = None) -> None:
        self.doing = doing
        self.total = total
        self.done = 0

    def __str__(self) -> str:
        if self.total is not None:
            return f"{self.done} of {self.total}"
        return f"{self.done}" if self.done else ""


class Progress:
    """The part of the work that a command is at.

    Nothing is drawn while that has no name, such as reading what somebody types.
    """

    def __init__(self) -> None:
        self.part = Part()

    def begin(self, doing: str, total: int | None = None) -> Part:
        """Turn to another part of the work, whose `done` is to be counted."""
        self.part = Part(doing, total)
        return self.part


@contextmanager
def shown() -> Iterator[Progress]:
    """A progress that is drawn while the body runs, and gone without a trace after it."""
    progress = Progress()
    if not sys.stderr.isatty():
        yield progress
        return
    from threading import Event, Thread

    ended = Event()
    drawer = Thread(target=_draw_if_possible, args=(progress, ended), daemon=True)
    _start_deaf(drawer)
    try:
        yield progress
    finally:
        ended.set()
        drawer.join()


def _start_deaf(thread: Thread) -> None:
    """Start a thread that takes no signal: they are for the one that works, which may wait."""
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _draw_if_possible(progress: Progress, ended: Event) -> None:
    """What goes wrong with it is no reason to say a word more."""
    with suppress(Exception):
        _draw(progress, ended)


def _draw(progress: Progress, ended: Event) -> None:
    pause = _PATIENCE_SECONDS
    while not ended.wait(pause) and not progress.part.doing:
        pause = _REDRAW_SECONDS
    if ended.is_set():
        return
    from rich import progress as bars
    from rich.console import Console

    if ended.is_set():
        return
    columns = (
        bars.SpinnerColumn("line", style=""),
        bars.TextColumn("{task.description}"),
        bars.BarColumn(style="grey50", complete_style="", finished_style="", pulse_style="white"),
        bars.TextColumn("{task.fields[count]}"),
    )
    console = Console(stderr=True)
    # Hidden, as rich would have it, it would stay so should dnet be killed.
    console.show_cursor = lambda *_: False  # type: ignore[method-assign]
    with bars.Progress(
        *columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False
    ) as drawn:
        part = progress.part
        task = drawn.add_task(part.doing, total=part.total, count="")
        while True:
            if part is not progress.part:
                drawn.remove_task(task)
                part = progress.part
                task = drawn.add_task(part.doing, total=part.total, count="")
            drawn.update(task, completed=part.done, count=str(part))
            drawn.refresh()
            if ended.wait(_REDRAW_SECONDS):
                return
