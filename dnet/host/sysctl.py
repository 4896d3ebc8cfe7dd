"""Kernel settings under /proc/sys, read and written."""

from __future__ import annotations

import errno
from contextlib import suppress

from dnet.errors import KernelError, out_of_files
from dnet.host import privilege, process, system
from dnet.plan.settings import BRIDGE_CALLS
from dnet.plan.steps import SettingStep

_WRITABLE = "/proc/sys is read-only, as in a container: mount -o remount,rw /proc/sys"


def value(setting: SettingStep) -> str | None:
    """What the kernel has now; None where it has no such setting."""
    try:
        return system.read_file(setting.path).decode().strip()
    except OSError:
        return None


def write(setting: SettingStep) -> None:
    """Set it; a module that brings it is loaded. Raises KernelError, PermissionDeniedError."""
    if setting.name in BRIDGE_CALLS.values() and value(setting) is None:
        _load_br_netfilter()
    try:
        with open(setting.path, "w", encoding="ascii") as file:
            file.write(setting.value)
    except PermissionError:
        raise privilege.denied(setting.shown, privilege.NET_ADMIN) from None
    except FileNotFoundError:
        raise KernelError(
            f"{setting.shown}: the kernel has no such setting", _hint(setting)
        ) from None
    except OSError as error:
        hint = _WRITABLE if error.errno == errno.EROFS else None
        refused = KernelError(f"{setting.shown}: {error.strerror}", hint)
        raise out_of_files(error) or refused from None


def _load_br_netfilter() -> None:
    """Load the module, which nothing else loads after a boot. A failure shows in what follows."""
    if program := system.find_program("modprobe"):
        with suppress(OSError):
            process.run([program, "--quiet", "br_netfilter"])


def _hint(setting: SettingStep) -> str | None:
    if setting.name in BRIDGE_CALLS.values():
        return "--no-icc needs the module br_netfilter: modprobe br_netfilter"
    return None
