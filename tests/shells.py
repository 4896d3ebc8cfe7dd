"""Shells as somebody at a terminal uses them, to see what they complete."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

ANSWER_SECONDS = 60.0
# In place of dnet, for bash and zsh: a word a line, and an empty line.
_TELL = r"""dnet() { printf '%s\n' "$@" '' >"$TOLD"; }"""


class Terminal:
    """A shell that reads from a terminal, where `dnet` tells the words it is given."""

    def __init__(self, screen: int, told: int) -> None:
        self._screen, self._told = screen, told

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._screen, text.encode())

    def words(self, keys: str) -> list[str]:
        """The words that `dnet` is given once these keys were pressed, and the one for the end."""
        self.type(f"{keys}\n")
        end, seen, answer = monotonic() + ANSWER_SECONDS, b"", b""
        while not f"\n{answer.decode()}".endswith("\n\n"):
            left = max(end - monotonic(), 0)
            ready, _, _ = select.select([self._screen, self._told], [], [], left)
            assert ready, f"no answer to {keys!r}, on the screen: {seen.decode(errors='replace')}"
            if self._screen in ready:  # So that the shell never waits for somebody to read.
                seen += os.read(self._screen, 65536)
            if self._told in ready:
                answer += os.read(self._told, 65536)
        return answer.decode().split("\n")[:-2]


@contextmanager
def opened(
    command: Sequence[str], folder: Path, env: Mapping[str, str], *setup: str
) -> Iterator[Terminal]:
    """A shell in a folder, in which some lines were typed."""
    screen, its = pty.openpty()
    with TemporaryDirectory() as place:
        fifo = f"{place}/told"
        os.mkfifo(fifo)
        told = os.open(fifo, os.O_RDWR)
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"LANG": "C.UTF-8", "TERM": "dumb", "TOLD": fifo, **env},
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        try:
            terminal = Terminal(screen, told)
            for line in (_TELL, *setup):
                assert terminal.words(f"{line}; dnet ready") == ["ready"]
            yield terminal
        finally:
            process.kill()
            process.wait()
            os.close(screen)
            os.close(told)
