"""Addresses: strict where typed, and the arithmetic on them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnet.errors import UsageError
from dnet.values import address
from tests.unit.refusals import refused


@pytest.mark.parametrize(
    ("text", "canonical"), [("10.0.0.1", "10.0.0.1"), ("[10.0.0.1]", "10.0.0.1"), ("0.0.0.0",) * 2]
)
def test_addresses(text: str, canonical: str) -> None:
    assert address.parse(text) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", "10", "10.0.0", "10.0.0.256", "172.017.0.1", "0x7f.0.0.1", "10.0.0.1 ", " 10.0.0.1"),
        *("10.0.0.1/8", "abc", "1.2.3.4.5", "10.0.0.1\n", "\uff110.0.0.1", "[10.0.0.1", "-1.0.0.0"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    assert "is not an IP address" in str(refused(address.parse, text))


@pytest.mark.parametrize("text", ["::1", "fe80::1%eth0", "[2001:db8::1]", "::ffff:10.0.0.1"])
def test_ipv6_is_understood_and_refused(text: str) -> None:
    assert "IPv6" in str(refused(address.parse, text))


@pytest.mark.parametrize("text", ["0.0.0.0", "127.0.0.1", "127.5.0.1", "192.0.2.1"])
def test_host_addresses(text: str) -> None:
    assert address.parse_host_ip(text) == text


@pytest.mark.parametrize("text", ["224.0.0.1", "239.255.255.255", "255.255.255.255", "abc"])
def test_what_no_port_can_be_bound_to(text: str) -> None:
    refused(address.parse_host_ip, text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("172.17.42.1/16", "172.17.42.1/16"),
        ("10.0.0.1/8", "10.0.0.1/8"),
        ("10.9.9.1/30", "10.9.9.1/30"),
        ("10.9.9.6/29", "10.9.9.6/29"),
        ("10.0.0.1/024", "10.0.0.1/24"),
    ],
)
def test_addresses_of_a_bridge(text: str, canonical: str) -> None:
    assert address.parse_cidr(text) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("172.17.42.1", "no prefix length"),
        ("172.17.0.0/16", "no host part"),
        ("172.17.255.255/16", "broadcast"),
        ("10.0.0.1/7", "out of range"),
        ("10.0.0.1/31", "out of range"),
        ("10.0.0.1/32", "out of range"),
        ("10.0.0.1/0", "out of range"),
        ("10.0.0.1/33", "not in CIDR form"),
        ("10.0.0.1/-1", "not in CIDR form"),
        ("10.0.0.1/", "not in CIDR form"),
        ("10.0.0.1/abc", "not in CIDR form"),
        ("10.0.0.1/8/8", "not in CIDR form"),
        ("10.0.0.1/255.0.0.0", "not in CIDR form"),
        ("10.0.0.1/٨", "not in CIDR form"),
        ("10.0.0/8", "not in CIDR form"),
        ("/8", "not in CIDR form"),
        ("fd00::1/64", "IPv6"),
        ("224.0.0.1/24", "cannot be the address of a bridge"),
        ("0.0.0.1/8", "cannot be the address of a bridge"),
        ("127.0.0.1/24", "cannot be the address of a bridge"),
    ],
)
def test_what_is_no_address_of_a_bridge(text: str, reason: str) -> None:
    assert reason in str(refused(address.parse_cidr, text))


def test_a_subnet_comes_with_an_address_to_take() -> None:
    error = refused(address.parse_cidr, "172.17.0.0/16")
    assert error.hint is not None
    assert "172.17.0.1/16" in error.hint


@pytest.mark.parametrize(
    "text", ["172.17.0.0/16", "172.17.5.0/24", "172.17.255.252/30", "172.17.128.0/17"]
)
def test_ranges(text: str) -> None:
    assert address.parse_range(text, "172.17.42.1/16") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("172.17.5.0", "no prefix length"),
        ("172.17.5.1/24", "has a host part"),
        ("172.18.0.0/24", "not inside"),
        ("172.16.0.0/15", "not inside"),
        ("172.0.0.0/8", "not inside"),
        ("172.17.5.4/31", "out of range"),
        ("172.17.5.4/32", "out of range"),
        ("172.17.5.0/255.255.255.0", "not in CIDR form"),
        ("abc/24", "not in CIDR form"),
        ("fd00::/120", "IPv6"),
    ],
)
def test_what_is_no_range(text: str, reason: str) -> None:
    assert reason in str(refused(lambda one: address.parse_range(one, "172.17.42.1/16"), text))


def test_the_parts_of_an_address_with_its_prefix() -> None:
    assert address.host("172.17.42.1/16") == "172.17.42.1"
    assert address.prefix_len("172.17.42.1/16") == 16
    assert str(address.network("172.17.42.1/16")) == "172.17.0.0/16"
    assert address.contains("172.17.42.1/16", "172.17.255.255")
    assert not address.contains("172.17.42.1/16", "172.18.0.0")


@pytest.mark.parametrize(
    ("text", "is_loopback"),
    [
        *(("127.0.0.1", True), ("127.255.255.254", True), ("128.0.0.1", False)),
        *(("10.0.0.127", False), ("0.0.0.0", False), ("::1", True), ("::2", False), ("::", False)),
    ],
)
def test_the_host_s_own_loopback_network(text: str, is_loopback: bool) -> None:
    assert address.is_loopback(text) is is_loopback


@given(ip=st.ip_addresses(v=4), length=st.integers(8, 30))
def test_a_subnet_is_the_one_that_ipaddress_tells(ip: IPv4Address, length: int) -> None:
    assert address.subnet(f"{ip}/{length}") == str(IPv4Interface(f"{ip}/{length}").network)


def test_addresses_sort_as_numbers() -> None:
    mixed = ["10.0.0.10", "9.255.255.255", "10.0.0.9", "10.0.1.0"]
    assert sorted(mixed, key=address.to_int) == [
        "9.255.255.255",
        "10.0.0.9",
        "10.0.0.10",
        "10.0.1.0",
    ]
    assert address.to_int("::1") == 1


def test_a_mac_is_the_one_docker_gives_that_address() -> None:
    assert address.mac("172.17.0.2") == "02:42:ac:11:00:02"
    assert address.of_mac("02:42:ac:11:00:02") == "172.17.0.2"
    assert address.of_mac("02:43:ac:11:00:02") is None


@pytest.mark.parametrize(
    "text", ["02:42:AC:11:00:02", "2:42:ac:11:0:2", "02-42-ac-11-00-02", "0242.ac11.0002"]
)
def test_a_mac_may_be_written_in_any_common_way(text: str) -> None:
    assert address.parse_mac(text) == "02:42:ac:11:00:02"


@pytest.mark.parametrize(
    "text",
    [
        *("", "nonsense", "1", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "02:42:ac:11:00:02 "),
        *("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"),
    ],
)
def test_what_is_no_device_s_mac(text: str) -> None:
    with pytest.raises(UsageError, match="MAC"):
        address.parse_mac(text)
