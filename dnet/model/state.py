"""Everything dnet keeps, as one value: what should be.

The pure parts read it and change it through its tables. What has changed since it was loaded
is on record, so that the driver can plan from the difference, and a part of a batch that was
refused can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from dnet.model import fields
from dnet.model.entities import (
    GONE,
    IPTABLES,
    Bridge,
    Interface,
    Link,
    Mapping,
    Origin,
    Reservation,
)
from dnet.model.table import ABSENT, Index, Raw, Table
from dnet.typing import TYPE_CHECKING, Any, TypeVar
from dnet.values import address, family
from dnet.values.endpoint import Endpoint
from dnet.values.family import V4, V6, Family

if TYPE_CHECKING:
    from dnet.model.pool import Overlay, Peer

_EMPTY: dict[str, Any] = {
    "serial": 0,
    "boot_id": None,
    "netns": None,
    "variant": None,
    "generation": None,
}
_TABLES = ("settings", "bridges", "cursors", "interfaces", "reservations", "mappings", "links")
_TABLES_OF_HOSTS = ("overlays", "peers")
TABLES_OF_BRIDGES = ("leases", "released", "leases6", "released6")

T = TypeVar("T")
K = TypeVar("K", Bridge, Interface, Reservation, Mapping, Link)
Change = tuple[Table[Any], str, Any, Any]


class State:
    """The store's document with a table for each kind of thing in it.

    Attributes:
        text: what it was read from, if dnet wrote that; else nothing.
        serial: counts commits.
        boot_id, netns: the boot and the network namespace (its cookie) the kernel side is in.
        variant: the iptables variant in use, "nft" or "legacy".
        generation: the number of the ruleset ahead of the last change of the rules, where the
            firewall has one and they were changed.
        confirmed: whether something was asked for that is there already.
        confirmed_bridges: the names of bridges among it.
        replug: the ids of attachments that were asked for again.
    """

    def __init__(self, document: dict[str, Any] | None = None, text: bytes = b"") -> None:
        document = document or {}
        self.text = text
        head = {key: document.get(key, default) for key, default in _EMPTY.items()}
        self.serial: int = head["serial"]
        self.boot_id: str | None = head["boot_id"]
        self.netns: int | None = head["netns"]
        self.variant: str | None = head["variant"]
        self.generation: int | None = head["generation"]
        self._rows: dict[str, Raw] = {
            name: document.get(name, {}) for name in (*_TABLES, *_TABLES_OF_HOSTS)
        }
        self._rows_of_bridges: dict[str, dict[str, Raw]] = {
            name: document.get(name, {}) for name in TABLES_OF_BRIDGES
        }
        self._tables: dict[tuple[str, str | None], Table[Any]] = {}
        self._log: list[tuple[Table[Any], str, Any]] = []
        self._known_changes: tuple[int, list[Change]] | None = None
        self.bridges = self._table("bridges", Bridge)
        self.interfaces = self._table("interfaces", Interface)
        self.reservations = self._table("reservations", Reservation)
        self.mappings = self._table("mappings", Mapping)
        self.links = self._table("links", Link)
        self.settings: Table[str] = Table("settings", self._rows["settings"], self._log)
        self.cursors: Table[Raw] = Table("cursors", self._rows["cursors"], self._log)
        self.confirmed = False
        self.confirmed_bridges: set[str] = set()
        self.replug: set[str] = set()
        self._remarks: list[tuple[int, str]] = []

    def _table(self, name: str, kind: type[K]) -> Table[K]:
        rows = self._rows[name]
        made = Table(name, rows, self._log, kind.from_row, kind.row)
        self._tables[name, None] = made
        return made

    @cached_property
    def overlays(self) -> Table[Overlay]:
        """The bridges that are part of a pool of several hosts, which is one at most."""
        from dnet.model.pool import Overlay  # Loaded where there is one.

        return Table("overlays", self._rows["overlays"], self._log, Overlay.from_row, Overlay.row)

    @cached_property
    def peers(self) -> Table[Peer]:
        """The other hosts of that pool."""
        from dnet.model.pool import Peer

        return Table("peers", self._rows["peers"], self._log, Peer.from_row, Peer.row)

    @property
    def overlay(self) -> Overlay | None:
        """The one overlay, if there is one."""
        return next(self.overlays.values(), None) if self._rows["overlays"] else None

    def document(self) -> dict[str, Any]:
        """The JSON document of the whole: shares its rows with the state.

        What older versions do not know is in it only where it is used; see dnet.model.fields.
        """
        of_bridges = {
            name: {bridge: rows for bridge, rows in tables.items() if rows}
            for name, tables in self._rows_of_bridges.items()
        }
        whole = {
            "schema": fields.FIRST,
            "serial": self.serial,
            "boot_id": self.boot_id,
            "netns": self.netns,
            "variant": self.variant,
            "generation": self.generation,
            **self._rows,
            **of_bridges,
        }
        return fields.stamp(whole)

    def cursor(self, bridge: str) -> Raw:
        """Where the allocators of a bridge go on: see there. Not to be changed in place."""
        return self.cursors.get(bridge) or {}

    def leases(self, bridge: str, of: Family = V4) -> Table[str | None]:
        """The taken addresses of a bridge, each with its owner's name or None."""
        return self._of_bridge("leases6" if of is V6 else "leases", bridge)

    def leases_with(self, bridge: str, ip: str) -> Table[str | None]:
        """Those of the family of an address."""
        return self.leases(bridge, family.of(ip))

    def released(self, bridge: str, of: Family = V4) -> Table[None]:
        """The addresses that the reuse policy hands out again before any other."""
        return self._of_bridge("released6" if of is V6 else "released", bridge)

    def _of_bridge(self, name: str, bridge: str) -> Table[Any]:
        key = name, bridge
        if key not in self._tables:
            rows = self._rows_of_bridges[name].setdefault(bridge, {})
            self._tables[key] = Table(name, rows, self._log)
        return self._tables[key]

    def appended(self, table: str, bridge: str | None = None) -> Raw | None:
        """The rows of a table, or of a bridge's, behind those that were there at first.

        None where any of these went or was changed, and for tables that are small.
        """
        found = self._tables.get((table, bridge))
        if found is None:
            return None if bridge is None else {}
        return found.appended()

    @property
    def firewall(self) -> str:
        """Which firewall has the rules of its bridges: one of FIREWALLS."""
        return self.settings.get("firewall") or IPTABLES

    def use_firewall(self, name: str) -> None:
        """Let another firewall have them."""
        if name != IPTABLES:
            self.settings.put("firewall", name)
        elif "firewall" in self.settings:
            self.settings.drop("firewall")

    @property
    def former_firewall(self) -> str | None:
        """Which one had them before, if they were moved over."""
        return self.settings.get("former")

    @property
    def counts(self) -> bool:
        """Whether what passes through mappings is counted, by the firewall that was asked to."""
        return self.settings.get("counts") == self.firewall

    @property
    def site6(self) -> str | None:
        """The unique local /48 that its bridges have their subnets of; None until one has any."""
        return self.settings.get("site6")

    # What was changed

    def mark(self) -> int:
        """A point to go back to."""
        return len(self._log)

    def undo(self, mark: int) -> None:
        """Take back everything since `mark`; what was confirmed is looked at all the same."""
        self._known_changes = None
        self._remarks = [one for one in self._remarks if one[0] <= mark]
        while len(self._log) > mark:
            table, key, old = self._log.pop()
            table.write(key, old)

    def written(self, since: int, until: int) -> Iterator[tuple[str, str]]:
        """(table's name, key) of each write between two marks."""
        return ((table.name, key) for table, key, _ in self._log[since:until])

    def changes(self) -> list[Change]:
        """(table, key, old row, new row) of all that differs from what was loaded."""
        if self._known_changes is None or self._known_changes[0] != len(self._log):
            self._known_changes = len(self._log), self._compare()
        return self._known_changes[1]

    def _compare(self) -> list[Change]:
        first: dict[tuple[int, str], tuple[Table[Any], str, Any]] = {}
        for table, key, old in self._log:
            first.setdefault((id(table), key), (table, key, old))
        found = (
            (table, key, old, table.rows.get(key, ABSENT)) for table, key, old in first.values()
        )
        return [change for change in found if change[2] != change[3]]

    def loaded(self, table: Table[T], key: str) -> T | None:
        """What a table had under a key when the state was loaded, if it was changed since."""
        for changed, changed_key, old, _ in self.changes():
            if changed is table and changed_key == key and old is not ABSENT:
                return table.decode(key, old)
        return None

    def remark(self, line: str) -> None:
        """Note what is to be said about what was changed just now; it is undone along with it."""
        self._remarks.append((len(self._log), line))

    @property
    def remarks(self) -> list[str]:
        """What is to be said about what was changed."""
        return [line for _, line in self._remarks]

    def confirm(self, *, bridge: str | None = None) -> None:
        """Note that something was asked for which is there already, such as a bridge.

        The rules are then looked at and repaired, and the device of a bridge.
        """
        self.confirmed = True
        if bridge is not None:
            self.confirmed_bridges.add(bridge)

    def forget_boot(self) -> None:
        """Let no namespace of an earlier boot be taken for one of this: cookies start again.

        One without a cookie is known by its name alone, which a process's never outlives.
        """
        for key, row in self.interfaces.rows.items():
            if "cookie" in row or (row.get("netns") or "").startswith("/proc/"):
                self.interfaces.write(key, row | {"cookie": GONE})

    # Who has what

    @property
    def serves_ipv6(self) -> bool:
        """Whether any bridge has IPv6."""
        return any(row.get("address6") for row in self.bridges.rows.values())

    @property
    def keeps_hosts_files(self) -> bool:
        """Whether any interface has a hosts file."""
        return any("hosts_file" in row for row in self.interfaces.rows.values())

    @property
    def uses_firewall(self) -> bool:
        """Whether any bridge has rules."""
        return any(bridge.iptables for bridge in self.bridges.values())

    def bridge_of(self, ip: str) -> Bridge | None:
        """The bridge whose subnet an address lies in."""
        field = "address6" if family.of(ip) is V6 else "address"
        for name, row in self.bridges.rows.items():
            if row.get(field) and address.contains(row[field], ip):
                return self.bridges[name]
        return None

    def holder(self, ip: str) -> Interface | None:
        """The interface that has an address."""
        found = self.interfaces_by_ip.keys(ip)
        return self.interfaces[found[0]] if found else None

    @property
    def interfaces_by_ip(self) -> Index:
        """Interface ids by address."""
        return self.interfaces.index("ip", lambda _, row: filter(None, (row["ip"], row.get("ip6"))))

    @property
    def interfaces_by_place(self) -> Index:
        """Interface ids by network namespace and device name."""
        return self.interfaces.index(
            "place", lambda _, row: ((row["netns"], row["ifname"]),) if row.get("netns") else ()
        )

    @property
    def interfaces_by_netns(self) -> Index:
        """Interface ids by network namespace."""
        return self.interfaces.index(
            "netns", lambda _, row: (row["netns"],) if row.get("netns") else ()
        )

    @property
    def interfaces_by_mac(self) -> Index:
        """Interface ids by bridge and the hardware address that they were given."""
        return self.interfaces.index(
            "mac", lambda _, row: ((row["bridge"], row["mac"]),) if row.get("mac") else ()
        )

    @property
    def interfaces_by_origin(self) -> Index:
        """Interface ids by the beginnings of their origins' keys, of one part up to all four."""
        return self.interfaces.index("origin", lambda _, row: _beginnings(row.get("origin")))

    @property
    def mappings_by_target(self) -> Index:
        """Mapping keys by container address."""
        return self.mappings.index("target", lambda _, row: (row["container_ip"],))

    @property
    def mappings_by_bridge(self) -> Index:
        """Mapping keys by bridge."""
        return self.mappings.index("bridge", lambda _, row: (row["bridge"],))

    @property
    def mappings_by_sources(self) -> Index:
        """Mapping keys by who may use them, for those that not everybody may."""
        return self.mappings.derive("sources", _by_sources)

    @property
    def links_by_member(self) -> Index:
        """Link keys by the id of either end."""
        return self.links.index("member", lambda key, _: key.split(":"))

    @property
    def reservations_by_owner(self) -> Index:
        """Reservation keys by owner."""
        return self.reservations.index("owner", lambda _, row: (row.get("owner"),))

    def link_endpoints(self) -> Iterator[tuple[Endpoint, Link]]:
        """The host ports that links from the host occupy."""
        for key in self.links_by_member.keys("host"):
            link = self.links[key]
            for endpoint in link.endpoints:
                yield endpoint, link


def _by_sources(rows: Raw) -> Index:
    """Of the many that everybody may use none is asked for its group."""
    restricted = {key: row for key, row in rows.items() if "sources" in row}
    return Index(_sources_of, restricted)


def _sources_of(_key: str, row: Raw) -> tuple[tuple[str, ...], ...]:
    return (tuple(row["sources"]),) if "sources" in row else ()


def _beginnings(origin: Raw | None) -> Iterator[tuple[str, ...]]:
    if origin is not None:
        key = Origin(**origin).key
        yield from (key[:length] for length in range(1, len(key) + 1))
