"""A machine as a test describes it, and short ways to a state with something in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings

from dnet.errors import DnetError, NotFoundError
from dnet.firewall.iptables.backend import Iptables
from dnet.model import ports
from dnet.model.entities import FIREWALLS, Bridge
from dnet.model.state import State
from dnet.network import bridge
from dnet.network.facts import Device, Namespace, Route
from dnet.values import endpoint, family
from dnet.values.address import contains, overlap
from dnet.values.address6 import GLOBAL_ID_BITS

# The same examples in every run, and no file left behind: what passes here passes everywhere.
STABLE = settings(derandomize=True, database=None, deadline=None)


@dataclass
class FakeFacts:
    """The facts of a quiet machine, but for what a test says of it.

    `busy` holds what host processes listen on, `(address, port, protocol)`; a listener on
    0.0.0.0 is in the way of every address of IPv4, one on :: of every address, and every listener
    of a wildcard of its family. `namespaces` are
    those that are there, `plugged` the ids of interfaces whose veth pair is, `zoned` the devices
    in a zone of firewalld, `inhabited` the namespaces with a process; `addresses` and `macs` are
    by and of devices, `ports` the names of those of a bridge, `addresses6` what devices have of
    IPv6 beyond their link.
    """

    devices: Mapping[str, Device] = field(default_factory=dict)
    routes_there: Collection[str | Route] = ()
    next_hops: Collection[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)
    macs: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, Collection[str]] = field(default_factory=dict)
    resolvers: Collection[str] = ()
    mtu: int = 1500
    busy: Collection[tuple[str, int, str]] = ()
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    plugged: Collection[str] = ()
    zoned: Collection[str] = ()
    inhabited: Collection[str] = ()
    firewalls_there: Collection[str] = FIREWALLS
    addresses6: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lacks_ipv6: bool = False
    global_id: int = 0x123456789A
    files: Collection[str] = ()

    def objections(self, state: State, bridge: Bridge) -> Iterator[DnetError]:
        return Iptables().objections(state, bridge)

    def firewalls(self) -> Iterator[str]:
        yield from self.firewalls_there

    def now(self) -> str:
        return "2026-01-01T00:00:00Z"

    def device(self, name: str) -> Device | None:
        return self.devices.get(name)

    def has_zone(self, name: str) -> bool:
        return name in self.zoned

    def routes(self, subnets: Sequence[str], but: int | None = None) -> Iterator[Route]:  # noqa: ARG002
        there = (Route(one) if isinstance(one, str) else one for one in self.routes_there)
        return (one for one in there if any(overlap(one.subnet, other) for other in subnets))

    def gateways(self, subnet: str) -> list[str]:
        return [one for one in self.next_hops if contains(subnet, one)]

    def own_addresses(self, subnet: str) -> dict[str, str]:
        return {ip: name for ip, name in self.addresses.items() if contains(subnet, ip)}

    def host_addresses(self) -> dict[str, str]:
        return self.own_addresses("0.0.0.0/0")

    def mac(self, device: str) -> str | None:
        return self.macs.get(device)

    def port_names(self, bridge: str) -> Collection[str]:
        return self.ports.get(bridge, ())

    def port_name(self, interface_id: str) -> str:
        return f"{interface_id}-port"

    def missing_ipv6(self) -> tuple[str, str] | None:
        return ("the kernel has none", "another kernel") if self.lacks_ipv6 else None

    def ipv6_addresses(self, device: str) -> Sequence[str]:
        return self.addresses6.get(device, ())

    def random_bits(self, count: int) -> int:
        assert count == GLOBAL_ID_BITS
        return self.global_id

    def nameservers(self) -> list[str]:
        return list(self.resolvers)

    def default_device(self) -> str | None:
        return next(iter(self.devices), None)

    def default_mtu(self) -> int:
        return self.mtu

    def namespace(self, text: str) -> Namespace:
        if text not in self.namespaces:
            raise NotFoundError(f"there is no network namespace {text}")
        return self.namespaces[text]

    def is_there(self, shown: str, cookie: int | None) -> bool:
        return shown in self.namespaces and self.namespaces[shown].cookie == cookie

    def is_another(self, shown: str, cookie: int | None) -> bool:
        return shown in self.namespaces and self.namespaces[shown].cookie != cookie

    def is_inhabited(self, shown: str, cookie: int | None) -> bool:
        return self.is_there(shown, cookie) and shown in self.inhabited

    def port_of(self, interface_id: str) -> str | None:
        return self.port_name(interface_id) if interface_id in self.plugged else None

    def stays(self, interface_id: str) -> bool:
        return interface_id in self.plugged

    def why_unfit(self, path: str) -> str | None:
        return None if path in self.files else f"{path}: No such file or directory"

    def is_busy(self, host_ip: str, port: int, proto: str) -> bool:
        return any(
            (port, proto) == (other_port, other_proto) and (ip == "::" or ports.meet(host_ip, ip))
            for ip, other_port, other_proto in self.busy
        )

    def why_busy(self, host_ip: str, first: int, last: int, proto: str) -> str | None:
        for port in range(first, last + 1):
            if self.is_busy(host_ip, port, proto):
                return f"a process listens on {port}/{proto}"
        return None

    def listened_on(self, host_ip: str, first: int, last: int, proto: str) -> list[str]:
        found = [ip for ip, port, its in self.busy if first <= port <= last and its == proto]
        return [ip for ip in found if ip == "::" or family.of(ip) is family.of(host_ip)]


FACTS = FakeFacts()


def with_bridge(address: str = "172.17.42.1/16", **options: Any) -> State:
    """A state with the one bridge dnet0."""
    state = State()
    make_bridge(state, "dnet0", address, **options)
    return state


def make_bridge(state: State, name: str, address: str, **options: Any) -> Bridge:
    """One more bridge."""
    return bridge.init(state, FACTS, name=name, options={"address": address, **options})


def specs(*texts: str) -> list[endpoint.PublishSpec]:
    """Publish specs as typed."""
    return [endpoint.parse_publish(text) for text in texts]


def queries(*texts: str) -> list[endpoint.EndpointQuery]:
    """Endpoints as typed."""
    return [endpoint.parse_endpoint(text) for text in texts]


def snapshot(state: State) -> Any:
    """A copy of all a state holds, as it comes back from a file."""
    return json.loads(json.dumps(state.document()))
