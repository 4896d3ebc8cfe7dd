"""What is understood of /proc/net and of lists of ports, and which bindings collide."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnet.host.sockets import (
    HostPorts,
    Listener,
    Listeners,
    PortSet,
    parse_inet,
    parse_ranges,
    parse_sctp,
)
from dnet.values.family import V6
from tests.unit.facts import STABLE

little = pytest.mark.skipif(
    sys.byteorder != "little", reason="the samples are of a little-endian machine"
)

HEADING = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
REST = b"00000000:00000000 00:00000000 00000000     0        0 12345 1 00000000ac 100 0 0 10 0"


def row(local: bytes, remote: bytes = b"00000000:0000", state: bytes = b"0A") -> bytes:
    return b"   0: " + b" ".join((local, remote, state, REST))


def found(proto: str, *rows: bytes) -> list[str]:
    return [str(listener) for listener in parse_inet([HEADING, *rows], proto)]


@little
def test_a_tcp_listener() -> None:
    (listener,) = parse_inet([HEADING, row(b"0100007F:1F90")], "tcp")
    assert listener == Listener("127.0.0.1", 8080, "tcp", 12345)


@little
@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (b"00000000000000000000000000000000:0050", ["[::]:80/tcp"]),
        (b"0000000000000000FFFF00000100007F:0050", ["127.0.0.1:80/tcp"]),
        (b"0000000000000000FFFF000000000000:0050", ["0.0.0.0:80/tcp"]),
        (b"00000000000000000000000001000000:0050", []),
        (b"B80D0120000000000000000001000000:0050", []),
    ],
)
def test_an_ipv6_listener_counts_where_it_hears_ipv4(local: bytes, expected: list[str]) -> None:
    assert found("tcp", row(local, b"00000000000000000000000000000000:0000")) == expected


@little
@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (b"00000000000000000000000000000000:0050", ["[::]:80/tcp"]),
        (b"0000000000000000FFFF00000100007F:0050", []),
        (b"00000000000000000000000001000000:0050", ["[::1]:80/tcp"]),
        (b"B80D0120000000000000000001000000:0050", ["[2001:db8::1]:80/tcp"]),
        (b"0100007F:0050", []),
    ],
)
def test_who_hears_ipv6(local: bytes, expected: list[str]) -> None:
    rows = [HEADING, row(local, b"00000000000000000000000000000000:0000")]
    assert [str(one) for one in parse_inet(rows, "tcp", V6)] == expected


@little
def test_connections_are_no_listeners() -> None:
    rows = row(b"00000000:0050"), row(b"0100007F:0051", b"0100007F:9C40", b"01")
    assert found("tcp", *rows) == ["0.0.0.0:80/tcp"]


@little
@pytest.mark.parametrize(
    ("remote", "hears_everybody"),
    [(b"00000000:0000", True), (b"0100007F:0000", False), (b"00000000:0035", False)],
)
def test_a_udp_socket_with_a_peer_hears_nobody_else(remote: bytes, hears_everybody: bool) -> None:
    assert bool(found("udp", row(b"00000000:0035", remote, b"07"))) is hears_everybody


def test_no_table_at_all() -> None:
    assert list(parse_inet([], "tcp")) == []
    assert list(parse_sctp([])) == []


def test_an_sctp_endpoint_listens_on_each_of_its_addresses() -> None:
    lines = [
        b" ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS",
        b"       0        0 2   10  29   7777      0 4711 192.0.2.2 127.0.0.1 ",
        b"       0        0 2   10  30   7778      0 4712 0000:0000:0000:0000:0000:0000:0000:0000 ",
        (
            b"       0        0 2   10  31   7779      0 4713 "
            b"0000:0000:0000:0000:0000:ffff:0a00:0001 fe80:0000:0000:0000:0000:0000:0000:0001 "
        ),
    ]
    assert [str(listener) for listener in parse_sctp(lines)] == [
        "192.0.2.2:7777/sctp",
        "127.0.0.1:7777/sctp",
        "[::]:7778/sctp",
        "10.0.0.1:7779/sctp",
    ]
    assert [str(listener) for listener in parse_sctp(lines, V6)] == [
        "[::]:7778/sctp",
        "[fe80::1]:7779/sctp",
    ]


@pytest.mark.parametrize(
    ("held", "wanted", "collides"),
    [
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("::", "0.0.0.0", True),
        ("::", "10.0.0.1", True),
        ("10.0.0.1", "0.0.0.0", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_which_addresses_collide(held: str, wanted: str, collides: bool) -> None:
    listener = Listener(held, 80, "tcp", 1)
    listeners = Listeners([listener])
    assert listeners.holder(wanted, 80) == (listener if collides else None)
    assert listeners.holder(wanted, 81) is None


ADDRESSES = st.sampled_from(["0.0.0.0", "::", "10.0.0.1", "10.0.0.2"])
SMALL = st.integers(1, 30)


@settings(STABLE)
@given(st.lists(st.tuples(ADDRESSES, SMALL)), ADDRESSES, SMALL, SMALL)
def test_a_range_is_held_as_its_first_port_that_is(
    held: list[tuple[str, int]], host_ip: str, one: int, other: int
) -> None:
    listeners = Listeners(Listener(address, port, "tcp", 1) for address, port in held)
    first, last = sorted((one, other))
    one_by_one = (listeners.holder(host_ip, port) for port in range(first, last + 1))
    assert listeners.first_holder(host_ip, first, last) == next(filter(None, one_by_one), None)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("\n", []),
        ("8080\n", [(8080, 8080)]),
        ("8080,9148-9150\n", [(8080, 8080), (9148, 9150)]),
    ],
)
def test_a_list_of_ports(text: str, ranges: list[tuple[int, int]]) -> None:
    assert list(parse_ranges(text)) == ranges


@settings(STABLE)
@given(st.sets(st.integers(0, 65535), max_size=20), st.integers(0, 65535))
def test_a_port_set_is_a_set(ports: set[int], one: int) -> None:
    assert (one in PortSet((port, port) for port in ports)) is (one in ports)


def test_the_set_of_every_port() -> None:
    assert 65535 in PortSet([(0, 65535)])


def test_a_protocol_the_kernel_lacks_is_free() -> None:
    assert HostPorts().busy_range("192.0.2.1", 1, 1, "no-such-protocol") is None
