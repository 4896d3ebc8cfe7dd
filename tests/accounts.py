"""Whether the kernel has exactly what a store stands for, said without a word of dnet's own.

`dnet check` would say so too, by the rules that dnet makes. Here they are taken apart instead: an
address, a port, a device or a chain that no entry of the store answers for is a leak.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests import nft_accounts
from tests.families import FAMILIES, V6, Family
from tests.lab import BRIDGE_NF, BRIDGE_NF6, NFTABLES
from tests.site import Site

_OWN_CHAINS = {
    "DNET-INPUT",
    "DNET-FORWARD",
    "DNET-USER",
    "DNET-LINK",
    "DNET-POSTROUTING",
    "DNET-PREROUTING",
}
_PORT = re.compile(r"-p (\w+) .*--dport ([\d:]+)")
_COMMAND = """
iptables-save; echo ===; ip6tables-save; echo ===; ip -j -d link; echo ===; ip -j address
echo ===; ip -j -6 route show table local; echo ===; ip -j -6 neigh show proxy
"""
_TABLE = "nft -j list table inet dnet 2>/dev/null || true"


def balances(site: Site) -> None:
    """Asserts that nothing is unaccounted for, on either side."""
    store = site.document() or {
        name: {} for name in ("bridges", "interfaces", "mappings", "links", "leases")
    }
    *saved, links, addresses, routes, answered = site.host.run(_COMMAND).split("===\n")
    isolated = _isolated(site, store)
    _same("devices", _devices(site, json.loads(links)), _expected_devices(store, isolated))
    _same("addresses", _addresses(json.loads(addresses)), _expected_addresses(store))
    by_nftables = site.host.variant == NFTABLES
    if by_nftables:
        _nftables(nft_accounts.listed(site.host.run("sh", "-c", _TABLE)), store)
    for of, text in zip(FAMILIES, saved, strict=True):
        _iptables(of, text, store, has_rules=not by_nftables)
    for of in FAMILIES:
        _leases(of, store)
    _loopbacks(site, json.loads(routes), store)
    proxied = {(one["dev"], one["dst"]) for one in json.loads(answered)}
    _same("proxied", proxied, _expected_proxied(store, isolated))


def _iptables(of: Family, saved: str, store: Any, *, has_rules: bool) -> None:
    """The rules of a family, of which there are none where nftables has them."""
    ruled = store if has_rules else {"bridges": {}, "mappings": {}, "links": {}}
    _same("translations", _translations(of, saved), _expected_translations(of, ruled))
    _same("links", _passes(of, saved), _expected_passes(of, ruled))
    _same("who is kept out", _drops(saved), _expected_drops(of, ruled))
    chains = set(re.findall(r"^:(\S+) -", saved, flags=re.M)) - {"FOREIGN"} - _OWN_CHAINS
    _same("chains", chains, {_chain(ruled, name) for name in of.homes(ruled)})
    subjects = set(re.findall(r"(?:-i|-o) (dnet\d)", saved))
    # One that has the family is kept apart from those that have not, too.
    assert subjects <= (store["bridges"].keys() if of.homes(store) else set()), subjects


def _nftables(found: dict[str, list[Any]], store: Any) -> None:
    """The elements of the table, which is there as long as there is a bridge."""
    assert bool(found) == bool(store["bridges"])
    for of in FAMILIES:
        wanted = [
            one
            for key, row in of.mappings(store)
            for one in nft_accounts.expected(_endpoint(key), row)
        ]
        for link in of.links(store):
            for port, proto in link.ports:
                if link.is_host_s:
                    wanted.append((of.loopback, proto, port, f"{link.child}:{port}"))
        _same("translations", nft_accounts.translations(found, of), wanted)
        kept = {_endpoint(key): row for key, row in of.mappings(store) if "sources" in row}
        restricted = list(nft_accounts.restricted(found, of))
        _same("who is kept out", (one[:3] for one in restricted), map(nft_accounts.place, kept))
        lists = {tuple(row["sources"]) for row in kept.values()}
        assert len({one[3] for one in restricted}) == len(lists)
        _same("links", nft_accounts.passes(found, of), _expected_passes(of, store))
        parents = {(one.bridge, one.parent) for one in of.links(store) if not one.is_host_s}
        _same("parents", nft_accounts.parents(found, of), parents)
        home = found.get(f"home{of.version}", ())
        assert len(home) == len(of.homes(store)), home
    for name in ("bridges", "within"):
        assert len(found.get(name, ())) == len(store["bridges"]), (name, found[name])


def _same(what: str, found: Iterable[Any], wanted: Iterable[Any]) -> None:
    has, should = Counter(found), Counter(wanted)
    assert has == should, f"{what}: leaked {list(has - should)}, lost {list(should - has)}"


def _devices(site: Site, devices: list[Any]) -> Iterator[str]:
    """Bridges, the ports on them, and what is inside of the namespaces."""
    for one in devices:
        kind = one.get("linkinfo", {}).get("info_kind")
        if kind == "bridge":
            yield f"bridge {one['ifname']}"
        elif kind == "veth":
            is_isolated = one["linkinfo"].get("info_slave_data", {}).get("isolated")
            yield f"{'isolated ' if is_isolated else ''}port of {one.get('master')}"
    for node in (site.one, site.two):
        for one in json.loads(node.run("ip -j address")):
            if one["ifname"] != "lo":
                ips = sorted(each["local"] for each in _global(one))
                yield f"{one['ifname']} in {node.netns} {' '.join(ips)}"


def _addresses(devices: list[Any]) -> Iterator[tuple[str, str]]:
    """(device, address) of bridges."""
    for one in devices:
        if re.fullmatch(r"dnet\d", one["ifname"]):
            for each in _global(one):
                yield one["ifname"], f"{each['local']}/{each['prefixlen']}"


def _global(device: Any) -> list[Any]:
    return [one for one in device["addr_info"] if one["scope"] == "global"]


def _expected_addresses(store: Any) -> Iterator[tuple[str, str]]:
    for name, one in store["bridges"].items():
        for field in ("address", "address6"):
            if one.get(field):
                yield name, one[field]


def _loopbacks(site: Site, routes: list[Any], store: Any) -> None:
    """::1 is the host's behind bridges with IPv6, but where bridged packets meet ip6tables."""
    found = {one["dev"] for one in routes if one["dst"] == "::1"} - {"lo"}
    is_met = Path("/proc/sys", BRIDGE_NF6).exists() and site.host.sysctl(BRIDGE_NF6) == "1"
    if not (is_met and found <= V6.homes(store)):
        _same("routes of ::1", found, V6.homes(store))


