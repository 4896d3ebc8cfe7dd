"""What the Container Network Interface asks of a plugin, version 0.3.0 to 1.1.0."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import namespaces
from tests.host import Host
from tests.lab import Lab
from tests.libcni import CNI, ID, Attachment, Network, read_error
from tests.node import Node

ON_LAB: dict[str, Any] = {"bridge": "lab0", "address": "10.50.0.1/24"}
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]
NOBODY = Attachment("gone", "/run/netns/gone")


@pytest.fixture
def network(host: Host) -> Network:
    return Network(host, dict(ON_LAB))


@pytest.fixture
def web(lab: Lab) -> Node:
    """A container's namespace."""
    return lab.node()


def at(node: Node, container: str = ID, **more: Any) -> Attachment:
    return Attachment(container, str(node.path), **more)


def mapping(host_port: Any, port: Any = 80, **more: Any) -> dict[str, Any]:
    return {"hostPort": host_port, "containerPort": port, "protocol": "tcp", **more}


# ADD


@pytest.mark.parametrize("version", VERSIONS)
def test_the_result_of_every_version(network: Network, web: Node, version: str) -> None:
    network.version = version
    result = network.add(at(web))
    inside = {"name": "eth0", "mac": "02:42:0a:32:00:02", "sandbox": str(web.path)}
    bridge, port, container = result.pop("interfaces")
    assert bridge == {"name": "lab0", "mac": "02:42:0a:32:00:01"}
    assert port["name"] in network.host.run("ip", "link", "show", "master", "lab0")
    assert port["mac"] in network.host.run("ip", "link", "show", port["name"])
    assert container == inside
    ip = {"address": "10.50.0.2/24", "gateway": "10.50.0.1", "interface": 2}
    if version < "1":
        ip["version"] = "4"
    assert result == {
        "cniVersion": version,
        "ips": [ip],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.50.0.1"}],
        "dns": {},
    }
    network.host.quiet("check")


