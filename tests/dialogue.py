"""Talking to one `dnet batch --each`, which answers each line before the next is said."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.host import Host


class Dialogue:
    """A `dnet` that is being talked to, a line at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, line: str) -> str:
        """The answer to a line, which has to come before another one is said."""
        self.say(line)
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer.endswith("\n"), f"no answer to {line!r}"
        return answer.removesuffix("\n")

    def say(self, line: str) -> None:
        """Say a line that gets no answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end(self) -> int:
        """Hang up, and give the exit status."""
        out, error = self._process.communicate(timeout=60)
        assert (out, error) == ("", "")
        return self._process.returncode


@contextmanager
def talking_to(host: Host, *options: str) -> Iterator[Dialogue]:
    """A `dnet batch --each` on a host, with further options."""
    process = subprocess.Popen(
        host.argv("dnet", "batch", "--each", "-", *options),
        env=host.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Dialogue(process)
    finally:
        process.kill()
        process.communicate()
