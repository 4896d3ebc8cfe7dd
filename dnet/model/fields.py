"""Which parts a store may have, and what a reader has to know so as to lose none of them.

A store says at its head, as `schema`, the lowest number that covers what is really in it. A reader
refuses one above its own, and whatever it does not know: its next write would drop that. So stores
without what is new stay as they were, and older versions go on with them.
"""

from __future__ import annotations

from collections.abc import Iterator

from dnet.model.entities import Bridge, Interface, Link, Mapping, Reservation
from dnet.typing import Any
from dnet.values import names

# What came after the first version, with the number that a reader has to know for it: a field of
# a table's rows, or with None a part of the head, such as a table. All of them are left out of
# the store where they are not used. Keys of IPv6, of mappings and of reservations, need nothing of
# their own: there are none without a bridge's address6, as dnet.store.relations has it.
SINCE: dict[tuple[str, str | None], int] = {
    ("bridges", "firewalld"): 2,
    ("bridges", "direct_access"): 3,
    ("generation", None): 3,
    ("settings", None): 3,
    ("settings", "firewall"): 3,
    ("settings", "former"): 3,
    ("bridges", "address6"): 3,
    ("bridges", "range6"): 3,
    ("bridges", "masquerade6"): 3,
    ("bridges", "binding_ip6"): 3,
    ("interfaces", "ip6"): 3,
    ("cursors", "last_ip6"): 3,
    ("cursors", "highest6"): 3,
    ("leases6", None): 3,
    ("released6", None): 3,
    ("settings", "site6"): 3,
    ("settings", "counts"): 3,
    ("bridges", "origin"): 3,
    ("interfaces", "origin"): 3,
    ("interfaces", "hosts_file"): 3,
    ("interfaces", "rate_in"): 3,
    ("interfaces", "rate_out"): 3,
    ("reservations", "host_ip6"): 3,
    ("links", "parent_ip6"): 3,
    ("links", "child_ip6"): 3,
    ("overlays", None): 3,
    ("peers", None): 3,
    ("mappings", "sources"): 3,
}

FIRST = 1
CURSORS = ("last_ip", "highest", "last_ip6", "highest6")
SCHEMA = max(SINCE.values(), default=FIRST)
FIELDS = {
    "settings": frozenset({"firewall", "former", "site6", "counts"}),
    "bridges": frozenset(Bridge._fields[1:]),
    "cursors": frozenset((*names.PROTOCOLS, *CURSORS)),
    "interfaces": frozenset(Interface._fields[1:]),
    "reservations": frozenset(Reservation._fields[1:]),
    "mappings": frozenset(Mapping._fields[1:]),
    "links": frozenset(Link._fields[2:]),
    # As dnet.model.pool has them, which is loaded only where there are any.
    "overlays": frozenset(
        {*("name", "registry", "token", "underlay", "pool", "block", "transport", "vni", "port")}
        | {*("revision", "expelled", "ca", "cert", "key", "user", "digest")}
    ),
    "peers": frozenset({"block", "underlay", "revision", "state"}),
}
_HEAD = {"checksum", "schema", "serial", "boot_id", "netns", "variant"}
_HEAD |= {*FIELDS, "leases", "released"}


def stamp(document: dict[str, Any]) -> dict[str, Any]:
    """A document without parts that are new and not used, under the number it needs."""
    kept = {part: value for part, value in document.items() if value or (part, None) not in SINCE}
    return kept | {"schema": _needed(kept)}


def _needed(document: dict[str, Any]) -> int:
    """The number that covers a document; no table is looked through that cannot make it higher."""
    needed = max((SINCE.get((part, None), FIRST) for part in document), default=FIRST)
    for table in FIELDS:
        new = {field: number for (of, field), number in SINCE.items() if of == table and field}
        if max(new.values(), default=FIRST) > needed:
            used = _used(table, document.get(table, {}))
            needed = max([needed, *(number for field, number in new.items() if field in used)])
    return needed


def unknown(document: dict[str, Any]) -> str | None:
    """The first part of a document that is not known here, None where all is.

    The rows of a table are looked at all at once, and one by one only to name one.
    """
    parts = _HEAD.union(part for part, field in SINCE if field is None)
    for part in document:
        if part not in parts:
            return names.quoted(part)
    for table, known in FIELDS.items():
        rows = document.get(table, {})
        if not known.issuperset(_used(table, rows)):
            return next(
                f"{names.quoted(field)} of {place}"
                for place, row in _rows(table, rows)
                for field in row
                if field not in known
            )
    return None


def _used(table: str, rows: dict[str, Any]) -> set[str]:
    """The fields that any row has; the settings are a row of their own."""
    return set(rows) if table == "settings" else set().union(*rows.values())


def _rows(table: str, rows: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if table == "settings":
        yield table, rows
    else:
        yield from ((f"{table} {key}", row) for key, row in rows.items())