@pytest.mark.parametrize(
    "keys",
    [
        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
        {"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""},
        {"hostport": "8080", "CONTAINERPORT": 80},
    ],
)
def test_a_port_is_published_whatever_the_case_of_its_keys(
    network: Network, web: Node, lab: Lab, keys: dict[str, Any]
) -> None:
    network.add(at(web, capabilities={"portMappings": [keys, mapping(0, 81)]}))
    web.listen("tcp", 80, "web")
    lab.outside(network.host).reaches("web", "tcp", "10.99.0.1", 8080)
    assert network.host.keys("map", "list") == ["0.0.0.0:8080/tcp"]


def test_the_keys_of_a_network_are_in_any_case_too(network: Network, web: Node) -> None:
    to = at(web)
    document = {key.upper(): value for key, value in network.config(mtu=0, isGateway=True).items()}
    done = network.call("ADD", to, document)
    assert json.loads(done.stdout)["ips"][0]["address"] == "10.50.0.2/24", done
    kept = [{"CONTAINERID": ID, "ifName": "eth0"}]
    document["CNI.dev/valid-attachments"] = kept
    network.silent("GC", NOBODY, document)
    assert network.host.keys("interface", "list") == [ID[:12]]
    document["CNI.dev/valid-attachments"] = []
    network.silent("GC", NOBODY, document)
    assert network.host.keys("interface", "list") == []


def test_capabilities(network: Network, web: Node) -> None:
    wanted = {
        "ips": ["10.50.0.77/24"],
        "mac": "02:aa:bb:cc:dd:ee",
        "dns": {"servers": ["192.0.2.53"], "searches": ["example.org"], "options": []},
        "portMappings": [mapping(53, 53, protocol="udp", hostIP="127.0.0.1")],
    }
    result = network.add(at(web, capabilities=wanted))
    assert result["ips"][0]["address"] == "10.50.0.77/24"
    assert result["interfaces"][2]["mac"] == "02:aa:bb:cc:dd:ee"
    assert result["dns"] == {"nameservers": ["192.0.2.53"], "search": ["example.org"]}
    assert network.host.keys("map", "list") == ["127.0.0.1:53/udp"]
    assert not network.check(at(web)).stdout


def test_the_configuration_s_own_dns(network: Network, web: Node) -> None:
    network.plugin["dns"] = {"nameservers": ["192.0.2.1"], "domain": "example.org"}
    assert network.add(at(web))["dns"] == network.plugin["dns"]


@pytest.mark.parametrize(
    ("wanted", "args", "more", "expected"),
    [
        ({"ips": ["10.50.0.7"]}, "IP=10.50.0.9", {"ips": ["10.50.0.8"]}, "10.50.0.7/24"),
        ({}, "IP=10.50.0.9", {"ips": ["10.50.0.8/24"]}, "10.50.0.8/24"),
        ({}, "IgnoreUnknown=1;IP=10.50.0.9;K8S_POD_UID=x", {}, "10.50.0.9/24"),
    ],
)
def test_the_more_particular_address_wins(
    network: Network, web: Node, wanted: Any, args: str, more: Any, expected: str
) -> None:
    network.plugin["args"] = {"cni": more}
    assert network.add(at(web, args=args, capabilities=wanted))["ips"][0]["address"] == expected


def test_an_address_of_another_network_is_refused(network: Network, web: Node) -> None:
    code, said = network.refused("ADD", at(web, args="IP=192.0.2.9"))
    assert (code, "192.0.2.9 is not in lab0's subnet" in said) == (7, True)
    assert network.host.keys("bridge", "list") == []


def test_the_list_shows_the_names_of_people(network: Network, web: Node, lab: Lab) -> None:
    network.add(at(web, args="IgnoreUnknown=1;K8S_POD_NAME=web-0"))
    network.add(at(lab.node(), "default-web"))
    network.add(at(lab.node(), "x" * 300))
    assert network.host.keys("interface", "list") == ["web-0", "default-web", "x" * 12]
    assert network.host.json("interface", "show", "web-0")["origin"] == {
        "by": "cni",
        "network": "lab",
        "container": ID,
        "ifname": "eth0",
        "name": "web-0",
    }


def test_a_second_network_makes_no_second_default_route(network: Network, web: Node) -> None:
    other = Network(network.host, {"bridge": "two0", "address": "10.60.0.1/24"}, "two")
    network.add(at(web))
    second = at(web, ifname="eth1")
    assert other.add(second)["routes"] == []
    other.delete(second)
    assert network.host.keys("interface", "list") == [ID[:12]]
    assert not network.check(at(web)).stdout


def test_again_it_is_the_same(network: Network, web: Node) -> None:
    to = at(web, capabilities={"portMappings": [mapping(8080)]})
    result, store = network.add(to), network.host.store()
    assert network.add(to) == result
    assert network.host.store() == store


_BEHIND = """#!/bin/sh
input=$(cat)
case $CNI_COMMAND in
ADD) case $input in *'"sandbox": "'$CNI_NETNS'"'*) echo '{"changed": true}' ;; *) exit 1 ;; esac ;;
DEL) case $input in *'"changed": true'*) ;; *) exit 1 ;; esac ;;
esac
"""


def test_what_is_behind_it_sees_the_container(network: Network, web: Node, tmp_path: Path) -> None:
    plugin = tmp_path / "next"
    plugin.write_text(_BEHIND)
    plugin.chmod(0o755)
    network.behind = [{"type": str(plugin)}]
    assert network.add(at(web)) == {"changed": True}
    network.delete(at(web))
    assert network.host.keys("interface", "list") == []


_PLUGINS = "/usr/lib/cni"
_HAS_PLUGINS = pytest.mark.skipif(
    not Path(_PLUGINS).exists(), reason="scripts/setup --runtimes installs them"
)
_RATES = {"ingressRate": 10**9, "ingressBurst": 10**8, "egressRate": 10**9, "egressBurst": 10**8}


@pytest.mark.runtimes
@_HAS_PLUGINS
def test_the_real_plugins_behind_it(network: Network, web: Node, lab: Lab) -> None:
    client = lab.outside(network.host)
    network.host.sysctl("net/ipv4/ip_forward", 1)
    before = network.host.snapshot()
    set_inside = {"mtu": 1400, "mac": "02:00:00:00:00:77"}
    network.version = "1.0.0"
    network.behind = [
        {"type": f"{_PLUGINS}/tuning", "sysctl": {"net.core.somaxconn": "77"}, **set_inside},
        {"type": f"{_PLUGINS}/bandwidth", **_RATES},
        {"type": f"{_PLUGINS}/sbr"},
    ]
    to = at(web, capabilities={"portMappings": [mapping(8080)]})
    result = network.add(to)
    assert [one["name"][:3] for one in result["interfaces"]][2:] == ["eth", "bwp"]
    web.listen("tcp", 80, "web")
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    assert web.run("cat", "/proc/sys/net/core/somaxconn").strip() == "77"
    assert "from 10.50.0.2" in web.run("ip", "rule")
    shown = web.run("ip", "link", "show", "eth0")
    assert "mtu 1400" in shown
    assert "02:00:00:00:00:77" in shown
    assert network.check(to).returncode == 0
    network.delete(to)
    assert network.host.snapshot() == before


@pytest.mark.runtimes
@_HAS_PLUGINS
def test_portmap_may_publish_in_its_place(network: Network, web: Node, lab: Lab) -> None:
    client = lab.outside(network.host)
    network.version, network.plugin["capabilities"] = "1.0.0", {}
    network.behind = [{"type": f"{_PLUGINS}/portmap", "capabilities": {"portMappings": True}}]
    to = at(web, capabilities={"portMappings": [mapping(8080)]})
    network.add(to)
    assert network.host.keys("map", "list") == []
    web.listen("tcp", 80, "web")
    client.reaches("web", "tcp", "10.99.0.1", 8080)
    network.delete(to)
    client.misses("tcp", "10.99.0.1", 8080)


# A network's file of others


def test_the_file_of_bridge_and_host_local_changes_by_its_type(network: Network, web: Node) -> None:
    ranges = [[{"subnet": "10.88.0.0/16", "rangeStart": "10.88.1.0", "rangeEnd": "10.88.1.255"}]]
    network.plugin = {
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "mtu": 1400,
        "promiscMode": False,
        "somethingElse": [1],
        "ipam": {
            "type": "host-local",
            "ranges": ranges,
            "dataDir": "/run/x",
            "routes": [{"dst": "0.0.0.0/0"}],
        },
        "capabilities": {"portMappings": True},
    }
    assert network.add(at(web))["ips"][0]["gateway"] == "10.88.0.1"
    bridge = network.host.json("bridge", "show", "cni0")
    assert (bridge["mtu"], bridge["masquerade"], bridge["range"]) == (1400, False, "10.88.1.0/24")


def test_both_families(network: Network, web: Node) -> None:
    ranges = [[{"subnet": "10.88.0.0/16"}], [{"subnet": "fd00:88::/64", "gateway": "fd00:88::9"}]]
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    network.plugin = {"bridge": "cni0", "ipam": {"ranges": ranges, "routes": routes}}
    network.version = "0.4.0"
    network.host.try_run("sysctl", "-qw", "net.bridge.bridge-nf-call-ip6tables=0")
    wanted: dict[str, Any] = {"ips": ["10.88.0.7/16", "fd00:88::7/64"]}
    wanted["portMappings"] = [mapping(8080), mapping(8080, hostIP="::")]
    result = network.add(at(web, capabilities=wanted))
    assert network.host.keys("map", "list") == ["0.0.0.0:8080/tcp", "[::]:8080/tcp"]
    assert result["ips"] == [
        {"address": "10.88.0.7/16", "gateway": "10.88.0.1", "interface": 2, "version": "4"},
        {"address": "fd00:88::7/64", "gateway": "fd00:88::9", "interface": 2, "version": "6"},
    ]
    assert [one["dst"] for one in result["routes"]] == ["0.0.0.0/0", "::/0"]
    assert not network.check(at(web)).stdout
    network.delete(at(web))


def test_the_older_form_of_host_local(network: Network, web: Node) -> None:
    network.plugin = {"bridge": "cni0", "ipam": {"subnet": "10.88.0.0/16", "gateway": "10.88.9.9"}}
    assert network.add(at(web))["ips"][0]["gateway"] == "10.88.9.9"


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"ipam": {"type": "dhcp"}}, 2, "'type' of 'ipam' cannot be \"dhcp\" here"),
        ({"hairpinMode": False}, 2, "'hairpinMode' cannot be false here"),
        ({"vlan": 5}, 2, "'vlan' cannot be 5 here"),
        ({"ipam": {"routes": [{"dst": "10.0.0.0/8"}]}}, 2, "'routes' of 'ipam'"),
        (
            {"ipam": {"subnet": "10.50.0.0/24", "gateway": "10.50.0.9"}},
            7,
            "by 'ipam' it is 10.50.0.9",
        ),
        ({"ipam": {"ranges": 1}}, 7, "not a list"),
        ({"address": "10.50.0.1"}, 7, "'address': '10.50.0.1' has no prefix length"),
        ({"mtu": True}, 7, "'mtu' is neither"),
        ({"icc": 2}, 7, "neither true nor false"),
        ({"bridge": "a/b"}, 7, "not a device name"),
        ({"stateDir": "x"}, 7, "absolute"),
        ({"allocation": "random"}, 7, "one of round-robin, reuse"),
        ({"name": ""}, 7, "'name' is missing"),
        ({"prevResult": {}}, 7, "must be the first plugin"),
        ({"runtimeConfig": {"portMappings": [{"hostPort": 1}]}}, 7, "'containerPort'"),
        ({"runtimeConfig": {"portMappings": [mapping(8080, hostIP="x")]}}, 7, "not"),
        ({"runtimeConfig": {"portMappings": [mapping(8080, protocol="icmp")]}}, 7, "icmp"),
        ({"runtimeConfig": {"portMappings": [mapping(65536)]}}, 7, "65535"),
        ({"runtimeConfig": {"ips": ["10.50.0.7", "10.50.0.8"]}}, 7, "one address per family"),
        ({"runtimeConfig": {"mac": "01:00:00:00:00:00"}}, 7, "'mac' of 'runtimeConfig'"),
        ({"cniVersion": "0.2.0"}, 1, "0.2.0"),
        ({"cniVersion": None}, 1, "None"),
        ({"cniVersion": [1]}, 1, "[1]"),
    ],
)
def test_what_cannot_be_is_refused(
    network: Network, web: Node, more: dict[str, Any], code: int, said: str
) -> None:
    before = network.host.everything()
    number, text = network.refused("ADD", at(web), network.config(**more))
    assert (number, said in text) == (code, True), text
    assert network.host.everything() == before


