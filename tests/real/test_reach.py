"""The host's routes and settings that keep traffic from containers: told, and left."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
# Each takes the way to 172.17.0.2 away, and what of it is named.
WAYS_OFF = {
    "a more specific route": ("ip route add 172.17.0.0/24 via 10.99.0.2", "by eth0"),
    "a route to the one": ("ip route add 172.17.0.2 via 10.99.0.2", "by eth0"),
    "a refusing route": ("ip route add unreachable 172.17.0.0/28", "nowhere"),
    "a rule": (
        "ip route add default via 10.99.0.2 table 77; ip rule add to 172.17.0.0/16 table 77",
        "by eth0",
    ),
}


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a default route, a bridge and a container that publishes a port."""
    host = lab.host()
    lab.outside(host)
    host.ip("route add default via 10.99.0.2")
    host.quiet(*INIT)
    node = lab.node()
    assert host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80") == "172.17.0.2"
    host.quiet("check")
    return host


def warned(host: Host, *words: str) -> list[str]:
    """The warnings of a `dnet` that succeeds."""
    done = host.dnet(*words)
    assert done.returncode == 0, done
    return [line.removeprefix("dnet: warning: ") for line in done.stderr.splitlines()]


@pytest.mark.parametrize("name", WAYS_OFF)
def test_a_container_that_is_reached_by_another_way(host: Host, name: str) -> None:
    command, way = WAYS_OFF[name]
    host.run("sh", "-c", command)
    before = host.snapshot()
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    (line,) = (one for one in found.stdout.splitlines() if "leave" in one)
    assert "172.17.0.2" in line
    assert f"leave {way}" in line
    assert line.endswith("ip route get 172.17.0.2")
    assert line in warned(host, "restore")
    assert host.snapshot() == before


@pytest.mark.parametrize(
    ("rule", "way"),
    [
        ("from 172.17.0.0/16 table 77", "by eth0, not by dnet0"),
        ("iif dnet0 table 77", "by eth0, not by dnet0"),
        ("from 172.17.0.0/24 prohibit", "nowhere"),
    ],
)
def test_what_containers_send_to_one_another_by_the_host(host: Host, rule: str, way: str) -> None:
    """A rule for what comes from them, as for their own way out, without one for their subnet."""
    host.ip("route add default via 10.99.0.2 table 77", f"rule add pref 100 {rule}")
    (line,) = host.dnet("check").stdout.splitlines()
    start = "packets from containers of dnet0 to 172.17.0.2 through the host leave"
    assert line.startswith(f"{start} {way}; ")
    assert line in warned(host, "restore")
    host.ip("rule add pref 99 to 172.17.0.0/16 table main")
    host.quiet("check")


def test_what_containers_send_to_one_another_by_ipv6(host: Host) -> None:
    host.quiet(*INIT, "--address6", "fd17::1/64")
    host.ok("interface", "allocate", "db")
    host.run("ip -6 route add default dev eth0 table 77; ip -6 rule add from fd17::/64 table 77")
    (line,) = host.dnet("check").stdout.splitlines()
    assert line.startswith("packets from containers of dnet0 to fd17::")
    assert "through the host leave by eth0, not by dnet0" in line


def test_a_container_whose_address_the_host_has_as_well(host: Host) -> None:
    host.ip("address add 172.17.0.2/32 dev lo")
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert found.stdout.startswith("172.17.0.2 of web is an address of this host as well, on lo")
    assert len(found.stdout.splitlines()) == 1


def test_many_that_go_the_same_wrong_way_are_one_line(lab: Lab, host: Host) -> None:
    host.ok("attach", "db", "--netns", lab.node().netns)
    host.ip("route add 172.17.0.0/28 via 10.99.0.2")
    (line,) = host.dnet("check").stdout.splitlines()
    # One of three is the next to be handed out.
    assert line.startswith("packets from the host to 172.17.0.2 and 2 more leave by eth0")


def test_the_next_container_counts_as_well(lab: Lab) -> None:
    host = lab.host()
    lab.outside(host)
    host.ip("route add 172.17.0.0/24 via 10.99.0.2")
    assert any("172.17.0.2 leave by eth0" in line for line in warned(host, *INIT))


def test_a_bridge_under_another_name(host: Host) -> None:
    """Its subnet leads to the old device even once restore has made a new one."""
    host.ip("link set dnet0 down", "link set dnet0 name other", "link set other up")
    assert "the device dnet0 is missing" in host.dnet("check").stdout
    host.dnet("restore")
    assert "leave by other, not by dnet0" in host.dnet("check").stdout


@pytest.mark.parametrize("default", [True, False], ids=["default route", "any route"])
def test_an_uplink_that_does_not_forward(lab: Lab, default: bool) -> None:
    host = lab.host()
    client: Node = lab.outside(host)
    lab.wire(host, lab.node(), "10.98.0.1/24")
    if default:
        host.ip("route add default via 10.99.0.2")
        host.sysctl("net/ipv4/conf/eth1/forwarding", 0)
    host.sysctl("net/ipv4/ip_forward", 1)
    host.sysctl("net/ipv4/conf/eth0/forwarding", 0)
    (line,) = warned(host, *INIT)
    assert line == (
        "eth0 does not forward, so containers cannot reach it: "
        "sysctl -w net.ipv4.conf.eth0.forwarding=1"
    )
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    node.listen("tcp", 80, "web")
    client.misses("tcp", "10.99.0.1", 8080)
    found = host.dnet("check")
    assert (found.returncode, found.stdout) == (STATUS["drift"], f"{line}\n")
    host.run("sh", "-c", line.partition(": ")[2])
    host.quiet("check")
    client.reaches("web", "tcp", "10.99.0.1", 8080)


def test_without_forwarding_at_all_it_is_no_uplink_s_fault(host: Host) -> None:
    host.ok("bridge", "init", "dnet0", "--no-ip-forward")
    host.sysctl("net/ipv4/ip_forward", 0)
    host.quiet("check")


@pytest.mark.parametrize("plugged_in", [True, False], ids=["with a container", "without"])
def test_an_adopted_bridge_that_takes_router_advertisements(lab: Lab, plugged_in: bool) -> None:
    host = lab.host()
    host.ip("link add br0 type bridge", "address add 10.7.0.1/24 dev br0", "link set br0 up")
    (line,) = warned(host, "bridge", "init", "br0")
    assert line.startswith("the host accepts router advertisements from br0")
    assert host.sysctl("net/ipv6/conf/br0/accept_ra") == "1"
    if plugged_in:
        host.ok("attach", "web", "--netns", lab.node().netns)
    expected = (STATUS["drift"], f"{line}\n") if plugged_in else (0, "")
    found = host.dnet("check")
    assert (found.returncode, found.stdout) == expected
    host.sysctl("net/ipv6/conf/br0/accept_ra", 0)
    host.quiet("check")
