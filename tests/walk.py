"""Commands as they come on a busy machine: any of those that change something, in any order."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

_IDS = [f"i{number}" for number in range(8)]
_BRIDGES = {
    "dnet0": "--address 172.17.42.1/16 --no-icc --address6 fd00:6::1/64",
    "dnet1": "--address 10.1.0.1/24 --chain SECOND",
    "dnet2": "--address 10.2.0.1/24 --chain THIRD --no-masquerade --address6 fd00:7::1/120",
}
_OPTIONS = (
    *("--icc", "--no-icc", "--masquerade", "--no-masquerade", "--mtu 1400", "--no-isolate"),
    *("--ipv6", "--no-ipv6", "--masquerade6", "--no-masquerade6"),
)


class Walk:
    """Chooses each next command line so that it can succeed, by what stands in the store."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def line(self, store: Any) -> str:
        """A command line. ONE and TWO stand for network namespaces."""
        if not store or not store["bridges"]:
            return self._init(store or {"bridges": {}})
        found = ""
        while not found:
            found = self._chance.choice(_KINDS)(self, store)
        return found

    def _one(self, things: Any) -> Any:
        """One of the things, "" where there are none."""
        there = sorted(things)
        return self._chance.choice(there) if there else ""

    def _port(self) -> int:
        return self._chance.randint(8000, 8999)

    def _init(self, store: Any) -> str:
        name = self._one(_BRIDGES)
        options = _BRIDGES[name]
        if name in store["bridges"]:
            options = self._chance.choice(_OPTIONS)
        return f"bridge init {name} {options}"

    def _remove(self, store: Any) -> str:
        if len(store["bridges"]) < 3 and self._chance.random() < 0.8:
            return ""
        return f"bridge remove {self._one(store['bridges'])} --force"

    def _allocate(self, store: Any) -> str:
        one = self._one(set(_IDS) - store["interfaces"].keys())
        home = self._one(store["bridges"])
        return one and f"interface allocate {one} --bridge {home} --expose {self._port()}"

    def _attach(self, store: Any) -> str:
        one = self._one(set(_IDS) - store["interfaces"].keys())
        home, place = self._one(store["bridges"]), self._one(("ONE", "TWO"))
        if not one or sum(bool(has.get("netns")) for has in store["interfaces"].values()) > 3:
            return ""
        device = f"eth{self._chance.randint(0, 9)}"
        return (
            f"attach {one} --netns {place} --ifname {device} --bridge {home} "
            f"--expose 5432 -p {self._port()}:80 -p 53/udp"
        )

    def _release(self, store: Any) -> str:
        one = self._one(store["interfaces"])
        return one and f"{self._one(('detach', 'interface release'))} {one}"

    def _map(self, store: Any) -> str:
        one, port = self._one(store["interfaces"]), self._port()
        spec = self._one(
            (
                *(f"{port}:80", f"127.0.0.1:{port}:81/udp", "90"),
                *(f"{port}-{port + 5}:7000-7005", f"{port}-{port + 5}:{port}-{port + 5}/udp"),
                *(f"[::]:{port}:82", f"[::1]:{port}:83/udp"),
            )
        )
        some = self._one(("", "", "--from 10.0.0.0/8", "--from 10.0.0.0/8 --from 192.0.2.7"))
        return one and f"map add {one} {spec} {some}".rstrip()

    def _unmap(self, store: Any) -> str:
        key = self._one(store["mappings"])
        return key and f"map remove {key}"

    def _link(self, store: Any) -> str:
        child = self._one(store["interfaces"])
        parent = self._one({"host", *store["interfaces"]} - {child})
        if not child or f"{parent}:{child}" in store["links"]:
            return ""
        return f"link add {parent} {child} -p {self._port()} -p {self._port()}/udp"

    def _unlink(self, store: Any) -> str:
        key = self._one(store["links"])
        return key and f"link remove {key}"

    def _request(self, store: Any) -> str:
        of = self._one(("", " --ipv6"))
        return f"ip request --bridge {self._one(store['bridges'])} --count 2{of}"

    def _give_back(self, store: Any) -> str:
        held = {one.get(field) for one in store["interfaces"].values() for field in ("ip", "ip6")}
        held |= {one["container_ip"] for one in store["mappings"].values()}
        leases = (*store["leases"].values(), *store.get("leases6", {}).values())
        ip = self._one({ip for rows in leases for ip in rows} - held)
        return ip and f"ip release {ip}"

    def _reserve(self, store: Any) -> str:
        owner = self._one(_IDS)
        return f"port allocate --bridge {self._one(store['bridges'])} --owner {owner}"

    def _unreserve(self, store: Any) -> str:
        key = self._one(store["reservations"])
        return key and f"port release {key}"


_KINDS: tuple[Callable[[Walk, Any], str], ...] = (
    *(Walk._init, Walk._remove, Walk._attach, Walk._attach, Walk._allocate, Walk._release),
    *(Walk._map, Walk._map, Walk._unmap, Walk._link, Walk._link, Walk._unlink),
    *(Walk._request, Walk._give_back, Walk._reserve, Walk._unreserve),
)
