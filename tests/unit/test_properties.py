"""What holds for every subnet, range, policy and sequence of requests."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.errors import AddressInUseError, DnetError, ExhaustedError, UsageError
from dnet.model.entities import Bridge, Interface, Link, Mapping, Origin, Reservation
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.values import address, endpoint
from dnet.values.endpoint import Endpoint
from tests.unit.facts import FACTS, STABLE, snapshot, specs, with_bridge

POLICIES = st.sampled_from(["round-robin", "reuse"])


@dataclass(frozen=True)
class Subnet:
    """A bridge's address with its range, and by the standard library what may come of it."""

    cidr: str
    range: str | None

    @property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Interface(self.cidr).network

    @property
    def never(self) -> set[str]:
        net = self.network
        return {str(net[0]), str(net[1]), str(net[-1]), self.cidr.split("/")[0]}

    @property
    def pool(self) -> list[str]:
        pool = ipaddress.IPv4Network(self.range or self.network)
        return [ip for ip in map(str, pool) if ip not in self.never]

    def state(self, allocation: str) -> State:
        options = {"range": self.range} if self.range else {}
        return with_bridge(self.cidr, allocation=allocation, **options)


@st.composite
def subnets(draw: st.DrawFn, shortest: int = 24, longest: int = 30) -> Subnet:
    """A subnet anywhere, its gateway anywhere in it, perhaps with a range anywhere in it."""
    length = draw(st.integers(shortest, longest))
    start = draw(st.integers(1 << 24, (224 << 24) - 1)) >> (32 - length) << (32 - length)
    network = ipaddress.IPv4Network((start, length))
    gateway = draw(st.integers(1, network.num_addresses - 2))
    pool = None
    if draw(st.booleans()):
        part = draw(st.integers(length, 30))
        offset = draw(st.integers(0, network.num_addresses - 1)) >> (32 - part) << (32 - part)
        pool = str(ipaddress.IPv4Network((start + offset, part)))
    return Subnet(f"{network[gateway]}/{length}", pool)


def next_ip(state: State) -> str:
    return ipallocator.request(state, FACTS)[0]


@settings(STABLE, max_examples=60)
@given(subnets(), POLICIES)
def test_a_pool_is_handed_out_to_its_end_in_order(subnet: Subnet, allocation: str) -> None:
    state = subnet.state(allocation)
    assert [next_ip(state) for _ in subnet.pool] == subnet.pool
    with pytest.raises(ExhaustedError):
        next_ip(state)
    bulk = subnet.state(allocation)
    if subnet.pool:
        assert ipallocator.request(bulk, FACTS, count=len(subnet.pool)) == subnet.pool
    before = snapshot(bulk)
    with pytest.raises(ExhaustedError):
        ipallocator.request(bulk, FACTS)
    assert snapshot(bulk) == before == snapshot(state)


@settings(STABLE, max_examples=60)
@given(subnets(), POLICIES, st.integers(1, 300))
def test_too_many_at_once_are_none(subnet: Subnet, allocation: str, surplus: int) -> None:
    state = subnet.state(allocation)
    before = snapshot(state)
    with pytest.raises(ExhaustedError):
        ipallocator.request(state, FACTS, count=len(subnet.pool) + surplus)
    assert snapshot(state) == before


@settings(STABLE, max_examples=40)
@given(subnets(shortest=8, longest=20), POLICIES)
def test_large_subnets_begin_and_end_like_small_ones(subnet: Subnet, allocation: str) -> None:
    state, network = subnet.state(allocation), subnet.network
    first = ipaddress.IPv4Address(next_ip(state))
    pool = ipaddress.IPv4Network(subnet.range or network)
    assert first - 3 <= pool[0] <= first
    for ip in subnet.never:
        with pytest.raises(AddressInUseError):
            ipallocator.request(state, FACTS, ip=ip)
    for outside in (network[0] - 1, network[-1] + 1):
        with pytest.raises(UsageError):
            ipallocator.request(state, FACTS, ip=str(outside))
    last = str(network[-3] if str(network[-2]) in subnet.never else network[-2])
    assert ipallocator.request(state, FACTS, ip=last) == [last]


@settings(STABLE, max_examples=60)
@given(subnets(longest=29), POLICIES, st.data())
def test_release_is_the_exact_inverse(subnet: Subnet, allocation: str, data: st.DataObject) -> None:
    state = subnet.state(allocation)
    names = data.draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5))
    for name in names[: len(subnet.pool)]:
        interface.allocate(state, FACTS, interface_id=name)
    before = what_is_held(state)
    if len(subnet.pool) > len(names):
        new = interface.allocate(state, FACTS, interface_id="new", expose=["53/udp"])
        portallocator.allocate(state, FACTS, owner="new", count=3)
        portmapper.add(state, FACTS, target="new", specs=specs("80", "9000-9009:9000-9009/udp"))
        portmapper.add(state, FACTS, target=new.ip, specs=specs("127.0.0.1::81"))
        for parent in ("host", *names[:2]):
            link.add(state, FACTS, parent=parent, child="new")
        interface.release(state, FACTS, ids=["new"])
    assert what_is_held(state) == before


def what_is_held(state: State) -> Any:
    """All but where the allocators go on: that an allocation leaves behind."""
    document = snapshot(state)
    return {key: document[key] for key in document if key not in ("cursors", "released")}


