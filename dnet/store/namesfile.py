"""`names`, next to the store: the names that the shells complete, so that no program has to start.

It follows the store, and is nobody's word: what goes wrong with it is made good by the next
command that changes something, and is no reason for any to fail.
"""

from __future__ import annotations

import os
from contextlib import suppress

from dnet.model.state import State
from dnet.store import atomic, nametext


class NamesFile:
    """The file at a path. Written under the lock of the store."""

    def __init__(self, path: str) -> None:
        self.path = path

    def prepare(self, state: State) -> bool:
        """Before a commit: have its names lie ready, if there are other names than before.

        A command that is killed leaves them there, by which the next one knows.
        """
        is_due = self._is_stale() or nametext.differ(state.changes())
        return is_due and self._write(nametext.write(state))

    def publish(self) -> None:
        """After it: let what lies ready take its place.

        Where a file is renamed over another, ext4 writes it to the disk at once (auto_da_alloc in
        ext4(5)), for which a command would wait longer than for all the rest of this.
        """
        with suppress(OSError):
            atomic.unlink(self.path)
            os.rename(atomic.spare_of(self.path), self.path)

    def renew(self, state: State) -> None:
        """Make it agree with the committed state, whatever has become of it."""
        text = nametext.write(state)
        try:
            known = atomic.content(self.path)
        except OSError:
            known = b""
        if known != text.encode() and self._write(text):
            self.publish()

    def _is_stale(self) -> bool:
        """Whether it is missing, lost in a power failure, or older than the store."""
        try:
            is_empty = not os.lstat(self.path).st_size
        except OSError:
            return True
        return is_empty or os.path.lexists(atomic.spare_of(self.path))

    def _write(self, text: str) -> bool:
        try:
            # Not synced: that takes longer than it is worth.
            atomic.write_spare(self.path, text.encode(), lasting=False)
        except OSError:
            return False
        return True
