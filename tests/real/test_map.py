"""`dnet map` as a command: what it prints, refuses, lists and takes back."""

from __future__ import annotations

from typing import Any

import pytest

from tests import contract
from tests.host import Host
from tests.lab import Lab

HERE = "10.99.0.1"
MAPPING_KEYS = contract.KEYS["map"]


def bridge(host: Host, *options: str) -> Host:
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", *options)
    return host


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge and an interface `web` at 172.17.0.2."""
    bridge(host)
    host.ok("interface", "allocate", "web")
    return host


def dnat(host: Host) -> list[str]:
    return [line for line in host.rules("nat") if "-j DNAT" in line]


# --- the command -------------------------------------------------------------------------------


def test_ports_that_are_not_given_are_allocated(br0: Host) -> None:
    assert br0.ok("map", "add", "web", "80", "443", "53/udp").split() == [
        *("0.0.0.0:49153/tcp", "0.0.0.0:49154/tcp", "0.0.0.0:49153/udp"),
    ]
    # Something new each time.
    assert br0.ok("map", "add", "web", "80") == "0.0.0.0:49155/tcp"
    assert br0.ok("map", "add", "web", "127.0.0.1::80") == "127.0.0.1:49156/tcp"
    assert br0.ok("map", "add", "web", "8000-8010:80") == "0.0.0.0:8000/tcp"
    assert br0.ok("map", "add", "web", "8000-8010:80") == "0.0.0.0:8001/tcp"


def test_the_binding_address_of_the_bridge_is_the_default(host: Host) -> None:
    bridge(host, "--binding-ip", "127.0.0.1")
    host.ok("interface", "allocate", "web")
    assert host.ok("map", "add", "web", "8080:80") == "127.0.0.1:8080/tcp"
    assert host.ok("map", "add", "web", "0.0.0.0:8081:80") == "0.0.0.0:8081/tcp"


def test_localhost_is_its_address_wherever_a_host_address_may_stand(host: Host, lab: Lab) -> None:
    host.ip("address add 10.99.0.9/32 dev lo")
    bridge(host, "--binding-ip", "localhost")
    assert host.json("bridge", "show")["binding_ip"] == "127.0.0.1"
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "-p", "localhost:8080:80")
    assert host.ok("map", "add", "web", "localhost:8081:81") == "127.0.0.1:8081/tcp"
    assert host.ok("map", "add", "web", "LOCALHOST::82/udp") == "127.0.0.1:49153/udp"
    host.ok("map", "add", "web", "10.99.0.9:8081:81")
    node.listen("tcp", 80, "web")
    assert host.ask("tcp", "127.0.0.1", 8080)
    host.ok("map", "remove", "localhost:8080", "localhost:8081")
    assert host.keys("map", "list") == ["127.0.0.1:49153/udp", "10.99.0.9:8081/tcp"]
    assert host.ok("port", "allocate", "--host-ip", "localhost", "--port", 7000) == "7000"
    host.ok("port", "release", "localhost:7000")
    host.quiet("check")


def test_an_address_that_the_host_does_not_have_is_told_of(br0: Host) -> None:
    """It may come: an address that moves between two hosts is no mistake."""
    done = br0.dnet("map", "add", "web", "10.99.0.9:80:80", "10.99.0.9:81:80", "82:80")
    assert (done.returncode, done.stdout.split()[0]) == (0, "10.99.0.9:80/tcp")
    told = (
        "10.99.0.9 is not an address of this host, so ports published on it do not answer: "
        "add it, or publish them on another one; to see them: dnet map list\n"
    )
    assert done.stderr == f"dnet: warning: {told}"
    done = br0.dnet("check")
    assert (done.returncode, done.stdout) == (contract.STATUS["drift"], told)
    assert done.stderr == contract.PROBE
    br0.ip("addr add 10.99.0.9/32 dev lo")
    br0.quiet("check")
    br0.ip("addr add 10.99.0.0/24 dev lo")
    for host_ip in ("10.99.0.0", "127.0.0.1", "127.9.9.9", "172.17.42.1"):
        assert br0.dnet("map", "add", "web", f"{host_ip}:83:80").stderr == ""


def test_list_tells_every_mapping(br0: Host) -> None:
    br0.ok("interface", "allocate", "db")
    br0.ok("map", "add", "web", "8080:80", "9000-9009:7000-7009/udp")
    br0.ok("map", "add", "db", "5432")
    listed: list[dict[str, Any]] = br0.json("map", "list")
    assert all(row.keys() >= MAPPING_KEYS for row in listed)
    by_port = {row["host_port"]: row for row in listed}
    assert {key: by_port[8080][key] for key in MAPPING_KEYS} == {
        "host_ip": "0.0.0.0",
        "host_port": 8080,
        "container_ip": "172.17.0.2",
        "container_port": 80,
        "proto": "tcp",
        "owner": "web",
        "bridge": "br0",
        "from": [],
    }
    assert by_port[9000]["host_port_end"] == 9009
    assert by_port[9000]["container_port"] == 7000
    assert by_port[9000]["container_port_end"] == 7009
    assert by_port[49153]["owner"] == "db"
    keys = ["0.0.0.0:8080/tcp", "0.0.0.0:9000-9009/udp"]
    assert sorted(br0.keys("map", "list", "web")) == keys
    assert sorted(br0.keys("map", "list", "172.17.0.2")) == keys


def test_the_same_mapping_again_changes_nothing_and_repairs_its_rule(both: Lab) -> None:
    host = bridge(both.host())
    host.ok("interface", "allocate", "web")
    assert host.ok("map", "add", "web", "8080:80") == "0.0.0.0:8080/tcp"
    before = host.snapshot()
    assert host.ok("map", "add", "web", "8080:80") == "0.0.0.0:8080/tcp"
    assert host.snapshot() == before
    host.iptables("-t nat -F DNET")
    done = host.dnet("map", "add", "web", "8080:80")
    assert (done.returncode, done.stdout) == (0, "0.0.0.0:8080/tcp\n")
    assert done.stderr.startswith("dnet: warning: repaired: nat DNET: missing: ")
    assert host.snapshot() == before


def test_a_port_leads_to_one_place(br0: Host) -> None:
    br0.ok("interface", "allocate", "db")
    br0.ok("map", "add", "web", "8080:80", "9000-9009:9000-9009/udp")
    before = br0.everything()
    for target, spec in (
        ("db", "8080:80"),
        ("web", "8080:81"),
        ("web", "127.0.0.1:8080:80"),
        ("web", "8000-8100:8000-8100"),
        ("web", "9005:80/udp"),
        ("web", "9009-9010:9009-9010/udp"),
    ):
        # All or nothing: the first one is free.
        br0.fails(4, "map", "add", target, "7000:80", spec, code="port-in-use")
    assert br0.everything() == before


def test_a_reserved_port_is_for_its_owner(br0: Host) -> None:
    br0.ok("interface", "allocate", "db")
    br0.ok("port", "allocate", "--port", 8080, "--owner", "web")
    br0.fails(4, "map", "add", "db", "8080:80", code="port-in-use")
    assert br0.ok("map", "add", "web", "8080:80") == "0.0.0.0:8080/tcp"


def test_a_port_that_a_process_listens_on_is_refused_or_passed_over(br0: Host) -> None:
    br0.listen("tcp", 8080, address="::")
    br0.listen("tcp", 49153)
    before = br0.everything()
    refusal = br0.fails(4, "map", "add", "web", "8080:80", code="port-in-use")
    assert str(br0.agent_pid) in refusal.message or "python" in refusal.message
    br0.fails(4, "map", "add", "web", "8070-8090:8070-8090", code="port-in-use")
    assert br0.everything() == before
    assert br0.ok("map", "add", "web", "80") == "0.0.0.0:49154/tcp"
    assert br0.ok("map", "add", "web", "8080-8081:80") == "0.0.0.0:8081/tcp"


def test_remove_by_endpoint_and_by_target(br0: Host) -> None:
    br0.ok("interface", "allocate", "db")
    nothing_mapped = br0.snapshot()
    br0.ok("map", "add", "db", "5432:5432")
    only_db = br0.snapshot()
    br0.ok("map", "add", "web", "8080:80", "8081:81", "127.0.0.1:8082:82", "53:53/udp")
    br0.quiet("map", "remove", "8080", "127.0.0.1:8082")
    assert sorted(br0.keys("map", "list", "web")) == ["0.0.0.0:53/udp", "0.0.0.0:8081/tcp"]
    br0.quiet("map", "remove", "--all", "web")
    assert br0.snapshot() == only_db
    assert br0.keys("port", "list") == ["0.0.0.0:5432/tcp"]
    br0.quiet("map", "remove", "5432")
    assert br0.snapshot() == nothing_mapped
    assert br0.json("port", "list") == []


def test_removing_what_is_not_mapped(br0: Host) -> None:
    br0.ok("map", "add", "web", "8080:80", "9000-9009:9000-9009")
    before = br0.everything()
    for never in ("8081", "8080/udp", "127.0.0.1:8080", "9000", "9000-9001"):
        br0.fails(3, "map", "remove", never)
    br0.fails(3, "map", "remove", "8080", "8081")
    br0.fails(3, "map", "remove", "--all", "nobody")
    assert br0.everything() == before
    br0.quiet("map", "remove", "8080", "8081", "--if-exists")
    assert br0.keys("map", "list") == ["0.0.0.0:9000-9009/tcp"]


def test_sctp_is_mapped_too(br0: Host) -> None:
    assert br0.ok("map", "add", "web", "5000:5000/sctp") == "0.0.0.0:5000/sctp"
    assert "-p sctp" in dnat(br0)[0]
