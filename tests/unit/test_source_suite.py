"""The source's own test-suite (Docker 0.11.1), answered case by case under its own names.

Where a case is answered otherwise, its docstring says which documented defect is the reason.
"""

from __future__ import annotations

import pytest

from dnet.errors import (
    AddressInUseError,
    ConflictError,
    ExhaustedError,
    NotFoundError,
    PortInUseError,
    UsageError,
)
from dnet.model.state import State
from dnet.network import bridge, interface, ipallocator, link, portallocator, portmapper, subnets
from dnet.values import address, names
from tests.unit.facts import FACTS, FakeFacts, queries, specs, with_bridge


def request(state: State, ip: str | None = None) -> str:
    return ipallocator.request(state, FACTS, ip=ip)[0]


def port(
    state: State, number: int | None = None, *, proto: str = "tcp", host_ip: str = "0.0.0.0"
) -> int:
    ports = None if number is None else (number, number)
    made = portallocator.allocate(state, FACTS, host_ip=host_ip, proto=proto, ports=ports)
    return made[0].endpoint.port


def release_port(state: State, text: str) -> None:
    portallocator.release(state, FACTS, queries=queries(text))


# ipallocator


def test_request_new_ips() -> None:
    """TestRequestNewIps."""
    state = with_bridge("192.168.0.1/24", allocation="reuse")
    assert [request(state) for _ in range(8)] == [f"192.168.0.{n}" for n in range(2, 10)]


def test_release_ip() -> None:
    """TestReleaseIp."""
    state = with_bridge("192.168.0.1/24", allocation="reuse")
    ip = request(state)
    ipallocator.release(state, FACTS, ips=[ip])
    assert ip not in state.leases("dnet0")


def test_get_released_ip() -> None:
    """TestGetReleasedIp: with the reuse policy a released address is the next one."""
    state = with_bridge("192.168.0.1/24", allocation="reuse")
    first = request(state)
    ipallocator.release(state, FACTS, ips=[first])
    for _ in range(252):
        ipallocator.release(state, FACTS, ips=[request(state)])
    assert request(state) == first


def test_request_specific_ip() -> None:
    """TestRequesetSpecificIp: one outside of the subnet was granted; here it is refused."""
    state = with_bridge("192.168.0.1/24", allocation="reuse")
    with pytest.raises(UsageError, match=r"192\.168\.1\.5 is not in dnet0's subnet"):
        request(state, "192.168.1.5")
    assert request(state, "192.168.0.5") == "192.168.0.5"
    with pytest.raises(AddressInUseError):
        request(state, "192.168.0.5")


def test_conversion() -> None:
    """TestConversion."""
    number = address.to_int("127.0.0.1")
    assert number == 0x7F000001
    assert list(address.ascending(number, number)) == ["127.0.0.1"]


def test_ip_allocator() -> None:
    """TestIPAllocator: a /29 to its end, three released out of order, and to its end again."""
    state = with_bridge("10.9.9.1/29", allocation="reuse")
    assert [request(state) for _ in range(5)] == [f"10.9.9.{n}" for n in range(2, 7)]
    with pytest.raises(ExhaustedError):
        request(state)
    for ip in ("10.9.9.5", "10.9.9.4", "10.9.9.6"):
        ipallocator.release(state, FACTS, ips=[ip])
    assert [request(state) for _ in range(3)] == ["10.9.9.4", "10.9.9.5", "10.9.9.6"]
    with pytest.raises(ExhaustedError):
        request(state)


@pytest.mark.parametrize("gateway", ["192.168.0.1", "192.168.0.7", "192.168.0.254"])
def test_allocate_first_ip(gateway: str) -> None:
    """TestAllocateFirstIP: the first host address is never handed out."""
    state = with_bridge(f"{gateway}/24", allocation="reuse")
    assert request(state) == "192.168.0.2"


# portallocator


def test_request_new_port() -> None:
    """TestRequestNewPort."""
    assert port(with_bridge()) == 49153


def test_request_specific_port() -> None:
    """TestRequestSpecificPort."""
    assert port(with_bridge(), 5000) == 5000


