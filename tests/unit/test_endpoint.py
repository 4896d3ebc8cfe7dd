"""Host endpoints and publish specs: each documented form, and what is none."""

from __future__ import annotations

import pytest

from dnet.errors import UsageError
from dnet.values.endpoint import (
    Endpoint,
    EndpointQuery,
    PublishSpec,
    host_ip_of,
    host_ips_of,
    parse_endpoint,
    parse_publish,
)


@pytest.mark.parametrize(
    ("text", "query", "printed"),
    [
        ("8080", EndpointQuery(None, 8080, 8080, "tcp"), "8080/tcp"),
        ("8080/tcp", EndpointQuery(None, 8080, 8080, "tcp"), "8080/tcp"),
        ("53/UDP", EndpointQuery(None, 53, 53, "udp"), "53/udp"),
        ("0.0.0.0:80", EndpointQuery("0.0.0.0", 80, 80, "tcp"), "0.0.0.0:80/tcp"),
        ("10.0.0.1:80/sctp", EndpointQuery("10.0.0.1", 80, 80, "sctp"), "10.0.0.1:80/sctp"),
        ("[10.0.0.1]:80", EndpointQuery("10.0.0.1", 80, 80, "tcp"), "10.0.0.1:80/tcp"),
        ("8000-8999/udp", EndpointQuery(None, 8000, 8999, "udp"), "8000-8999/udp"),
        ("8000-8000", EndpointQuery(None, 8000, 8000, "tcp"), "8000/tcp"),
        (
            "127.0.0.1:8000-8009",
            EndpointQuery("127.0.0.1", 8000, 8009, "tcp"),
            "127.0.0.1:8000-8009/tcp",
        ),
        ("localhost:80", EndpointQuery("127.0.0.1", 80, 80, "tcp"), "127.0.0.1:80/tcp"),
        ("[::1]:80", EndpointQuery("::1", 80, 80, "tcp"), "[::1]:80/tcp"),
        ("[0::]:80-90/udp", EndpointQuery("::", 80, 90, "udp"), "[::]:80-90/udp"),
        ("LocalHost:80-81/udp", EndpointQuery("127.0.0.1", 80, 81, "udp"), "127.0.0.1:80-81/udp"),
    ],
)
def test_host_endpoints(text: str, query: EndpointQuery, printed: str) -> None:
    assert parse_endpoint(text) == query
    assert str(query) == printed


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "0", "65536", "-1", "8080/", "8080/tcpp", "8080/tcp/udp", ":8080", "8080:"),
        *("8080:80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:abc", "10.0.0.256:80", "9-8", "1-2-3"),
        *("[::1]80", "[::1", "[fe80::1]:80", "[ff02::1]:80", "[::ffff:10.0.0.1]:80", "[::1%lo]:80"),
        *("[10.0.0.1]80", "[10.0.0.1]", "[10.0.0.1", "::1:80", "localhost"),
        *("localhost:", "localhost::80", "localhost:8080:80", "localhost.:80", "my.host:80"),
        *("224.0.0.1:80", "255.255.255.255:80", "10.0.0.1::80", " 80", "80\n", "8080,8081"),
    ],
)
def test_what_is_no_host_endpoint(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_endpoint(text)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("80", PublishSpec(None, None, None, 80, 80, "tcp")),
        (":80", PublishSpec(None, None, None, 80, 80, "tcp")),
        ("80/udp", PublishSpec(None, None, None, 80, 80, "udp")),
        ("8080:80", PublishSpec(None, 8080, 8080, 80, 80, "tcp")),
        ("8080:80/sctp", PublishSpec(None, 8080, 8080, 80, 80, "sctp")),
        ("10.0.0.1:8080:80", PublishSpec("10.0.0.1", 8080, 8080, 80, 80, "tcp")),
        ("[10.0.0.1]:8080:80", PublishSpec("10.0.0.1", 8080, 8080, 80, 80, "tcp")),
        ("127.0.0.1::53/udp", PublishSpec("127.0.0.1", None, None, 53, 53, "udp")),
        ("8000-8010:80", PublishSpec(None, 8000, 8010, 80, 80, "tcp")),
        ("8000-8009:9000-9009", PublishSpec(None, 8000, 8009, 9000, 9009, "tcp")),
        ("7000-7009", PublishSpec(None, None, None, 7000, 7009, "tcp")),
        ("0.0.0.0::7000-7009/udp", PublishSpec("0.0.0.0", None, None, 7000, 7009, "udp")),
        ("localhost:8080:80", PublishSpec("127.0.0.1", 8080, 8080, 80, 80, "tcp")),
        ("localhost::80/udp", PublishSpec("127.0.0.1", None, None, 80, 80, "udp")),
        ("8080-8080:80-80", PublishSpec(None, 8080, 8080, 80, 80, "tcp")),
        ("[::]:8080:80", PublishSpec("::", 8080, 8080, 80, 80, "tcp")),
        ("[0:0::1]::53/udp", PublishSpec("::1", None, None, 53, 53, "udp")),
        ("[2001:DB8::1]:1-9:2-10", PublishSpec("2001:db8::1", 1, 9, 2, 10, "tcp")),
    ],
)
def test_publish_specs(text: str, spec: PublishSpec) -> None:
    assert parse_publish(text) == spec
    assert parse_publish(str(spec)) == spec


