"""Any sequence of operations ends in the state that a plain model of dnet predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dnet.errors import DnetError
from dnet.model import ports
from dnet.model.state import State
from dnet.model.table import Index
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.store import document
from dnet.store.integrity import verify
from dnet.values import names
from dnet.values.endpoint import Endpoint, EndpointQuery, PublishSpec
from tests.unit.facts import STABLE, FakeFacts, snapshot
from tests.unit.plain import Plain, RefusedError

PORTS = (40000, 40007)
BUSY = 40003, "tcp"
# Subnets of every shape: gateways at either end and in the middle, some that overlap.
CIDRS = st.sampled_from(
    ["10.0.0.1/29", "10.0.0.6/29", "10.0.0.9/28", "10.0.1.2/29", "10.0.1.4/28", "10.0.2.1/30"]
)
RANGES = st.sampled_from(["10.0.0.4/30", "10.0.0.0/29", "10.0.1.4/30", "10.0.1.8/30"])
BRIDGES = st.sampled_from(["dnet0", "b1"])
ANY_BRIDGE = st.sampled_from([None, None, None, "dnet0", "b1"])
IDS = st.sampled_from(["a", "b", "c-1", "c_1"])
OWNERS = st.none() | IDS
ADDRESSES = st.builds("10.0.{}.{}".format, st.integers(0, 2), st.integers(0, 15))
ANY_ADDRESS = st.sampled_from([0, 0, 0, 1]).flatmap(lambda n: ADDRESSES if n else st.none())
# Which of the things there are, or a wild guess.
PICKS = st.sampled_from([*range(8), None])
HOST_IPS = st.sampled_from(["0.0.0.0", "127.0.0.1", "192.0.2.1"])
PROTOS = st.sampled_from(["tcp", "udp"])
NUMBERS = st.integers(39998, 40009)
COUNTS = st.sampled_from([1, 1, 1, 2, 5])
EXPOSED = st.sampled_from([(), ("40001/tcp",), ("40001/tcp", "40003/udp"), ("40003/tcp",)])


def ordered(pair: tuple[int, int]) -> tuple[int, int]:
    return min(pair), max(pair)


SPANS = st.tuples(NUMBERS, NUMBERS).map(ordered)


class Machine(RuleBasedStateMachine):
    """dnet's pure parts and the plain model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.facts = FakeFacts(busy=[("0.0.0.0", *BUSY)])
        self.plain = Plain({BUSY})

    def both(self, real: Callable[[State, FakeFacts], Any], plain: Callable[[], Any]) -> None:
        """Do the same in both; whatever dnet does can be taken back, and done again the same.

        So it can with what comes from a file, and is written as if it had not.
        """
        before, mark = snapshot(self.state), self.state.mark()
        outcome = self.attempt(lambda: real(self.state, self.facts))
        after = snapshot(self.state)
        self.state.undo(mark)
        assert snapshot(self.state) == before
        read = document.read(document.write(self.state))
        self.attempt(lambda: real(read, self.facts))
        assert snapshot(read) == after
        assert document.write(read) == document.write(State(after))
        if not isinstance(outcome, DnetError):
            assert self.attempt(lambda: real(self.state, self.facts)) == outcome
            assert snapshot(self.state) == after
        predicted = self.attempt(plain)
        if isinstance(outcome, DnetError) or isinstance(predicted, RefusedError):
            assert getattr(outcome, "code", outcome) == str(predicted)
        else:
            assert outcome == predicted

    def attempt(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (DnetError, RefusedError) as refused:
            return refused

    def known(self, things: Iterable[Any], pick: int | None, otherwise: Any) -> Any:
        """One of the things there are, so that most operations have something to work on."""
        there = sorted(things)
        return otherwise if pick is None or not there else there[pick % len(there)]

    # Bridges

    @initialize(cidr=CIDRS, allocation=st.sampled_from(["reuse", "round-robin"]))
    def first(self, cidr: str, allocation: str) -> None:
        self.init("dnet0", cidr, allocation, None)
        for one in ("a", "b", "c-1"):
            self.allocate(one, None, None, ("40001/tcp", "40003/udp"))

    @rule(
        name=BRIDGES,
        cidr=CIDRS,
        allocation=st.sampled_from(["reuse", "round-robin"]),
        pool=st.none() | RANGES,
    )
    def init(self, name: str, cidr: str, allocation: str, pool: str | None) -> None:
        given = {"allocation": allocation} | ({"range": pool} if pool else {})
        self.both(
            lambda s, f: self.quietly(
                bridge.init(s, f, name=name, options=given | {"address": cidr, "port_range": PORTS})
            ),
            lambda: self.plain.init(name, given | {"cidr": cidr, "ports": PORTS}),
        )

    def quietly(self, _: object) -> None:
        """An answer the model does not give."""

    @rule(name=st.sampled_from(["b1", "b1", "b1", "dnet0"]), force=st.booleans())
    def remove(self, name: str, force: bool) -> None:
        self.both(
            lambda s, f: bridge.remove(s, f, name=name, force=force),
            lambda: self.plain.remove(name, force),
        )

    # Addresses and interfaces

    @rule(name=ANY_BRIDGE, ip=ANY_ADDRESS, owner=OWNERS, count=st.sampled_from([1, 1, 2, 5]))
    def request(self, name: str | None, ip: str | None, owner: str | None, count: int) -> None:
        count = 1 if ip else count
        self.both(
            lambda s, f: ipallocator.request(s, f, bridge=name, ip=ip, owner=owner, count=count),
            lambda: self.plain.request(name, ip, owner, count),
        )

    @precondition(lambda self: len(self.plain.leases) > len(self.plain.interfaces))
    @rule(pick=PICKS, ip=ADDRESSES)
    def release(self, pick: int | None, ip: str) -> None:
        held_alone = self.plain.leases.keys() - {at for _, at, _ in self.plain.interfaces.values()}
        ip = self.known(held_alone, pick, ip)
        self.both(
            lambda s, f: ipallocator.release(s, f, ips=[ip]),
            lambda: self.plain.release(ip),
        )

    @rule(one=IDS, name=ANY_BRIDGE, ip=ANY_ADDRESS, expose=EXPOSED)
    def allocate(self, one: str, name: str | None, ip: str | None, expose: tuple[str, ...]) -> None:
        self.both(
            lambda s, f: (
                interface.allocate(s, f, interface_id=one, bridge=name, ip=ip, expose=expose).ip
            ),
            lambda: self.plain.allocate(one, name, ip, expose),
        )

    @rule(one=IDS)
    def allocate_plainly(self, one: str) -> None:
        self.allocate(one, None, None, ("40001/tcp",))

    @rule(one=IDS)
    def release_interface(self, one: str) -> None:
        self.both(
            lambda s, f: interface.release(s, f, ids=[one]),
            lambda: self.plain.release_interface(one),
        )

    # Ports

    @rule(
        name=ANY_BRIDGE,
        ip=HOST_IPS,
        proto=PROTOS,
        among=st.none() | SPANS,
        owner=OWNERS,
        count=COUNTS,
    )
    def allocate_ports(
        self,
        name: str | None,
        ip: str,
        proto: str,
        among: tuple[int, int] | None,
        owner: str | None,
        count: int,
    ) -> None:
        self.both(
            lambda s, f: [
                one.endpoint.port
                for one in portallocator.allocate(
                    s,
                    f,
                    bridge=name,
                    host_ip=ip,
                    proto=proto,
                    ports=among,
                    owner=owner,
                    count=count,
                )
            ],
            lambda: self.plain.allocate_ports(name, ip, proto, among, owner, count),
        )

    @precondition(lambda self: self.plain.reservations)
    @rule(pick=PICKS, named=st.booleans(), ip=HOST_IPS, port=NUMBERS, proto=PROTOS)
    def release_port(
        self, pick: int | None, named: bool, ip: str | None, port: int, proto: str
    ) -> None:
        ip, port, proto = self.known(self.plain.reservations, pick, (ip, port, proto))
        ip = ip if named else None
        query = EndpointQuery(ip, port, port, proto)
        self.both(
            lambda s, f: portallocator.release(s, f, queries=[query]),
            lambda: self.plain.release_port(ip, port, proto),
        )

    # Mappings and links

    @rule(
        pick=PICKS,
        whose=IDS | ADDRESSES,
        host_ip=HOST_IPS,
        ports=st.none() | SPANS,
        to=st.sampled_from([(80, 80), (81, 81), (8000, 8002)]),
        proto=PROTOS,
    )
    def map(
        self,
        pick: int | None,
        whose: str,
        host_ip: str,
        ports: tuple[int, int] | None,
        to: tuple[int, int],
        proto: str,
    ) -> None:
        whose = self.known([*self.plain.interfaces, *self.plain.leases], pick, whose)
        if ports is not None and to[0] != to[1]:
            ports = ports[0], ports[0] + to[1] - to[0]
        low, high = ports or (None, None)
        spec = PublishSpec(host_ip, low, high, to[0], to[1], proto)
        self.both(
            lambda s, f: [
                (one.endpoint.host_ip, one.endpoint.port, one.endpoint.end, one.endpoint.proto)
                for one in portmapper.add(s, f, target=whose, specs=[spec])
            ],
            lambda: [self.plain.map(whose, host_ip, ports, to, proto)],
        )

    @precondition(lambda self: self.plain.mappings)
    @rule(pick=PICKS, named=st.booleans(), ip=HOST_IPS, ports=SPANS, proto=PROTOS)
    def remove_mapping(
        self, pick: int | None, named: bool, ip: str | None, ports: tuple[int, int], proto: str
    ) -> None:
        ip, first, last, proto = self.known(self.plain.mappings, pick, (ip, *ports, proto))
        ip = ip if named else None
        query = EndpointQuery(ip, first, last, proto)
        self.both(
            lambda s, f: portmapper.remove(s, f, queries=[query]),
            lambda: self.plain.remove_mapping(ip, (first, last), proto),
        )

    @rule(parent=st.sampled_from(["a", "b", "host"]), child=IDS, ports=EXPOSED)
    def link(self, parent: str, child: str, ports: tuple[str, ...]) -> None:
        self.both(
            lambda s, f: link.add(s, f, parent=parent, child=child, ports=ports).ports,
            lambda: self.plain.link(parent, child, ports),
        )

    @precondition(lambda self: self.plain.links)
    @rule(pick=PICKS, parent=IDS | st.just("host"), child=IDS)
    def unlink(self, pick: int | None, parent: str, child: str) -> None:
        parent, child = self.known(self.plain.links, pick, (parent, child))
        self.both(
            lambda s, f: link.remove(s, f, parent=parent, child=child),
            lambda: self.plain.unlink(parent, child),
        )

    # What holds at every moment

    @invariant()
    def both_have_the_same(self) -> None:
        state, plain = self.state, self.plain
        leases = {
            ip: (name, owner)
            for name in state.bridges
            for ip, owner in state.leases(name).rows.items()
        }
        assert leases == plain.leases
        bridges = {one.name: (one.address, one.range) for one in state.bridges.values()}
        assert bridges == {name: (one.cidr, one.range) for name, one in plain.bridges.items()}
        interfaces = {one.id: (one.bridge, one.ip, one.expose) for one in state.interfaces.values()}
        assert interfaces == plain.interfaces
        reservations = {one.key: (one.bridge, one.owner) for one in state.reservations.values()}
        assert reservations == {
            str(Endpoint.single(*at)): has for at, has in plain.reservations.items()
        }
        mappings = {
            one.key: (one.container_ip, one.container_port, one.bridge)
            for one in state.mappings.values()
        }
        assert mappings == {
            str(Endpoint(ip, first, proto, last)): has
            for (ip, first, last, proto), has in plain.mappings.items()
        }
        links = {(one.parent, one.child): one.ports for one in state.links.values()}
        assert links == plain.links

    @invariant()
    def nothing_is_left_of_what_is_gone(self) -> None:
        there = snapshot(self.state)
        for part in ("leases", "cursors", "released"):
            assert set(there[part]) <= set(self.state.bridges)

    @invariant()
    def it_comes_back_from_a_file(self) -> None:
        again = State(snapshot(self.state))
        assert snapshot(again) == snapshot(self.state)
        for name in INDEXES:
            assert grouped(getattr(self.state, name)) == grouped(getattr(again, name))

    @invariant()
    def it_would_pass_as_dnet_s_own(self) -> None:
        verify(snapshot(self.state))

    @invariant()
    def every_port_has_the_holder_it_should(self) -> None:
        for ip in ("0.0.0.0", "127.0.0.1", "192.0.2.1", "192.0.2.2"):
            for proto in names.PROTOCOLS:
                is_taken = ports.taken_on(self.state, (ip,), proto)
                for port in range(40000, 40006):
                    expected = bool(self.plain.in_the_way(ip, port, proto))
                    holder = ports.find_holder(self.state, Endpoint.single(ip, port, proto))
                    assert is_taken(port) is (holder is not None) is expected


INDEXES = (
    "interfaces_by_ip",
    "mappings_by_target",
    "mappings_by_bridge",
    "links_by_member",
    "reservations_by_owner",
)


def grouped(index: Index) -> dict[Any, set[str]]:
    return {group: set(index.keys(group)) for group in index.groups()}


Machine.TestCase.settings = settings(STABLE, max_examples=60, stateful_step_count=40)
TestMachine = Machine.TestCase
