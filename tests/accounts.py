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
from tests.lab import NFTABLES
from tests.site import Site

_OWN_CHAINS = {"DNET-FORWARD", "DNET-USER", "DNET-LINK", "DNET-POSTROUTING", "DNET-PREROUTING"}
_PORT = re.compile(r"-p (\w+) .*--dport ([\d:]+)")
_COMMAND = "iptables-save; echo ===; ip -j -d link"
_TABLE = "nft -j list table inet dnet 2>/dev/null || true"


def balances(site: Site) -> None:
    """Asserts that nothing is unaccounted for, on either side."""
    store = site.document() or {
        name: {} for name in ("bridges", "interfaces", "mappings", "links", "leases")
    }
    saved, _, links = site.host.run(_COMMAND).partition("===\n")
    devices = json.loads(links)
    _same("devices", _devices(site, devices), _expected_devices(store, _isolated(site, store)))
    by_nftables = site.host.variant == NFTABLES
    if by_nftables:
        _nftables(nft_accounts.listed(site.host.run("sh", "-c", _TABLE)), store)
    else:
        _same("translations", _translations(saved), _expected_translations(store))
        _same("links", _passes(saved), _expected_passes(store))
    chains = set(re.findall(r"^:(\S+) -", saved, flags=re.M)) - {"FOREIGN"} - _OWN_CHAINS
    names = () if by_nftables else store["bridges"]
    _same("chains", chains, {_chain(store, name) for name in names})
    subjects = set(re.findall(r"(?:-i|-o) (dnet\d)", saved))
    assert subjects <= store["bridges"].keys(), subjects
    _leases(store)


def _nftables(found: dict[str, list[Any]], store: Any) -> None:
    """The elements of the table, which is there as long as there is a bridge."""
    assert bool(found) == bool(store["bridges"])
    wanted = [
        one
        for key, row in store["mappings"].items()
        for one in nft_accounts.expected(_endpoint(key), row)
    ]
    links = store["links"].items()
    for key, one in links:
        for port, proto in (text.split("/") for text in one["ports"]):
            if key.startswith("host:"):
                wanted.append(("127.0.0.1", proto, port, f"{one['child_ip']}:{port}"))
    _same("translations", nft_accounts.translations(found), wanted)
    _same("links", nft_accounts.passes(found), _expected_passes(store))
    parents = {(one["parent_bridge"], one["parent_ip"]) for key, one in links if key[:5] != "host:"}
    _same("parents", nft_accounts.parents(found), parents)
    for name in ("bridges", "within", "home4"):
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
        for one in json.loads(node.run("ip -j -4 address")):
            if one["ifname"] != "lo":
                yield f"{one['ifname']} in {node.netns} {one['addr_info'][0]['local']}"


def _isolated(site: Site, store: Any) -> set[str]:
    """The bridges whose ports are to exchange no frame."""
    if store.get("settings", {}).get("firewall") != "nftables":
        return set()
    key = "net/bridge/bridge-nf-call-iptables"
    if Path("/proc/sys", key).exists() and site.host.sysctl(key) == "1":
        return set()
    bridges = store["bridges"].items()
    return {name for name, one in bridges if not one.get("icc", True) and one.get("iptables", True)}


def _expected_devices(store: Any, isolated: set[str]) -> Iterator[str]:
    for name in store["bridges"]:
        yield f"bridge {name}"
    for one in store["interfaces"].values():
        if one.get("netns"):
            yield f"{'isolated ' if one['bridge'] in isolated else ''}port of {one['bridge']}"
            yield f"{one['ifname']} in {one['netns']} {one['ip']}"


def _translations(saved: str) -> Iterator[tuple[str, ...]]:
    """(chain, address, protocol, ports, target) of every rule that translates."""
    for line in saved.splitlines():
        if "--to-destination" in line:
            proto, ports = _PORT.findall(line)[0]
            address = re.findall(r"-d (\S+)/32", line)
            chain, target = line.split()[1], line.split()[-1]
            yield chain, address[0] if address else "0.0.0.0", proto, ports, target


def _expected_translations(store: Any) -> Iterator[tuple[str, ...]]:
    for key, one in store["mappings"].items():
        address, first, last, proto = _endpoint(key)
        chain, port = _chain(store, one["bridge"]), one["container_port"]
        ports, target = f"{first}", f"{one['container_ip']}:{port}"
        if last != first:
            ports, target = f"{first}:{last}", f"{target}-{port + last - first}/{first}"
        yield chain, address, proto, ports, target
    for key, one in store["links"].items():
        for port, proto in (text.split("/") for text in one["ports"]):
            if key.startswith("host:"):
                chain = _chain(store, one["child_bridge"])
                yield chain, "127.0.0.1", proto, port, f"{one['child_ip']}:{port}"


def _chain(store: Any, bridge: str) -> str:
    return str(store["bridges"][bridge].get("chain", "DNET"))


def _endpoint(key: str) -> tuple[str, int, int, str]:
    found = re.fullmatch(r"([\d.]+):(\d+)(?:-(\d+))?/(\w+)", key)
    assert found, key
    address, first, last, proto = found.groups()
    return address, int(first), int(last or first), proto


def _passes(saved: str) -> Iterator[tuple[str, ...]]:
    """(source, destination, protocol, port) of every rule that lets a link through."""
    for line in saved.splitlines():
        if line.startswith("-A DNET-LINK"):
            source, destination = re.findall(r"-[sd] (\S+)/32", line)
            yield source, destination, *_PORT.findall(line)[0]


def _expected_passes(store: Any) -> Iterator[tuple[str, ...]]:
    for key, one in store["links"].items():
        for port, proto in (text.split("/") for text in one["ports"]):
            if not key.startswith("host:"):
                yield one["parent_ip"], one["child_ip"], proto, port


def _leases(store: Any) -> None:
    """Every address of an interface is its own, and no address is anybody's who is gone."""
    held = {ip: owner for rows in store["leases"].values() for ip, owner in rows.items()}
    interfaces = {one["ip"]: name for name, one in store["interfaces"].items()}
    assert len(interfaces) == len(store["interfaces"])
    assert interfaces.items() <= held.items()
    assert {ip for ip, owner in held.items() if owner is not None} == interfaces.keys()
    assert {one["container_ip"] for one in store["mappings"].values()} <= held.keys()
    assert store["leases"].keys() <= store["bridges"].keys()
