"""What podman 5 asks of its network driver, and what it gets."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from dnet import __version__
from tests import namespaces
from tests.host import Call, Host
from tests.lab import Lab
from tests.node import Node
from tests.runtimes import ID, NETAVARK, Podman

SUBNET: dict[str, Any] = {"subnet": "10.50.0.0/24", "gateway": "10.50.0.1"}
ON_LAB: dict[str, Any] = {"network_interface": "lab0", "subnets": [SUBNET]}


def port(host_port: int) -> dict[str, Any]:
    """A mapping of a port to that of a web server."""
    return {"host_port": host_port, "container_port": 80}


@pytest.fixture
def podman(host: Host) -> Podman:
    return Podman(host)


@pytest.fixture
def web(lab: Lab) -> Node:
    """A container's namespace with a server in it."""
    return lab.node()


def test_info_needs_neither_store_nor_document(podman: Podman) -> None:
    done = podman.call("info")
    assert json.loads(done.stdout) == {"version": __version__, "api_version": "1.0.0"}


def test_create_fills_in_what_was_left_open(podman: Podman) -> None:
    asked = podman.asked()
    made = podman.network()
    assert {key: made[key] for key in ("name", "id", "driver", "created", "options")} == {
        key: asked[key] for key in ("name", "id", "driver", "created", "options")
    }
    assert made["network_interface"] == "dnet-lab"
    assert (made["dns_enabled"], made["ipam_options"]) == (False, {"driver": "dnet"})
    (subnet,) = made["subnets"]
    assert subnet["subnet"].endswith(".0/24")
    assert subnet["gateway"] == subnet["subnet"].replace(".0/24", ".1")
    assert podman.host.store() == {}


def test_create_keeps_what_was_given(podman: Podman) -> None:
    made = podman.network(network_interface="lab0", subnets=[{"subnet": "10.50.0.0/24"}])
    assert (made["network_interface"], made["subnets"]) == ("lab0", [SUBNET])


def test_two_networks_have_two_subnets_before_either_is_used(podman: Podman) -> None:
    one, other = podman.network("one"), podman.network("other")
    assert one["subnets"] != other["subnets"]
    assert one["network_interface"] != other["network_interface"]


def test_a_long_name_has_a_bridge_too(podman: Podman) -> None:
    assert len(podman.network("a-very-long-network-name")["network_interface"]) == 15


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"internal": True}, "no internal networks"),
        ({"subnets": [{"subnet": "fd00::/32"}]}, "prefix"),
        ({"subnets": [SUBNET, {"subnet": "10.51.0.0/24"}]}, "one subnet per family"),
        ({"subnets": [{"subnet": "10.50.0.0"}]}, "no prefix length"),
        ({"subnets": [{"subnet": "10.50.0.0/31"}]}, "prefix"),
        ({"subnets": [{**SUBNET, "gateway": "10.51.0.1"}]}, "not in 10.50.0.0/24"),
        (
            {"subnets": [{**SUBNET, "lease_range": {"start_ip": "10.50.0.9"}}]},
            "not exactly one prefix",
        ),
        ({"options": {"colour": "red"}}, "no option colour"),
        ({"options": {"mtu": "9"}}, "'mtu' of 'options'"),
        ({"options": {"icc": "perhaps"}}, "neither true nor false"),
        ({"options": {"state_dir": "here"}}, "absolute"),
        ({"options": []}, "not a JSON object"),
        ({"ipam_options": {"driver": "dhcp"}}, "--ipam-driver dhcp"),
        ({"routes": [{"destination": "10.0.0.0/8"}]}, "static routes"),
        ({"network_interface": "a/b"}, "not a device name"),
        ({"name": None}, "'name' of the network is missing"),
    ],
)
def test_create_refuses_what_it_cannot_keep(podman: Podman, more: Any, said: str) -> None:
    asked = podman.asked()
    options = {**asked["options"], **more["options"]} if more.get("options") else None
    if options:
        more = {**more, "options": options}
    assert said in podman.refused("create", {**asked, **more})


@pytest.mark.parametrize("text", ["", "{", "[]", "null x", "[" * 100_000, '"\\ud800"'])
@pytest.mark.parametrize("verb", ["create", "setup", "teardown"])
def test_what_is_no_document_is_refused(podman: Podman, verb: str, text: str) -> None:
    assert podman.refused(verb, text, "/run/netns/x")


