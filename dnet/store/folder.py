"""The store: one JSON document, a lock, and a journal of what is under way.

Files in the state folder: `state.json` and the one before it, `state.json.prev`; `journal.json`,
the state a command is moving the kernel to; `names`, for completion; `verified`, what was seen to
agree; and `lock`. Readers take no lock: a new document appears by rename, whole or not at all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from dnet.errors import DamagedStateError, DnetError, ForeignStateError, StateUnreadableError
from dnet.model.state import State
from dnet.store import atomic, document, fileerrors
from dnet.store.namesfile import NamesFile
from dnet.store.verifiedfile import VerifiedFile


class Store:
    """The state folder. Created by the first command that changes something."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = f"{folder}/state.json"
        self._previous = f"{folder}/state.json.prev"
        self._journal = f"{folder}/journal.json"
        self.names = NamesFile(f"{folder}/names")
        self.verified = VerifiedFile(f"{folder}/verified", self.path)
        self._lock = f"{folder}/lock"

    # Reading

    def load(self) -> State:
        """The committed state; an empty one where there is no store yet.

        Raises StateUnreadableError, PermissionDeniedError.
        """
        found = self._read(self.path)
        if found is None and os.path.lexists(self._previous):
            raise StateUnreadableError(f"{self.path} is gone", self._way_out(self.path))
        return found or State()

    def journal(self) -> State | None:
        """What a command that was killed was moving the kernel to, if one was.

        Raises DamagedStateError, as after a power failure: no kill leaves it so, for it appears
        by rename, and synced. StateUnreadableError, PermissionDeniedError.
        """
        return self._read(self._journal)

    def previous(self) -> State | None:
        """The state before the last change, where there was one."""
        return self._read(self._previous)

    def has_folder(self) -> bool:
        """Whether its folder is there."""
        return os.path.isdir(self.folder)

    def is_at(self, folder: str) -> bool:
        """Whether its folder is that one, under whatever name."""
        return os.path.realpath(self.folder) == os.path.realpath(folder)

    def has_journal(self) -> bool:
        """Whether a command is under way, or was killed."""
        return os.path.lexists(self._journal)

    def _read(self, path: str) -> State | None:
        try:
            data = atomic.content(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble(error, path) from None
        try:
            return document.read(data)
        except ForeignStateError as error:
            raise error.with_message(f"{path}: {error}") from None
        except (ValueError, RecursionError, StateUnreadableError) as error:
            raise DamagedStateError(f"{path}: {error}", self._way_out(path)) from None

    def _way_out(self, path: str) -> str | None:
        """What to do about a damaged file."""
        if path == self._journal:
            return "to go on without it: dnet restore"
        if path != self.path:
            return None
        try:
            previous = self.previous()
        except DnetError:
            previous = None
        if previous is None:
            return "to remove what dnet made and start again: dnet reset --unowned"
        back = f"cp {self._previous} {path} && dnet restore"
        return f"to go back to the state before the last change: {back}"

    # Locking

    @contextmanager
    def locked(
        self, timeout: float, notice: Callable[[str], None] | None = None, *, writes: bool = True
    ) -> Iterator[int | None]:
        """Hold the lock, the file's descriptor as the value; `timeout` is in seconds.

        `notice` takes a line about what is waited for. Without `writes` the store may be
        read-only, and the value None: see lock.held_to_read.

        Raises LockedError with the holder, PermissionDeniedError.
        """
        from dnet.store import lock

        held = lock.held if writes else lock.held_to_read
        with ExitStack() as stack:
            try:
                self._make_folder()
            except DnetError:
                if writes:
                    raise
            try:
                descriptor = stack.enter_context(held(self._lock, timeout, notice))
            except OSError as error:
                raise self._trouble(error, self._lock) from None
            yield descriptor

    def _make_folder(self) -> None:
        """Make the folder, for all to read whatever the umask is."""
        before = os.umask(0o022)
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise self._trouble(error, error.filename or self.folder) from None
        finally:
            os.umask(before)

    # Writing: all of it under the lock

    def write_journal(self, state: State) -> None:
        """Note, to last, the state the kernel is about to be moved to."""
        self._write(self._journal, document.write(state))
        try:
            self._sync_folder()
        except OSError as error:
            raise self._trouble(error, self.folder) from None

    def drop_journal(self) -> None:
        """Forget the journal, if there is one."""
        if not self.has_journal():
            return
        try:
            atomic.unlink(self._journal)
        except OSError as error:
            raise self._trouble(error, self._journal) from None
        with suppress(OSError):
            self._sync_folder()

    def commit(
        self, state: State, *, journalled: bool, last_call: Callable[[], None] = lambda: None
    ) -> None:
        """Make a state the committed one: the journal becomes the store, or a new file does.

        What `last_call` raises, once all but the decisive rename is done, lets all be as before.
        """
        spare, new = map(atomic.spare_of, (self._previous, self.path))
        try:
            if not journalled:
                atomic.write_spare(self.path, document.write(state), lasting=True)
            atomic.keep_spare(self._previous, self.path)
            last_call()
            are_others = self.names.prepare(state)
            os.rename(self._journal if journalled else new, self.path)
        except BaseException as error:
            for path in (spare, new):
                with suppress(OSError):
                    os.unlink(path)
            if isinstance(error, OSError):
                # A folder may be in the place of what was to be removed first.
                path = error.filename if error.errno == errno.EISDIR else self.path
                raise self._trouble(error, path) from None
            raise
        # The rename has committed: what fails after it must not undo the kernel's side.
        with suppress(OSError):
            os.rename(spare, self._previous)
        with suppress(OSError):
            self._sync_folder()
        if are_others:
            self.names.publish()

    def erase(self) -> None:
        """Remove every file but the lock, which others may be waiting for.

        The journal last: as long as it is there, the next command knows of the reset. The store
        before ahead of the store: alone it would tell of one that was lost.
        """
        files = (self._previous, self.path, self.names.path, self.verified.path, self._journal)
        for path in (*(f"{file}.new" for file in files), *files):
            try:
                atomic.unlink(path)
            except OSError as error:
                raise self._trouble(error, path) from None
        with suppress(OSError):
            self._sync_folder()

    def make_room(self) -> None:
        """Remove what can be done without, where the store itself is going to go."""
        for path in (self._previous, self.names.path):
            try:
                atomic.unlink(path)
            except OSError as error:
                raise self._trouble(error, path) from None

    def _write(self, path: str, data: bytes) -> None:
        """Write a file whole, to last."""
        try:
            atomic.replace(path, data)
        except OSError as error:
            raise self._trouble(error, path) from None

    def _sync_folder(self) -> None:
        """Let the names of its files last. Raises OSError.

        Where fsync(2) knows no folders, there is nothing that would.
        """
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(descriptor)

    def _trouble(self, error: OSError, path: str) -> DnetError:
        return fileerrors.told(error, path, self.folder)
