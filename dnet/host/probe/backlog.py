"""How many more handshakes a listener has room for.

A connection waits in the listener's backlog until it is accepted (listen(2)). What comes while that
is full is dropped without a word, as if a rule had done so, and sent again a second later.
"""

from __future__ import annotations

import sys

from dnet.errors import KernelError
from dnet.host import netns
from dnet.host.sockdiag import Port
from dnet.network.facts import Namespace

_UNKNOWN = 4  # Below the least backlog that servers are given, 5.


class Backlog:
    """That of whoever listens on a port in a network namespace, which is None if unknown.

    Of several listeners the fullest counts. `patience` is how many seconds one without room is
    waited for: a server may be stuck.
    """

    def __init__(self, found: Namespace | None, port: int, patience: float) -> None:
        self._port = _port(found, port)
        self._patience = patience
        self._full_since: float | None = None

    def close(self) -> None:
        """Close what is held open."""
        if self._port:
            self._port.close()

    def room(self, now: float) -> int:
        """How many may come that are not there yet, at a moment of the monotonic clock."""
        room = self._free()
        if room > 0:
            self._full_since = None
            return room
        if self._full_since is None:
            self._full_since = now
        return 0 if now - self._full_since < self._patience else sys.maxsize

    def _free(self) -> int:
        if self._port is None:
            return _UNKNOWN
        try:
            rooms = [max(one.backlog, 1) - one.waiting for one in self._port.listening()]
        except OSError:
            return _UNKNOWN
        return min(rooms, default=sys.maxsize)


def _port(found: Namespace | None, number: int) -> Port | None:
    if found is None:
        return None
    try:
        with netns.opened(found) as descriptor, netns.inside(descriptor):
            return Port(number)
    except (OSError, KernelError):
        return None