def _expected_proxied(store: Any, isolated: set[str]) -> set[tuple[str, str]]:
    """Whom the host answers for: linked siblings between whom no frame goes."""
    return {
        (link.bridge, ip)
        for link in V6.links(store)
        if link.bridge == link.home and link.home in isolated
        for ip in (link.parent, link.child)
    }


def _isolated(site: Site, store: Any) -> set[str]:
    """The bridges whose ports are to exchange no frame."""
    if store.get("settings", {}).get("firewall") != "nftables":
        return set()
    if Path("/proc/sys", BRIDGE_NF).exists() and site.host.sysctl(BRIDGE_NF) == "1":
        return set()
    bridges = store["bridges"].items()
    return {name for name, one in bridges if not one.get("icc", True) and one.get("iptables", True)}


def _expected_devices(store: Any, isolated: set[str]) -> Iterator[str]:
    for name in store["bridges"]:
        yield f"bridge {name}"
    for one in store["interfaces"].values():
        if one.get("netns"):
            yield f"{'isolated ' if one['bridge'] in isolated else ''}port of {one['bridge']}"
            ips = sorted(filter(None, (one["ip"], one.get("ip6"))))
            yield f"{one['ifname']} in {one['netns']} {' '.join(ips)}"


def _translations(of: Family, saved: str) -> Iterator[tuple[str, ...]]:
    """(chain, sender, address, protocol, ports, target) of every rule that translates."""
    for line in saved.splitlines():
        if "--to-destination" in line:
            proto, ports = _PORT.findall(line)[0]
            address = re.findall(rf"-d (\S+)/{of.bits}", line)
            chain, target = line.split()[1], line.split()[-1]
            sender = "".join(re.findall(r"(?:-s|--src-type) (\S+)", line))
            yield chain, sender, address[0] if address else of.any, proto, ports, target


def _expected_translations(of: Family, store: Any) -> Iterator[tuple[str, ...]]:
    for key, one in of.mappings(store):
        address, first, last, proto = _endpoint(key)
        chain, port = _chain(store, one["bridge"]), one["container_port"]
        ports, target = f"{first}", of.target(one["container_ip"], port)
        if last != first:
            ports, target = f"{first}:{last}", f"{target}-{port + last - first}/{first}"
        for sender in ("LOCAL", *one["sources"]) if "sources" in one else ("",):
            yield chain, sender, address, proto, ports, target
    for link in of.links(store):
        for port, proto in link.ports:
            if link.is_host_s:
                chain = _chain(store, link.home)
                yield chain, "", of.loopback, proto, port, of.target(link.child, port)


def _drops(saved: str) -> Iterator[tuple[str, ...]]:
    """(protocol, ports) of every rule that keeps from the host what is not translated."""
    for line in saved.splitlines():
        if line.startswith("-A DNET-INPUT"):
            yield _PORT.findall(line)[0]


def _expected_drops(of: Family, store: Any) -> Iterator[tuple[str, ...]]:
    for key, one in of.mappings(store):
        _, first, last, proto = _endpoint(key)
        if "sources" in one:
            yield proto, f"{first}" if first == last else f"{first}:{last}"


def _chain(store: Any, bridge: str) -> str:
    return str(store["bridges"][bridge].get("chain", "DNET"))


def _endpoint(key: str) -> tuple[str, int, int, str]:
    found = re.fullmatch(r"\[?([\da-f.:]+?)\]?:(\d+)(?:-(\d+))?/(\w+)", key)
    assert found, key
    address, first, last, proto = found.groups()
    return address, int(first), int(last or first), proto


def _passes(of: Family, saved: str) -> Iterator[tuple[str, ...]]:
    """(source, destination, protocol, port) of every rule that lets a link through."""
    for line in saved.splitlines():
        if line.startswith("-A DNET-LINK"):
            source, destination = re.findall(rf"-[sd] (\S+)/{of.bits}", line)
            yield source, destination, *_PORT.findall(line)[0]


def _expected_passes(of: Family, store: Any) -> Iterator[tuple[str, ...]]:
    for link in of.links(store):
        for port, proto in link.ports:
            if not link.is_host_s:
                yield link.parent, link.child, proto, port


def _leases(of: Family, store: Any) -> None:
    """Every address of an interface is its own, and no address is anybody's who is gone."""
    leases = store.get(of.leases, {})
    held = {ip: owner for rows in leases.values() for ip, owner in rows.items()}
    having = {name: one for name, one in store["interfaces"].items() if one.get(of.ip)}
    interfaces = {one[of.ip]: name for name, one in having.items()}
    assert len(interfaces) == len(having)
    assert of is V6 or len(having) == len(store["interfaces"])
    assert interfaces.items() <= held.items()
    assert {ip for ip, owner in held.items() if owner is not None} == interfaces.keys()
    assert {one["container_ip"] for _, one in of.mappings(store)} <= held.keys()
    assert leases.keys() <= of.homes(store)
