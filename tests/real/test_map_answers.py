"""`dnet map` on the wire: what is published answers, as long as it is, and nothing else does."""

from __future__ import annotations

import pytest

from generate.manual import SOURCES
from tests import pages
from tests.host import Host
from tests.lab import Lab
from tests.node import SILENCE_SECONDS, Node
from tests.real.test_map import bridge, dnat
from tests.session import commands

HERE = "10.99.0.1"


def world(lab: Lab, *options: str) -> tuple[Host, Node, Node]:
    """A host, a client outside of it, and the container `web` plugged into its bridge."""
    host = bridge(lab.host(), *options)
    address = host.ok("interface", "allocate", "web")
    return host, lab.outside(host), lab.container(host, "br0", address)


# --- real connections --------------------------------------------------------------------------


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_published_port_answers_from_outside_until_it_is_removed(every: Lab, proto: str) -> None:
    host, client, web = world(every)
    web.listen(proto, 80, "web")
    client.misses(proto, HERE, 8080)
    assert host.ok("map", "add", "web", f"8080:80/{proto}") == f"0.0.0.0:8080/{proto}"
    # The container sees the client's own address.
    assert client.ask(proto, HERE, 8080, source=("10.99.0.2", 40001)) == "web 10.99.0.2:40001"
    host.reaches("web", proto, HERE, 8080)
    host.quiet("map", "remove", f"8080/{proto}")
    client.misses(proto, HERE, 8080)
    host.misses(proto, HERE, 8080)


def test_a_container_reaches_the_outside_under_the_host_s_address(every: Lab) -> None:
    host, client, web = world(every)
    client.listen("tcp", 80, "far")
    answer = web.ask("tcp", "10.99.0.2", 80)
    assert answer is not None
    assert answer.startswith(f"far {HERE}:")
    host.ok("bridge", "init", "br0", "--no-masquerade")
    client.ip("route add 172.17.0.0/16 via 10.99.0.1")
    answer = web.ask("tcp", "10.99.0.2", 80)
    assert answer is not None
    assert answer.startswith("far 172.17.0.2:")


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_range_is_one_rule_with_the_right_offset(both: Lab, proto: str) -> None:
    host, client, web = world(both)
    for port in range(8000, 8011):
        web.listen(proto, port, f"web{port}")
    spec = f"9100-9109:8000-8009/{proto}"
    assert host.ok("map", "add", "web", spec) == f"0.0.0.0:9100-9109/{proto}"
    assert len(dnat(host)) == 1
    for offset in range(10):
        client.reaches(f"web{8000 + offset}", proto, HERE, 9100 + offset)
    client.misses(proto, HERE, 9110)
    client.misses(proto, HERE, 9099)
    host.quiet("map", "remove", f"9100-9109/{proto}")
    client.misses(proto, HERE, 9100)


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_range_onto_the_same_ports(every: Lab, proto: str) -> None:
    host, client, web = world(every)
    for port in (8000, 8005, 8009):
        web.listen(proto, port, f"web{port}")
    host.ok("map", "add", "web", f"8000-8009:8000-8009/{proto}")
    for port in (8000, 8005, 8009):
        client.reaches(f"web{port}", proto, HERE, port)


@pytest.mark.parametrize("first", [8080, 8081])
def test_two_host_ports_to_one_container_port_come_and_go_in_any_order(
    every: Lab, first: int
) -> None:
    host, client, web = world(every)
    web.listen("tcp", 80, "web")
    host.ok("map", "add", "web", "8080:80")
    host.ok("map", "add", "web", "8081:80")
    for port in (8080, 8081):
        client.reaches("web", "tcp", HERE, port)
    second = 8080 + 8081 - first
    host.ok("map", "remove", first)
    client.misses("tcp", HERE, first)
    client.reaches("web", "tcp", HERE, second)
    host.ok("map", "remove", second)
    client.misses("tcp", HERE, second)


def test_a_mapping_of_one_address_answers_there_only(every: Lab) -> None:
    host, client, web = world(every)
    host.ip("addr add 10.99.0.3/24 dev eth0")
    web.listen("tcp", 80, "web")
    assert host.ok("map", "add", "web", "10.99.0.3:8080:80") == "10.99.0.3:8080/tcp"
    client.reaches("web", "tcp", "10.99.0.3", 8080)
    client.misses("tcp", HERE, 8080)


def test_the_same_port_of_two_addresses_leads_to_two_containers(every: Lab) -> None:
    host, client, web = world(every)
    host.ip("addr add 10.99.0.3/24 dev eth0")
    db = every.container(host, "br0", host.ok("interface", "allocate", "db"))
    for node, name in ((web, "web"), (db, "db")):
        node.listen("tcp", 80, name)
    host.ok("map", "add", "web", f"{HERE}:8080:80")
    host.ok("map", "add", "db", "10.99.0.3:8080:80")
    client.reaches("web", "tcp", HERE, 8080)
    client.reaches("db", "tcp", "10.99.0.3", 8080)


def test_a_port_that_came_back_leads_to_its_new_owner(every: Lab) -> None:
    host, client, web = world(every)
    db = every.container(host, "br0", host.ok("interface", "allocate", "db"))
    web.listen("tcp", 80, "web")
    db.listen("tcp", 80, "db")
    host.ok("map", "add", "web", "8080:80")
    client.reaches("web", "tcp", HERE, 8080)
    host.ok("interface", "release", "web")
    host.ok("map", "add", "db", "8080:80")
    client.reaches("db", "tcp", HERE, 8080)


