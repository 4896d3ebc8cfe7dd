"""`dnet interface`: an address under an id, and everything that goes with it on release."""

from __future__ import annotations

import pytest

from tests import contract
from tests.host import Host
from tests.lab import Lab

KEYS = contract.KEYS["interface"]


@pytest.fixture
def br0(host: Host) -> Host:
    """A machine with one bridge."""
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16")
    return host


def test_allocate_prints_the_address_and_show_everything(br0: Host) -> None:
    assert br0.ok("interface", "allocate", "web", "--expose", "80/tcp", "--expose", "53/udp") == (
        "172.17.0.2"
    )
    shown = br0.json("interface", "show", "web")
    assert shown.keys() >= KEYS
    mac = shown.pop("mac")
    assert mac is None or len(mac.split(":")) == 6
    assert {key: shown[key] for key in KEYS - {"mac"}} == {
        "id": "web",
        "bridge": "br0",
        "ip": "172.17.0.2",
        "prefix_len": 16,
        "mask": "255.255.0.0",
        "gateway": "172.17.42.1",
        "netns": None,
        "ifname": None,
        "expose": ["53/udp", "80/tcp"],
        "ports": [],
        "links": [],
        **dict.fromkeys(("ip6", "prefix_len6", "gateway6")),
    }


def test_allocate_as_one_document(br0: Host) -> None:
    allocated = br0.json("interface", "allocate", "web")
    assert allocated == br0.json("interface", "show", "web")
    assert br0.json("interface", "list") == [allocated]


def test_allocate_again_prints_the_same(br0: Host) -> None:
    first = br0.ok("interface", "allocate", "web", "--expose", "80/tcp")
    before = br0.everything()
    assert br0.ok("interface", "allocate", "web", "--expose", "80/tcp") == first
    assert br0.ok("interface", "allocate", "web", "--expose", "80", "--ip", first) == first
    assert br0.everything() == before


def test_allocate_again_with_another_address_or_bridge_is_a_conflict(br0: Host) -> None:
    br0.ok("bridge", "init", "br1", "--chain", "B1", "--address", "10.9.9.1/29")
    br0.ok("interface", "allocate", "web", "--bridge", "br0")
    before = br0.everything()
    for other in (("--ip", "172.17.0.9", "--bridge", "br0"), ("--bridge", "br1")):
        br0.fails(4, "interface", "allocate", "web", *other, code="conflict")
    assert br0.everything() == before


def test_an_address_is_given_to_one_only(br0: Host) -> None:
    assert br0.ok("interface", "allocate", "web", "--ip", "172.17.0.9") == "172.17.0.9"
    before = br0.everything()
    br0.fails(4, "interface", "allocate", "db", "--ip", "172.17.0.9", code="address-in-use")
    br0.fails(4, "ip", "request", "--ip", "172.17.0.9", code="address-in-use")
    assert br0.everything() == before
    br0.fails(3, "interface", "show", "db")


def test_ids_are_unique_across_bridges(br0: Host) -> None:
    br0.ok("bridge", "init", "br1", "--chain", "B1", "--address", "10.9.9.1/29")
    br0.ok("interface", "allocate", "web", "--bridge", "br0")
    br0.ok("interface", "allocate", "db", "--bridge", "br1")
    assert sorted(br0.keys("interface", "list")) == ["db", "web"]
    assert br0.keys("interface", "list", "--bridge", "br1") == ["db"]
    assert br0.json("interface", "show", "db")["bridge"] == "br1"


def test_show_tells_ports_and_links(br0: Host) -> None:
    br0.ok("interface", "allocate", "app")
    br0.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    br0.ok("map", "add", "app", "8080:80")
    br0.ok("link", "add", "app", "db")
    shown = br0.json("interface", "show", "app")
    assert shown["links"] == ["db"]
    (port,) = shown["ports"]
    expected = {"host_ip": "0.0.0.0", "host_port": 8080, "container_port": 80, "proto": "tcp"}
    assert expected.items() <= port.items()


def test_release_takes_mappings_ports_links_and_the_address_along(every: Lab) -> None:
    host = every.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", "--no-icc")
    host.ok("interface", "allocate", "other", "--expose", "80/tcp")
    host.ok("map", "add", "other", "8000:80")
    before = host.snapshot(), [host.json(g, "list") for g in ("ip", "port", "map", "link")]

    host.ok("interface", "allocate", "web", "--expose", "80/tcp")
    host.ok("map", "add", "web", "8080:80", "9000-9009:9000-9009", "5353:53/udp")
    host.ok("port", "allocate", "--owner", "web", "--port", 7000)
    host.ok("link", "add", "web", "other")
    host.ok("link", "add", "other", "web")
    host.ok("link", "add", "host", "web", "-p", "81/tcp")
    host.quiet("interface", "release", "web")

    after = host.snapshot(), [host.json(g, "list") for g in ("ip", "port", "map", "link")]
    assert after == before


def test_release_forgets_the_id(br0: Host) -> None:
    br0.ok("interface", "allocate", "web")
    br0.quiet("interface", "release", "web")
    br0.fails(3, "interface", "release", "web")
    br0.fails(3, "interface", "show", "web", code="not-found")
    br0.quiet("interface", "release", "web", "--if-exists")
    # What the address is now somebody else's, a second release must not free.
    br0.ok("ip", "request", "--ip", "172.17.0.2")
    br0.fails(3, "interface", "release", "web")
    assert br0.keys("ip", "list") == ["172.17.0.2"]


def test_a_released_id_starts_anew(br0: Host) -> None:
    assert br0.ok("interface", "allocate", "web", "--expose", "80") == "172.17.0.2"
    br0.ok("interface", "release", "web")
    assert br0.ok("interface", "allocate", "web") == "172.17.0.3"
    assert br0.json("interface", "show", "web")["expose"] == []


def test_ids_of_every_kind(br0: Host) -> None:
    names = ["a", "0", "web.1", "A_b-c.d", "x" * 128, "1.web", "10"]
    for name in names:
        br0.ok("interface", "allocate", name)
    assert br0.keys("interface", "list") == names
    for name in names:
        assert br0.json("interface", "show", name)["id"] == name