@pytest.mark.parametrize(
    ("env", "code"),
    [
        ({"CNI_COMMAND": ""}, 4),
        ({"CNI_COMMAND": "MAKE"}, 4),
        ({"CNI_CONTAINERID": ""}, 4),
        ({"CNI_CONTAINERID": "a/b"}, 4),
        ({"CNI_IFNAME": "a/b"}, 4),
        ({"CNI_IFNAME": ""}, 4),
        ({"CNI_NETNS": ""}, 4),
        ({"CNI_NETNS": "/proc/self/ns/net"}, 4),
        ({"CNI_NETNS": "/dev/null"}, 4),
        ({"CNI_NETNS": "/run/netns/never"}, 3),
        ({"CNI_ARGS": "IP"}, 4),
    ],
)
def test_a_bad_environment_is_refused(
    network: Network, web: Node, env: dict[str, str], code: int
) -> None:
    number, _ = read_error(network.call("ADD", at(web), env=env))
    assert number == code
    assert network.host.keys("bridge", "list") == []


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"])
@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": ' * 50_000])
def test_what_is_no_document_is_refused(network: Network, command: str, text: str) -> None:
    assert network.refused(command, NOBODY, text)[0] == 6


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"'])
def test_a_document_of_another_kind_is_refused(network: Network, command: str, text: str) -> None:
    assert network.refused(command, NOBODY, text)[0] == 1


