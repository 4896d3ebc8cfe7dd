"""The agents of this run (tests/agent.py), from the process that all of them are forked from."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from tests import namespaces, processes

_PROGRAM = Path(__file__).with_name("agent.py")
# The ports that connections come from, a thousand for each namespace of a test.
_ports = itertools.cycle(range(33500, 60500, 1000))


class _Origin:
    """The process that agents are forked from, and that waits for their end."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", str(_PROGRAM)]
        with its:
            self._process = namespaces.within(
                namespaces.HOME, lambda: subprocess.Popen(command, stdin=its.fileno(), text=True)
            )
        atexit.register(self._close)

    def ask(self, question: list[Any], *files: int) -> int:
        with self._asking:
            socket.send_fds(self._socket, [json.dumps(question).encode()], files)
            answer = self._socket.recv(4096)
        assert answer, "the origin of the agents ended"
        return int(answer)

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


_the_origin = cache(_Origin)


class Agent:
    """The process that holds every server and open connection of a namespace."""

    def __init__(self, netns: Path) -> None:
        self._origin = _the_origin()
        connection, its = socket.socketpair()
        with its:
            self.pid = self._origin.ask([str(netns), next(_ports)], its.fileno())
        self._stream = connection.makefile("rw")
        connection.close()

    def ask(self, request: dict[str, Any]) -> Any:
        """The result of a request. Raises OSError as what it asks for does."""
        print(json.dumps(request), file=self._stream, flush=True)
        answer = self._stream.readline()
        assert answer, f"the agent {self.pid} ended"
        found = json.loads(answer)
        if "error" in found:
            raise OSError(found["error"])
        return found["result"]

    def close(self) -> None:
        """Let it end, whatever state it is in."""
        os.kill(self.pid, signal.SIGCONT)
        self._stream.close()
        self._origin.ask([self.pid, processes.END_SECONDS])
