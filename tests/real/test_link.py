"""`dnet link`: one container's way to another's ports, and the host's own way in."""

from __future__ import annotations

import pytest

from tests import contract
from tests.host import Host
from tests.lab import Lab
from tests.node import Node

LINK_KEYS = contract.KEYS["link"]
NO_ICC = ("bridge", "init", "br0", "--address", "172.17.42.1/16", "--no-icc")


@pytest.fixture
def br0(host: Host) -> Host:
    """Inter-container traffic off; interfaces `web` and `db`, which exposes 5432/tcp."""
    host.ok(*NO_ICC)
    host.ok("interface", "allocate", "web")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    return host


def world(lab: Lab) -> tuple[Host, Node, Node]:
    """The same with two containers plugged in, which both serve 5432 and 80, tcp and udp."""
    host = lab.host()
    host.ok(*NO_ICC)
    nodes = []
    for name in ("web", "db"):
        address = host.ok("interface", "allocate", name, "--expose", "5432/tcp")
        node = lab.container(host, "br0", address)
        for proto in ("tcp", "udp"):
            node.listen(proto, 5432, name)
            node.listen(proto, 80, name)
        nodes.append(node)
    # With nftables whoever plugs in by hand has to isolate as well.
    for line in host.dnet("check").stdout.splitlines():
        host.run("sh", "-c", line.partition(": ")[2])
    return host, nodes[0], nodes[1]


# --- between containers ------------------------------------------------------------------------


def test_only_what_is_linked_answers_and_only_in_its_direction(every: Lab) -> None:
    host, web, db = world(every)
    web.misses("tcp", "172.17.0.3", 5432)
    host.quiet("link", "add", "web", "db")
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    web.misses("tcp", "172.17.0.3", 80)
    web.misses("udp", "172.17.0.3", 5432)
    db.misses("tcp", "172.17.0.2", 5432)
    db.misses("tcp", "172.17.0.2", 80)
    # Nor by coming from the port that is linked.
    db.unlisten("tcp", 5432)
    assert db.ask("tcp", "172.17.0.2", 80, timeout=0.4, source=("172.17.0.3", 5432)) is None
    host.quiet("link", "remove", "web", "db")
    web.misses("tcp", "172.17.0.3", 5432)


def test_ports_of_both_protocols(every: Lab) -> None:
    host, web, _ = world(every)
    host.ok("link", "add", "web", "db", "-p", "80/udp", "--port", "5432/tcp")
    web.reaches("db", "udp", "172.17.0.3", 80)
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    web.misses("tcp", "172.17.0.3", 80)


def test_a_link_never_falls_behind_the_drop(every: Lab) -> None:
    host, web, db = world(every)
    host.ok("link", "add", "web", "db")
    host.ok("bridge", "init", "br0", "--no-icc")
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    host.ok("bridge", "init", "br0", "--icc")
    db.reaches("web", "tcp", "172.17.0.2", 80)
    host.ok("bridge", "init", "br0", "--no-icc")
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    db.misses("tcp", "172.17.0.2", 80)


def test_mappings_stay_in_force_when_options_change(every: Lab) -> None:
    host, _, _ = world(every)
    client = every.outside(host)
    host.ok("map", "add", "db", "8080:80")
    for option in ("--icc", "--no-icc", "--no-masquerade", "--masquerade"):
        host.ok("bridge", "init", "br0", option)
        client.reaches("db", "tcp", "10.99.0.1", 8080)


def test_with_a_policy_of_drop_a_link_and_a_mapping_answer(every: Lab) -> None:
    host, web, _ = world(every)
    client = every.outside(host)
    host.iptables("-P FORWARD DROP")
    host.ok("link", "add", "web", "db")
    host.ok("map", "add", "db", "8080:80")
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    client.reaches("db", "tcp", "10.99.0.1", 8080)
    web.misses("tcp", "172.17.0.3", 80)


# --- the command -------------------------------------------------------------------------------


def test_list_tells_every_link(br0: Host) -> None:
    br0.ok("link", "add", "web", "db", "--alias", "database")
    br0.ok("link", "add", "host", "db", "-p", "80/tcp", "-p", "53/udp")
    listed = br0.json("link", "list")
    assert all(row.keys() >= LINK_KEYS for row in listed)
    by_parent = {row["parent"]: row for row in listed}
    assert {key: by_parent["web"][key] for key in LINK_KEYS} == {
        "parent": "web",
        "child": "db",
        "parent_ip": "172.17.0.2",
        "child_ip": "172.17.0.3",
        "parent_ip6": None,
        "child_ip6": None,
        "ports": ["5432/tcp"],
        "alias": "database",
    }
    assert by_parent["host"]["ports"] == ["53/udp", "80/tcp"]
    assert by_parent["host"]["child_ip"] == "172.17.0.3"
    assert by_parent["host"]["alias"] == "db"
    assert sorted(br0.keys("link", "list")) == ["host:db", "web:db"]


