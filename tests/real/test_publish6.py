"""Ports and links of IPv6 on the real kernel: what is published, cut, refused and shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from dnet.host import netns
from tests.host import Host
from tests.lab import Lab
from tests.node import SILENCE_SECONDS, Node

INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
IPV6 = ("--address6", "fd00:6::1/64")
NF_CALLS = "net/bridge/bridge-nf-call-ip6tables"
HOST4, HOST6 = "10.99.0.1", "2001:db8:99::1"
WEB4, WEB6 = "172.17.0.2", "fd00:6::2"


class Site(NamedTuple):
    host: Host
    outside: Node
    web: Node
    db: Node

    def attach(self, name: str, *options: str) -> None:
        node: Node = getattr(self, name)
        self.host.ok("attach", name, "--netns", node.netns, *options)

    def agrees(self) -> None:
        """Kernel and store are the same, whatever there may be to warn of."""
        assert self.host.ok("check") == ""

    def listen(self) -> None:
        for name in ("web", "db"):
            node: Node = getattr(self, name)
            for proto in ("tcp", "udp"):
                node.listen(proto, 53, name, "::")


def made(lab: Lab) -> Site:
    """A machine with IPv6 on its wire, and two namespaces; bridged traffic meets no ip6tables."""
    host = lab.host()
    host.run(f"[ ! -e /proc/sys/{NF_CALLS} ] || echo 0 > /proc/sys/{NF_CALLS}")
    site = Site(host, lab.outside(host), lab.node(), lab.node())
    host.ip(f"address add {HOST6}/64 dev eth0 nodad")
    site.outside.ip("address add 2001:db8:99::2/64 dev eth0 nodad")
    return site


@pytest.fixture
def site(every: Lab) -> Site:
    site = made(every)
    site.host.ok(*INIT, *IPV6)
    for name in ("web", "db"):
        site.attach(name, "--expose", "53/tcp", "--expose", "53/udp")
    site.listen()
    return site


def test_a_port_is_published_in_both_families_and_cut_in_each(site: Site) -> None:
    endpoints = ["0.0.0.0:53/udp", "[::]:53/udp"]
    assert site.host.ok("map", "add", "web", "53:53/udp").splitlines() == endpoints
    assert site.host.ok("map", "add", "web", "53:53/udp").splitlines() == endpoints
    flows = [site.outside.open("udp", ip, 53) for ip in (HOST4, HOST6)]
    assert [str(flow.say()).split()[0] for flow in flows] == ["web", "web"]
    site.host.quiet("map", "remove", "[::]:53/udp")
    assert str(flows[0].say()).startswith("web")
    assert flows[1].say(SILENCE_SECONDS) is None
    assert site.host.ok("map", "add", "db", "[::]:53:53/udp") == endpoints[1]
    assert str(flows[1].say()).startswith("db")
    # Two interfaces have it now: without an address it is that of IPv4.
    site.host.quiet("map", "remove", "53/udp")
    assert flows[0].say(SILENCE_SECONDS) is None
    assert str(flows[1].say()).startswith("db")
    site.agrees()


def test_both_go_at_once_where_they_are_one(site: Site) -> None:
    site.host.ok("map", "add", "web", "53:53/udp", "5353:53")
    flows = [site.outside.open("udp", ip, 53) for ip in (HOST4, HOST6)]
    assert all(flow.say() for flow in flows)
    site.host.quiet("map", "remove", "53/udp", "5353")
    assert site.host.keys("map", "list") == []
    assert [flow.say(SILENCE_SECONDS) for flow in flows] == [None, None]
    site.agrees()


def test_what_is_attached_again_gets_the_half_that_is_missing(every: Lab) -> None:
    site = made(every)
    site.host.ok(*INIT, "--no-icc")
    wanted = ("-p", "53:53/udp", "-p", "53")
    site.attach("db", "--expose", "53/udp")
    site.attach("web", *wanted, "--link", "db")
    site.listen()
    flow = site.outside.open("udp", HOST4, 53)
    linked = site.web.open("udp", "172.17.0.2", 53)
    assert flow.say()
    assert linked.say()
    site.host.ok(*INIT, *IPV6)
    site.attach("db")
    site.attach("web", *wanted, "--link", "db")
    assert site.host.keys("map", "list", "web") == [
        *("0.0.0.0:53/udp", "0.0.0.0:49153/tcp", "[::]:53/udp", "[::]:49153/tcp"),
    ]
    assert flow.say()
    assert linked.say()
    assert str(site.outside.ask("udp", HOST6, 53)).startswith("web")
    assert str(site.outside.ask("tcp", HOST6, 49153)).startswith("web")
    assert str(site.web.ask("udp", "fd00:6::2", 53)).startswith("db")
    site.web.misses("tcp", "fd00:6::2", 53)
    site.agrees()
    before = site.host.everything()
    site.attach("web", *wanted, "--link", "db")
    assert site.host.everything()[0] == before[0]


def test_a_link_that_goes_cuts_both_families(site: Site) -> None:
    site.host.ok(*INIT, "--no-icc")
    site.host.quiet("link", "add", "web", "db")
    flows = [site.web.open("udp", ip, 53) for ip in ("172.17.0.3", "fd00:6::3")]
    assert all(flow.say() for flow in flows)
    variables = site.host.json("link", "env", "web")
    assert variables["DB_PORT_53_UDP_ADDR6"] == "fd00:6::3"
    assert site.host.json("link", "list")[0]["child_ip6"] == "fd00:6::3"
    site.host.quiet("link", "remove", "web", "db")
    assert [flow.say(SILENCE_SECONDS) for flow in flows] == [None, None]
    site.agrees()


def test_the_host_s_link_answers_at_both_loopbacks(site: Site) -> None:
    site.host.quiet("link", "add", "host", "db", "-p", "53/udp", "-p", "53/tcp")
    for ip in ("127.0.0.1", "::1"):
        for proto in ("tcp", "udp"):
            assert str(site.host.ask(proto, ip, 53)).startswith("db")
    site.host.fails(4, "map", "add", "web", "[::1]:53:53", code="port-in-use")
    assert site.host.keys("port", "list") == [
        *("127.0.0.1:53/tcp", "127.0.0.1:53/udp", "[::1]:53/tcp", "[::1]:53/udp"),
    ]
    site.host.quiet("link", "remove", "host", "db")
    site.agrees()


@pytest.fixture
def inside(site: Site) -> Iterator[Site]:
    """The test itself is in the machine's namespace."""
    with open(site.host.path) as file, netns.inside(file.fileno()):
        yield site


