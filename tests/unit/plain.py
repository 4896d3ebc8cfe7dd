"""What dnet should decide, said again in the plainest way: dictionaries, and looking everywhere.

Nothing here is fast, shared with dnet or clever, so that the two agree only if both are right.
A refusal is the error's code in the command contract.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

ANY = "0.0.0.0"
HOST = "host"


class RefusedError(Exception):
    """The plain model's answer to what dnet must refuse; its text is the code."""


class Atom(NamedTuple):
    """One port that somebody has."""

    kind: str
    ip: str
    port: int
    proto: str
    owner: str | None


@dataclass
class PlainBridge:
    """A bridge: its pool, and where both allocators stand."""

    cidr: str
    allocation: str
    ports: tuple[int, int]
    range: str | None = None
    last: str | None = None
    released: set[str] = field(default_factory=set)
    cursors: dict[str, int] = field(default_factory=dict)

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Interface(self.cidr).network

    @property
    def reserved(self) -> set[str]:
        net = self.network
        return {str(net[0]), str(net[1]), str(net[-1]), self.cidr.split("/")[0]}

    @property
    def pool(self) -> list[str]:
        return [str(ip) for ip in ipaddress.IPv4Network(self.range or self.network)]

    def order(self) -> list[str]:
        """The addresses that may be handed out, next one first."""
        pool = self.pool
        first = pool.index(self.last) + 1 if self.last in pool else 0
        circle = pool[first:] + pool[:first]
        again = [ip for ip in pool if ip in self.released]
        seen = dict.fromkeys([*again, *circle])
        return [ip for ip in seen if ip not in self.reserved]


