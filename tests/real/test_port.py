"""`dnet port`: host ports reserved without a mapping, and what already holds a port."""

from __future__ import annotations

from typing import Any

import pytest

from tests.host import Host
from tests.lab import Lab


def bridge(host: Host, *options: str) -> Host:
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", *options)
    return host


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge and the usual dynamic range."""
    return bridge(host)


@pytest.fixture
def three(host: Host) -> Host:
    """A machine whose dynamic range is 40000 to 40002."""
    return bridge(host, "--port-range", "40000-40002")


def allocate(host: Host, *args: str | int) -> list[int]:
    return [int(line) for line in host.ok("port", "allocate", *args).splitlines()]


# --- the dynamic range -------------------------------------------------------------------------


def test_dynamic_ports_begin_at_49153_each_protocol_for_itself(br0: Host) -> None:
    assert br0.ok("port", "allocate") == "49153"
    assert br0.ok("port", "allocate") == "49154"
    assert br0.ok("port", "allocate", "--proto", "udp") == "49153"
    assert br0.ok("port", "allocate", "--proto", "sctp") == "49153"
    assert allocate(br0, "--count", 3) == [49155, 49156, 49157]


def test_the_cursor_moves_on_and_wraps(three: Host) -> None:
    assert allocate(three) == [40000]
    three.quiet("port", "release", "40000")
    before = three.everything()
    three.fails(5, "port", "allocate", "--count", 4, code="exhausted")
    assert three.everything() == before
    assert allocate(three, "--count", 3) == [40001, 40002, 40000]
    three.fails(5, "port", "allocate", code="exhausted")
    assert allocate(three, "--proto", "udp") == [40000]
    three.ok("port", "release", "40001/tcp")
    assert allocate(three) == [40001]


# --- given ports -------------------------------------------------------------------------------


def test_a_given_port_is_granted_once(br0: Host) -> None:
    assert allocate(br0, "--port", 8080) == [8080]
    before = br0.everything()
    br0.fails(4, "port", "allocate", "--port", 8080, code="port-in-use")
    assert br0.everything() == before
    assert allocate(br0, "--port", 8080, "--proto", "udp") == [8080]


def test_one_free_port_of_a_range_or_several(br0: Host) -> None:
    allocate(br0, "--port", 8001)
    given = allocate(br0, "--port", "8000-8004") + allocate(
        br0, "--port", "8000-8004", "--count", 3
    )
    assert sorted(given) == [8000, 8002, 8003, 8004]
    before = br0.everything()
    br0.fails(5, "port", "allocate", "--port", "8000-8004", code="exhausted")
    assert br0.everything() == before


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [("0.0.0.0", "10.99.0.1", False), ("10.99.0.1", "10.99.0.2", True)],
)
def test_the_wildcard_and_each_address_exclude_one_another(
    shared_lab: Lab, first: str, second: str, free: bool
) -> None:
    host = bridge(shared_lab.host(), "--port-range", "40000-40001")
    allocate(host, "--host-ip", first, "--port", 8080)
    allocate(host, "--host-ip", first, "--port", 40000)
    if free:
        assert allocate(host, "--host-ip", second, "--port", 8080) == [8080]
    else:
        host.fails(4, "port", "allocate", "--host-ip", second, "--port", 8080, code="port-in-use")
    # A dynamic one passes over what is taken, on the same conditions.
    taken = [] if free else [40000]
    assert allocate(host, "--host-ip", second, "--count", 2 - len(taken)) == [
        port for port in (40000, 40001) if port not in taken
    ]


# --- release and list --------------------------------------------------------------------------


def test_releasing_what_is_not_taken(br0: Host) -> None:
    allocate(br0, "--port", 8080)
    before = br0.everything()
    for never in ("8081", "8080/udp", "10.99.0.1:8080"):
        br0.fails(3, "port", "release", never)
    br0.fails(3, "port", "release", "8080", "8081")
    assert br0.everything() == before
    br0.quiet("port", "release", "8080", "8081", "--if-exists")
    assert br0.json("port", "list") == []


def test_list_shows_reservations_and_mappings_with_their_owners(br0: Host) -> None:
    br0.ok("interface", "allocate", "web")
    br0.ok("map", "add", "web", "8080:80")
    allocate(br0, "--port", 8081, "--owner", "proxy")
    allocate(br0, "--port", 53, "--proto", "udp", "--host-ip", "10.99.0.1")
    listed: list[dict[str, Any]] = br0.json("port", "list")
    assert sorted((row["port"], row["host_ip"], row["proto"], row["owner"]) for row in listed) == [
        (53, "10.99.0.1", "udp", None),
        (8080, "0.0.0.0", "tcp", "web"),
        (8081, "0.0.0.0", "tcp", "proxy"),
    ]
    assert sorted(br0.keys("port", "list")) == [
        *("0.0.0.0:8080/tcp", "0.0.0.0:8081/tcp", "10.99.0.1:53/udp"),
    ]


def test_a_mapping_s_port_is_released_with_the_mapping(br0: Host) -> None:
    br0.ok("interface", "allocate", "web")
    br0.ok("map", "add", "web", "8080:80")
    before = br0.everything()
    refusal = br0.fails(4, "port", "release", "8080")
    assert "map remove" in f"{refusal.message} {refusal.hint}"
    assert br0.everything() == before


# --- what the host itself holds ----------------------------------------------------------------


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::1"])
def test_a_port_that_a_process_listens_on(lab: Lab, proto: str, address: str) -> None:
    host = bridge(lab.host())
    host.listen(proto, 49153, address=address)
    before = host.everything()
    if address == "::1":
        # IPv6's loopback says nothing about IPv4.
        assert allocate(host, "--proto", proto) == [49153]
        return
    refusal = host.fails(
        4, "port", "allocate", "--proto", proto, "--port", 49153, code="port-in-use"
    )
    assert str(host.agent_pid) in refusal.message or "python" in refusal.message
    assert host.everything() == before
    assert allocate(host, "--proto", proto) == [49154]
    other = "udp" if proto == "tcp" else "tcp"
    assert allocate(host, "--proto", other, "--port", 49153) == [49153]
    host.unlisten(proto, 49153, address)
    assert allocate(host, "--proto", proto, "--port", 49153) == [49153]


def test_a_listener_on_one_address_holds_that_address_and_the_wildcard(lab: Lab) -> None:
    host = bridge(lab.host())
    lab.outside(host)
    host.listen("tcp", 8080, address="10.99.0.1")
    host.fails(4, "port", "allocate", "--port", 8080, code="port-in-use")
    host.fails(4, "port", "allocate", "--port", 8080, "--host-ip", "10.99.0.1", code="port-in-use")
    assert allocate(host, "--port", 8080, "--host-ip", "127.0.0.1") == [8080]


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize("spec", ["53:53", "50-59:50-59"])
def test_where_another_address_would_do_the_hint_says_so(lab: Lab, proto: str, spec: str) -> None:
    """As of a host's own name server, which listens on 127.0.0.53 alone."""
    host = bridge(lab.host())
    lab.outside(host)
    host.ok("interface", "allocate", "dns")
    host.listen(proto, 53, address="127.0.0.53")
    refusal = host.fails(4, "map", "add", "dns", f"{spec}/{proto}", code="port-in-use")
    assert refusal.hint == "choose another host port, or a HOST_IP other than 127.0.0.53"
    refusal = host.fails(4, "port", "allocate", "--port", 53, "--proto", proto, code="port-in-use")
    assert "HOST_IP other than 127.0.0.53" in str(refusal.hint)
    host.ok("map", "add", "dns", f"10.99.0.1:{spec}/{proto}")