def test_release_port() -> None:
    """TestReleasePort."""
    state = with_bridge()
    port(state, 5000)
    release_port(state, "5000")
    assert not state.reservations


def test_reuse_released_port() -> None:
    """TestReuseReleasedPort."""
    state = with_bridge()
    port(state, 5000)
    release_port(state, "5000")
    assert port(state, 5000) == 5000


def test_release_unreadled_port() -> None:
    """TestReleaseUnreadledPort: a port that is held cannot be had again.

    What its name promises, releasing what was never held, was silent; here it is not found.
    """
    state = with_bridge()
    port(state, 5000)
    with pytest.raises(PortInUseError):
        port(state, 5000)
    with pytest.raises(NotFoundError):
        release_port(state, "5001")


def test_unknown_protocol() -> None:
    """TestUnknowProtocol."""
    with pytest.raises(UsageError, match="unknown protocol 'tcpp'"):
        names.protocol("tcpp")


def test_allocate_all_ports() -> None:
    """TestAllocateAllPorts."""
    state = with_bridge()
    assert [port(state) for _ in range(16383)] == list(range(49153, 65536))
    with pytest.raises(ExhaustedError):
        port(state)
    assert port(state, proto="udp") == 49153
    for _ in range(2):
        release_port(state, "49158")
        assert port(state) == 49158


def test_port_allocation() -> None:
    """TestPortAllocation: an address's ports are its own."""
    state, one, other = with_bridge(), "192.168.0.1", "192.168.0.2"
    assert port(state, 80, host_ip=one) == 80
    dynamic = port(state, host_ip=one)
    with pytest.raises(PortInUseError):
        port(state, dynamic, host_ip=one)
    assert port(state, host_ip=one) != dynamic
    with pytest.raises(PortInUseError):
        port(state, 80, host_ip=one)
    assert port(state, 80, host_ip=other) == 80
    with pytest.raises(PortInUseError):
        port(state, 80, host_ip=other)
    release_port(state, f"{one}:80")
    assert port(state, 80, host_ip=one) == 80
    taken = port(state, port(state, host_ip=one) + 1, host_ip=one)
    assert port(state, host_ip=one) != taken


# portmapper


def test_map_ports() -> None:
    """TestMapPorts; the same mapping for the same container is confirmed rather than refused."""
    state = with_bridge("172.16.0.1/24")
    for name in ("a", "b"):
        interface.allocate(state, FACTS, interface_id=name)
    first, second = specs("192.168.0.1:80:1080", "192.168.0.2:80:1080")
    made = portmapper.add(state, FACTS, target="a", specs=[first])
    assert portmapper.add(state, FACTS, target="a", specs=[first]) == made
    with pytest.raises(PortInUseError):
        portmapper.add(state, FACTS, target="b", specs=[first])
    portmapper.add(state, FACTS, target="b", specs=[second])
    for text in ("192.168.0.1:80", "192.168.0.2:80"):
        portmapper.remove(state, FACTS, queries=queries(text))
    with pytest.raises(NotFoundError):
        portmapper.remove(state, FACTS, queries=queries("192.168.0.2:80"))


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_get_key(proto: str) -> None:
    """TestGetTCPKey and TestGetUDPKey."""
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="dns")
    made = portmapper.add(state, FACTS, target="dns", specs=specs(f"192.168.1.5:53:53/{proto}"))
    assert [one.key for one in made] == [f"192.168.1.5:53/{proto}"]
    assert list(state.mappings) == [f"192.168.1.5:53/{proto}"]


# networkdriver


@pytest.mark.parametrize(
    ("nameservers", "chosen"),
    [
        (["127.0.0.1"], "172.17.42.1/16"),
        (["172.17.42.1"], "10.0.42.1/16"),
        (["10.0.2.3", "192.168.102.1"], "172.17.42.1/16"),
        (["172.17.255.255", "10.0.2.3"], "10.1.42.1/16"),
    ],
)
def test_overlapping_nameservers(nameservers: list[str], chosen: str) -> None:
    """TestNonOverlapingNameservers, TestOverlapingNameservers, TestCheckNameserverOverlaps."""
    assert subnets.choose(State(), FakeFacts(resolvers=nameservers)) == chosen


