"""What whoever was refused lacks: for root it is something else than for everybody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dnet.errors import KernelError, PermissionDeniedError, out_of_files
from dnet.host import system

NET_ADMIN, SYS_ADMIN = "CAP_NET_ADMIN", "CAP_SYS_ADMIN"
SYS_PTRACE, DAC_OVERRIDE = "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"

# include/uapi/linux/capability.h
_NUMBERS = {DAC_OVERRIDE: 1, NET_ADMIN: 12, SYS_PTRACE: 19, SYS_ADMIN: 21}
_NETWORK = "/proc/self/ns/net"
_NS_GET_USERNS = 0xB701  # include/uapi/linux/nsfs.h
_EVERY_USER = [b"0", b"0", b"4294967295"]


def has(capability: str) -> bool:
    """Whether this process has a capability, the one over its network namespace there.

    Without /proc to say so the answer is yes: the kernel then refuses what it refuses.
    """
    return _is_effective(capability) and (capability != NET_ADMIN or _rules_network())


def _is_effective(capability: str) -> bool:
    """Whether it is in the effective set (capabilities(7))."""
    for line in _lines("/proc/self/status"):
        if line.startswith(b"CapEff:"):
            return bool(int(line.split()[1], 16) >> _NUMBERS[capability] & 1)
    return True


def _rules_network() -> bool:
    """Whether the network namespace belongs to the user namespace that the capabilities are of.

    Of one that belongs to an outer one the kernel does not tell to which (ioctl_nsfs(2)).
    """
    import fcntl

    try:
        with open(_NETWORK, "rb") as network:
            os.close(fcntl.ioctl(network, _NS_GET_USERNS))
    except PermissionError:
        return False
    except OSError:
        return True
    return True


def advice(capability: str) -> str:
    """What to do about a refusal of what takes a capability."""
    if os.geteuid():
        return "run it as root"
    if _is_of_user_namespace():
        return "this is root of a user namespace, without rights outside: run it as the host's root"
    if not has(capability):
        return f"root lacks {capability} here: give it to the container or service that runs dnet"
    return "root is refused too: see journalctl -k for a security module, such as AppArmor"


def denied(what: str, capability: str) -> PermissionDeniedError:
    """The error for a change that takes a capability and was refused."""
    why = "not permitted" if has(capability) else f"{capability} is missing"
    return PermissionDeniedError(f"{what}: {why}", advice(capability))


def _is_of_user_namespace() -> bool:
    """Whether root is not that of the whole machine (user_namespaces(7))."""
    return [line.split() for line in _lines("/proc/self/uid_map")] not in ([], [_EVERY_USER])


def _lines(path: str) -> list[bytes]:
    try:
        return system.read_file(path).splitlines()
    except OSError:
        return []


@contextmanager
def reporting(what: str) -> Iterator[None]:
    """Turn what the kernel refuses into dnet's own errors: PermissionDeniedError, KernelError."""
    try:
        yield
    except PermissionError:
        raise denied(what, NET_ADMIN) from None
    except OSError as error:
        refused = KernelError(f"{what}: {error.strerror or error}")
        raise out_of_files(error) or refused from None
