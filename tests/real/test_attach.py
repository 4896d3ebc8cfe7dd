"""A network namespace goes online in one command."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import link, ports

BRIDGE = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge."""
    host = lab.host()
    host.ok(*BRIDGE)
    return host


def shown(host: Host) -> list[str]:
    """Everything that the lists show."""
    return [host.ok(part, "list", "--json") for part in ("interface", "ip", "port", "map", "link")]


def default_routes(node: Node) -> list[str]:
    lines = node.run("ip -4 route show default").splitlines()
    return [line.partition(" proto ")[0].strip() for line in lines]


# --- what is inside -----------------------------------------------------------------------------


def test_a_larger_mtu_brings_no_ipv6_along(lab: Lab, host: Host) -> None:
    """With less than 1280 bytes a device has none, nor its settings."""
    host.ok("bridge", "init", "dnet0", "--mtu", 1200, "--no-icc")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    host.ok("bridge", "init", "dnet0", "--mtu", 1500)
    assert node.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"
    host.quiet("check")
    node.ip("link set eth0 mtu 600")
    host.ok("restore")
    assert node.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"
    host.ok("bridge", "init", "dnet0", "--ipv6")
    host.ok("attach", "web", "--netns", node.netns)
    node.ip("link set eth0 mtu 600")
    host.ok("restore")
    host.quiet("check")
    assert "inet6 fd" in node.run("ip -6 address show dev eth0 scope global")


@pytest.mark.libraries
def test_everything_a_container_needs(lab: Lab, host: Host) -> None:
    host.ok("bridge", "init", "dnet0", "--mtu", 1400)
    node = lab.node()
    node.ip("link set lo down")
    assert host.ok("attach", "web", "--netns", node.netns) == "172.17.0.2"
    device = link(node)
    assert device["address"] == "02:42:ac:11:00:02"
    assert device["mtu"] == 1400
    assert {"UP", "LOWER_UP"} <= set(device["flags"])
    assert "UP" in link(node, "lo")["flags"]
    addresses = node.run("ip -o address show dev eth0").split()
    assert addresses[addresses.index("inet") + 1] == "172.17.0.2/16"
    assert addresses[addresses.index("brd") + 1] == "172.17.255.255"
    assert "inet6" not in addresses
    assert node.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"
    assert default_routes(node) == ["default via 172.17.42.1 dev eth0"]
    (port,) = ports(host)
    plugged = link(host, port)
    assert "UP" in plugged["flags"]
    assert plugged["mtu"] == 1400
    assert plugged["linkinfo"]["info_slave_data"]["hairpin"] is True
    host.listen("tcp", 80)
    node.reaches("host", "tcp", "172.17.42.1", 80)


def test_what_is_asked_for_by_name(lab: Lab, host: Host) -> None:
    node = lab.node()
    words = ("--ifname", "net7", "--ip", "172.17.9.9", "--mac", "02:00:00:00:12:34")
    assert host.ok("attach", "web", "--netns", node.netns, *words) == "172.17.9.9"
    assert link(node, "net7")["address"] == "02:00:00:00:12:34"
    shown = host.json("interface", "show", "web")
    assert shown["ip"] == "172.17.9.9"
    assert shown["mac"] == "02:00:00:00:12:34"
    assert shown["ifname"] == "net7"
    assert shown["gateway"] == "172.17.42.1"


@pytest.mark.libraries
@pytest.mark.parametrize("way", ["name", "path", "pid"])
def test_a_namespace_by_name_path_or_pid(lab: Lab, host: Host, way: str) -> None:
    node = lab.node()
    node.listen("tcp", 80, "web")
    netns = {"name": node.netns, "path": str(node.path), "pid": str(node.agent_pid)}[way]
    host.ok("attach", "web", "--netns", netns, "-p", "8080:80")
    host.reaches("web", "tcp", "127.0.0.1", 8080)


CHOSEN = ("-p", "80", "-p", "8080:80", "-p", "127.0.0.1::53/udp", "-p", "7000-7009:90")
TOLD = [
    "dnet: published 0.0.0.0:49153/tcp -> 80/tcp of web",
    "dnet: published 127.0.0.1:49153/udp -> 53/udp of web",
    "dnet: published 0.0.0.0:7000/tcp -> 90/tcp of web",
]


def test_a_host_port_that_was_chosen_is_told_beside_the_address(lab: Lab, host: Host) -> None:
    """And told again where the attachment is repeated."""
    words = ("attach", "web", "--netns", lab.node().netns, *CHOSEN)
    for _ in range(2):
        done = host.dnet(*words)
        assert (done.returncode, done.stdout) == (0, "172.17.0.2\n")
        assert done.stderr.splitlines() == TOLD
    for form in (("--json",), ("--format", "env")):
        done = host.dnet(*words, *form)
        assert (done.returncode, done.stderr) == (0, "")
        assert "49153" in done.stdout


