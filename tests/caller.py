"""Calls a place again and again, and counts: a process of its own in a namespace.

Usage: caller.py SECONDS RATE NAME ADDRESS PORT [ADDRESS PORT]…, of which each is called RATE times
a second. It begins by printing a line, and ends with another one, in JSON: for each place how
often it answered with NAME, and how often it did not. A call may take as long as a lost first
packet that is sent again.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time

_PATIENCE = 4.0


class Caller(threading.Thread):
    """Calls one place; `answered` and `missed` count."""

    def __init__(self, place: tuple[str, int], name: bytes, seconds: float, rate: float) -> None:
        super().__init__()
        self._place, self._begin = place, b"? %s " % name
        self._seconds, self._pause = seconds, 1 / rate
        self.answered = self.missed = 0

    def run(self) -> None:
        """Call until the time is over."""
        end = time.monotonic() + self._seconds
        while (now := time.monotonic()) < end:
            if self._call():
                self.answered += 1
            else:
                self.missed += 1
            time.sleep(max(0.0, now + self._pause - time.monotonic()))

    def _call(self) -> bool:
        try:
            with socket.create_connection(self._place, _PATIENCE) as line:
                line.settimeout(_PATIENCE)
                line.sendall(b"?")
                return line.recv(64).startswith(self._begin)
        except OSError:
            return False


def main() -> None:
    """Call all places at once."""
    seconds, rate, name, *places = sys.argv[1:]
    pairs = [(address, int(port)) for address, port in zip(places[::2], places[1::2], strict=True)]
    callers = [Caller(one, name.encode(), float(seconds), float(rate)) for one in pairs]
    for one in callers:
        one.start()
    print("calling", flush=True)
    for one in callers:
        one.join()
    print(json.dumps([[one.answered, one.missed] for one in callers]))


if __name__ == "__main__":
    main()
