"""The exact rules that dnet leaves, as `iptables -S` and `nft list` do, beside golden files.

One file serves both iptables variants. `UPDATE_GOLDEN=1` writes the files anew, for a change of
the layout; what it wrote is then to be read as carefully as code.
"""

from __future__ import annotations

import os

import pytest

from tests.host import Host
from tests.lab import NFTABLES, Lab
from tests.listings import (
    DB,
    FAR,
    GOLDEN,
    HOSTS,
    LISTINGS,
    MAPPED,
    OF_NFTABLES,
    ONLY_OF_NFTABLES,
    SECOND,
    WEB,
)

# A later command with these brings the listing back to that of the golden file.
DETOURS: dict[str, list[tuple[str, ...]]] = {
    "bridge-init-docker0": [WEB, MAPPED, ("interface", "release", "web")],
    "no-icc": [
        *(WEB, DB, ("link", "add", "web", "db"), ("link", "add", "host", "db")),
        *(("link", "remove", "web:db"), ("link", "remove", "host:db")),
    ],
    "two-bridges": [FAR, ("map", "add", "far", "81:80"), ("interface", "release", "far")],
    "mapping": [SECOND, ("bridge", "remove", "br1")],
    "link": [("bridge", "init", "docker0", "--icc"), ("bridge", "init", "docker0", "--no-icc")],
    "mappings": [
        ("map", "remove", "9000-9009"),
        ("map", "add", "db", "9000-9009:9000-9009"),
    ],
    "ipv6": [WEB, MAPPED, ("interface", "release", "web")],
    "ipv6-everything": [
        *(("link", "remove", "host:db"), ("map", "remove", "9100-9101")),
        *(("map", "add", "db", "9100-9101:9000-9001"), ("link", "add", "host", "db")),
        *(("link", "remove", "web:db"), ("link", "add", "web", "db")),
        ("bridge", "init", "docker0", "--icc", "--no-masquerade6"),
        ("bridge", "init", "docker0", "--no-icc", "--masquerade6"),
    ],
    "everything": [
        ("bridge", "init", "docker0", "--no-masquerade", "--icc"),
        ("bridge", "init", "docker0", "--masquerade", "--no-icc"),
    ],
}

REGISTERED = (
    *("one 192.0.2.1 172.17.0.0/16", "two 192.0.2.2 172.18.0.0/16"),
    "three 192.0.2.3 172.19.0.0/16",
)


def after(lab: Lab, commands: list[tuple[str, ...]]) -> Host:
    """A fresh machine on which the commands were given."""
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    if any(HOSTS in command for command in commands):
        lab.wire(host, lab.node(), "192.0.2.1/24")
    for command in commands:
        transport = "route" if "route" in command else "vxlan"
        registry = host.state_dir.parent / "hosts"
        registry.parent.mkdir(parents=True, exist_ok=True)
        registry.write_text("".join(f"{line} {transport}\n" for line in REGISTERED))
        host.ok(*(f"file://{registry}" if word == HOSTS else word for word in command))
    return host


def compare(name: str, listing: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(listing)
    assert listing.splitlines() == path.read_text().splitlines()
    assert listing == path.read_text()


@pytest.mark.parametrize("name", LISTINGS)
def test_the_listing_is_the_golden_one(both: Lab, name: str) -> None:
    compare(name, after(both, LISTINGS[name]).listing())


@pytest.mark.parametrize("name", OF_NFTABLES)
def test_the_listing_of_nftables_is_the_golden_one(nftables: Lab, name: str) -> None:
    commands = LISTINGS.get(name) or ONLY_OF_NFTABLES[name]
    compare(f"{NFTABLES}/{name}", after(nftables, commands).table())


@pytest.mark.parametrize("name", [name for name in OF_NFTABLES if name in DETOURS])
def test_a_detour_leads_back_to_that_of_nftables(nftables: Lab, name: str) -> None:
    host = after(nftables, [*LISTINGS[name], *DETOURS[name]])
    compare(f"{NFTABLES}/{name}", host.table())


@pytest.mark.parametrize("name", DETOURS)
def test_a_detour_leads_back_to_it(lab: Lab, name: str) -> None:
    compare(name, after(lab, [*LISTINGS[name], *DETOURS[name]]).listing())


def test_the_shared_chains_do_not_grow_with_the_mappings(lab: Lab) -> None:
    host = after(lab, LISTINGS["mapping"])
    shared = ("-A FORWARD", "-A INPUT", "-A PREROUTING", "-A OUTPUT", "-A POSTROUTING")

    def in_shared_chains() -> list[str]:
        lines = (line for table in ("filter", "nat", "raw") for line in host.rules(table))
        return [line for line in lines if line.startswith(shared)]

    before = in_shared_chains()
    host.ok("map", "add", "web", *(f"{port}:80" for port in range(10000, 10100)))
    assert in_shared_chains() == before


def test_no_golden_file_is_left_over() -> None:
    for folder, names in ((GOLDEN, LISTINGS), (GOLDEN / NFTABLES, OF_NFTABLES)):
        assert {path.stem for path in folder.glob("*.txt")} == set(names)