def test_a_run_of_host_ports_that_was_chosen_is_told_as_one(lab: Lab, host: Host) -> None:
    done = host.dnet("attach", "web", "--netns", lab.node().netns, "-p", "80-82")
    assert done.stderr == "dnet: published 0.0.0.0:49153-49155/tcp -> 80-82/tcp of web\n"


@pytest.mark.parametrize("options", [[], ["--each"], ["--keep-going"]])
def test_what_a_batch_prints_stays_what_it_was_asked_for(
    lab: Lab, host: Host, options: list[str]
) -> None:
    one, two = lab.node().netns, lab.node().netns
    lines = f"attach one --netns {one} -p 80\nattach two --netns {two} -p 80 FORM\nip request\n"
    done = host.dnet("batch", *options, stdin=lines.replace("FORM", ""))
    assert done.stdout.split() == ["172.17.0.2", "172.17.0.3", "172.17.0.4"]
    assert done.stderr.splitlines() == [
        "dnet: published 0.0.0.0:49153/tcp -> 80/tcp of one",
        "dnet: published 0.0.0.0:49154/tcp -> 80/tcp of two",
    ]
    again = lines.replace("FORM", "--json")
    done = host.dnet("batch", *options, stdin=again)
    assert len(done.stderr.splitlines()) == 1
    done = host.dnet("batch", *options, "--json", stdin=again)
    assert done.stderr == ""


def test_an_interface_that_is_allocated_keeps_its_address(lab: Lab, host: Host) -> None:
    host.ok("interface", "allocate", "web", "--ip", "172.17.3.3", "--expose", "80/tcp")
    assert host.ok("attach", "web", "--netns", lab.node().netns) == "172.17.3.3"
    assert host.json("interface", "show", "web")["expose"] == ["80/tcp"]


def test_a_default_route_that_is_there_stays(lab: Lab, host: Host) -> None:
    node, router = lab.node(), lab.node()
    device, _ = lab.wire(node, router, "10.98.0.2/24", "10.98.0.1/24")
    node.ip("route add default via 10.98.0.1")
    host.ok("attach", "web", "--netns", node.netns, "--ifname", "net7")
    assert default_routes(node) == [f"default via 10.98.0.1 dev {device}"]


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_a_default_route_that_leads_nowhere_stays(lab: Lab, host: Host, kind: str) -> None:
    node = lab.node()
    node.ip(f"route add {kind} default")
    for _ in range(2):
        assert host.ok("attach", "web", "--netns", node.netns) == "172.17.0.2"
        assert default_routes(node) == [f"{kind} default"]
    host.quiet("check")


def test_a_namespace_on_two_bridges(lab: Lab, host: Host) -> None:
    host.ok("bridge", "init", "dnet1", "--address", "172.18.42.1/16")
    node = lab.node()
    host.ok("attach", "one", "--netns", node.netns, "--bridge", "dnet0")
    two = ("attach", "two", "--netns", node.netns, "--bridge", "dnet1", "--ifname", "eth1")
    assert host.ok(*two) == "172.18.0.2"
    assert default_routes(node) == ["default via 172.17.42.1 dev eth0"]
    host.ok("detach", "one")
    host.ok("detach", "two")


def test_neighbours_learn_a_new_hardware_address_at_once(lab: Lab, host: Host) -> None:
    neighbour = lab.node()
    host.ok("attach", "neighbour", "--netns", neighbour.netns)
    entry = "172.17.0.9 lladdr 02:00:00:00:00:99"
    neighbour.ip(f"neighbour replace {entry} dev eth0 nud reachable")
    host.ip(f"neighbour replace {entry} dev dnet0 nud reachable")
    host.ok("attach", "web", "--netns", lab.node().netns, "--ip", "172.17.0.9")
    for node in (neighbour, host):
        assert "lladdr 02:42:ac:11:00:09" in node.run("ip neighbour show 172.17.0.9")


# --- published ports and links ------------------------------------------------------------------


