"""Running another program: its streams, its end, and what it keeps open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dnet.host import process
from dnet.host.process import TIMED_OUT, Completed


def sh(
    script: str, text: str = "", timeout: float = 60, inherit: tuple[int, ...] = ()
) -> Completed:
    return process.run(["/bin/sh", "-c", script], text, timeout, inherit)


def test_what_goes_in_and_what_comes_out() -> None:
    assert sh("cat; echo no >&2; exit 3", "yes\n") == Completed(3, "yes\n", "no\n")
    assert sh("cat") == Completed(0, "", "")


def test_much_on_every_stream_at_once() -> None:
    text = "0123456789abcdef" * (1 << 16)
    done = sh("tee /dev/stderr", text)
    assert done == Completed(0, text, text)


def test_what_is_no_utf_8_is_shown_as_such() -> None:
    assert sh(r"printf 'a\377b'").output == "a\N{REPLACEMENT CHARACTER}b"


def test_whoever_takes_too_long_is_killed() -> None:
    reading, its = os.pipe()
    with os.fdopen(reading, "rb") as left:
        done = sh("exec sleep 1000", timeout=0.5, inherit=(its,))
        os.close(its)
        assert done.status == TIMED_OUT
        assert "0.5 seconds" in done.errors
        os.set_blocking(reading, False)
        assert left.read() == b"", "there is somebody who could still write"


def test_a_signal_is_told_as_by_the_shell() -> None:
    assert sh("kill -TERM $$").status == 128 + signal.SIGTERM


def test_only_what_is_to_be_inherited_is_open() -> None:
    kept, other = os.pipe()
    try:
        # What the tests themselves were given to inherit is passed on.
        usual = set(sh("ls /proc/$$/fd").output.split())
        assert not usual & {str(kept), str(other)}
        assert set(sh("ls /proc/$$/fd", inherit=(kept,)).output.split()) == usual | {str(kept)}
        assert not os.get_inheritable(kept)
    finally:
        os.close(kept)
        os.close(other)


def test_a_broken_pipe_ends_the_program_as_elsewhere() -> None:
    assert sh("(yes; echo $? >&2) | head -n 1").errors.strip() == str(128 + signal.SIGPIPE)


def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    no_program = tmp_path / "data"
    no_program.touch()
    with pytest.raises(FileNotFoundError):
        process.run([str(tmp_path / "nothing")])
    with pytest.raises(PermissionError):
        process.run([str(no_program)])


_INTERRUPTED = """
import os, signal, sys
from dnet.host import process
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
script = f"echo $$ > {sys.argv[1]}; kill -USR1 {os.getpid()}; exec sleep 1000"
process.run(["/bin/sh", "-c", script])
"""


def test_an_interruption_ends_the_program_too(tmp_path: Path) -> None:
    """In a process of one thread, as dnet is: where there are more, another takes the signal."""
    pid = tmp_path / "pid"
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED, str(pid)], check=False)
    assert done.returncode == 7
    assert not Path("/proc", pid.read_text().strip()).exists()


def test_no_descriptor_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    sh("true")
    sh("sleep 1000", timeout=0.01)
    assert os.listdir("/proc/self/fd") == before