@pytest.mark.parametrize(
    "text",
    ["80/tcp", "8080:80/udp", "10.0.0.1::53/udp", "8000-8010:80/tcp", "0.0.0.0:1-9:2-10/sctp"],
)
def test_a_whole_publish_spec_is_shown_as_it_was_typed(text: str) -> None:
    assert str(parse_publish(text)) == text


def test_the_hint_lets_the_port_of_an_ipv6_address_be_chosen() -> None:
    with pytest.raises(UsageError) as error:
        parse_publish("[::1]:80")
    assert error.value.hint == "[::1]::80 lets dnet choose the host port"


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "::", "abc", "0", "65536", "8080:", "8080:0", "0:80", "8080:abc", "80/tcpp"),
        *("8080:80/", "1:2:3", "1:2:3:4", "10.0.0.1:80", "10.0.0.1:8080", "10.0.0.256:1:2"),
        *(
            "[::1]:80",
            "[::1]",
            "[fe80::1]:80:80",
            "[ff02::1]::80",
            "::1:80:80",
            "localhost:80",
            "9-8:80",
            "8080:90-80",
            "10.0.0.1:1:2:3",
        ),
        *(
            "localhost",
            "localhost:8080:80:1",
            "localhos:8080:80",
            "[localhost",
            "localhost]:8080:80",
        ),
        *("224.0.0.1:80:80", "8080 :80", "8080:80\n", "8080/tcp:80", "10.0.0.1:1:"),
    ],
)
def test_what_is_no_publish_spec(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_publish(text)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("80:9000-9009", "1 host port for 10 container ports"),
        ("8000-8008:9000-9009", "9 host ports for 10 container ports"),
    ],
)
def test_two_ranges_must_be_of_one_length(text: str, counts: str) -> None:
    with pytest.raises(UsageError, match=counts) as error:
        parse_publish(text)
    assert error.value.hint == "give two ranges of the same length"


@pytest.mark.parametrize(
    ("text", "is_range", "picks_one"),
    [
        ("80", False, False),
        ("8080:80", False, False),
        ("8000-8010:80", False, True),
        ("8000-8009:9000-9009", True, False),
        ("7000-7009", True, False),
    ],
)
def test_what_a_spec_asks_for(text: str, is_range: bool, picks_one: bool) -> None:
    spec = parse_publish(text)
    assert (spec.is_range, spec.picks_one) == (is_range, picks_one)


@pytest.mark.parametrize(
    ("endpoint", "key"),
    [
        (Endpoint.single("0.0.0.0", 8080, "tcp"), "0.0.0.0:8080/tcp"),
        (Endpoint("10.0.0.1", 8000, "udp", 8999), "10.0.0.1:8000-8999/udp"),
        (Endpoint.single("::1", 8080, "tcp"), "[::1]:8080/tcp"),
        (Endpoint("2001:db8::7", 8000, "udp", 8999), "[2001:db8::7]:8000-8999/udp"),
        (Endpoint.single("::", 53, "sctp"), "[::]:53/sctp"),
    ],
)
def test_an_endpoint_prints_as_the_key_it_is(endpoint: Endpoint, key: str) -> None:
    assert str(endpoint) == key
    assert Endpoint.from_key(key) == endpoint
    assert host_ip_of(key) == endpoint.host_ip
    assert host_ips_of([key, key]) == {endpoint.host_ip}


def test_an_ipv6_address_stands_in_brackets_in_whatever_can_be_typed() -> None:
    assert str(EndpointQuery("::1", 80, 81, "tcp")) == "[::1]:80-81/tcp"
    assert str(PublishSpec("::1", 8080, 8080, 80, 80, "tcp")) == "[::1]:8080:80/tcp"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("80:", "'80:': '' is not a port number"),
        ("8081:x", "'8081:x': 'x' is not a port number"),
        ("x", "'x' is not a port number"),
        ("80:9-8", "'80:9-8': port range '9-8' is reversed"),
        ("80:80/tcpp", "'80:80/tcpp': unknown protocol 'tcpp'"),
        ("1.2.3:80:80", "'1.2.3:80:80': '1.2.3' is not an IP address"),
    ],
)
def test_an_error_names_the_whole_word_and_what_is_wrong_in_it(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_publish(text)
    assert str(error.value) == said


def test_an_error_names_the_whole_host_endpoint() -> None:
    with pytest.raises(UsageError) as error:
        parse_endpoint("10.0.0.1:x/udp")
    assert str(error.value) == "'10.0.0.1:x/udp': 'x' is not a port number"
    assert error.value.hint == "ports go from 1 to 65535"
