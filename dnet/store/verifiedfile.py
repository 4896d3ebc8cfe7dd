"""`verified`, next to the store: with which rules in the kernel it was seen to agree.

Nobody's word: without it the rules are compared.
"""

from __future__ import annotations

import os
from contextlib import suppress

from dnet.store import atomic


class VerifiedFile:
    """The file at a path, about the store at another one."""

    def __init__(self, path: str, store: str) -> None:
        self.path = path
        self._store = store

    def stamp(self) -> str | None:
        """What tells the store as it is now from any other; None where it is not there."""
        try:
            found = os.stat(self._store)
        except OSError:
            return None
        return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"

    def read(self, stamp: str | None, place: str) -> int | None:
        """The generation of the rules that a store of this stamp agreed with, in a place."""
        with suppress(OSError, ValueError):
            about, generation = atomic.content(self.path).decode().rsplit(" ", 1)
            if stamp is not None and about == f"{stamp} {place}":
                return int(generation)
        return None

    def write(self, stamp: str | None, place: str, generation: int) -> None:
        """Note it, unless the store is another one by now. A failure is none."""
        if stamp is not None and stamp == self.stamp():
            with suppress(OSError):
                text = f"{stamp} {place} {generation}"
                atomic.write_spare(self.path, text.encode(), lasting=False)
                os.rename(atomic.spare_of(self.path), self.path)
