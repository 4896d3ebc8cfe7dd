"""Running another program: the only place where processes are started.

With posix_spawn(3) and files in memory: what subprocess does with pipes takes longer to load than
a handful of rules takes to change.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from dnet.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # Under `signal`, and loaded in a tenth of its time.

TIMED_OUT = 124


class Completed(NamedTuple):
    """How a program ended; `status` is 124 where it did not end in time, as timeout(1) has it.

    It is that of the shell where a signal ended it: 128 and the signal's number.
    """

    status: int
    output: str
    errors: str


def run(
    words: Sequence[str], text: str = "", timeout: float = 30, inherit: Sequence[int] = ()
) -> Completed:
    """Run a program, given by its path, to its end with `text` on its standard input.

    `timeout` is in seconds; whoever takes longer is killed. `inherit` are file descriptors it
    keeps open. Raises OSError where it cannot be started.
    """
    files = [os.memfd_create(name) for name in ("input", "output", "errors")]
    try:
        with open(files[0], "wb", closefd=False) as file:
            file.write(text.encode(errors="surrogateescape"))
        os.lseek(files[0], 0, os.SEEK_SET)
        status = _ended(words, files, timeout, inherit)
        if status == TIMED_OUT:
            return Completed(TIMED_OUT, "", f"no answer within {timeout:g} seconds")
        return Completed(status, _content(files[1]), _content(files[2]))
    finally:
        for descriptor in files:
            os.close(descriptor)


def _ended(
    words: Sequence[str], files: Sequence[int], timeout: float, inherit: Sequence[int]
) -> int:
    """The exit status of a program, which is killed where it does not end in time."""
    import select

    ended, process = False, 0
    # No signal may come between the start of the program and the place where it is waited for.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        process = _start(words, files, inherit, mask)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        watched = os.pidfd_open(process)
        try:
            poll = select.poll()
            poll.register(watched, select.POLLIN)
            ended = bool(poll.poll(timeout * 1000))
        finally:
            os.close(watched)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = _reap(process, kill=not ended) if process else 0
    return status if ended else TIMED_OUT


def _start(
    words: Sequence[str], files: Sequence[int], inherit: Sequence[int], mask: Iterable[int]
) -> int:
    streams = [(os.POSIX_SPAWN_DUP2, file, number) for number, file in enumerate(files)]
    # Onto itself: from then on it is not closed when the program begins.
    kept = [(os.POSIX_SPAWN_DUP2, descriptor, descriptor) for descriptor in inherit]
    return os.posix_spawn(
        words[0],
        list(words),
        os.environ,
        file_actions=[*streams, *kept],
        setsigmask=mask,
        setsigdef=[signal.SIGPIPE],  # Which Python ignores and other programs count on.
    )


def _reap(process: int, *, kill: bool) -> int:
    if kill:
        os.kill(process, 9)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code if code >= 0 else 128 - code


def _content(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode(errors="replace")
