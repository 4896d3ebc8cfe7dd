"""`dnet bridge`: the device, its options, its rules among those of others, and its removal."""

from __future__ import annotations

import json
import re

import pytest

from tests import contract
from tests.host import Host
from tests.lab import Lab

ADDRESS = ("--address", "172.17.42.1/16")
# No nameserver of the machine may stand in the way of a pool.
NO_NAMESERVER = "nameserver 192.0.2.53\n"
BRIDGE_KEYS = contract.KEYS["bridge"]


def link(host: Host, name: str) -> dict[str, object]:
    """The device as `ip -details` sees it."""
    found: list[dict[str, object]] = json.loads(host.run(f"ip -j -d addr show dev {name}"))
    return found[0]


def devices(host: Host) -> list[str]:
    return [found["ifname"] for found in json.loads(host.run("ip -j link"))]


def addresses(host: Host, name: str) -> list[str]:
    found = link(host, name)["addr_info"]
    assert isinstance(found, list)
    return [f"{a['local']}/{a['prefixlen']}" for a in found if a["family"] == "inet"]


# --- what init makes ---------------------------------------------------------------------------


def test_init_makes_a_bridge_that_is_up_with_its_address(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    made = link(host, "br0")
    assert "UP" in str(made["flags"])
    assert "'info_kind': 'bridge'" in str(made["linkinfo"])
    assert addresses(host, "br0") == ["172.17.42.1/16"]
    assert host.sysctl("net/ipv4/ip_forward") == "1"


def test_the_address_has_the_name_it_has_elsewhere_too(host: Host) -> None:
    host.ok("bridge", "init", "br0", "--ip", "172.17.42.1/16")
    assert addresses(host, "br0") == ["172.17.42.1/16"]
    host.ok("batch", stdin="bridge init br1 --ip 172.18.42.1/16 --chain B1")
    assert addresses(host, "br1") == ["172.18.42.1/16"]
    refusal = host.fails(2, "bridge", "init", "br2", "--ip", "172.19.42.1")
    assert "has no prefix length" in refusal.message


def test_init_without_a_name_makes_dnet0_with_the_first_pool(lab: Lab) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    host.ok("bridge", "init")
    assert addresses(host, "dnet0") == ["172.17.42.1/16"]


@pytest.mark.libraries
def test_show_tells_every_option(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    shown = host.json("bridge", "show", "br0")
    assert shown.keys() >= BRIDGE_KEYS
    created = shown.pop("created")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", created)
    assert {key: shown[key] for key in BRIDGE_KEYS - {"created"}} == {
        "name": "br0",
        "address": "172.17.42.1/16",
        "subnet": "172.17.0.0/16",
        "gateway": "172.17.42.1",
        "range": None,
        "mtu": 1500,
        "chain": "DNET",
        "icc": True,
        "masquerade": True,
        "ip_forward": True,
        "iptables": True,
        "isolate": True,
        "binding_ip": "0.0.0.0",
        "port_range": "49153-65535",
        "allocation": "round-robin",
        "ipv6": False,
        **dict.fromkeys(("address6", "subnet6", "gateway6", "range6", "masquerade6")),
        "binding_ip6": None,
    }
    assert host.json("bridge", "list") == [{**shown, "created": created}]


def test_every_option_is_kept(host: Host) -> None:
    options: list[str | int] = [
        *("--range", "172.17.5.0/24", "--mtu", 1400, "--chain", "MINE", "--no-icc"),
        *("--no-masquerade", "--no-ip-forward", "--no-isolate", "--binding-ip", "127.0.0.1"),
        *("--port-range", "40000-40009", "--allocation", "reuse"),
    ]
    host.ok("bridge", "init", "br0", *ADDRESS, *options)
    shown = host.json("bridge", "show", "br0")
    assert shown["range"] == "172.17.5.0/24"
    assert shown["mtu"] == link(host, "br0")["mtu"] == 1400
    assert shown["chain"] == "MINE"
    assert not any(shown[key] for key in ("icc", "masquerade", "ip_forward", "isolate"))
    assert shown["binding_ip"] == "127.0.0.1"
    assert shown["port_range"] == "40000-40009"
    assert shown["allocation"] == "reuse"
    assert host.sysctl("net/ipv4/ip_forward") == "0"


def test_the_only_bridge_need_not_be_named(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS)
    assert host.json("bridge", "show")["name"] == "br0"


def test_its_hardware_address_belongs_to_its_address_and_stays(lab: Lab) -> None:
    host, other = lab.host(), lab.host()
    for machine in (host, other):
        machine.ok("bridge", "init", "br0", *ADDRESS)
    mac = str(link(host, "br0")["address"])
    assert mac == link(other, "br0")["address"]
    assert int(mac[:2], 16) & 0b11 == 0b10, "locally administered, unicast"
    # Without an address of its own a bridge takes the lowest of its ports.
    host.ip("link add low address 02:00:00:00:00:01 type veth", "link set low master br0 up")
    assert link(host, "br0")["address"] == mac


@pytest.mark.libraries
@pytest.mark.parametrize(("mtu", "expected"), [(65536, 1500), (65535, 65535), (9000, 9000)])
def test_an_mtu_that_no_bridge_can_have_is_not_taken_over(
    host: Host, lab: Lab, mtu: int, expected: int
) -> None:
    host.ip(f"link set lo mtu {mtu}", "route add default dev lo")
    host.ok("bridge", "init", "br0", *ADDRESS)
    host.ok("attach", "web", "--netns", lab.node().netns)
    assert link(host, "br0")["mtu"] == host.json("bridge", "show")["mtu"] == expected
    host.quiet("check")


def test_the_mtu_is_that_of_the_default_route_s_device(lab: Lab) -> None:
    host = lab.host()
    lab.outside(host)
    host.ip("link set eth0 mtu 1400", "route add default via 10.99.0.2")
    host.ok("bridge", "init", "br0", *ADDRESS)
    assert link(host, "br0")["mtu"] == host.json("bridge", "show")["mtu"] == 1400


def test_without_iptables_there_is_no_rule_and_no_mapping_or_link(host: Host) -> None:
    host.ok("bridge", "init", "br0", *ADDRESS, "--no-iptables")
    assert not [line for line in host.snapshot().splitlines() if line.startswith("*")]
    for name in ("web", "db"):
        host.ok("interface", "allocate", name, "--expose", "80/tcp")
    before = host.everything()
    host.fails(4, "map", "add", "web", "8080:80", code="conflict")
    host.fails(4, "link", "add", "web", "db", code="conflict")
    assert host.everything() == before


def test_what_cannot_be_without_rules_is_said(host: Host) -> None:
    done = host.dnet("bridge", "init", "br0", *ADDRESS, "--no-iptables", "--no-icc")
    assert (done.returncode, done.stdout) == (0, "")
    told = "br0 has no rules (--no-iptables), so --no-icc has no effect"
    assert done.stderr == f"dnet: warning: {told}\n"
    host.quiet("bridge", "init", "br0", "--iptables")


# --- choosing an address -----------------------------------------------------------------------


def test_a_pool_with_a_route_or_a_nameserver_in_it_is_passed_over(lab: Lab) -> None:
    host = lab.host(resolv_conf="nameserver fe80::1%eth0\nnameserver 10.1.0.53\n")
    lab.outside(host)
    host.ip("route add 172.17.3.0/24 via 10.99.0.2", "route add 10.0.0.0/16 via 10.99.0.2")
    host.ok("bridge", "init", "br0")
    assert host.json("bridge", "show")["address"] == "10.42.42.1/16"


def test_the_default_route_blocks_no_pool(lab: Lab) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    lab.outside(host)
    host.ip("route add default via 10.99.0.2")
    host.ok("bridge", "init", "br0")
    assert host.json("bridge", "show")["address"] == "172.17.42.1/16"


@pytest.mark.parametrize(
    ("routes", "chosen"),
    [
        (["route add 0.0.0.0/1 via 10.99.0.2", "route add 128.0.0.0/1 via 10.99.0.2"], 0),
        (["route add 172.16.0.0/12 via 10.99.0.2 table 52", "rule add lookup 52"], 1),
        (["route add 172.16.0.0/12 via 10.99.0.2 table 52"], 0),
        (["route add default via 10.99.0.2 table 7", "rule add to 172.17.9.0/24 lookup 7"], 1),
        (["route add blackhole 172.16.0.0/12", "route add unreachable 10.0.0.0/8"], 0),
        (["address add 172.17.0.2/32 dev lo"], 1),
    ],
    ids=["halves of a default route", "a table", "no rule", "a rule", "refused", "a host's own"],
)
def test_every_route_in_use_counts_and_no_default_one(
    lab: Lab, routes: list[str], chosen: int
) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    lab.outside(host)
    host.ip(*routes)
    host.quiet("bridge", "init", "br0")
    assert host.json("bridge", "show")["address"] == ["172.17.42.1/16", "10.0.42.1/16"][chosen]


@pytest.mark.parametrize("given", [(), ("--dry-run",)], ids=" ".join)
def test_an_address_in_a_network_of_the_host_s_is_warned_of(
    lab: Lab, given: tuple[str, ...]
) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    lab.outside(host)
    host.ip("route add 10.98.0.0/16 via 10.99.0.2", "route add 0.0.0.0/1 via 10.99.0.2")
    host.quiet("bridge", "init", "br0", "--address", "10.97.0.1/24")
    for address, subnet, route in (
        ("10.99.0.200/24", "10.99.0.0/24", "10.99.0.0/24 dev eth0"),
        ("10.98.1.1/24", "10.98.1.0/24", "10.98.0.0/16 dev eth0"),
    ):
        done = host.dnet("bridge", "init", "br0", "--address", address, *given)
        assert done.returncode == 0
        assert done.stderr.splitlines()[0] == (
            f"dnet: warning: {subnet} of br0 overlaps the route {route}: "
            "an address in both leads to only one of them"
        )
    assert "overlaps" not in host.dnet("bridge", "init", "br0", "--no-icc").stderr


@pytest.mark.libraries
def test_no_pool_left_names_the_route_in_the_way(lab: Lab) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    lab.outside(host)
    host.ip(*(f"route add {net} via 10.99.0.2" for net in ("10.0.0.0/8", "172.16.0.0/12")))
    host.ip("route add 192.168.0.0/16 via 10.99.0.2")
    before = host.snapshot()
    refusal = host.fails(5, "bridge", "init", "br0", code="exhausted")
    assert refusal.hint is not None
    assert "--address" in refusal.hint
    assert re.search(r"10\.0\.0\.0/8|172\.16\.0\.0/12|192\.168\.0\.0/16", refusal.hint)
    assert host.snapshot() == before
    # An address given by hand skips the check.
    host.ok("bridge", "init", "br0", "--address", "10.5.0.1/24")


def test_further_bridges_take_further_pools(lab: Lab) -> None:
    host = lab.host(resolv_conf=NO_NAMESERVER)
    for name in ("br0", "br1", "br2"):
        host.ok("bridge", "init", name, "--chain", name.upper())
    chosen = [found["address"] for found in host.json("bridge", "list")]
    assert chosen == ["172.17.42.1/16", "10.0.42.1/16", "10.1.42.1/16"]
