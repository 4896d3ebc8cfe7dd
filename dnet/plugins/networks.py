"""A network as a runtime's configuration has it: the options of a bridge, and ports to publish."""

from __future__ import annotations

from collections.abc import Callable

from dnet import STATE_DIR
from dnet.errors import UsageError
from dnet.model.entities import FIREWALLS, MTUS, REUSE, ROUND_ROBIN
from dnet.plugins.fields import Fields
from dnet.typing import Any, NamedTuple
from dnet.values import address, address6, family, names, subnet
from dnet.values.endpoint import PublishSpec, parse_publish
from dnet.values.family import FAMILIES, V6

LOCK_TIMEOUT = 30.0
_FLAGS = {
    *("icc", "masquerade", "ip_forward", "iptables", "isolate", "firewalld", "direct_access"),
    *("ipv6", "masquerade6"),
}


def _one_of(*words: str) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text not in words:
            raise UsageError(f"{names.quoted(text)} is not one of {', '.join(words)}")
        return text

    return chosen


def _mtu(text: str) -> int | None:
    """None for 0, by which runtimes mean the usual one."""
    return names.whole(text, MTUS[0], MTUS[-1]) if text != "0" else None


_PARSERS: dict[str, Callable[[str], Any]] = {
    "address": address.parse_cidr,
    "range": str,
    "address6": address6.parse_cidr,
    "range6": str,
    "mtu": _mtu,
    "chain": names.chain,
    "firewall": _one_of("auto", *FIREWALLS),
    "binding_ip": address.parse_host_ip,
    "port_range": names.port_range,
    "allocation": _one_of(ROUND_ROBIN, REUSE),
}
_OPTIONS = {name.replace("_", ""): name for name in (*_FLAGS, *_PARSERS)}
"""By how Fields.entries has a key: a configuration may write `portRange` or `port-range`."""
_OWN = {"statedir", "locktimeout"}


class Place(NamedTuple):
    """The store that a configuration names, and how long to wait for it in seconds."""

    state_dir: str = STATE_DIR
    lock_timeout: float = LOCK_TIMEOUT


def place(given: Fields) -> Place:
    """Where the store is: `stateDir`, and `lockTimeout`. Raises UsageError."""
    folder = given.text("stateDir") or STATE_DIR
    if not folder.startswith("/"):
        raise UsageError(f"{given.named('stateDir')} is not an absolute path")
    timeout = given.parsed("lockTimeout", lambda text: names.whole(text, 0, 86400))
    return Place(folder, LOCK_TIMEOUT if timeout is None else float(timeout))


def options(given: Fields) -> dict[str, Any]:
    """Those of a bridge, under the names of `dnet bridge init`'s. Raises UsageError."""
    found: dict[str, Any] = {}
    for plain, key in given.entries():
        name = _OPTIONS.get(plain)
        if name in _FLAGS:
            found[name] = given.flag(key)
        elif name is not None:
            found[name] = given.parsed(key, _PARSERS[name])
    return {name: value for name, value in found.items() if value is not None}


def unknown(given: Fields) -> list[str]:
    """The keys that are no option of a bridge, nor of the store."""
    known = {*_OPTIONS, *_OWN}
    return [key for plain, key in given.entries() if plain not in known]


def published(
    host_ip: str | None, host_port: int, port: int, proto: str, length: int = 1
) -> PublishSpec:
    """A port, or a range of that length, as `-p` would publish it. Raises UsageError."""
    at = f"{address.bracketed(host_ip)}:" if host_ip else ""
    here, there = (_span(one, length) for one in (host_port, port))
    return parse_publish(f"{at}{here}:{there}/{proto}")


def _span(first: int, length: int) -> str:
    return f"{first}-{first + length - 1}" if length > 1 else f"{first}"


class Ips(NamedTuple):
    """The addresses that an attachment is to have, None for the next free one."""

    ip: str | None = None
    ip6: str | None = None


def asked(texts: list[Any]) -> Ips:
    """Those that were asked for, with or without a prefix length. Raises UsageError."""
    found = dict.fromkeys(address.parse_any(str(one).partition("/")[0]) for one in texts)
    both = [list(address.of_family(found, of)) for of in FAMILIES]
    for ips in both:
        if len(ips) > 1:
            raise UsageError(f"an interface has one address per family, not {' and '.join(ips)}")
    return Ips(*(next(iter(ips), None) for ips in both))


def subnet_options(subnets: list[tuple[str, str | None, str | None, str | None]]) -> dict[str, str]:
    """Address and range of a bridge by its subnets: each with its gateway, first and last address.

    Raises UsageError for two of a family.
    """
    found: dict[str, str] = {}
    for text, gateway, first, last in subnets:
        six = "6" if family.of(text) is V6 else ""
        if f"address{six}" in found:
            raise UsageError("a dnet network has one subnet per family", "leave one out")
        found[f"address{six}"] = subnet.gateway(text, gateway)
        if part := subnet.part(text, first, last):
            found[f"range{six}"] = part
    return found
