"""Interruptions: how they end dnet, and where they have to wait a moment."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = {signal.SIGINT, signal.SIGTERM}
_came: list[int] = []


def end_by_exception() -> None:
    """Let Ctrl-C and SIGTERM raise, so that what is half done is undone.

    Only the first one does: another must not interrupt the undoing. What is ignored, as Ctrl-C
    is in the background of a script, stays ignored.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    if _came:
        return
    _came.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM waiting, also for the programs that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