@pytest.mark.parametrize("words", [[], ["make"], ["--help"]])
def test_what_is_no_verb_is_refused(podman: Podman, words: list[str]) -> None:
    done = podman.host.program(NETAVARK, *words)
    assert done.returncode == 1
    assert "called by podman" in json.loads(done.stdout)["error"]


def test_a_container_is_reached_by_its_port(podman: Podman, web: Node, lab: Lab) -> None:
    network = podman.network(**ON_LAB)
    request = podman.request(network, ports=[port(8080)])
    got = podman.setup(request, str(web.path))
    assert got == {
        "dns_search_domains": [],
        "dns_server_ips": [],
        "interfaces": {
            "eth0": {
                "mac_address": "02:42:0a:32:00:02",
                "subnets": [{"ipnet": "10.50.0.2/24", "gateway": "10.50.0.1"}],
            }
        },
    }
    client = lab.outside(podman.host)
    web.listen("tcp", 80, "web")
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    podman.host.quiet("check")
    (one,) = podman.host.json("interface", "list")
    assert (one["id"], one["origin"]) == (
        "web",
        {"by": "netavark", "network": "lab", "container": ID, "ifname": "eth0", "name": "web"},
    )


def test_the_last_one_takes_the_bridge_along(podman: Podman, web: Node, lab: Lab) -> None:
    podman.host.sysctl("net/ipv4/ip_forward", 1)
    before = podman.host.snapshot()
    network, other = podman.network(**ON_LAB), lab.node()
    requests = [
        podman.request(network, name=name, container=name, ports=[port(at)])
        for name, at in (("one", 8080), ("two", 8081))
    ]
    places = [str(web.path), str(other.path)]
    for request, place in zip(requests, places, strict=True):
        podman.setup(request, place)
    podman.teardown(requests[0], places[0])
    assert podman.host.keys("bridge", "list") == ["lab0"]
    podman.teardown(requests[1], places[1])
    assert podman.host.keys("bridge", "list") == []
    podman.setup(requests[0], places[0])
    podman.host.quiet("check")
    podman.teardown(requests[0], places[0])
    assert podman.host.snapshot() == before


def test_what_was_asked_for_by_name(podman: Podman, web: Node) -> None:
    network = podman.network(**ON_LAB)
    ports = [
        {"host_port": 9000, "container_port": 7000, "range": 1000, "protocol": "udp"},
        {"host_port": 53, "container_port": 53, "protocol": "tcp,udp"},
        {"host_port": 8443, "container_port": 443, "host_ip": "127.0.0.1"},
    ]
    request = podman.request(
        network,
        ports=ports,
        static_ips=["10.50.0.9"],
        static_mac="02:aa:bb:cc:dd:ee",
        ifname="net1",
    )
    got = podman.setup(request, str(web.path))["interfaces"]["net1"]
    assert got["mac_address"] == "02:aa:bb:cc:dd:ee"
    assert got["subnets"][0]["ipnet"] == "10.50.0.9/24"
    assert podman.host.keys("map", "list") == [
        "0.0.0.0:9000-9999/udp",
        "0.0.0.0:53/tcp",
        "0.0.0.0:53/udp",
        "127.0.0.1:8443/tcp",
    ]


@pytest.mark.parametrize(
    "subnets", [[], [SUBNET], [{"subnet": "fd00:50::/64"}], [SUBNET, {"subnet": "fd00:50::/64"}]]
)
def test_both_families(podman: Podman, web: Node, subnets: list[Any]) -> None:
    podman.host.try_run("sysctl", "-qw", "net.bridge.bridge-nf-call-ip6tables=0")
    network = podman.network(network_interface="lab0", subnets=subnets, ipv6_enabled=True)
    four, six = network["subnets"]
    assert network["ipv6_enabled"] is True
    assert (":" in four["subnet"], ":" in six["subnet"]) == (False, True)
    static = six["gateway"].replace("::1", "::99")
    request = podman.request(network, static_ips=[static], ports=[port(8080)])
    got = podman.setup(request, str(web.path))["interfaces"]["eth0"]["subnets"]
    assert [one["gateway"] for one in got] == [four["gateway"], six["gateway"]]
    assert got[1]["ipnet"] == six["gateway"].replace("::1", "::99/64")
    shown = web.run("ip", "-6", "-o", "addr", "show", "eth0")
    assert got[1]["ipnet"] in shown
    assert podman.host.keys("map", "list") == ["0.0.0.0:8080/tcp", "[::]:8080/tcp"]
    podman.host.quiet("check")
    podman.teardown(request, str(web.path))
    assert podman.host.keys("bridge", "list") == []