def only_ipv6(port: int) -> socket.socket:
    server = socket.socket(socket.AF_INET6)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind(("::", port))
    server.listen()
    return server


def test_what_is_taken_in_one_family_is_published_in_neither(inside: Site) -> None:
    host = inside.host
    host.ok("map", "add", "web", "0.0.0.0:8080:80")
    with only_ipv6(8080), only_ipv6(8081):
        before = host.everything()
        for command in (
            ("map", "add", "web", "8080:80"),
            ("map", "add", "web", "8081:80"),
            ("map", "add", "db", "9:9", "8081:80"),
            ("attach", "web", "--netns", inside.web.netns, "-p", "8080:80"),
            ("link", "add", "host", "db", "-p", "8081/tcp"),
            ("port", "allocate", "--port", "8081"),
        ):
            host.fails(4, *command, code="port-in-use")
            assert host.everything() == before
        assert host.ok("map", "add", "db", "8080-8082:80").splitlines() == [
            *("0.0.0.0:8082/tcp", "[::]:8082/tcp"),
        ]
    host.ok("map", "add", "web", "8080:80")
    inside.agrees()


def test_what_two_mappings_are_in_each_format(site: Site) -> None:
    host = site.host
    pair = host.json("map", "add", "web", "8080:80")
    assert [(one["host_ip"], one["container_ip"]) for one in pair] == [
        *(("0.0.0.0", WEB4), ("::", WEB6)),
    ]
    assert host.json("map", "add", "web", "[::1]:8081:80")["host_ip"] == "::1"
    assert host.json("map", "add", "web", "127.0.0.1:8081:80")["host_ip"] == "127.0.0.1"
    shown = host.run(
        f'eval "$(dnet --state-dir {host.state_dir} map add web 8080:80 --format env)" && '
        'echo "$DNET_HOST_IP $DNET_CONTAINER_IP $DNET_HOST_IP6 $DNET_CONTAINER_IP6"'
    )
    assert shown.split() == ["0.0.0.0", WEB4, "::", WEB6]
    alone = host.ok("map", "add", "web", "[::1]:8081:80", "--format", "env")
    assert "DNET_HOST_IP=::1" in alone.split()
    assert "IP6" not in alone
    lines = "map add db 82:82\nmap add db [::1]:83:83 --format env\nport allocate --port 84\n"
    done = host.ok("batch", stdin=lines).splitlines()
    assert done[:2] == ["0.0.0.0:82/tcp", "[::]:82/tcp"]
    assert done[-1] == "84"
    told = host.ok("batch", "--json", stdin="map add db 82:82\nmap add db [::1]:83:83\n")
    assert told.startswith('[[{"host_ip": "0.0.0.0"')
    listed = host.json("port", "list")
    assert [one["host_ip6"] for one in listed if one["port"] == 84] == ["::"]
    assert "publishes [::1]:83:83/tcp" in host.ok("show")
    assert "[::1]:83 → 83/tcp" in host.ok("show", "--format", "dot")
    assert f"[{WEB6}]:80" in host.ok("map", "list")


def test_a_dry_run_tells_both_and_does_nothing(site: Site) -> None:
    site.host.ok("map", "add", "db", "8081:80")
    before = site.host.everything()
    told = site.host.ok("map", "add", "web", "8080:80", "--dry-run").splitlines()
    assert told[-2:] == [
        *("# store: mappings: + 0.0.0.0:8080/tcp", "# store: mappings: + [::]:8080/tcp"),
    ]
    assert any(WEB4 in line for line in told)
    assert any(WEB6 in line for line in told)
    assert site.host.everything() == before


def test_what_goes_takes_all_of_ipv6_along(every: Lab) -> None:
    site = made(every)
    site.host.ok(*INIT, *IPV6, "--binding-ip", "127.0.0.1", "--binding-ip", "::1")
    dual = site.host.snapshot()
    gone = every.node()
    assert site.host.ok("attach", "gone", "--netns", gone.netns, "-p", "8080:80") == WEB4
    site.host.quiet("link", "add", "host", "gone", "-p", "81/tcp")
    assert site.host.keys("map", "list") == ["127.0.0.1:8080/tcp", "[::1]:8080/tcp"]
    site.host.fails(4, "bridge", "init", "dnet0", "--no-ipv6", code="conflict")
    site.host.quiet("detach", "gone")
    assert site.host.json("port", "list") == []
    assert site.host.snapshot() == dual
    site.agrees()
    site.host.ok("bridge", "init", "dnet0", "--no-ipv6")
    site.host.fails(2, "bridge", "init", "dnet0", "--binding-ip", "::1", code="usage")
    site.host.ok("interface", "allocate", "old")
    site.host.fails(2, "map", "add", "old", "[::1]:80:80", code="usage")
    site.host.fails(2, "port", "allocate", "--host-ip", "::", code="usage")
    site.host.quiet("bridge", "remove", "dnet0", "--force")
