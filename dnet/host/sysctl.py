"""Kernel settings under /proc/sys that a state needs, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from dnet.errors import KernelError, PermissionDeniedError
from dnet.host import command, rules, system
from dnet.host.steps import Sysctl
from dnet.state import State

FORWARDING = ("net", "ipv4", "ip_forward")
BRIDGE_CALLS_IPTABLES = ("net", "bridge", "bridge-nf-call-iptables")


def needed(state: State) -> Iterator[Sysctl]:
    """The settings a state stands for, but those of the guard of 127.0.0.0/8.

    Traffic between two ports of a bridge meets iptables only with br_netfilter, so `--no-icc`
    cannot hold without (Documentation/networking/ip-sysctl.rst).
    """
    bridges = list(state.bridges.values())
    if any(bridge.iptables and not bridge.icc for bridge in bridges):
        yield Sysctl(BRIDGE_CALLS_IPTABLES, "1")
    # Last, since nothing that is refused later takes it back: others may rely on it by then.
    if any(bridge.ip_forward for bridge in bridges):
        yield Sysctl(FORWARDING, "1", optional=True)


def localnet(bridges: Iterable[str], value: str) -> Iterator[Sysctl]:
    """route_localnet of devices: whether 127.0.0.1 may be translated to what lies behind."""
    for name in bridges:
        yield Sysctl(("net", "ipv4", "conf", name, "route_localnet"), value)


def without_device(bridges: Iterable[str]) -> Iterator[str]:
    """Those whose device is gone: its settings go with it, and are read faster than it is."""
    return (name for name in bridges if not all(map(exists, localnet([name], "1"))))


def localnet_bridges(state: State, layout: rules.Layout) -> set[str]:
    """The bridges that 127.0.0.1 has to be translated to."""
    if rules.DNET_PREROUTING not in layout.own:
        return set()
    return {bridge.name for bridge in state.bridges.values() if bridge.iptables}


def differs(setting: Sysctl) -> bool:
    """Whether the kernel has another value, or none."""
    try:
        return system.read_file(setting.path).strip() != setting.value.encode()
    except OSError:
        return True


def exists(setting: Sysctl) -> bool:
    """Whether the kernel has such a setting at all."""
    try:
        system.read_file(setting.path)
    except OSError:
        return False
    return True


def write(setting: Sysctl) -> None:
    """Set it; a module that brings it is loaded. Raises KernelError, PermissionDeniedError."""
    if setting.name == BRIDGE_CALLS_IPTABLES and not exists(setting):
        _load_br_netfilter()
    try:
        with open(setting.path, "w", encoding="ascii") as file:
            file.write(setting.value)
    except PermissionError:
        raise PermissionDeniedError(f"{setting.shown}: not permitted", "run it as root") from None
    except FileNotFoundError:
        raise KernelError(
            f"{setting.shown}: the kernel has no such setting", _hint(setting)
        ) from None
    except OSError as error:
        raise KernelError(f"{setting.shown}: {error.strerror}") from None


def _load_br_netfilter() -> None:
    """Load the module, which nothing else loads after a boot. A failure shows in what follows."""
    if program := system.find_program("modprobe"):
        with suppress(OSError):
            command.run([program, "--quiet", "br_netfilter"])


def _hint(setting: Sysctl) -> str | None:
    if setting.name == BRIDGE_CALLS_IPTABLES:
        return "--no-icc needs the module br_netfilter: modprobe br_netfilter"
    return None