def test_ports_and_links_any_number_of_times(lab: Lab) -> None:
    host = lab.host()
    outside = lab.outside(host)
    host.ok(*BRIDGE, "--no-icc")
    web, db, cache = lab.node(), lab.node(), lab.node()
    host.ok("attach", "db", "--netns", db.netns, "--expose", "5432/tcp")
    host.ok("attach", "cache", "--netns", cache.netns, "--expose", "6379/tcp")
    publish = ("-p", "8080:80", "-p", "53:53/udp", "--publish", "127.0.0.1:8443:443")
    links = ("--link", "db", "--link", "cache:fast")
    host.ok("attach", "web", "--netns", web.netns, *publish, *links)
    assert sorted(host.keys("map", "list", "web")) == [
        "0.0.0.0:53/udp",
        "0.0.0.0:8080/tcp",
        "127.0.0.1:8443/tcp",
    ]
    assert sorted(host.keys("link", "list")) == ["web:cache", "web:db"]
    assert "FAST_PORT_6379_TCP_PORT" in host.ok("link", "env", "web")
    for proto, port in (("tcp", 80), ("udp", 53), ("tcp", 443)):
        web.listen(proto, port, "web")
    db.listen("tcp", 5432, "db")
    cache.listen("tcp", 6379, "cache")
    outside.reaches("web", "tcp", "10.99.0.1", 8080)
    outside.reaches("web", "udp", "10.99.0.1", 53)
    host.reaches("web", "tcp", "127.0.0.1", 8443)
    address = {name: host.json("interface", "show", name)["ip"] for name in ("db", "cache")}
    web.reaches("db", "tcp", address["db"], 5432)
    web.reaches("cache", "tcp", address["cache"], 6379)
    host.ok("detach", "web")
    assert host.keys("map", "list") == host.keys("link", "list") == []
    outside.misses("tcp", "10.99.0.1", 8080)


def test_a_port_that_is_chosen_stays_chosen(lab: Lab, host: Host) -> None:
    words = ("attach", "web", "--netns", lab.node().netns, "-p", "80")
    host.ok(*words)
    before = host.keys("map", "list")
    assert len(before) == 1
    host.ok(*words)
    assert host.keys("map", "list") == before


# --- again --------------------------------------------------------------------------------------


def test_again_it_prints_the_same_and_changes_nothing(lab: Lab, host: Host) -> None:
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    words = ("attach", "web", "--netns", lab.node().netns, "-p", "8080:80", "--link", "db")
    first = host.ok(*words)
    before = host.snapshot(), shown(host)
    assert host.ok(*words) == first
    assert (host.snapshot(), shown(host)) == before


@pytest.mark.parametrize(
    "other",
    [
        ("--ip", "172.17.9.9"),
        ("--ifname", "net7"),
        ("--mac", "02:00:00:00:12:34"),
        ("--netns", "OTHER"),
        ("-p", "8081:80"),
    ],
    ids=lambda words: words[0],
)
def test_again_with_other_arguments_is_a_conflict(
    lab: Lab, host: Host, other: tuple[str, str]
) -> None:
    node, second = lab.node(), lab.node()
    host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80")
    before = host.everything()
    words = [second.netns if word == "OTHER" else word for word in other]
    host.fails(4, "attach", "web", "--netns", node.netns, *words, code="conflict")
    assert host.everything() == before


def test_again_with_more_it_is_told_how_to_add_it(lab: Lab, host: Host) -> None:
    for child in ("db", "cache"):
        host.ok("interface", "allocate", child, "--expose", "5432/tcp")
    words = ("attach", "web", "--netns", lab.node().netns, "-p", "8080:80")
    address = host.ok(*words, "--link", "db")
    more = (*words, "-p", "8081:81", "-p", "53/udp", "--link", "db", "--link", "cache:c")
    refusal = host.fails(4, *more)
    lacks = "-p 8081:81/tcp, -p 53/udp, --link cache:c"
    assert refusal.message == f"web is already attached, without {lacks}"
    way = "dnet map add web 8081:81/tcp 53/udp && dnet link add web cache --alias c"
    assert refusal.hint == way
    host.run(way)
    assert host.ok(*more) == address


@pytest.mark.libraries
@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("host", "iptables -t nat -F DNET"),
        ("host", "ip link set PORT nomaster"),
        ("host", "ip link set PORT down"),
        ("host", "bridge link set dev PORT hairpin off"),
        ("inside", "ip address flush dev eth0"),
        ("inside", "ip link set eth0 down"),
        ("inside", "ip route delete default"),
    ],
)
def test_again_it_repairs_what_had_drifted(lab: Lab, host: Host, where: str, how: str) -> None:
    node = lab.node()
    words = ("attach", "web", "--netns", node.netns, "-p", "8080:80")
    host.ok(*words)
    (port,) = ports(host)
    (host if where == "host" else node).run(how.replace("PORT", port))
    host.ok(*words)
    assert link(host, port)["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert default_routes(node) == ["default via 172.17.42.1 dev eth0"]
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)
