"""What a command prints on a terminal, read at the other end of a pty."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.host import Host

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CLEAN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM", "TERM")


def plain(text: str) -> str:
    """What stands on the terminal, without how it looks."""
    return _ESCAPE.sub("", text)


@contextmanager
def opened(columns: int) -> Iterator[tuple[int, int]]:
    """A terminal of so many columns: the end to read from, and the one that is the terminal."""
    reading, terminal = pty.openpty()
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        yield reading, terminal
    finally:
        os.close(reading)


def read_until(reading: int, enough: Callable[[str], bool] = lambda _: False) -> str:
    """What comes until it is enough, or nobody can write any more."""
    data = b""
    while not enough(data.decode(errors="replace")):
        try:
            data += os.read(reading, 1 << 16)
        except OSError:
            break
    return data.decode().replace("\r\n", "\n")


def on_terminal(
    host: Host, columns: int, *arguments: str, env: Mapping[str, str] | None = None
) -> str:
    """What `dnet` prints on a terminal, escape sequences and all."""
    clean = {key: value for key, value in host.env.items() if key not in _CLEAN}
    with opened(columns) as (reading, terminal):
        process = subprocess.Popen(
            host.argv("dnet", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env={**clean, "TERM": "xterm-256color", **(env or {})},
        )
        os.close(terminal)
        text = read_until(reading)
        assert process.wait() == 0, text
    return text