def test_a_bridge_of_other_options_is_left_as_it_is(network: Network, web: Node) -> None:
    network.host.ok("bridge", "init", "lab0", "--address", "10.50.0.1/24", "--mtu", "1400")
    before = network.host.everything()
    network.plugin["mtu"] = 1500
    assert network.refused("ADD", at(web))[0] == 7
    assert network.host.everything() == before


def test_a_port_of_somebody_else_is_refused(network: Network, web: Node, lab: Lab) -> None:
    first = {"portMappings": [mapping(8080)]}
    network.add(at(web, capabilities=first))
    before = network.host.everything()
    other = at(lab.node(), "2" * 64, capabilities={"portMappings": [mapping(8081), mapping(8080)]})
    code, said = network.refused("ADD", other)
    assert (code, "belongs to" in said) == (104, True)
    assert network.host.everything() == before
    network.host.listen("tcp", 9090)
    other.capabilities = {"portMappings": [mapping(9090)]}
    assert network.refused("ADD", other)[0] == 104
    network.delete(other)


def test_ipv6_beside_ipv4_is_passed_over(network: Network, web: Node) -> None:
    both = [mapping(8080), mapping(8080, hostIP="::")]
    done = network.call("ADD", at(web, capabilities={"portMappings": both}))
    assert done.returncode == 0, done
    assert done.stderr.startswith("dnet-cni: warning: 8080:80/tcp is published by IPv4 only")
    alone = at(web, "2" * 64, ifname="eth1", capabilities={"portMappings": [both[1]]})
    assert network.refused("ADD", alone)[0] == 7


