"""Names: what is accepted as which, and that a refusal is one plain line."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnet.errors import UsageError, on_one_line
from dnet.values import names
from tests.unit.refusals import refused


@pytest.mark.parametrize(
    "text", ["a", "0", "10", "web", "web-1.example_x", "A" * 128, "fe80", "Host"]
)
def test_interface_ids(text: str) -> None:
    assert names.interface_id(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "-a", ".a", "_a", "a/b", "a b", "a\n", "a\nb", "a:b", "é", "a" * 129, "\u0661", "a\0"],
)
def test_what_is_no_interface_id(text: str) -> None:
    assert "is not an interface id" in str(refused(names.interface_id, text))


@pytest.mark.parametrize("text", ["10.0.0.1", "1.2", "1.", "999.999.999.999"])
def test_what_reads_as_an_address_is_no_interface_id(text: str) -> None:
    assert "reads as an address" in str(refused(names.interface_id, text))


def test_the_host_is_no_interface() -> None:
    assert "the machine itself" in str(refused(names.interface_id, "host"))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("10.0.0.1", True),
        ("10.0.0", True),
        ("::1", True),
        ("fe80::1", True),
        ("::ffff:10.0.0.1", True),
        ("10", False),
        ("web", False),
        ("dead.beef", False),
        ("", False),
    ],
)
def test_what_a_target_is_meant_as(text: str, is_one: bool) -> None:
    assert names.reads_as_address(text) is is_one


@pytest.mark.parametrize("text", ["dnet0", "br-lan", "eth0.100", "a", "x" * 15, "veth@x", "br_1"])
def test_device_names(text: str) -> None:
    assert names.device(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "lo", "all", "default", "a/b", "a b", "a\tb", "a\nb", "a:b", "a%d"),
        *("x" * 16, "-a", "!a", "a+", 'a"b', "a'b", "a\\b", "a\0b"),
    ],
)
def test_what_is_no_device_name(text: str) -> None:
    refused(names.device, text)


@pytest.mark.parametrize("text", ["DNET", "DOCKER", "dnet-a_1", "1", "x" * 28, "accept"])
def test_chain_names(text: str) -> None:
    assert names.chain(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "x" * 29, "-A", "a b", "a.b", "a/b", "a\n", "INPUT", "POSTROUTING", "ACCEPT", "DNAT"),
        *("MASQUERADE", "RETURN", "DNET-USER", "DNET-FORWARD", "DNET-PREROUTING"),
    ],
)
def test_what_is_no_chain_name(text: str) -> None:
    refused(names.chain, text)


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("80", 80), ("65535", 65535), ("080", 80)])
def test_ports(text: str, number: int) -> None:
    assert names.port(text) == number


BAD_PORTS = [
    "0",
    "65536",
    "99999",
    "100000",
    "-1",
    "abc",
    "",
    " 80",
    "80 ",
    "8_0",
    "٣",
    "1.0",
    "80\n",
]


@pytest.mark.parametrize("text", BAD_PORTS)
def test_what_is_no_port(text: str) -> None:
    error = refused(names.port, text)
    assert error.hint == "ports go from 1 to 65535"


@pytest.mark.parametrize(
    ("text", "span"), [("80", (80, 80)), ("80-80", (80, 80)), ("1-65535", (1, 65535))]
)
def test_port_ranges(text: str, span: tuple[int, int]) -> None:
    assert names.port_range(text) == span


@pytest.mark.parametrize("text", [*BAD_PORTS, "80-", "-80", "80-90-100", "80-65536", "0-80", "--"])
def test_what_is_no_port_range(text: str) -> None:
    refused(names.port_range, text)


def test_a_reversed_range_comes_with_the_right_one() -> None:
    error = refused(names.port_range, "90-80")
    assert "reversed" in str(error)
    assert error.hint == "write 80-90"


@pytest.mark.parametrize(("text", "proto"), [("tcp", "tcp"), ("UDP", "udp"), ("Sctp", "sctp")])
def test_protocols(text: str, proto: str) -> None:
    assert names.protocol(text) == proto


@pytest.mark.parametrize("text", ["", "tcpp", "icmp", "6", "tcp\n", "tcp/udp"])
def test_what_is_no_protocol(text: str) -> None:
    assert refused(names.protocol, text).hint == "use tcp, udp or sctp"


@pytest.mark.parametrize(
    ("text", "canonical"), [("80", "80/tcp"), ("53/UDP", "53/udp"), ("0443/tcp", "443/tcp")]
)
def test_exposed_ports(text: str, canonical: str) -> None:
    assert names.port_proto(text) == canonical


@pytest.mark.parametrize("text", ["", "/tcp", "80/", "80/tcp/udp", "80-90/tcp", "abc/tcp", "0/udp"])
def test_what_is_no_exposed_port(text: str) -> None:
    refused(names.port_proto, text)


def test_ports_are_sorted_lowest_first_and_tcp_before_udp() -> None:
    ports = ("443/udp", "80/sctp", "80/udp", "1000/tcp", "80/tcp", "80/udp", "443/tcp")
    expected = ("80/tcp", "80/udp", "80/sctp", "443/tcp", "443/udp", "1000/tcp")
    assert names.sort_ports(ports) == expected


def test_a_quoted_text_stays_on_one_line_and_short() -> None:
    assert names.quoted("a\nb\x1b[1m") == r"'a\nb\x1b[1m'"
    assert len(names.quoted("x" * 10_000)) < 70
    assert len(names.quoted("\n" * 10_000)) < 70


def test_a_byte_that_is_no_text_is_shown_as_that_byte() -> None:
    assert names.quoted("a\udc80\udcff") == r"'a\x80\xff'"
    assert names.quoted(r"\udcff") == r"'\\udcff'"
    assert on_one_line("a\udcff ä\n") == r"a\xff ä\n"
    assert on_one_line("\ud800") == r"\ud800"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", True), ("42", True), ("", False), ("-1", False), ("1.5", False), ("1_0", False)]
    + [(digit, False) for digit in ("٣", "३", "\uff14", "²", "①", "1٣")],
)
def test_what_is_a_number(text: str, expected: bool) -> None:
    assert names.is_number(text) is expected


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("web", "web"),
        ("", "''"),
        ("a b", "'a b'"),
        ("a'b", "'a'\"'\"'b'"),
        ("a\udcffb", "'a\udcffb'"),
        ("a\nb", "\"$(printf -- 'a\\012b')\""),
        ("1\x1b2", "\"$(printf -- '1\\0332')\""),
        ("%\\'\t\"$x", '"$(printf -- \'\\045\\134\\047\\011"$x\')"'),
        ("\u009b\udcff", "\"$(printf -- '\\302\\233\\377')\""),
    ],
)
def test_a_word_for_the_shell(word: str, shown: str) -> None:
    assert names.for_shell(word) == shown


@pytest.mark.parametrize("word", ["a b", "a'b", "%\\'\t\"$x`", "\x1b[2J\u2028", "-\n-"])
def test_the_shell_reads_a_word_back(word: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"printf %s {names.for_shell(word)}"], capture_output=True, check=True
    )
    assert done.stdout.decode() == word


@pytest.mark.parametrize("text", ["web", "/proc/1/ns/net", "netz-für-日本", "a b", "a\udcff", "1"])
def test_what_may_name_a_namespace(text: str) -> None:
    assert names.namespace(text) == text


@pytest.mark.parametrize("text", ["", "a\nb", "\x1b", "a\x7f", "\x85", "/run/\u2028", "a\0"])
def test_what_may_not(text: str) -> None:
    with pytest.raises(UsageError) as error:
        names.namespace(text)
    assert str(error.value).isprintable()


@given(st.text())
def test_a_word_in_quotes_is_what_the_library_makes_of_it(word: str) -> None:
    assert names.in_quotes(word) == shlex.quote(word)
