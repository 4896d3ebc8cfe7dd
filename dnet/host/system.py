"""Small readers of what the machine says about itself: each one file or one system call.

Start-up time is why they use `os` and `_socket` where `pathlib`, `shutil`, `socket` and
`ipaddress` would read as well: each of those costs as much as the rest of a command.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import stat
import struct
import sys

from dnet.values.family import FAMILIES

_CHUNK = 1 << 16
_FILES = 8

# include/uapi/asm-generic/socket.h; the kernel has it since 5.14.
_SO_NETNS_COOKIE = 71
_COOKIE_BYTES = 8

_SIOCGIFHWADDR = 0x8927  # include/uapi/linux/sockios.h
# struct ifreq: the name, the family of an address and, of an Ethernet's, six bytes.
_IFREQ = struct.Struct("=16s 2x 6s 16x")

# The PATH of cron and of many service managers lacks these, and the tools of this trade live there.
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/local/sbin")


def read_file(path: str, most: int | None = None) -> bytes:
    """The content of `path`, unbuffered; made for /proc, where a size is always 0.

    With `most` it is only the beginning, about that many bytes of it.

    Raises OSError as `open` does.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if most is not None:
            return os.read(descriptor, most)
        parts = []
        while part := os.read(descriptor, _CHUNK):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def require_files() -> None:
    """See that a command can open as many files as it ever has open at once, but for a reserve.

    In its middle much of what cannot be opened would be taken for what is not there. Raises
    OSError with EMFILE or ENFILE.
    """
    taken: list[int] = []
    try:
        while len(taken) < _FILES:
            taken.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    finally:
        for descriptor in taken:
            os.close(descriptor)


def boot_id() -> str:
    """The kernel's random name of this boot, a UUID (random(4)).

    Raises OSError where /proc is not mounted.
    """
    return read_file("/proc/sys/kernel/random/boot_id").decode().strip()


def hostname() -> str:
    """The name of this machine without its domain, which may be none that a host of a pool has."""
    return os.uname().nodename.partition(".")[0]


def netns_cookie() -> int | None:
    """The number that names the current network namespace until the next boot, never used again.

    From SO_NETNS_COOKIE (socket(7)), which unlike the inode of /proc/self/ns/net is not reused.
    The initial namespace has 1. None where the kernel is older than 5.14.
    """
    try:
        probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    except OSError:
        return None
    try:
        raw = probe.getsockopt(_socket.SOL_SOCKET, _SO_NETNS_COOKIE, _COOKIE_BYTES)
    except OSError:
        return None
    finally:
        probe.close()
    return int.from_bytes(raw, sys.byteorder)


def hardware_address(device: str) -> str | None:
    """The hardware address of a device of the current namespace (netdevice(7)), or None."""
    import fcntl

    request = _IFREQ.pack(os.fsencode(device), b"")
    try:
        probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    except OSError:
        return None
    try:
        _, address = _IFREQ.unpack(fcntl.ioctl(probe.fileno(), _SIOCGIFHWADDR, request))
    except OSError:
        return None
    finally:
        probe.close()
    return ":".join(f"{byte:02x}" for byte in address)


def nameservers(path: str = "/etc/resolv.conf") -> list[str]:
    """The addresses of the `nameserver` lines of resolv.conf(5), in order, both families.

    A zone (`fe80::1%eth0`, RFC 4007) is cut off; whatever then is no address is left out, as the
    resolver ignores it too. A file that cannot be read has none.
    """
    try:
        text = read_file(path).decode("utf-8", "replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            address = words[1].partition("%")[0]
            if _is_address(address):
                found.append(address)
    return found


def _is_address(text: str) -> bool:
    for family in FAMILIES:
        try:
            _socket.inet_pton(family.number, text)
        except (OSError, ValueError):
            continue
        return True
    return False


def find_program(name: str) -> str | None:
    """Where the program `name` is: on PATH, else in the system folders; None where nowhere.

    Parts of PATH that depend on the current folder, such as `.` and the empty one, are passed
    over: a command that runs as root must not take its tools from wherever it was started.
    """
    search = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for folder in (*search, *_SYSTEM_FOLDERS):
        if not folder.startswith("/"):
            continue
        candidate = f"{folder}/{name}"
        if _is_program(candidate):
            return candidate
    return None


def _is_program(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and os.access(path, os.X_OK)