def test_options_are_those_of_a_bridge(podman: Podman, web: Node) -> None:
    podman.options |= {"mtu": "1400", "icc": "false", "binding-ip": "127.0.0.1"}
    leases = {"start_ip": "10.50.0.129", "end_ip": "10.50.0.255"}
    network = podman.network(network_interface="lab0", subnets=[{**SUBNET, "lease_range": leases}])
    got = podman.setup(podman.request(network), str(web.path))
    assert got["interfaces"]["eth0"]["subnets"][0]["ipnet"] == "10.50.0.128/24"
    bridge = podman.host.json("bridge", "show", "lab0")
    assert (bridge["mtu"], bridge["icc"], bridge["binding_ip"]) == (1400, False, "127.0.0.1")
    assert (bridge["range"], bridge["origin"]) == ("10.50.0.128/25", "netavark:lab")


def test_again_it_is_the_same(podman: Podman, web: Node) -> None:
    request = podman.request(podman.network(**ON_LAB), ports=[port(8080)])
    got = podman.setup(request, str(web.path))
    store = podman.host.store()
    assert podman.setup(request, str(web.path)) == got
    assert podman.host.store() == store


def test_connected_and_disconnected_while_it_runs(podman: Podman, web: Node) -> None:
    one = podman.request(podman.network("one"))
    two = podman.request(podman.network("two"), ifname="eth1")
    place = str(web.path)
    podman.setup(one, place)
    podman.setup(two, place)
    assert podman.host.keys("interface", "list") == ["web", "web.eth1"]
    podman.teardown(one, place)
    assert podman.host.keys("interface", "list") == ["web.eth1"]
    assert "default" in web.run("ip route")
    podman.setup(one, place)
    podman.host.quiet("check")


def test_the_ports_of_a_container_on_two_networks(podman: Podman, web: Node) -> None:
    """Podman asks for them on each; they stay while it is on any."""
    ports = [port(8080), {"host_port": 9000, "container_port": 7000, "range": 10}]
    one = podman.request(podman.network("one"), ports=ports)
    two = podman.request(podman.network("two"), ports=ports, ifname="eth1")
    place = str(web.path)
    web.listen("tcp", 80, "web")
    keys = ["0.0.0.0:8080/tcp", "0.0.0.0:9000-9009/tcp"]
    for request in (one, two, one):
        podman.setup(request, place)
        assert sorted(podman.host.keys("map", "list")) == keys
    podman.teardown(one, place)
    assert sorted(podman.host.keys("map", "list")) == keys
    podman.host.reaches("web", "tcp", "127.0.0.1", 8080)
    podman.host.quiet("check")
    podman.teardown(two, place)
    assert podman.host.keys("bridge", "list") == []


def test_a_network_of_both_families_has_what_another_one_cannot(podman: Podman, web: Node) -> None:
    ports = [port(8080)]
    one = podman.request(podman.network("one"), ports=ports)
    two = podman.request(podman.network("two", ipv6_enabled=True), ports=ports, ifname="eth1")
    place = str(web.path)
    for request in (one, two, one, two):
        podman.setup(request, place)
        has = podman.host.keys("map", "list")
    assert has == ["0.0.0.0:8080/tcp", "[::]:8080/tcp"]
    podman.teardown(one, place)
    assert sorted(podman.host.keys("map", "list")) == has
    web.listen("tcp", 80, "web", "::")
    podman.host.reaches("web", "tcp", "::1", 8080)
    podman.setup(one, place)
    podman.teardown(two, place)
    assert podman.host.keys("map", "list") == ["0.0.0.0:8080/tcp"]
    podman.host.quiet("check")