def test_a_target_by_address(every: Lab) -> None:
    host, client, web = world(every)
    web.listen("tcp", 80, "web")
    host.ok("map", "add", "172.17.0.2", "8080:80")
    client.reaches("web", "tcp", HERE, 8080)
    assert host.json("map", "list")[0]["owner"] == "web"


# --- the administrator's own chain -------------------------------------------------------------


def test_restrictions_of_the_administrator_come_first_and_survive(both: Lab) -> None:
    host, client, web = world(both)
    web.listen("tcp", 80, "web")
    host.ok("map", "add", "web", "8080:80")
    assert "-N DNET-USER" in host.rules()
    client.reaches("web", "tcp", HERE, 8080)
    host.iptables("-A DNET-USER -s 10.99.0.2/32 -j DROP")
    rule = "-A DNET-USER -s 10.99.0.2/32 -j DROP"
    client.misses("tcp", HERE, 8080)
    for step in (
        ("map", "add", "web", "8081:80"),
        ("map", "remove", "8080"),
        ("bridge", "init", "br0", "--no-icc"),
        ("map", "remove", "8081"),
    ):
        host.ok(*step)
        assert rule in host.rules(), step
    host.ok("map", "add", "web", "8080:80")
    client.misses("tcp", HERE, 8080)
    host.quiet("check")
    host.iptables("-D DNET-USER -s 10.99.0.2/32 -j DROP")
    client.reaches("web", "tcp", HERE, 8080)
    host.iptables("-A DNET-USER -s 10.99.0.2/32 -j DROP")
    host.ok("bridge", "remove", "br0", "--force")
    assert rule in host.rules()


def test_restrictions_hold_also_where_nothing_is_published(both: Lab) -> None:
    host, client, web = world(both)
    client.listen("tcp", 80, "outside")
    client.ip("route add 172.17.0.0/16 via 10.99.0.1")
    bare = host.snapshot()
    web.reaches("outside", "tcp", "10.99.0.2", 80)
    host.ok("map", "add", "web", "8080:80")
    host.iptables("-A DNET-USER -i br0 -d 10.99.0.0/24 -j DROP")
    web.misses("tcp", "10.99.0.2", 80)
    host.ok("map", "remove", "8080")
    web.misses("tcp", "10.99.0.2", 80)
    host.quiet("check")
    host.ok("bridge", "init", "br0", "--no-icc")
    host.ok("bridge", "init", "br0", "--icc")
    web.misses("tcp", "10.99.0.2", 80)

    # Without the rules it is the plain listing again.
    host.iptables("-F DNET-USER")
    host.ok("restore")
    assert host.snapshot() == bare


def test_restrictions_may_be_there_before_the_bridge(both: Lab) -> None:
    host = both.host()
    host.iptables("-N DNET-USER", "-A DNET-USER -i br0 -j DROP")
    host.ok("bridge", "init", "br0")
    assert {"-A FORWARD -j DNET-FORWARD", "-A DNET-FORWARD -j DNET-USER"} < set(host.rules())
    host.quiet("check")
    host.ok("bridge", "remove", "br0")
    assert [rule for rule in host.rules() if "DNET" in rule] == [
        *("-N DNET-USER", "-A DNET-USER -i br0 -j DROP"),
    ]


def test_check_tells_of_restrictions_that_are_not_in_force(both: Lab) -> None:
    host, _, _ = world(both)
    host.iptables("-N DNET-USER", "-A DNET-USER -i br0 -j DROP")
    done = host.dnet("check")
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        *(1, "filter DNET-FORWARD: the chain is missing"),
    )
    host.ok("restore")
    host.quiet("check")
    host.ok("reset", "--yes")
    assert "-A DNET-USER -i br0 -j DROP" in host.rules()
    assert "-N DNET-FORWARD" not in host.rules()


def test_the_restriction_of_the_manual_lets_one_network_in_and_nobody_else(both: Lab) -> None:
    host = bridge(both.host())
    # Both clients come in at eth0, the device that the page names.
    client = both.outside(host, "192.0.2")
    client.ip("addr add 198.51.100.2/24 dev eth0", f"route add {HERE} via 192.0.2.1")
    host.ip("addr add 198.51.100.1/24 dev eth0", f"addr add {HERE}/32 dev lo")
    web = both.container(host, "br0", host.ok("interface", "allocate", "web"))
    web.listen("tcp", 80, "web")
    host.ok("map", "add", "web", "8080:80")
    member, stranger = ("192.0.2.2", 0), ("198.51.100.2", 0)
    assert client.ask("tcp", HERE, 8080, source=stranger)
    (session,) = (
        example.shown
        for example in pages.examples(SOURCES / "dnet-firewall.7")
        if "iptables -A DNET-USER -i eth0" in example.shown
    )
    host.run("sh", "-c", "\n".join(commands(session)))
    assert client.ask("tcp", HERE, 8080, source=member)
    assert client.ask("tcp", HERE, 8080, timeout=SILENCE_SECONDS, source=stranger) is None
    host.reaches("web", "tcp", HERE, 8080)
