"""The listening sockets by netlink are those of /proc."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dnet.host import netns, sockdiag, sockets
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


def by_proc(proto: str) -> set[sockets.Listener]:
    paths = (f"/proc/thread-self/net/{proto}", f"/proc/thread-self/net/{proto}6")
    return {one for path in paths for one in sockets.parse_inet(sockets._lines(path), proto)}


def by_netlink(proto: str = "tcp") -> set[sockets.Listener]:
    found = sockdiag.listening(proto)
    if found is None:
        pytest.skip(f"this kernel has no sock_diag for {proto}")
    heard = {(sockets._heard(one.address), one) for one in found if not one.ipv6_only}
    return {sockets.Listener(ip, one.port, proto, one.inode) for ip, one in heard if ip}


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