def test_taken_down_what_is_gone(podman: Podman, web: Node) -> None:
    request = podman.request(podman.network(**ON_LAB))
    podman.teardown(request, "/run/netns/never")
    assert podman.host.store() == {}
    podman.setup(request, str(web.path))
    namespaces.remove([web.netns])
    for _ in range(3):
        podman.teardown(request, "/run/netns/never")
    assert podman.host.keys("bridge", "list") == []


def test_the_bridge_is_made_anew_where_it_is_gone(podman: Podman, web: Node, lab: Lab) -> None:
    network, other = podman.network(**ON_LAB), lab.node()
    podman.setup(podman.request(network), str(web.path))
    podman.host.ip("link delete lab0")
    done = podman.call("setup", podman.request(network, "2" * 64, "two"), str(other.path))
    assert done.returncode == 0, done
    podman.host.quiet("check")


def test_another_container_s_port_is_refused_and_nothing_is_left(
    podman: Podman, web: Node, lab: Lab
) -> None:
    network, other = podman.network(**ON_LAB), lab.node()
    ports = [port(8080)]
    podman.setup(podman.request(network, ports=ports), str(web.path))
    before = podman.host.everything()
    said = podman.refused(
        "setup", podman.request(network, "2" * 64, "two", ports=ports), str(other.path)
    )
    assert "port 8080/tcp on 0.0.0.0 belongs to web (10.50.0.2:80)" in said
    assert podman.host.everything() == before


def test_a_stranger_s_port_is_refused(podman: Podman, web: Node) -> None:
    request = podman.request(podman.network(**ON_LAB), ports=[port(8080)])
    podman.host.listen("tcp", 8080)
    assert "is not free" in podman.refused("setup", request, str(web.path))
    assert podman.host.keys("interface", "list") == []


