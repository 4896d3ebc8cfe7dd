"""Addresses of IPv6: strict where typed, one form of each, and a site's subnets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnet.values import address, address6
from dnet.values.family import V6
from tests.unit.facts import STABLE
from tests.unit.refusals import refused

SITE = "fd12:3456:789a::/48"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # RFC 5952: lower case, no leading zeros, the longest run of zeros, the first of equals.
        ("2001:DB8::0001", "2001:db8::1"),
        ("2001:0db8:0:0:0:0:2:1", "2001:db8::2:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("[fd00::2]", "fd00::2"),
    ],
)
def test_each_address_has_one_form(text: str, canonical: str) -> None:
    assert address6.parse(text) == canonical
    assert address.parse_any(text) == canonical


def test_what_is_no_address_of_ipv6() -> None:
    for text in ("", "fd00::2/64", "fd00::g", ":::", "fd00::2 ", "1:2:3:4:5:6:7:8:9"):
        assert "is not an IP address" in str(refused(address6.parse, text))
    assert "IPv4" in str(refused(address6.parse, "10.0.0.2"))
    assert "single link" in str(refused(address6.parse, "fe80::1%eth0"))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("fd00:1:2:3::1/64", "fd00:1:2:3::1/64"),
        ("FC00:0::00a/48", "fc00::a/48"),
        ("2001:db8::5/126", "2001:db8::5/126"),
        ("2001:db8::ff/0120", "2001:db8::ff/120"),
        # What is the broadcast address in IPv4 is one as any other.
        ("fd00::ff/120", "fd00::ff/120"),
    ],
)
def test_addresses_of_a_bridge(text: str, canonical: str) -> None:
    assert address6.parse_cidr(text) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fd00::1", "no prefix length"),
        ("fd00::1/64x", "not in CIDR form"),
        ("fd00::1/-1", "not in CIDR form"),
        ("fd00::1%eth0/64", "not in CIDR form"),
        ("fd00::1/47", "prefix /47 is out of range"),
        ("fd00::1/127", "prefix /127 is out of range"),
        ("fd00::/64", "no host part"),
        ("10.0.0.1/24", "IPv4"),
        ("::1/64", "neither a unique local nor a global"),
        ("fe80::1/64", "neither a unique local nor a global"),
        ("ff02::1/64", "neither a unique local nor a global"),
        ("::ffff:10.0.0.1/120", "neither a unique local nor a global"),
        ("64:ff9b::1/96", "neither a unique local nor a global"),
    ],
)
def test_what_a_bridge_cannot_have(text: str, reason: str) -> None:
    error = refused(address6.parse_cidr, text)
    assert reason in str(error)
    assert error.hint


def test_the_hint_for_a_network_is_its_first_address() -> None:
    assert "fd00:0:0:1::1/64" in str(refused(address6.parse_cidr, "fd00:0:0:1::/64").hint)


@pytest.mark.parametrize("text", ["fd00:1:2:3::/64", "fd00:1:2:3:4::/80", "fd00:1:2:3::fffc/126"])
def test_ranges(text: str) -> None:
    assert address6.parse_range(text, "fd00:1:2:3::1/64") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fd00:1:2:3::5/80", "has a host part"),
        ("fd00:1:2::/48", "not inside"),
        ("fd00:1:2:4::/80", "not inside"),
        ("fd00:1:2:3::4/127", "out of range"),
        ("10.0.0.0/24", "IPv4"),
    ],
)
def test_what_is_no_part_of_a_subnet(text: str, reason: str) -> None:
    assert reason in str(refused(lambda one: address6.parse_range(one, "fd00:1:2:3::1/64"), text))


@STABLE
@given(st.integers(0, (1 << address6.GLOBAL_ID_BITS) - 1), st.integers(0, address6.SUBNETS - 1))
def test_a_site_and_its_subnets(global_id: int, number: int) -> None:
    site = address6.site(global_id)
    assert address6.parse_site(site) == site
    assert site.startswith("fd")
    cidr = address6.gateway(site, number)
    assert address6.parse_cidr(cidr) == cidr
    assert address6.is_unique_local(cidr)
    assert address.contains(site, address.host(cidr))
    assert address6.numbers(site, cidr) == range(number, number + 1)
    assert address.prefix_len(cidr) == 64


def test_global_ids_are_sites_of_their_own() -> None:
    assert address6.site(0) == "fd00::/48"
    assert address6.site(0x123456789A) == SITE
    assert address6.site((1 << 40) - 1) == "fdff:ffff:ffff::/48"
    for text in ("fd00::/64", "fc00::1/48", "2001:db8::/48", "fd00::/49"):
        refused(address6.parse_site, text)


@pytest.mark.parametrize(
    ("cidr", "numbers"),
    [
        ("fd12:3456:789a:5::/64", range(5, 6)),
        ("fd12:3456:789a:5::7/128", range(5, 6)),
        ("fd12:3456:789a:8::/62", range(8, 12)),
        (SITE, range(address6.SUBNETS)),
        ("fd00::/8", range(address6.SUBNETS)),
        ("::/0", range(address6.SUBNETS)),
        ("fd12:3456:789b::/48", range(0)),
        ("10.0.0.0/8", range(0)),
    ],
)
def test_which_subnets_of_a_site_a_network_meets(cidr: str, numbers: range) -> None:
    assert address6.numbers(SITE, cidr) == numbers


@pytest.mark.parametrize(
    ("cidr", "pool"),
    [
        ("fd00:1::1/48", "fd00:1::/112"),
        ("fd00:1:2:3:4::/80", "fd00:1:2:3:4::/112"),
        ("fd00::5/120", "fd00::/120"),
    ],
)
def test_what_is_handed_out_can_be_listed(cidr: str, pool: str) -> None:
    assert address6.pool(cidr) == pool
    assert address.network(pool).num_addresses <= 1 << 16


@STABLE
@given(st.integers(0, (1 << 128) - 1))
def test_an_address_and_its_number(number: int) -> None:
    text = address.from_int(number, V6)
    assert address.to_int(text) == number
    assert address6.parse(text) == text
