"""Calls places again and again, and counts: a process of its own in a namespace.

Usage: caller.py RATE PATIENCE NAME ADDRESS PORT [ADDRESS PORT]…, of which each is called RATE times
a second, until standard input ends and 20 times at least. It begins by printing a line once each
was called, and ends with another one, in JSON: for each how often it answered with NAME, and how
often it did not within PATIENCE seconds.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_LEAST = 20


class Caller(threading.Thread):
    """Calls one place; `answered` and `missed` count."""

    def __init__(self, place: tuple[str, int], name: bytes, rate: float, patience: float) -> None:
        super().__init__()
        self._place, self._begin = place, b"? %s " % name
        self._pause, self._patience = 1 / rate, patience
        self.answered = self.missed = 0
        self.called, self.enough = threading.Event(), threading.Event()

    def run(self) -> None:
        """Call until it is enough."""
        while not self.enough.is_set() or self.answered + self.missed < _LEAST:
            begin = time.monotonic()
            if self._call():
                self.answered += 1
            else:
                self.missed += 1
            self.called.set()
            time.sleep(max(0.0, begin + self._pause - time.monotonic()))

    def _call(self) -> bool:
        try:
            with socket.create_connection(self._place, self._patience) as line:
                line.settimeout(self._patience)
                line.sendall(b"?")
                return line.recv(64).startswith(self._begin)
        except OSError:
            return False


def main() -> None:
    """Call all places at once."""
    rate, patience, name, *places = sys.argv[1:]
    pairs = [(address, int(port)) for address, port in zip(places[::2], places[1::2], strict=True)]
    callers = [Caller(one, name.encode(), float(rate), float(patience)) for one in pairs]
    for one in callers:
        one.start()
    for one in callers:
        one.called.wait()
    print("calling", flush=True)
    sys.stdin.read()
    for one in callers:
        one.enough.set()
    for one in callers:
        one.join()
    print(json.dumps([[one.answered, one.missed] for one in callers]))


if __name__ == "__main__":
    main()