def test_check_route_overlaps() -> None:
    """TestCheckRouteOverlaps."""
    routes = ("10.0.2.0/32", "10.0.3.0/24", "10.0.42.0/24", "172.16.42.0/24", "192.168.142.0/24")
    assert not any(address.overlap("172.16.0.1/24", route) for route in routes)
    assert any(address.overlap("10.0.2.0/24", route) for route in routes)
    in_the_way = FakeFacts(routes_there=("172.17.0.0/16", *routes))
    assert subnets.choose(State(), in_the_way) == "10.1.42.1/16"


@pytest.mark.parametrize(
    ("one", "other", "overlaps"),
    [
        ("172.16.0.1/24", "172.16.0.1/25", True),
        ("172.16.0.1/24", "172.16.0.128/25", True),
        ("172.16.0.1/24", "172.16.0.64/25", True),
        ("172.16.0.1/24", "172.16.0.1/23", True),
        ("172.16.1.1/24", "172.16.0.1/23", True),
        ("172.16.1.1/24", "172.16.0.1/22", True),
        ("172.16.1.1/25", "172.16.0.1/24", False),
        ("172.16.1.1/25", "172.16.2.1/24", False),
    ],
)
def test_network_overlaps(one: str, other: str, overlaps: bool) -> None:
    """TestNetworkOverlaps; two bridges may not have such subnets either."""
    assert address.overlap(one, other) is overlaps
    assert address.overlap(other, one) is overlaps
    state = with_bridge(one)
    options = {"address": f"{address.network(other)[2]}/{address.prefix_len(other)}"}
    if overlaps:
        with pytest.raises(ConflictError, match="overlaps the subnet"):
            bridge.init(state, FACTS, name="other", options=options)
    else:
        bridge.init(state, FACTS, name="other", options=options)


@pytest.mark.parametrize(
    ("cidr", "first", "last", "size"),
    [
        ("192.168.0.1/24", "192.168.0.0", "192.168.0.255", 256),
        ("10.0.0.1/8", "10.0.0.0", "10.255.255.255", 16777216),
        ("10.1.2.3/8", "10.0.0.0", "10.255.255.255", 16777216),
        ("10.1.2.3/32", "10.1.2.3", "10.1.2.3", 1),
        ("10.1.2.3/31", "10.1.2.2", "10.1.2.3", 2),
        ("10.1.2.3/26", "10.1.2.0", "10.1.2.63", 64),
    ],
)
def test_network_range(cidr: str, first: str, last: str, size: int) -> None:
    """TestNetworkRange."""
    network = address.network(cidr)
    assert (str(network[0]), str(network[-1]), network.num_addresses) == (first, last, size)


# links


def linked(*ports: str, child: str = "docker") -> State:
    state = with_bridge("172.0.17.1/24")
    interface.allocate(state, FACTS, interface_id=child, expose=ports)
    interface.allocate(state, FACTS, interface_id="db")
    link.add(state, FACTS, parent="db", child=child)
    return state


def test_link_new() -> None:
    """TestLinkNew."""
    state = linked("6379/tcp")
    made = state.links["db:docker"]
    assert (made.alias, made.parent_ip, made.child_ip) == ("docker", "172.0.17.3", "172.0.17.2")
    assert made.ports == ("6379/tcp",)


def test_link_env() -> None:
    """TestLinkEnv, but for the variables of the child's own environment, which dnet has not."""
    assert link.environment(linked("6379/tcp"), "db") == {
        "DOCKER_PORT": "tcp://172.0.17.2:6379",
        "DOCKER_PORT_6379_TCP": "tcp://172.0.17.2:6379",
        "DOCKER_PORT_6379_TCP_ADDR": "172.0.17.2",
        "DOCKER_PORT_6379_TCP_PORT": "6379",
        "DOCKER_PORT_6379_TCP_PROTO": "tcp",
        "DOCKER_NAME": "/db/docker",
    }
