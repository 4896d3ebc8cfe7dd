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


@pytest.fixture
def inside(host: Host) -> Iterator[None]:
    """The test itself is in the machine's namespace."""
    with open(host.path) as file, netns.inside(file.fileno()):
        yield


def by_proc() -> set[sockets.Listener]:
    paths = ("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6")
    return {one for path in paths for one in sockets.parse_inet(sockets._lines(path), "tcp")}


def by_netlink() -> set[sockets.Listener]:
    found = sockdiag.listening()
    if found is None:
        pytest.skip("this kernel has no sock_diag for TCP")
    heard = {(sockets._heard(one.address), one) for one in found}
    return {sockets.Listener(ip, one.port, "tcp", one.inode) for ip, one in heard if ip}


def listeners(stack: ExitStack, each: int) -> None:
    for family, address in ADDRESSES:
        for _ in range(each):
            server = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            if family == socket.AF_INET6:
                server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind((address, 0))
            server.listen()


@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("each", [1, 200])
def test_both_tell_the_same(each: int) -> None:
    with ExitStack() as stack:
        listeners(stack, each)
        found = by_netlink()
        assert found == by_proc()
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
