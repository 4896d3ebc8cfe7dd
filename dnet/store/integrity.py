"""Whether a document is one that dnet could have written, for a store that was edited by hand.

What passes can be read, and keeps every promise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dnet.model import fields
from dnet.model.entities import Bridge
from dnet.model.state import State
from dnet.network import ipallocator
from dnet.store import relations, schema
from dnet.store.relations import reject, require
from dnet.store.schema import Check
from dnet.typing import Any
from dnet.values import address, family, names
from dnet.values.family import V6, Family


def verify(document: object) -> None:
    """Examine a document that came out of JSON.

    Raises StateUnreadableError with the place and the reason.
    """
    top = _object("the store", document)
    version = top.get("schema")
    if type(version) is int and version > fields.SCHEMA:
        reject("schema", "it is from a newer version of dnet")
    always = [part for part in schema.HEAD if (part, None) not in fields.SINCE]
    _fields("the store", top, schema.HEAD | {"checksum": schema.TEXT}, always)
    for name, kind in schema.KINDS.items():
        for key, row in top.get(name, {}).items():
            _check_key(name, key, kind.key)
            _fields(f"{name} {key}", row, kind.fields, kind.required)
    _fields("settings", top.get("settings", {}), schema.SETTINGS, ())
    # A state adds empty tables to what it is given; the document is to stay as it is.
    kinds = (schema.LEASES, schema.OWNER), (schema.RELEASED, schema.NOTHING)
    state = State(top | {name: dict(top.get(name, {})) for tables, _ in kinds for name in tables})
    for tables, check in kinds:
        for name, of in tables.items():
            for key, rows in top.get(name, {}).items():
                _addresses(f"{name} {key}", _bridge(state, name, key), of, rows, check)
    for key, row in top["cursors"].items():
        _cursor(f"cursors {key}", _bridge(state, "cursors", key), row)
    relations.examine(state)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON object's pairs: an object_pairs_hook, by which no key is lost.

    Raises StateUnreadableError for a key that is there twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            reject(names.quoted(key), "it occurs twice")
        found[key] = value
    return found


def _check(place: str, name: str, value: object, check: Check) -> None:
    if not check.passes(value):
        reject(place, f"{name} is not {check.what}")


def _check_key(place: str, key: str, check: Check) -> None:
    if not check.passes(key):
        reject(place, f"{names.quoted(key)} is not {check.what}")


def _object(place: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        reject(place, "it is not a JSON object")
    return value


def _fields(
    place: str, row: object, checks: Mapping[str, Check], required: Collection[str]
) -> dict[str, Any]:
    whole = _object(place, row)
    for name, value in whole.items():
        if name not in checks:
            reject(place, f"{names.quoted(name)} is unknown")
        _check(place, name, value, checks[name])
    for name in required:
        require(name in whole, place, f"{name} is missing")
    return whole


def _bridge(state: State, table: str, name: str) -> Bridge:
    bridge = state.bridges.get(name)
    if bridge is None:
        reject(table, f"there is no bridge {names.quoted(name)}")
    return bridge


def _addresses(place: str, bridge: Bridge, of: Family, rows: object, check: Check) -> None:
    """Of a bridge, the leases or what was released, of a family."""
    served = bridge.subnet_of(of)
    if served is None:
        reject(place, f"{bridge.name} has no IPv6")
    never = ipallocator.reserved(bridge, served)
    subnet = address.network(served.address)
    first, last = int(subnet[0]), int(subnet[-1])
    for ip, value in _object(place, rows).items():
        _check_key(place, ip, schema.ADDRESS6 if of is V6 else schema.ADDRESS)
        require(first <= address.to_int(ip) <= last, place, f"{ip} is not in {subnet}")
        require(ip not in never, place, f"{ip} is {never.get(ip)}")
        _check(f"{place} {ip}", "its value", value, check)


def _cursor(place: str, bridge: Bridge, row: object) -> None:
    for name, value in _fields(place, row, schema.CURSOR, ()).items():
        if name in names.PROTOCOLS:
            continue
        subnet = bridge.subnet_of(family.of(value))
        inside = subnet is not None and address.contains(subnet.address, value)
        where = subnet.network if subnet else f"a subnet of {bridge.name}"
        require(inside, place, f"{name} is not in {where}")