class Plain:
    """The whole of a store, and every operation on it."""

    def __init__(self, busy: set[tuple[int, str]]) -> None:
        self.busy = busy
        self.bridges: dict[str, PlainBridge] = {}
        self.leases: dict[str, tuple[str, str | None]] = {}
        self.interfaces: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        self.reservations: dict[tuple[str, int, str], tuple[str, str | None]] = {}
        self.mappings: dict[tuple[str, int, int, str], tuple[str, int, str]] = {}
        self.links: dict[tuple[str, str], tuple[str, ...]] = {}

    # Bridges

    def init(self, name: str, given: dict[str, Any]) -> None:
        old = self.bridges.get(name)
        made = PlainBridge(**given) if old is None else replace(old, **given)
        if old is not None and old.cidr != made.cidr and self.held(name):
            raise RefusedError("conflict")
        inside = made.network
        if made.range is not None and not ipaddress.IPv4Network(made.range).subnet_of(inside):
            raise RefusedError("usage")
        if made.range == str(inside):
            made.range = None
        if any(n != name and one.network.overlaps(inside) for n, one in self.bridges.items()):
            raise RefusedError("conflict")
        if old is not None and (old.cidr, old.allocation) != (made.cidr, made.allocation):
            taken = [ip for ip, (at, _) in self.leases.items() if at == name]
            made.last = max(taken, key=ipaddress.IPv4Address, default=None)
            made.released = set()
        self.bridges[name] = made

    def held(self, name: str) -> bool:
        used = {at for at, _ in self.leases.values()} | {at for at, _ in self.reservations.values()}
        return name in used

    def remove(self, name: str, force: bool) -> None:
        self.named(name)
        if self.held(name) and not force:
            raise RefusedError("conflict")
        for one in [one for one, (at, _, _) in self.interfaces.items() if at == name]:
            self.release_interface(one)
        for ip in [ip for ip, (at, _) in self.leases.items() if at == name]:
            self.unmap(ip)
            del self.leases[ip]
        for key in [key for key, (at, _) in self.reservations.items() if at == name]:
            del self.reservations[key]
        del self.bridges[name]

    def named(self, name: str) -> PlainBridge:
        if name not in self.bridges:
            raise RefusedError("not-found")
        return self.bridges[name]

    def which(self, name: str | None) -> str:
        if name is None:
            name = next(iter(self.bridges)) if len(self.bridges) == 1 else "dnet0"
        self.named(name)
        return name

    def home_of(self, ip: str, name: str | None) -> str:
        """The bridge whose subnet has an address."""
        if name is not None:
            self.named(name)
        for other, bridge in self.bridges.items():
            if ipaddress.IPv4Address(ip) in bridge.network and name in (None, other):
                return other
        if name is None:
            self.which(None)
        raise RefusedError("usage")

    # Addresses and interfaces

    def take(self, name: str, ip: str, owner: str | None) -> str:
        bridge = self.bridges[name]
        if ip in self.leases or ip in bridge.reserved:
            raise RefusedError("address-in-use")
        self.leases[ip] = name, owner
        if bridge.allocation == "reuse":
            self.note(bridge, ip)
        return ip

    def take_next(self, name: str, owner: str | None, count: int = 1) -> list[str]:
        bridge = self.bridges[name]
        free = [ip for ip in bridge.order() if ip not in self.leases]
        if len(free) < count:
            raise RefusedError("exhausted")
        for ip in free[:count]:
            self.leases[ip] = name, owner
            if bridge.allocation == "reuse":
                self.note(bridge, ip)
            else:
                bridge.last = ip
        return free[:count]

    def note(self, bridge: PlainBridge, ip: str) -> None:
        bridge.released.discard(ip)
        bridge.last = str(max(ipaddress.IPv4Address(one) for one in (ip, bridge.last or ip)))

    def request(self, name: str | None, ip: str | None, owner: str | None, count: int) -> list[str]:
        if ip is not None:
            return [self.take(self.home_of(ip, name), ip, owner)]
        return self.take_next(self.which(name), owner, count)

    def release(self, ip: str) -> None:
        if ip not in self.leases:
            raise RefusedError("not-found")
        if self.interface_at(ip) or any(to == ip for to, _, _ in self.mappings.values()):
            raise RefusedError("conflict")
        self.give_back(ip)

    def give_back(self, ip: str) -> None:
        bridge = self.bridges[self.leases.pop(ip)[0]]
        if bridge.allocation == "reuse":
            bridge.released.add(ip)

    def interface_at(self, ip: str) -> str | None:
        return next((one for one, (_, at, _) in self.interfaces.items() if at == ip), None)

    def allocate(self, one: str, name: str | None, ip: str | None, expose: tuple[str, ...]) -> str:
        if one in self.interfaces:
            has = self.interfaces[one]
            if name not in (None, has[0]) or ip not in (None, has[1]) or expose not in ((), has[2]):
                raise RefusedError("conflict")
            return has[1]
        home = self.which(name) if ip is None else self.home_of(ip, name)
        got = self.take_next(home, one)[0] if ip is None else self.take(home, ip, one)
        self.interfaces[one] = home, got, expose
        return got

    def release_interface(self, one: str) -> None:
        if one not in self.interfaces:
            raise RefusedError("not-found")
        _, ip, _ = self.interfaces.pop(one)
        self.unmap(ip)
        for key in [key for key, (_, owner) in self.reservations.items() if owner == one]:
            del self.reservations[key]
        for pair in [pair for pair in self.links if one in pair]:
            del self.links[pair]
        self.give_back(ip)

    # Ports

    def atoms(self) -> list[Atom]:
        """Every single port that anybody has."""
        found = [
            Atom("reservation", ip, port, proto, owner)
            for (ip, port, proto), (_, owner) in self.reservations.items()
        ]
        for ip, first, last, proto in self.mappings:
            found += [Atom("mapping", ip, port, proto, None) for port in range(first, last + 1)]
        for (parent, _), ports in self.links.items():
            for text in ports if parent == HOST else ():
                port, proto = text.split("/")
                found.append(Atom("link", "127.0.0.1", int(port), proto, None))
        return found

    def in_the_way(self, ip: str, port: int, proto: str) -> list[Atom]:
        return [
            atom
            for atom in self.atoms()
            if (atom.port, atom.proto) == (port, proto) and (atom.ip == ip or ANY in (ip, atom.ip))
        ]

    def is_free(self, ip: str, port: int, proto: str, owner: str | None = None) -> bool:
        if (port, proto) in self.busy:
            return False
        return all(
            atom.kind == "reservation" and owner is not None and atom.owner == owner
            for atom in self.in_the_way(ip, port, proto)
        )

    def claim(self, ip: str, first: int, last: int, proto: str, owner: str | None) -> None:
        if not all(self.is_free(ip, port, proto, owner) for port in range(first, last + 1)):
            raise RefusedError("port-in-use")

    def choose(
        self,
        name: str,
        ip: str,
        proto: str,
        *,
        count: int,
        length: int,
        among: tuple[int, int] | None,
    ) -> list[int]:
        bridge = self.bridges[name]
        low, high = among or bridge.ports
        cursor = None if among else bridge.cursors.get(proto)
        start = low if cursor is None or not low <= cursor < high else cursor + 1
        taken: set[int] = set()
        found: list[int] = []
        for port in [*range(start, high + 1), *range(low, start)]:
            run = range(port, port + length)
            fits = run[-1] <= high and not taken & set(run)
            if fits and len(found) < count and all(self.is_free(ip, one, proto) for one in run):
                taken |= set(run)
                found.append(port)
        if len(found) < count:
            raise RefusedError("exhausted")
        if among is None:
            bridge.cursors[proto] = found[-1] + length - 1
        return found

    def allocate_ports(
        self,
        name: str | None,
        ip: str,
        proto: str,
        among: tuple[int, int] | None,
        owner: str | None,
        count: int,
    ) -> list[int]:
        home = self.which(name)
        if among is not None and among[0] == among[1]:
            if count > 1:
                raise RefusedError("usage")
            self.claim(ip, *among, proto, owner=None)
            found = [among[0]]
        else:
            found = self.choose(home, ip, proto, count=count, length=1, among=among)
        for port in found:
            self.reservations[ip, port, proto] = home, owner
        return found

    def release_port(self, ip: str | None, port: int, proto: str) -> None:
        at = self.match(ip, [one for one, *rest in self.reservations if rest == [port, proto]])
        if at is not None:
            del self.reservations[at, port, proto]
            return
        for atom in self.in_the_way(ip or ANY, port, proto):
            if atom.kind != "reservation" and (ip is None or atom.ip in (ANY, ip)):
                raise RefusedError("conflict")
        raise RefusedError("not-found")

    def match(self, ip: str | None, known: list[str]) -> str | None:
        """The address that an endpoint means whose port stands on those known."""
        if (ip or ANY) in known:
            return ip or ANY
        if ip is not None or not known:
            return None
        if len(known) > 1:
            raise RefusedError("usage")
        return known[0]

    # Mappings and links

    def target(self, target: str) -> tuple[str, str]:
        if target in self.interfaces:
            return self.interfaces[target][1], self.interfaces[target][0]
        if target not in self.leases:
            raise RefusedError("not-found")
        return target, self.leases[target][0]

    def map(
        self,
        target: str,
        host_ip: str,
        ports: tuple[int, int] | None,
        to: tuple[int, int],
        proto: str,
    ) -> tuple[str, int, int, str]:
        ip, home = self.target(target)
        length = to[1] - to[0] + 1
        if ports is None or (length == 1 and ports[0] != ports[1]):
            first = self.choose(home, host_ip, proto, count=1, length=length, among=ports)[0]
        else:
            first = ports[0]
        key = host_ip, first, first + length - 1, proto
        if self.mappings.get(key) == (ip, to[0], home):
            return key
        self.claim(*key, owner=self.interface_at(ip))
        self.mappings[key] = ip, to[0], home
        return key

    def unmap(self, ip: str) -> None:
        for key in [key for key, (to, _, _) in self.mappings.items() if to == ip]:
            del self.mappings[key]

    def remove_mapping(self, ip: str | None, ports: tuple[int, int], proto: str) -> None:
        there = [one for one, *rest in self.mappings if rest == [*ports, proto]]
        at = self.match(ip, there)
        if at is None:
            raise RefusedError("not-found")
        del self.mappings[at, ports[0], ports[1], proto]

    def link(self, parent: str, child: str, ports: tuple[str, ...]) -> tuple[str, ...]:
        if child not in self.interfaces:
            raise RefusedError("not-found")
        ports = ports or self.interfaces[child][2]
        if parent == child or not ports:
            raise RefusedError("usage")
        if parent != HOST and parent not in self.interfaces:
            raise RefusedError("not-found")
        if (parent, child) in self.links:
            if self.links[parent, child] != ports:
                raise RefusedError("conflict")
            return ports
        same = child.upper().replace("-", "_")
        if any(p == parent and c.upper().replace("-", "_") == same for p, c in self.links):
            raise RefusedError("conflict")
        for text in ports if parent == HOST else ():
            port, proto = text.split("/")
            self.claim("127.0.0.1", int(port), int(port), proto, owner=child)
        self.links[parent, child] = ports
        return ports

    def unlink(self, parent: str, child: str) -> None:
        if (parent, child) not in self.links:
            raise RefusedError("not-found")
        del self.links[parent, child]