def test_where_no_other_address_would_do_the_hint_offers_none(lab: Lab) -> None:
    host = bridge(lab.host())
    host.ok("interface", "allocate", "dns")
    host.listen("tcp", 53, address="127.0.0.53")
    host.listen("tcp", 55)
    for spec in ("50-59:50-59", "127.0.0.1:55:53"):
        refusal = host.fails(4, "map", "add", "dns", spec, code="port-in-use")
        assert refusal.hint == "choose another host port"


def test_a_connection_s_own_port_is_no_listener(lab: Lab) -> None:
    host = bridge(lab.host())
    client = lab.outside(host)
    client.listen("tcp", 49153, "far")
    flow = host.open("tcp", "10.99.0.2", 49153)
    assert allocate(host) == [49153]
    flow.close()


def test_ports_reserved_by_the_administrator_are_passed_over(br0: Host) -> None:
    br0.sysctl("net/ipv4/ip_local_reserved_ports", "49153-49154,49156")
    assert allocate(br0, "--count", 2) == [49155, 49157]


def test_a_port_reserved_by_the_administrator_may_be_asked_for(br0: Host, lab: Lab) -> None:
    br0.sysctl("net/ipv4/ip_local_reserved_ports", "8000-8100")
    assert allocate(br0, "--port", 8000) == [8000]
    br0.ok("interface", "allocate", "web", "--expose", "80/tcp")
    assert br0.ok("map", "add", "web", "8001:80") == "0.0.0.0:8001/tcp"
    assert br0.ok("map", "add", "web", "8010-8019:8010-8019") == "0.0.0.0:8010-8019/tcp"
    br0.ok("attach", "db", "--netns", lab.node().netns, "-p", "8002:80")
    br0.ok("link", "add", "host", "web", "-p", "8003/tcp")
    br0.fails(5, "port", "allocate", "--port", "8020-8100", code="exhausted")
