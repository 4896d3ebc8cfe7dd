"""The store's lock: taken at once where it is free, waited for where it is not."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dnet.errors import LockedError
from dnet.store.lock import held, held_to_read


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def test_a_free_lock_is_taken_and_given_back(path: str) -> None:
    for _ in range(2):
        with held(path, 0) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), os.stat(path))
    with held(path, 0):
        pass


def test_one_that_is_not_free_names_who_has_it(path: str) -> None:
    me = rf"by process {os.getpid()}\Z"
    with held(path, 0), pytest.raises(LockedError, match=me), held(path, 0):
        pass
    with held(path, 0):
        pass


def test_it_passes_from_one_to_the_next(path: str) -> None:
    order: list[str] = []

    def wait() -> None:
        with held(path, 60) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), os.stat(path))
            order.append("second")

    with held(path, 0):
        waiting = threading.Thread(target=wait)
        waiting.start()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    with held(path, 0):
        pass


def test_who_waits_longer_than_a_moment_is_told_for_whom(path: str) -> None:
    told: list[str] = []
    noticed = threading.Event()

    def notice(line: str) -> None:
        told.append(line)
        noticed.set()

    def wait() -> None:
        with held(path, 60, notice):
            pass

    waiting = threading.Thread(target=wait)
    with held(path, 0):
        waiting.start()
        assert noticed.wait(50)
    waiting.join()
    assert told == [f"waiting up to 59 s: the store is locked by process {os.getpid()}"]


def test_who_has_no_time_is_told_the_end_alone(path: str) -> None:
    told: list[str] = []
    with held(path, 0), pytest.raises(LockedError), held(path, 0.01, told.append):
        pass
    assert told == []


def test_a_child_that_has_the_descriptor_keeps_the_lock_when_the_parent_is_killed(
    path: str,
) -> None:
    script = (
        "import os, subprocess, sys\n"
        "from dnet.store.lock import held\n"
        "with held(sys.argv[1], 0) as lock:\n"
        "    child = subprocess.Popen(['cat'], pass_fds=[lock])\n"
        "    os.write(1, b'ready')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    assert parent.stdout.read(5) == b"ready"
    parent.wait()
    with pytest.raises(LockedError), held(path, 0):
        pass
    parent.stdin.close()  # With which the child ends.
    assert parent.stdout.read() == b""
    with held(path, 60):
        pass
    parent.stdout.close()


@pytest.mark.parametrize("found", [None, 0o644, 0o666, 0o660, 0o600])
def test_nobody_else_can_open_it(path: str, found: int | None) -> None:
    if found is not None:
        Path(path).touch()
        os.chmod(path, found)
    with held(path, 0):
        assert mode(path) == 0o600
    assert mode(path) == 0o600


def test_nobody_else_can_open_it_while_it_is_waited_for(path: str) -> None:
    told, noticed = [], threading.Event()

    def notice(_: str) -> None:
        told.append(mode(path))
        noticed.set()

    def wait() -> None:
        with held(path, 60, notice):
            told.append(mode(path))

    with open(path, "w") as other:
        os.chmod(path, 0o666)
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert noticed.wait(50)
    waiting.join()
    assert [*told, mode(path)] == [0o600] * 3


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_one_that_is_removed_while_it_is_waited_for_is_made_anew(path: str) -> None:
    """Some programs remove a lock's file when they let go of it."""
    taken = threading.Event()

    def wait() -> None:
        with held(path, 60) as descriptor:
            assert os.path.samestat(os.fstat(descriptor), os.stat(path))
            taken.set()

    with held(path, 0):
        waiting = threading.Thread(target=wait)
        waiting.start()
        os.unlink(path)
        assert taken.wait(50)
    waiting.join()


def test_one_that_is_removed_as_it_is_taken_is_made_anew(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file was opened before, so the lock on it would guard nothing."""

    def remove_and_lock(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        os.unlink(path)
        fcntl.flock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    with held(path, 60) as descriptor:
        assert os.path.samestat(os.fstat(descriptor), os.stat(path))


def test_to_read_is_as_good_as_to_write(path: str) -> None:
    with held_to_read(path, 0) as descriptor:
        assert descriptor is not None
        assert os.path.samestat(os.fstat(descriptor), os.stat(path))
        with pytest.raises(LockedError), held(path, 0):
            pass
    assert mode(path) == 0o600


def test_a_symbolic_link_is_not_followed(path: str, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", path)
    with pytest.raises(OSError, match=r"symbolic"), held(path, 0):
        pass
    assert not (tmp_path / "elsewhere").exists()
