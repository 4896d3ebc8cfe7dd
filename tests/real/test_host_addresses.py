"""What the host has itself, or reaches others through, is nobody's to have."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab

NAMESERVERS = "nameserver 10.7.0.3\nnameserver 127.0.0.53\nnameserver fe80::1%br0\n"


@pytest.fixture
def made(host: Host) -> Host:
    """A machine with a bridge of dnet's, and one address of it on the loopback."""
    host.ip("address add 172.17.0.2/32 dev lo")
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    return host


@pytest.fixture
def adopted(lab: Lab) -> Host:
    """A machine whose bridge to its network is dnet's as well: 10.7.0.1 to 10.7.0.6."""
    host = lab.host(resolv_conf=NAMESERVERS)
    host.ip(
        "link add br0 type bridge",
        "link set br0 up",
        "address add 10.7.0.5/29 dev br0",
        "route add default via 10.7.0.2 dev br0",
    )
    host.ok("bridge", "init", "br0")
    return host


def available(host: Host) -> list[str]:
    return host.keys("ip", "list", "--available")


def test_an_address_of_the_host_s_is_passed_over_wherever_it_is(lab: Lab, made: Host) -> None:
    assert made.ok("ip", "request") == "172.17.0.3"
    made.ip(
        "address add 172.17.0.4/16 dev dnet0",
        "link add down0 type veth",
        "address add 172.17.0.5/32 dev down0",
        "route add local 172.17.0.6/31 dev lo",
    )
    assert made.keys("ip", "list", "--available")[:2] == ["172.17.0.8", "172.17.0.9"]
    node = lab.node()
    assert made.ok("attach", "web", "--netns", node.netns, "-p", "8080:80") == "172.17.0.8"
    node.listen("tcp", 80, "web")
    made.reaches("web", "tcp", "127.0.0.1", 8080)
    # What a container has is not the host's.
    made.quiet("detach", "web")
    node.ip("address add 172.17.0.9/16 dev lo")
    assert made.ok("ip", "request") == "172.17.0.9"
    made.quiet("check")


def test_an_address_of_the_host_s_is_refused_by_name_with_its_device(lab: Lab, made: Host) -> None:
    before = made.everything()
    for words in (
        ("ip", "request", "--ip", "172.17.0.2"),
        ("interface", "allocate", "web", "--ip", "172.17.0.2"),
        ("attach", "web", "--netns", lab.node().netns, "--ip", "172.17.0.2"),
    ):
        refusal = made.fails(4, *words, code="address-in-use")
        assert refusal.message == (
            "172.17.0.2 is an address of this host, on lo, which cannot be allocated"
        )
    assert made.everything() == before
    made.ip("address delete 172.17.0.2/32 dev lo")
    assert made.ok("ip", "request", "--ip", "172.17.0.2") == "172.17.0.2"


def test_how_many_are_free_is_told_without_them(made: Host) -> None:
    free = made.json("show")["bridges"][0]["addresses"]["free"]
    assert free == len(available(made)) == 65536 - 4 - 1


def test_what_came_to_the_host_later_is_told_of(lab: Lab, made: Host) -> None:
    ip = made.ok("attach", "web", "--netns", lab.node().netns)
    made.quiet("check")
    made.ip(f"address add {ip}/32 dev lo")
    done = made.dnet("check")
    assert (done.returncode, done.stderr) == (STATUS["drift"], "")
    assert done.stdout == (
        f"{ip} of web is an address of this host as well, on lo, so the host does not reach web; "
        "remove it there, or release web\n"
    )
    made.ip(f"address delete {ip}/32 dev lo")
    made.quiet("check")


def test_nobody_gets_the_place_of_a_gateway_or_a_nameserver(adopted: Host) -> None:
    assert available(adopted) == ["10.7.0.4", "10.7.0.6"]
    for ip, what in {"10.7.0.2": "a gateway", "10.7.0.3": "a nameserver"}.items():
        refusal = adopted.fails(4, "ip", "request", "--ip", ip, code="address-in-use")
        assert refusal.message == f"{ip} is {what} of this host, which cannot be allocated"
    assert adopted.ok("ip", "request") == "10.7.0.4"
    # Of another table that a rule leads to, and by one of several ways.
    adopted.ip(
        "route add 192.0.2.0/24 table 7 nexthop via 10.7.0.2 nexthop via 10.7.0.6",
        "rule add from 10.7.0.5 lookup 7",
    )
    adopted.fails(5, "ip", "request", code="exhausted")
    adopted.quiet("check")


def test_a_container_may_be_what_the_host_reaches_others_through(lab: Lab) -> None:
    host = lab.host(resolv_conf="nameserver 172.17.0.3\n")
    done = host.dnet("bridge", "init", "--address", "172.17.42.1/16")
    assert "overlaps the nameserver 172.17.0.3" in done.stderr
    host.ip("route add 192.0.2.0/24 via 172.17.0.2")
    for name, ip in {"router": "172.17.0.2", "dns": "172.17.0.3"}.items():
        assert host.ok("attach", name, "--netns", lab.node().netns, "--ip", ip) == ip
    host.quiet("check")
