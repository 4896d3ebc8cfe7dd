"""What the machine says about itself, read from the real one or from files made for it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnet.host import system
from dnet.host.locks import find_holder, lock_holder


def test_the_boot_has_a_name_that_stays() -> None:
    assert uuid.UUID(system.boot_id()).version == 4
    assert system.boot_id() == system.boot_id()


def test_the_namespace_has_a_cookie_that_stays() -> None:
    cookie = system.netns_cookie()
    if cookie is None:
        pytest.skip("this kernel has no SO_NETNS_COOKIE")
    assert cookie > 0
    assert system.netns_cookie() == cookie


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nameserver 192.0.2.53\n", ["192.0.2.53"]),
        (
            "  nameserver\t192.0.2.53  # the first\nnameserver 192.0.2.54",
            ["192.0.2.53", "192.0.2.54"],
        ),
        ("nameserver fe80::1%eth0\nnameserver 2001:db8::53\n", ["fe80::1", "2001:db8::53"]),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n#\n", []),
        ("nameserver\nnameservers 192.0.2.1\nsearch nameserver 192.0.2.1\n", []),
        ("nameserver 192.0.2\nnameserver 192.0.2.256\nnameserver 010.0.0.1\nnameserver x\n", []),
        ("nameserver [::1]\nnameserver %eth0\nnameserver 192.0.2.1/24\n", []),
        ("nameserver 192.0.2.53\r\n", ["192.0.2.53"]),
        ("nameserver \x00\nnameserver 192.0.2.53\n", ["192.0.2.53"]),
        ("", []),
    ],
)
def test_nameservers(tmp_path: Path, text: str, expected: list[str]) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text, newline="")
    assert system.nameservers(str(path)) == expected


def test_a_file_of_junk_has_the_nameservers_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_bytes(b"\xff\xfe\x00junk\nnameserver 192.0.2.53\nnameserver \xff\n")
    assert system.nameservers(str(path)) == ["192.0.2.53"]


def test_without_a_file_there_is_no_nameserver(tmp_path: Path) -> None:
    assert system.nameservers(str(tmp_path / "none")) == []
    assert system.nameservers(str(tmp_path)) == []


def program(folder: Path, name: str, mode: int = 0o755) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


def test_the_first_program_on_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "a", "frobnicate", mode=0o644)
    (tmp_path / "b" / "frobnicate").mkdir(parents=True)
    expected = program(tmp_path / "c", "frobnicate")
    program(tmp_path / "d", "frobnicate")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / folder) for folder in "abcd"))
    assert system.find_program("frobnicate") == expected


def test_the_current_folder_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "frobnicate")
    program(tmp_path / "bin", "frobnicate")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ":/nowhere:.:./bin:bin:../tmp:")
    assert system.find_program("frobnicate") is None


@pytest.mark.parametrize("path", ["/nowhere", "", None])
def test_the_system_folders_are_searched_without_a_path(
    monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", path)
    folders = (Path(folder) for folder in ("/usr/sbin", "/sbin", "/usr/local/sbin"))
    present = [
        path.name
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_file() and os.access(path, os.X_OK)
    ]
    if not present:
        pytest.skip("no program in the system folders")
    assert system.find_program(present[0]) is not None


def test_importing_the_readers_loads_nothing_slow() -> None:
    modules = ("conntrack.table", "conntrack.messages", "locks", "openfiles", "sockets", "system")
    imports = "; ".join(f"import dnet.host.{module}" for module in modules)
    slow = "{'ipaddress', 'pathlib', 'shutil', 'socket', 'subprocess', 'urllib.parse'}"
    code = f"import sys; before = set(sys.modules); {imports}; "
    code += f"print(sorted({slow} & (set(sys.modules) - before)))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout == "[]\n"


# --- locks ------------------------------------------------------------------------------------

HOLD = """
import fcntl, sys
held = open(sys.argv[1])
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

# Takes the lock, leaves it to a child through the inherited descriptor, and ends.
BEQUEATH = """
import fcntl, os, sys
held = open(sys.argv[1])
fcntl.flock(held, fcntl.LOCK_EX)
if pid := os.fork():
    print(pid, flush=True)
    os._exit(0)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    lock = tmp_path / "lock"
    lock.touch()
    return lock


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.communicate()


def test_the_holder_of_a_lock_has_a_pid(path: Path, holder: subprocess.Popen[str]) -> None:
    assert lock_holder(str(path)) == holder.pid


def test_to_have_it_open_or_to_wait_is_not_to_hold(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    with path.open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert lock_holder(str(path)) == holder.pid


def test_an_ended_holder_leaves_nobody(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.communicate()
    assert lock_holder(str(path)) is None


def test_an_heir_of_a_lock_holds_it(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BEQUEATH, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        heir = int(process.stdout.readline())
        process.wait()
        assert lock_holder(str(path)) == heir
        process.communicate()


def test_a_free_lock_and_no_file_have_no_holder(path: Path) -> None:
    assert lock_holder(str(path)) is None
    assert lock_holder(str(path.with_name("none"))) is None


TABLE = """\
1: FLOCK  ADVISORY  WRITE 100 fd:00:4711 0 EOF
1: -> FLOCK  ADVISORY  WRITE 101 fd:00:4711 0 EOF
2: POSIX  ADVISORY  WRITE 102 fd:00:4712 0 EOF
3: FLOCK  ADVISORY  WRITE 103 00:2d:4713 0 EOF
4: FLOCK  ADVISORY  WRITE 104 103:05:4713 0 EOF
5: FLOCK  ADVISORY  WRITE 0 fd:00:4714 0 EOF
6: -> FLOCK  ADVISORY  WRITE 105 fd:00:4715 0 EOF
"""


@pytest.mark.parametrize(
    ("device", "inode", "pid"),
    [
        ("fd:00", 4711, 100),
        ("fd:00", 4712, None),
        ("00:2d", 4713, 103),
        ("103:05", 4713, 104),
        ("00:99", 4713, 103),
        ("fd:00", 4714, None),
        ("fd:00", 4715, None),
        ("fd:00", 471, None),
    ],
)
def test_a_table_of_locks(device: str, inode: int, pid: int | None) -> None:
    assert find_holder(TABLE, device, inode) == pid