def test_adding_again_changes_nothing_and_repairs_its_rules(both: Lab) -> None:
    host, web, _ = world(both)
    host.quiet("link", "add", "web", "db")
    before = host.snapshot()
    host.quiet("link", "add", "web", "db")
    assert host.snapshot() == before
    own = [line.split()[1] for line in host.rules() if "-N DNET" in line and "USER" not in line]
    host.iptables(*(f"-F {chain}" for chain in own))
    web.misses("tcp", "172.17.0.3", 5432)
    host.ok("link", "add", "web", "db")
    assert host.snapshot() == before
    web.reaches("db", "tcp", "172.17.0.3", 5432)


@pytest.mark.parametrize("other", [("-p", "80/tcp"), ("--alias", "other")])
def test_adding_again_with_other_arguments_is_a_conflict(br0: Host, other: tuple[str, str]) -> None:
    br0.ok("link", "add", "web", "db")
    before = br0.everything()
    br0.fails(4, "link", "add", "web", "db", *other, code="conflict")
    assert br0.everything() == before


def test_remove_in_both_spellings_leaves_what_was_before(br0: Host) -> None:
    before = br0.snapshot()
    for names in (("web", "db"), ("web:db",)):
        br0.ok("link", "add", "web", "db")
        assert br0.snapshot() != before
        br0.quiet("link", "remove", *names)
        assert br0.snapshot() == before
        br0.fails(3, "link", "remove", *names)
        br0.quiet("link", "remove", *names, "--if-exists")
    for names in (("host", "db"), ("host:db",)):
        br0.ok("link", "add", "host", "db")
        br0.quiet("link", "remove", *names)
        assert br0.snapshot() == before


def test_one_of_two_links_to_a_child_goes(every: Lab) -> None:
    host, web, _ = world(every)
    app = every.container(host, "br0", host.ok("interface", "allocate", "app"))
    host.ok("link", "add", "web", "db")
    host.ok("link", "add", "app", "db")
    host.ok("link", "remove", "app", "db")
    web.reaches("db", "tcp", "172.17.0.3", 5432)
    app.misses("tcp", "172.17.0.3", 5432)


def test_a_child_that_exposes_nothing_needs_ports(br0: Host) -> None:
    before = br0.everything()
    br0.fails(2, "link", "add", "db", "web", code="usage")
    assert br0.everything() == before


@pytest.mark.parametrize("names", [("nobody", "db"), ("web", "nobody"), ("web", "host")])
def test_both_ends_have_to_be_there(br0: Host, names: tuple[str, str]) -> None:
    before = br0.everything()
    done = br0.dnet("link", "add", *names, "-p", "80/tcp")
    assert done.returncode in ((3,) if "nobody" in names else (2, 3))
    assert br0.everything() == before


def test_env_gives_the_variables_of_the_source_system(br0: Host) -> None:
    br0.ok("link", "add", "web", "db", "-p", "5432/tcp", "-p", "53/udp", "-p", "53/tcp")
    variables = dict(line.split("=", 1) for line in br0.ok("link", "env", "web").splitlines())
    name = variables.pop("DB_NAME")
    assert name == "/web/db"
    expected = {"DB_PORT": "tcp://172.17.0.3:53"}
    for proto, port in (("tcp", "53"), ("udp", "53"), ("tcp", "5432")):
        key = f"DB_PORT_{port}_{proto.upper()}"
        expected |= {
            key: f"{proto}://172.17.0.3:{port}",
            f"{key}_ADDR": "172.17.0.3",
            f"{key}_PORT": port,
            f"{key}_PROTO": proto,
        }
    assert variables == expected


def test_an_alias_becomes_a_name_that_a_shell_takes(br0: Host) -> None:
    br0.ok("link", "add", "web", "db", "--alias", "my-db.1")
    names = [line.partition("=")[0] for line in br0.ok("link", "env", "web").splitlines()]
    assert "MY_DB_1_PORT" in names
    assert all(name.startswith("MY_DB_1_") for name in names)
