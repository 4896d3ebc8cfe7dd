"""Interruptions: where they may come, and where they have to wait a moment."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

_ENDING = {signal.SIGINT, signal.SIGTERM}


class Terminated(BaseException):
    """SIGTERM came: like KeyboardInterrupt, so that what is half done is undone."""


def raise_when_terminated() -> None:
    """Let SIGTERM raise Terminated instead of ending the process where it stands."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM waiting, also for the programs that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
