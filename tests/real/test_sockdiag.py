"""The listening sockets by netlink are those of /proc."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnet.host import netns, sockdiag, sockets
from dnet.values.family import V4, V6, Family
from tests.host import Host

ADDRESSES = [
    (socket.AF_INET, "0.0.0.0"),
    (socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET6, "::"),
    (socket.AF_INET6, "::1"),
    (socket.AF_INET6, "::ffff:127.0.0.1"),
]

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@pytest.fixture
def inside(host: Host) -> Iterator[None]:
    """The test itself is in the machine's namespace."""
    with open(host.path) as file, netns.inside(file.fileno()):
        yield


def by_proc(proto: str, of: Family = V4) -> set[sockets.Listener]:
    paths = (f"/proc/thread-self/net/{proto}", f"/proc/thread-self/net/{proto}6")
    return {one for path in paths for one in sockets.parse_inet(sockets._lines(path), proto, of)}


def by_netlink(proto: str = "tcp", of: Family = V4) -> set[sockets.Listener]:
    if sockdiag.listening(proto) is None:
        pytest.skip(f"this kernel has no sock_diag for {proto}")
    return set(sockets._read_all(proto, of))


def listener(
    family: int, address: str, proto: str = "tcp", port: int = 0, *, ipv6_only: bool = False
) -> socket.socket:
    server = socket.socket(family, KINDS[proto])
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, ipv6_only)
    server.bind((address, port))
    if proto == "tcp":
        server.listen()
    return server


def listeners(stack: ExitStack, each: int, proto: str) -> None:
    for family, address in ADDRESSES:
        for _ in range(each):
            stack.enter_context(listener(family, address, proto))


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("proto", KINDS)
@pytest.mark.parametrize("each", [1, 200])
def test_both_tell_the_same(each: int, proto: str) -> None:
    with ExitStack() as stack:
        listeners(stack, each, proto)
        found = by_netlink(proto)
        assert found == by_proc(proto)
        assert len(found) == each * (len(ADDRESSES) - 1)  # All but those on ::1.
        found = by_netlink(proto, V6)
        assert found == by_proc(proto, V6)
        assert {one.address for one in found} == {"::", "::1"}
        assert len(found) == each * 2


@pytest.mark.usefixtures("inside")
def test_what_does_not_listen_is_not_told() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        assert by_netlink() == set()
        server.listen()
        stack.enter_context(socket.create_connection(server.getsockname()))
        stack.enter_context(server.accept()[0])
        assert {one.port for one in by_netlink()} == {server.getsockname()[1]}


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("proto", KINDS)
def test_a_listener_for_ipv6_alone_has_no_port_of_ipv4(host: Host, proto: str) -> None:
    """As that of a web server which asks for [::]:80 beside 0.0.0.0:80."""
    host.ok("bridge", "init")
    host.ok("interface", "allocate", "web")
    with listener(socket.AF_INET6, "::", proto, 8081, ipv6_only=True):
        assert host.ok("map", "add", "web", f"8081:80/{proto}") == f"0.0.0.0:8081/{proto}"
        with listener(socket.AF_INET6, "::", proto, 8082):
            host.fails(4, "map", "add", "web", f"8082:80/{proto}", code="port-in-use")
        assert host.ok("map", "add", "web", f"8081-8082:80/{proto}") == f"0.0.0.0:8082/{proto}"


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("proto", KINDS)
def test_a_port_is_reserved_in_both_families_or_in_neither(host: Host, proto: str) -> None:
    host.ok("bridge", "init", "--ipv6", "--port-range", "8081-8086")
    with (
        listener(socket.AF_INET6, "::", proto, 8081, ipv6_only=True),
        listener(socket.AF_INET6, "::1", proto, 8082),
        listener(socket.AF_INET6, "::", proto, 8083),
        listener(socket.AF_INET, "127.0.0.1", proto, 8084),
    ):
        asked = ("port", "allocate", "--proto", proto)
        for port in range(8081, 8085):
            host.fails(4, *asked, "--port", port, code="port-in-use")
        assert host.keys("port", "list") == []
        for ip, free in (
            ("0.0.0.0", {8081, 8082}),
            ("::", {8084}),
            ("2001:db8::1", {8082, 8084}),
        ):
            for port in range(8081, 8085):
                command = (*asked, "--host-ip", ip, "--port", str(port))
                if port in free:
                    assert host.ok(*command) == str(port)
                    at = f"[{ip}]" if ":" in ip else ip
                    host.quiet("port", "release", f"{at}:{port}/{proto}")
                else:
                    host.fails(4, *command, code="port-in-use")
        assert host.ok(*asked, "--count", "2").split() == ["8085", "8086"]
        assert host.keys("port", "list") == [f"0.0.0.0:{port}/{proto}" for port in (8085, 8086)]


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("proto", KINDS)
def test_a_listener_for_ipv4_beside_one_for_ipv6_is_seen(proto: str) -> None:
    with (
        listener(socket.AF_INET6, "::", proto, 8081, ipv6_only=True),
        listener(socket.AF_INET, "0.0.0.0", proto, 8081),
    ):
        assert [str(one) for one in by_netlink(proto)] == [f"0.0.0.0:8081/{proto}"]


@pytest.mark.usefixtures("inside")
def test_a_udp_socket_with_a_peer_is_not_told() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(listener(socket.AF_INET, "127.0.0.1", "udp"))
        client = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        client.connect(server.getsockname())
        assert by_netlink("udp") == by_proc("udp")
        assert {one.port for one in by_netlink("udp")} == {server.getsockname()[1]}
