"""Running another program: the only place where processes are started."""

from __future__ import annotations

from typing import NamedTuple

TIMED_OUT = 124


class Done(NamedTuple):
    """How a program ended; `status` is 124 where it did not end in time, as timeout(1) has it."""

    status: int
    output: str
    errors: str


def run(
    words: list[str], text: str | None = None, timeout: float = 30, inherit: tuple[int, ...] = ()
) -> Done:
    """Run a program to its end with `text` on its standard input.

    `timeout` is in seconds; whoever takes longer is killed. `inherit` are file descriptors it
    keeps open. Raises OSError where it cannot be started.
    """
    import subprocess

    try:
        done = subprocess.run(
            words,
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            pass_fds=inherit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Done(TIMED_OUT, "", f"no answer within {timeout:g} seconds")
    return Done(done.returncode, done.stdout, done.stderr)