def test_a_lock_that_is_held_is_a_reason_to_try_again(network: Network, web: Node) -> None:
    network.add(at(web))
    network.plugin["lockTimeout"] = 0
    with open(network.host.state_dir / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ("ADD", "DEL"):
            assert network.refused(command, at(web))[0] == 11
    network.delete(at(web))


# DEL


def test_deleted_three_times(network: Network, web: Node) -> None:
    network.add(at(web, capabilities={"portMappings": [mapping(8080)]}))
    network.delete(at(web))
    assert network.host.keys("bridge", "list") == []
    for netns in (str(web.path), ""):
        network.silent("DEL", Attachment(ID, netns))


def test_deleted_without_its_namespace(network: Network, web: Node) -> None:
    network.add(at(web))
    namespaces.remove([web.netns])
    network.silent("DEL", Attachment(ID, ""))
    assert network.host.keys("interface", "list") == []


def test_deleted_without_a_store(network: Network) -> None:
    network.silent("DEL", NOBODY)
    assert not network.host.state_dir.exists()


def test_deleted_without_its_bridge(network: Network, web: Node) -> None:
    network.add(at(web))
    network.host.ip("link delete lab0")
    done = network.call("DEL", at(web))
    assert (done.returncode, done.stdout) == (0, "")
    assert network.host.keys("bridge", "list") == []


def test_deleted_whatever_else_its_configuration_says(network: Network, web: Node) -> None:
    network.add(at(web))
    network.silent("DEL", at(web), network.config(address="x", mtu=[], ipam={"type": "dhcp"}))
    assert network.host.keys("interface", "list") == []


def test_deleted_with_the_store_lost(network: Network, web: Node) -> None:
    network.add(at(web, capabilities={"portMappings": [mapping(8080)]}))
    shutil.rmtree(network.host.state_dir)
    before = network.host.snapshot()
    network.silent("DEL", at(web))
    assert network.host.snapshot() == before
    code, said = network.refused("STATUS", NOBODY)
    assert (code, "unknown to the store" in said) == (50, True)
    assert network.refused("ADD", at(web, "2" * 64, ifname="eth1"))[0] >= 100


def test_a_damaged_store_is_no_success(network: Network, web: Node) -> None:
    network.add(at(web))
    (network.host.state_dir / "state.json").write_text("x")
    for command in ("ADD", "DEL", "STATUS"):
        assert network.refused(command, at(web))[0] == 50


def test_one_of_two_interfaces_goes(network: Network, web: Node) -> None:
    network.add(at(web))
    network.add(at(web, ifname="eth1"))
    network.delete(at(web))
    assert network.host.keys("interface", "list") == [f"{ID[:12]}.eth1"]
    network.host.quiet("check")


# CHECK


def test_checked_by_itself(network: Network, web: Node, lab: Lab) -> None:
    one = at(web, capabilities={"portMappings": [mapping(8080)]})
    other = at(lab.node(), "2" * 64, capabilities={"portMappings": [mapping(8081)]})
    for to in (one, other):
        network.add(to)
        assert not network.check(to).stdout
    network.host.run("sh", "-c", "iptables -t nat -F DNET")
    network.host.ok("map", "list")
    assert read_error(network.check(one))[0] == 101
    network.host.ok("restore")
    port = network.cache[other.container, "eth0"]["interfaces"][1]["name"]
    network.host.ip(f"link set {port} nomaster")
    assert not network.check(one).stdout
    code, said = read_error(network.check(other))
    assert (code, "not an active port of lab0" in said) == (101, True)


def test_only_its_own_rule_is_missed(network: Network, web: Node, lab: Lab) -> None:
    one = at(web, capabilities={"portMappings": [mapping(8080)]})
    other = at(lab.node(), "2" * 64, capabilities={"portMappings": [mapping(8081)]})
    for to in (one, other):
        network.add(to)
    rule = next(line for line in network.host.rules("nat") if "--dport 8081" in line)
    network.host.iptables(f"-t nat {rule.replace('-A', '-D', 1)}")
    assert not network.check(one).stdout
    assert read_error(network.check(other))[0] == 101


@pytest.mark.parametrize("kind", ["address", "device", "namespace", "nothing", "mac", "mtu"])
def test_what_is_not_as_it_was(network: Network, web: Node, lab: Lab, kind: str) -> None:
    to = at(web)
    result = network.add(to)
    match kind:
        case "address":
            web.run("ip addr flush dev eth0")
        case "device":
            web.run("ip link delete eth0")
        case "namespace":
            to.netns = str(lab.node().path)
        case "nothing":
            network.host.ok("detach", ID[:12])
        case "mac":
            web.run("ip link set eth0 address 02:00:00:00:00:01")
        case "mtu":
            result["interfaces"][2]["mtu"] = 1400
    assert read_error(network.check(to))[0] >= 100


def test_a_check_needs_the_result(network: Network, web: Node) -> None:
    network.add(at(web))
    assert network.refused("CHECK", at(web))[0] == 7
    network.version = "0.3.1"
    assert network.refused("CHECK", at(web))[0] == 1


# GC


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_drops_what_is_not_valid(network: Network, lab: Lab, key: str) -> None:
    nodes = [lab.node() for _ in range(5)]
    kept, gone, busy, others, mine = nodes
    for to in (at(kept, "kept"), at(gone, "gone"), at(busy, "busy")):
        network.add(to)
    other = Network(network.host, {"bridge": "two0", "address": "10.60.0.1/24"}, "two")
    other.add(at(others, "other"))
    network.host.ok("attach", "mine", "--netns", str(mine.path), "--bridge", "lab0")
    busy.listen("tcp", 80)
    valid: Any = {key: [{"containerID": "kept", "ifname": "eth0"}]}
    done = network.call("GC", NOBODY, network.config(**valid))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("dnet-cni: warning: busy is not a valid attachment")
    assert network.host.keys("interface", "list") == ["kept", "busy", "other", "mine"]
    network.host.quiet("check")


@pytest.mark.parametrize("none", [None, []])
def test_gc_of_all(network: Network, web: Node, none: Any) -> None:
    network.add(at(web))
    network.silent("GC", NOBODY, network.config(**{"cni.dev/valid-attachments": none}))
    assert network.host.keys("bridge", "list") == []


def test_gc_without_a_list_drops_nothing(network: Network, web: Node) -> None:
    network.add(at(web))
    assert network.refused("GC", NOBODY)[0] == 7
    assert network.host.keys("interface", "list") == [ID[:12]]


def test_gc_by_hand(network: Network, web: Node, lab: Lab) -> None:
    network.add(at(web))
    other = Network(network.host, {"bridge": "two0", "address": "10.60.0.1/24"}, "two")
    second = lab.node()
    other.add(at(second, "other"))
    namespaces.remove([web.netns, second.netns])
    assert network.host.ok("gc", "--origin", "cni:two") == "other"
    assert network.host.keys("interface", "list", "--origin", "cni") == [ID[:12]]


# STATUS, VERSION


def test_status(network: Network, web: Node) -> None:
    network.silent("STATUS", NOBODY)
    assert not network.host.state_dir.exists()
    network.add(at(web))
    network.silent("STATUS", NOBODY)


def test_status_where_no_address_is_left(network: Network, web: Node, lab: Lab) -> None:
    network.plugin["address"] = "10.50.0.1/30"
    network.add(at(web))
    code, said = network.refused("STATUS", NOBODY)
    assert (code, said) == (50, "no address is left on lab0")
    assert network.refused("ADD", at(lab.node(), "2"))[0] == 105


def test_status_of_a_store_of_another_namespace(network: Network, web: Node, lab: Lab) -> None:
    network.add(at(web))
    elsewhere = Network(lab.host(), {**ON_LAB, "stateDir": str(network.host.state_dir)})
    assert elsewhere.refused("STATUS", NOBODY)[0] == 50


@pytest.mark.parametrize("document", [{"cniVersion": "1.0.0"}, {"cniVersion": "9.9.9"}, {}])
def test_version(network: Network, document: dict[str, str]) -> None:
    env = {"CNI_COMMAND": "VERSION", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy"}
    done = network.host.program(CNI, stdin=json.dumps(document), env=env)
    assert json.loads(done.stdout) == {
        "cniVersion": document.get("cniVersion", "0.1.0"),
        "supportedVersions": VERSIONS,
    }


# All of it


def test_a_hostile_environment_does_not_steer_it(network: Network, web: Node, lab: Lab) -> None:
    elsewhere = lab.folder / "elsewhere"
    network.env = {
        "DNET_STATE_DIR": str(elsewhere),
        "DNET_BRIDGE": "x",
        "DNET_LOCK_TIMEOUT": "x",
        "PATH": str(lab.folder),
        "HOME": "/nonexistent",
        "DNET_FIREWALL": "nftables",
        "TMPDIR": "/nonexistent",
        "LANG": "xx",
        "LC_ALL": "xx",
    }
    network.add(at(web))
    network.delete(at(web))
    assert not elsewhere.exists()


def test_no_environment_but_its_own(network: Network, web: Node) -> None:
    variables = [f"{key}={value}" for key, value in at(web).environment("ADD").items()]
    program = network.host.run("which", CNI).strip()
    done = network.host.try_run(
        "env", "-i", *variables, program, stdin=json.dumps(network.config())
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    network.host.quiet("check")


@pytest.mark.parametrize("container", ["a", "x" * 300, "host", "10.0.0.1", "0.x-_"])
def test_any_container_id(network: Network, web: Node, container: str) -> None:
    network.add(at(web, container))
    network.host.quiet("check")
    network.delete(at(web, container))
    assert network.host.keys("interface", "list") == []


def test_eight_at_once(network: Network, lab: Lab) -> None:
    attachments = [
        at(lab.node(), f"{number}" * 64, capabilities={"portMappings": [mapping(8000 + number)]})
        for number in range(8)
    ]
    for done in network.calls("ADD", attachments, 8):
        assert done.returncode == 0, done
    network.host.quiet("check")
    assert len(set(network.host.keys("ip", "list"))) == 8
    for done in network.calls("DEL", attachments, 8):
        assert (done.returncode, done.stdout) == (0, ""), done
    assert network.host.keys("bridge", "list") == []