_BINDING = """
import socket, subprocess, sys
bound = socket.create_server(("0.0.0.0", 8080))
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
_PLUGIN = [str(Path(sys.executable).with_name(NETAVARK)), "setup"]


@pytest.mark.parametrize(
    ("program", "between", "is_ours"),
    [
        ("podman", 0, True),
        ("conmon", 0, True),
        ("podman", 1, True),
        ("podman", 2, False),
        ("sshd", 0, False),
        ("podman2", 0, False),
    ],
)
def test_a_port_that_the_caller_holds_is_ours(
    podman: Podman, web: Node, tmp_path: Path, program: str, between: int, is_ours: bool
) -> None:
    shutil.copy(os.path.realpath(sys.executable), tmp_path / program)
    words = [*_PLUGIN, str(web.path)]
    for _ in range(between):
        words = ["sh", "-c", '"$@"; exit $?', "sh", *words]
    request = podman.request(podman.network(**ON_LAB), ports=[port(8080)])
    home = {"PYTHONHOME": sys.base_prefix}
    done = podman.host.try_run(
        *(str(tmp_path / program), "-c", _BINDING, "env", "-u", "PYTHONHOME", *words),
        stdin=json.dumps(request),
        env=home,
    )
    assert done.returncode == (0 if is_ours else 1), done
    assert ("is not free" in done.stdout) != is_ours


_KEEPING = """
import os, signal, socket, sys
bound = socket.create_server(("0.0.0.0", 8080))
os.setuid(int(sys.argv[1]))
print(flush=True)
signal.pause()
"""
_BESIDE_IT = """
exec 3<&0
coproc env PYTHONHOME="$1" "${@:4}"
read -r -u "${COPROC[0]}"
"$2" setup "$3" <&3
status=$?
kill "$COPROC_PID"
exit $status
"""


@pytest.mark.parametrize(
    ("program", "arguments", "user", "is_ours"),
    [
        ("conmon", ["-c", ID], 0, True),
        ("conmon", ["-c", "2" * 64], 0, False),
        ("conmon", ["-c", ID + "0"], 0, False),
        ("conmon", ["-c", ID], 65534, False),
        ("podman", ["-c", ID], 0, False),
        ("sleep", ["conmon", "-c", ID], 0, False),
    ],
)
def test_a_port_that_the_container_s_own_conmon_holds_is_ours(
    podman: Podman,
    web: Node,
    tmp_path: Path,
    program: str,
    arguments: list[str],
    user: int,
    is_ours: bool,
) -> None:
    """It runs, and is connected again: nobody who calls is its conmon."""
    shutil.copy(os.path.realpath(sys.executable), tmp_path / program)
    keeper = [str(tmp_path / program), "-c", _KEEPING, str(user), *arguments]
    request = podman.request(podman.network(**ON_LAB), ports=[port(8080)])
    done = podman.host.try_run(
        *("bash", "-c", _BESIDE_IT, "bash", sys.base_prefix, _PLUGIN[0], str(web.path), *keeper),
        stdin=json.dumps(request),
    )
    assert done.returncode == (0 if is_ours else 1), done
    assert ("is not free" in done.stdout) != is_ours


def test_another_bridge_of_that_name_is_refused(podman: Podman, web: Node) -> None:
    network = podman.network(**ON_LAB)
    podman.host.ok("bridge", "init", "lab0", "--address", "10.60.0.1/24")
    before = podman.host.everything()
    said = podman.refused("setup", podman.request(network), str(web.path))
    assert "the bridge lab0 has the address 10.60.0.1/24, not 10.50.0.1/24" in said
    assert podman.host.everything() == before


def test_a_hostile_environment_does_not_steer_it(podman: Podman, web: Node, lab: Lab) -> None:
    elsewhere = lab.folder / "elsewhere"
    podman.env = {
        "DNET_STATE_DIR": str(elsewhere),
        "DNET_BRIDGE": "other",
        "DNET_FIREWALL": "nftables",
        "DNET_LOCK_TIMEOUT": "x",
        "PATH": str(lab.folder),
        "HOME": "/nonexistent",
        "IPTABLES_SAVE": "1",
    }
    podman.setup(podman.request(podman.network(**ON_LAB)), str(web.path))
    assert not elsewhere.exists()
    assert podman.host.keys("interface", "list") == ["web"]


def test_warnings_go_to_stderr(podman: Podman, web: Node) -> None:
    ports = [{"host_port": 8080, "container_port": 80, "host_ip": "192.0.2.1"}]
    request = podman.request(podman.network(**ON_LAB), ports=ports)
    done = podman.call("setup", request, str(web.path))
    assert done.stderr.startswith("dnet-netavark: warning: 192.0.2.1 is not an address")
    assert "interfaces" in json.loads(done.stdout)


@pytest.mark.parametrize("container", ["a", "x" * 300, "host", "10.0.0.1"])
def test_any_container_id(podman: Podman, web: Node, container: str) -> None:
    request = podman.request(podman.network(**ON_LAB), container, name=None)
    podman.setup(request, str(web.path))
    podman.host.quiet("check")
    podman.teardown(request, str(web.path))
    assert podman.host.keys("interface", "list") == []


def test_eight_at_once(podman: Podman, lab: Lab) -> None:
    network = podman.network(**ON_LAB)
    nodes = [lab.node() for _ in range(8)]
    requests = [
        podman.request(network, f"{at}" * 64, f"c{at}", ports=[port(8000 + at)]) for at in range(8)
    ]
    for verb in ("setup", "teardown"):
        calls = [
            Call([verb, str(node.path)], json.dumps(request))
            for node, request in zip(nodes, requests, strict=True)
        ]
        for done in podman.host.programs(NETAVARK, calls, 8):
            assert done.returncode == 0, done
        podman.host.quiet("check")
        left = podman.host.keys("interface", "list")
        assert len(left) == (8 if verb == "setup" else 0)
    assert podman.host.keys("bridge", "list") == []


def test_what_a_person_does_with_a_runtime_s_interface(podman: Podman, web: Node) -> None:
    ports = [port(8080)]
    request = podman.request(podman.network(**ON_LAB), ports=ports)
    podman.setup(request, str(web.path))
    podman.host.ok("map", "remove", "8080")
    podman.host.ok("map", "add", "web", "8090:80")
    web.listen("tcp", 80, "web")
    podman.host.reaches("web", "tcp", "127.0.0.1", 8090)
    assert podman.host.keys("interface", "list", "--origin", "netavark:lab") == ["web"]
    assert podman.host.keys("interface", "list", "--origin", "cni") == []
    podman.host.quiet("detach", "--origin", f"netavark:lab/{ID}/eth0")
    podman.host.quiet("detach", "--origin", f"netavark:lab/{ID}/eth0")
    assert podman.host.keys("bridge", "list") == []
    podman.teardown(request, str(web.path))
