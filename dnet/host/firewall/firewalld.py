"""firewalld's zones: which one a bridge is in, asked and changed over D-Bus (firewalld.dbus(5)).

At run time alone: the permanent configuration is the administrator's. By busctl(1), which has an
answer in ten milliseconds, where firewall-cmd(1) takes two hundred to load. A firewalld that gives
none merits a warning: all else that a command does holds without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import cached_property

from dnet.host import process, system
from dnet.plan.steps import TRUSTED, Zone
from dnet.typing import Any, NamedTuple
from dnet.values.jsontext import loads

_ANSWER_SECONDS = 3
_ADDRESS = "unix:path=/run/dbus/system_bus_socket"
_NAME = "org.fedoraproject.FirewallD1"


class _Object(NamedTuple):
    """An object on the bus, and the interface of it whose methods are called."""

    destination: str
    path: str
    interface: str


_BUS = _Object("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
_ZONES = _Object(_NAME, "/org/fedoraproject/FirewallD1", f"{_NAME}.zone")
_PERMANENT = _Object(_NAME, "/org/fedoraproject/FirewallD1/config", f"{_NAME}.config")


class Firewalld:
    """The firewalld that filters this network namespace, if one runs; `warn` takes a line."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._is_lost = False

    def joining(self, bridges: Collection[str]) -> Iterator[Zone]:
        """Put bridges into the zone `trusted`, except those the administrator has put elsewhere."""
        zones = self._zones()
        for name in bridges:
            if not _zone(zones, name) and self._permanent_zone(name) in ("", TRUSTED):
                yield Zone("add", name)

    def leaving(self, bridges: Collection[str]) -> Iterator[Zone]:
        """Take bridges out of it, except those the administrator has put there for good."""
        zones = self._zones()
        for name in bridges:
            if zones.get(name) == TRUSTED and self._permanent_zone(name) not in (None, TRUSTED):
                yield Zone("remove", name)

    def has_zone(self, name: str) -> bool:
        """Whether a device is in a zone, rather than treated as the default zone says."""
        return bool(_zone(self._zones(), name) or self._permanent_zone(name))

    def take(self, step: Zone) -> None:
        """Take a step, or warn of what keeps it from being taken."""
        self._ask(_ZONES, f"{step.action}Interface", TRUSTED, step.device)

    def _zones(self) -> dict[str, str]:
        """The zone of each device that is in one."""
        active = self._ask(_ZONES, "getActiveZones") or {}
        return {name: zone for zone, has in active.items() for name in has.get("interfaces", ())}

    def _permanent_zone(self, name: str) -> str | None:
        """The zone that the configuration puts a device into; empty for none, None if unknown."""
        zone: str | None = self._ask(_PERMANENT, "getZoneOfInterface", name)
        return zone

    def _ask(self, whom: _Object, method: str, *arguments: str) -> Any:
        """The answer of firewalld, None where there is none; one that hangs is asked once."""
        if self._busctl is None or self._is_lost:
            return None
        done = _call(self._busctl, whom, method, *arguments)
        if done.status == 0:
            return _value(done)
        self._is_lost = done.status == process.TIMED_OUT
        if self._is_lost:
            self._warn(f"firewalld: {done.errors}; once it answers again: dnet restore")
        else:
            said = done.errors.strip().removeprefix("Call failed: ")
            self._warn(f"firewalld refused {' '.join((method, *arguments))}: {said}")
        return None

    @cached_property
    def _busctl(self) -> str | None:
        """The program to ask with, where there is a firewalld to ask.

        A bus is reached from every network namespace, and firewalld filters its own alone.
        """
        if not _may_have_bus() or not system.find_program("firewall-cmd"):
            return None
        busctl = system.find_program("busctl")
        if busctl is None:
            return None
        done = _call(busctl, _BUS, "GetConnectionUnixProcessID", _NAME)
        return busctl if done.status == 0 and _shares_network(_value(done)) else None


def _zone(zones: dict[str, str], name: str) -> str | None:
    """The zone of a device, by its name or by one that ends in +, which stands for all like it."""
    patterns = (one for one in zones if one.endswith("+") and name.startswith(one[:-1]))
    return zones.get(name) or next((zones[one] for one in patterns), None)


def _may_have_bus() -> bool:
    """Whether there is a socket where the bus listens, as far as its address says which."""
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or _ADDRESS
    kind, _, path = address.partition(",")[0].partition("=")
    return kind != "unix:path" or os.path.exists(path)


def _call(busctl: str, whom: _Object, method: str, *arguments: str) -> process.Completed:
    """How a call ended, which starts no service; the arguments are texts."""
    signature = ["s" * len(arguments)] if arguments else []
    words = [busctl, "--system", "--json=short", "--auto-start=no", "call", *whom, method]
    try:
        return process.run([*words, *signature, *arguments], timeout=_ANSWER_SECONDS)
    except OSError as error:
        return process.Completed(127, "", f"{busctl} cannot be started: {error.strerror}")


def _value(done: process.Completed) -> Any:
    return loads(done.output)["data"][0]


def _shares_network(process: int) -> bool:
    try:
        return os.path.samefile(f"/proc/{process}/ns/net", "/proc/self/ns/net")
    except OSError:
        return False