@settings(STABLE, max_examples=40)
@given(subnets(longest=28), POLICIES, POLICIES)
def test_another_policy_goes_on_where_those_in_use_end(
    subnet: Subnet, before: str, after: str
) -> None:
    state, pool = subnet.state(before), subnet.pool
    if len(pool) < 4:
        return
    ipallocator.request(state, FACTS, count=3)
    ipallocator.release(state, FACTS, ips=[pool[0]])
    bridge.init(state, FACTS, options={"allocation": after})
    again = pool[0] if before == after == "reuse" else pool[3]
    assert next_ip(state) == again


@settings(STABLE, max_examples=60)
@given(st.integers(0, (1 << 32) - 1), st.integers(0, 700))
def test_ascending_is_what_the_standard_library_counts(first: int, length: int) -> None:
    last = min(first + length, (1 << 32) - 1)
    expected = [str(ipaddress.IPv4Address(number)) for number in range(first, last + 1)]
    assert list(address.ascending(first, last)) == expected
    assert [address.to_int(ip) for ip in expected] == list(range(first, last + 1))


@settings(STABLE, max_examples=60)
@given(st.integers(0, (1 << 32) - 1))
def test_a_mac_belongs_to_one_address_and_is_a_station_s_own(number: int) -> None:
    mac = bytes.fromhex(address.mac(str(ipaddress.IPv4Address(number))).replace(":", ""))
    assert mac[2:] == number.to_bytes(4, "big")
    assert mac[0] & 3 == 2  # IEEE 802: locally administered, and not of a group.


# The store's rows

PORTS = st.integers(1, 65535)
PROTOS = st.sampled_from(["tcp", "udp", "sctp"])
IPS = st.ip_addresses(v=4).map(str)
TEXTS = st.text("abc-_.", min_size=1, max_size=4)
EXPOSED = st.lists(st.builds("{}/{}".format, PORTS, PROTOS), max_size=3).map(tuple)
ENDPOINTS = st.builds(
    lambda ip, ports, proto: Endpoint(ip, min(ports), proto, max(ports)),
    IPS,
    st.tuples(PORTS, PORTS),
    PROTOS,
)
ENTITIES = st.one_of(
    st.builds(
        Bridge,
        name=TEXTS,
        address=st.just("10.0.0.1/8"),
        mtu=PORTS,
        created=TEXTS,
        range=st.none() | st.just("10.0.0.0/24"),
        chain=TEXTS,
        icc=st.booleans(),
        masquerade=st.booleans(),
        ip_forward=st.booleans(),
        iptables=st.booleans(),
        isolate=st.booleans(),
        binding_ip=IPS,
        port_range=st.tuples(PORTS, PORTS),
        allocation=POLICIES,
        adopted=st.booleans(),
    ),
    st.builds(
        Interface,
        id=TEXTS,
        bridge=TEXTS,
        ip=IPS,
        expose=EXPOSED,
        mac=st.none() | TEXTS,
        netns=st.none() | TEXTS,
        ifname=st.none() | TEXTS,
        origin=st.none()
        | st.builds(Origin, by=TEXTS, network=TEXTS, container=TEXTS, ifname=TEXTS, name=TEXTS),
    ),
    st.builds(Reservation, endpoint=ENDPOINTS, bridge=TEXTS, owner=st.none() | TEXTS),
    st.builds(Mapping, endpoint=ENDPOINTS, container_ip=IPS, container_port=PORTS, bridge=TEXTS),
    st.builds(
        Link,
        parent=TEXTS,
        child=TEXTS,
        parent_ip=IPS,
        parent_bridge=st.none() | TEXTS,
        child_ip=IPS,
        child_bridge=TEXTS,
        ports=EXPOSED,
        alias=TEXTS,
    ),
)


@settings(STABLE, max_examples=200)
@given(ENTITIES)
def test_what_is_stored_comes_back_the_same(
    entity: Bridge | Interface | Reservation | Mapping | Link,
) -> None:
    row = json.loads(json.dumps(entity.row()))
    assert type(entity).from_row(entity.key, row) == entity


@settings(STABLE, max_examples=100)
@given(ENDPOINTS)
def test_an_endpoint_is_read_as_it_is_printed(one: Endpoint) -> None:
    assert Endpoint.from_key(str(one)) == one
    try:
        query = endpoint.parse_endpoint(str(one))
    except UsageError:
        ip = ipaddress.IPv4Address(one.host_ip)
        assert ip.is_multicast or one.host_ip == "255.255.255.255"
    else:
        assert str(query) == str(one)


@settings(STABLE, max_examples=300)
@given(
    st.text(st.sampled_from("0189.:-/[]% atcpudsx\n٣")) | st.text(),
    st.sampled_from(
        [
            endpoint.parse_endpoint,
            endpoint.parse_publish,
            address.parse,
            address.parse_cidr,
            address.parse_host_ip,
            lambda text: address.parse_range(text, "10.0.0.1/8"),
        ]
    ),
)
def test_whatever_is_typed_is_read_or_refused_in_one_line(text: str, parse: Any) -> None:
    refused: DnetError | None = None
    try:
        parse(text)
    except DnetError as error:
        refused = error
    assert refused is None or (refused.code == "usage" and str(refused).isprintable())
