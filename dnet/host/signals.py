"""Interruptions: how they end dnet, and where they have to wait a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dnet.typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # Under `signal`, and loaded in a tenth of its time.

_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_came: list[int] = []
_is_done = False


def end_by_exception() -> None:
    """Let Ctrl-C, SIGTERM and a hang-up raise, so that what is half done is undone.

    Only the first one does: another must not interrupt the undoing. What is ignored, as Ctrl-C
    is in the background of a script, and a hang-up under nohup(1), stays ignored.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    is_first = not _came
    _came.append(number)
    # The first that comes when all is done waits for the answer; another does not.
    if is_first != _is_done:
        _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


def defer() -> None:
    """What was asked for is done: from here on the answer is said before anything ends."""
    global _is_done
    _is_done = True


def status() -> int:
    """The exit status that a signal which was held back asks for, 0 if none came."""
    return 128 + _came[0] if _came else 0


def deliver() -> None:
    """Raise what was held back, or kept waiting by `uninterrupted`."""
    global _is_done
    _is_done = False
    if _came:
        _raise(_came[0])
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep what ends dnet waiting, also for the programs that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
