"""IPv6 of bridges and containers on the real kernel; the firewall's rules are not looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Node
from tests.real.devices import ports

SUBNET = "2001:db8:1"
INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
BOTH = (*INIT, "--address6", f"{SUBNET}::1/64")
NF_CALLS = "net/bridge/bridge-nf-call-ip6tables"

# A router advertisement (RFC 4861, 4.2) with a prefix for addresses (4.6.2), to all on the link.
ADVERTISE = """
import socket, struct, sys
device, prefix = sys.argv[1:]
wire = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
body += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0)
body += socket.inet_pton(socket.AF_INET6, prefix)
wire.sendto(body, ("ff02::1", 0, 0, socket.if_nametoindex(device)))
"""


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine on which bridged traffic meets no ip6tables, as without br_netfilter."""
    host = lab.host()
    host.run(f"[ ! -e /proc/sys/{NF_CALLS} ] || echo 0 > /proc/sys/{NF_CALLS}")
    return host


def until(node: Node, *conditions: str) -> None:
    """Waits for what the kernel does in a while of its own."""
    for one in conditions:
        node.run(f"until {one}; do sleep 0.02; done")


def settle(node: Node, device: str) -> None:
    """Waits until a device has the address of its link, without which it hears nobody."""
    until(node, f"ip -6 -o address show dev {device} scope link -tentative | grep -q fe80")


def everything(host: Host, node: Node) -> tuple[str, ...]:
    store = host.store()["state.json"].partition("\n")[2]
    return host.snapshot(), host.ipv6(), node.ipv6(), store


def addresses(node: Node, device: str) -> list[dict[str, Any]]:
    """The IPv6 addresses of a device beyond its link."""
    told = json.loads(node.run(f"ip -j -6 address show dev {device} scope global"))
    return [one for found in told for one in found.get("addr_info", ()) if one]


def own(node: Node, device: str) -> list[str]:
    return [f"{one['local']}/{one['prefixlen']}" for one in addresses(node, device)]


def defaults(node: Node) -> list[str]:
    lines = node.run("ip -6 route show default").splitlines()
    return [line.partition(" metric ")[0].strip() for line in lines]


def loopbacks(host: Host) -> list[str]:
    """The devices by which ::1 is the host's, beside its loopback."""
    found = json.loads(host.run("ip -j -6 route show table local type local to ::1"))
    return [one["dev"] for one in found if one["dev"] != "lo"]


def attached(lab: Lab, host: Host, name: str, *options: str) -> Node:
    node = lab.node()
    host.ok("attach", name, "--netns", node.netns, *options)
    return node


# --- the bridge ---------------------------------------------------------------------------------


def test_a_bridge_with_both(host: Host) -> None:
    made = host.json(*INIT, "--ipv6")
    assert made["ipv6"] is True
    assert made["gateway6"].startswith("fd")
    (address,) = addresses(host, "dnet0")
    assert f"{address['local']}/{address['prefixlen']}" == made["address6"]
    assert address["nodad"] is True
    assert "tentative" not in address
    for setting, value in (("accept_ra", "0"), ("accept_dad", "0"), ("disable_ipv6", "0")):
        assert host.sysctl(f"net/ipv6/conf/dnet0/{setting}") == value
    assert host.sysctl("net/ipv6/conf/all/forwarding") == "1"
    assert loopbacks(host) == ["dnet0"]
    host.quiet("check")
    before = host.everything(), host.ipv6()
    host.ok(*INIT, "--ipv6")
    assert (host.snapshot(), host.ipv6()) == (before[0][0], before[1])


def test_another_bridge_has_another_subnet_of_the_same_site(host: Host) -> None:
    first = host.json(*INIT, "--ipv6")
    second = host.json("bridge", "init", "dnet1", "--address", "10.1.0.1/24", "--ipv6")
    site, _, number = second["subnet6"].removesuffix("::/64").rpartition(":")
    assert first["subnet6"] == f"{site}::/64"
    assert number == "1"
    assert sorted(loopbacks(host)) == ["dnet0", "dnet1"]
    host.quiet("bridge", "remove", "dnet0")
    host.ok("bridge", "init", "dnet2", "--address", "10.2.0.1/24", "--ipv6")
    assert sorted(loopbacks(host)) == ["dnet1", "dnet2"]
    host.quiet("check")


def test_a_route_to_a_subnet_of_the_site_is_in_the_way(host: Host) -> None:
    subnet = host.json(*INIT, "--ipv6")["subnet6"]
    host.quiet("bridge", "remove", "dnet0")
    host.ip("link add tun9 type bridge", "link set tun9 up", f"route add {subnet} dev tun9")
    assert host.json(*INIT, "--ipv6")["subnet6"] != subnet
    assert "overlaps the route" in host.dnet(*INIT, "--address6", subnet.replace("/", "9/")).stderr


@pytest.mark.parametrize("removes", [("bridge", "remove", "dnet0"), (*INIT, "--no-ipv6")])
def test_what_goes_leaves_nothing(host: Host, removes: tuple[str, ...]) -> None:
    if removes[1] == "init":
        host.ok(*INIT)
    host.sysctl("net/ipv4/ip_forward", 1)
    before = host.snapshot(), host.ipv6()
    host.ok(*BOTH)
    assert (host.snapshot(), host.ipv6()) != before
    host.quiet(*removes)
    assert (host.snapshot(), host.ipv6()) == before
    host.quiet("check")


def test_ipv4_alone_touches_nothing_of_ipv6(lab: Lab, host: Host) -> None:
    lab.outside(host)
    settings = "cd /proc/sys/net/ipv6/conf; grep -s . all/* default/* eth0/* || true"
    before = host.run(settings)
    done = host.dnet("-v", *INIT)
    assert [line for line in done.stderr.splitlines() if "ipv6" in line] == [
        "dnet: sysctl -w net.ipv6.conf.dnet0.accept_ra=0",
        "dnet: sysctl -w net.ipv6.conf.dnet0.disable_ipv6=1",
    ]
    node = attached(lab, host, "web")
    assert node.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"
    assert host.run(settings) == before
    assert '"schema": 1,' in host.store()["state.json"]


def test_a_dry_run_shows_each_step_in_its_order(lab: Lab, host: Host) -> None:
    lab.outside(host)
    before = host.everything(), host.ipv6()
    lines = host.ok(*BOTH, "--dry-run").splitlines()
    wanted = [
        "sysctl -w net.ipv6.conf.dnet0.accept_ra=0",
        "ip link set dev dnet0 up",
        f"ip address add {SUBNET}::1/64 dev dnet0 nodad",
        "sysctl -w net.ipv6.conf.eth0.accept_ra=2",
        "sysctl -w net.ipv6.conf.all.forwarding=1",
        "ip -6 route add local ::1 dev dnet0 table local metric 4096",
    ]
    assert [line for line in lines if line in wanted] == wanted
    assert (host.everything(), host.ipv6()) == before


def test_where_bridged_traffic_meets_ip6tables_loopback_is_left_alone(host: Host) -> None:
    if host.try_run("test", "-e", f"/proc/sys/{NF_CALLS}").returncode:
        pytest.skip("br_netfilter is not loaded")
    host.sysctl(NF_CALLS, 1)
    host.ok(*BOTH)
    assert loopbacks(host) == []
    told = host.dnet("check")
    assert (told.returncode, told.stdout) == (0, "")
    assert "do not answer at [::1]" in told.stderr


# --- the host's own IPv6 ------------------------------------------------------------------------


def test_the_host_keeps_a_default_route_that_a_router_told_it(lab: Lab, host: Host) -> None:
    router = lab.outside(host)
    for node in (router, host):
        settle(node, "eth0")
    router.run("python3", "-c", ADVERTISE, "eth0", "2001:db8:99::")
    until(host, "ip -6 route show default | grep -q .")
    before = defaults(host)
    host.ok(*BOTH)
    assert defaults(host) == before
    assert host.sysctl("net/ipv6/conf/eth0/accept_ra") == "2"
    # It goes on to listen, and not to its own bridge.
    host.run("ip -6 route flush proto ra")
    assert defaults(host) == []
    router.run("python3", "-c", ADVERTISE, "eth0", "2001:db8:99::")
    until(host, "ip -6 route show default | grep -q .")
    assert defaults(host) == before


NETWORKD = """
mount -t tmpfs none /run && mkdir -p /run/systemd/netif/links /run/systemd/network || exit
file=/run/systemd/network/uplink.network
printf '[Network]\\nDHCP=yes\\n%s\\n' "$1" > $file
printf 'ADMIN_STATE=%s\\nNETWORK_FILE=%s\\n' "$2" $file > /run/systemd/netif/links/$3
shift 3
exec dnet "$@"
"""


def test_where_networkd_would_forget_the_default_route_it_is_told(lab: Lab, host: Host) -> None:
    """systemd-networkd itself is not needed for that: it notes what it has under /run."""
    lab.outside(host)
    host.ip("address add 2001:db8:99::1/64 dev eth0 nodad")
    host.ip("route add default via 2001:db8:99::2 dev eth0 proto ra")
    host.sysctl("net/ipv6/conf/eth0/accept_ra", 0)
    index = json.loads(host.run("ip -j link show dev eth0"))[0]["ifindex"]

    def told(line: str, state: str, *words: str) -> str:
        shell = ("unshare", "--mount", "sh", "-c", NETWORKD, "sh")
        done = host.try_run(*shell, line, state, str(index), *words)
        assert done.returncode == 0, done
        return done.stderr

    said = told("", "configured", *BOTH)
    assert said.startswith("dnet: warning: the IPv6 default route by eth0 is from systemd-networkd")
    assert "IPv6AcceptRA=yes in [Network] of /run/systemd/network/uplink.network" in said
    assert told("IPv6AcceptRA=yes", "configured", *BOTH) == ""
    assert told("", "unmanaged", *BOTH) == ""
    assert told("", "configured", "check") == ""
    host.sysctl("net/ipv6/conf/eth0/accept_ra", 2)
    assert told("", "configured", *BOTH) == ""
    host.sysctl("net/ipv6/conf/eth0/accept_ra", 0)
    assert told("", "configured", *INIT, "--no-ipv6") == ""


def test_a_container_that_plays_the_router_moves_nobody(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    rogue, sibling = attached(lab, host, "rogue"), attached(lab, host, "sibling")
    settle(rogue, "eth0")
    before = host.ipv6(), sibling.ipv6()
    sibling.listen("udp", 9, "there", "::")
    for _ in range(3):
        rogue.run("python3", "-c", ADVERTISE, "eth0", "2001:db8:666::")
    # What was sent after them has come, so they have.
    rogue.reaches("there", "udp", f"{SUBNET}::3", 9)
    assert (host.ipv6(), sibling.ipv6()) == before


# --- containers ---------------------------------------------------------------------------------


def test_a_container_can_be_used_at_once(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    node = lab.node()
    node.listen("tcp", 80, "web", "::")
    assert host.ok("attach", "web", "--netns", node.netns) == "172.17.0.2"
    assert host.ask("tcp", f"{SUBNET}::2", 80, timeout=0.9) is not None
    (address,) = addresses(node, "eth0")
    assert (address["local"], address["prefixlen"]) == (f"{SUBNET}::2", 64)
    assert "tentative" not in address
    assert defaults(node) == [f"default via {SUBNET}::1 dev eth0"]
    for setting in ("accept_ra", "autoconf", "accept_dad", "disable_ipv6"):
        assert node.sysctl(f"net/ipv6/conf/eth0/{setting}") == "0"
    attached(lab, host, "db").reaches("web", "tcp", f"{SUBNET}::2", 80)
    host.quiet("check")


def test_a_routed_prefix_is_reached_from_outside(lab: Lab, host: Host) -> None:
    client = lab.outside(host)
    client.ip("addr add 2001:db8:99::2/64 dev eth0 nodad")
    host.ip("addr add 2001:db8:99::1/64 dev eth0 nodad")
    client.ip(f"route add {SUBNET}::/64 via 2001:db8:99::1")
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web", "::")
    answer = client.ask("tcp", f"{SUBNET}::2", 80)
    assert answer is not None
    assert answer.split()[1].rpartition(":")[0].strip("[]") == "2001:db8:99::2"


def test_text_is_the_ipv4_address_and_the_others_are_told(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    node = lab.node()
    told = host.json("attach", "web", "--netns", node.netns, "--ip6", f"{SUBNET}::77")
    assert (told["ip"], told["ip6"], told["prefix_len6"], told["gateway6"]) == (
        *("172.17.0.2", f"{SUBNET}::77", 64),
        f"{SUBNET}::1",
    )
    assert own(node, "eth0") == [f"{SUBNET}::77/64"]
    assert host.ok("interface", "allocate", "vm") == "172.17.0.3"
    env = host.ok("interface", "show", "vm", "--format", "env").splitlines()
    assert f"DNET_IP6={SUBNET}::3" in env
    assert host.ok("ip", "request", "--ipv6") == f"{SUBNET}::4"
    assert host.ok("ip", "request", "--ipv6", "--ip", f"{SUBNET.upper()}::0:9") == f"{SUBNET}::9"
    assert host.keys("ip", "list") == [
        *("172.17.0.2", "172.17.0.3"),
        *(f"{SUBNET}::{one}" for one in ("3", "4", "9", "77")),
    ]
    host.quiet("ip", "release", f"{SUBNET}::4")
    host.fails(STATUS["conflict"], "ip", "release", f"{SUBNET}::77", code="conflict")
    host.fails(STATUS["usage"], "attach", "no", "--netns", node.netns, "--ip", f"{SUBNET}::5")
    host.fails(STATUS["conflict"], "bridge", "init", "--no-ipv6", code="conflict")
    host.quiet("detach", "web", "vm")
    host.quiet("ip", "release", f"{SUBNET}::9")
    host.quiet("bridge", "init", "--no-ipv6")


def test_what_was_attached_before_gets_it_without_an_interruption(lab: Lab, host: Host) -> None:
    host.ok(*INIT)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web")
    flow = host.open("tcp", "172.17.0.2", 80)
    host.ok(*BOTH)
    assert own(node, "eth0") == []
    host.quiet("check")
    assert host.ok("attach", "web", "--netns", node.netns) == "172.17.0.2"
    assert own(node, "eth0") == [f"{SUBNET}::2/64"]
    assert flow.say() is not None
    host.quiet("check")


def test_what_fails_later_takes_it_back_alone(lab: Lab, host: Host) -> None:
    host.ok(*INIT)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web")
    flow = host.open("tcp", "172.17.0.2", 80)
    before = everything(host, node)
    host.sysctl("net/ipv6/conf/all/forwarding", 1)
    batch = f"bridge init --address6 {SUBNET}::1/64\nattach web --netns {node.netns}\n"
    gone = lab.node()
    batch += f"attach other --netns {gone.netns} --ifname lo\n"
    assert host.dnet("batch", stdin=batch).returncode != 0
    after = everything(host, node)
    assert after == before
    assert flow.say() is not None
    host.quiet("check")


def test_a_lab_s_own_default_route_stays(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    host.ok("bridge", "init", "dnet1", "--address", "10.1.0.1/24", "--address6", "2001:db8:2::1/64")
    node = attached(lab, host, "web", "--bridge", "dnet0")
    host.ok("attach", "second", "--netns", node.netns, "--bridge", "dnet1", "--ifname", "eth1")
    assert defaults(node) == [f"default via {SUBNET}::1 dev eth0"]
    host.ok("detach", "web")
    assert defaults(node) == ["default via 2001:db8:2::1 dev eth1"]


def test_another_address_of_a_container_of_the_same_name(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    line = f"attach web --netns {node.netns} --ip 172.17.0.2 --ip6 {SUBNET}::9\n"
    host.ok("batch", stdin="detach web\n" + line)
    assert own(node, "eth0") == [f"{SUBNET}::9/64"]
    host.quiet("check")


# --- drift --------------------------------------------------------------------------------------

_CONF = "/proc/sys/net/ipv6/conf"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (f"ip address delete {SUBNET}::1/64 dev dnet0", f"dnet0 has no address {SUBNET}::1/64"),
        (
            "ip -6 route delete local ::1 dev dnet0 table local",
            "there is no local route to ::1 by dnet0",
        ),
        ("ip link set dnet0 down; ip link set dnet0 up", f"dnet0 has no address {SUBNET}::1/64"),
        ("ip link set dnet0 mtu 1200", "dnet0 has MTU 1200, not 1500"),
        (
            "ip link set dnet0 mtu 1200; ip link set dnet0 mtu 1500",
            f"dnet0 has no address {SUBNET}::1/64",
        ),
        (f"ip -6 route delete {SUBNET}::/64 dev dnet0", f"{SUBNET}::/64 is not routed to dnet0"),
        (f"echo 1 > {_CONF}/dnet0/accept_ra", "net.ipv6.conf.dnet0.accept_ra is not 0"),
        (f"echo 1 > {_CONF}/dnet0/disable_ipv6", "net.ipv6.conf.dnet0.disable_ipv6 is not 0"),
        (f"echo 0 > {_CONF}/all/forwarding", "net.ipv6.conf.all.forwarding is not 1"),
        (f"echo 0 > {_CONF}/dnet0/forwarding", "net.ipv6.conf.dnet0.forwarding is not 1"),
        ("ip link delete dnet0", "the device dnet0 is missing"),
    ],
)
def test_drift_of_the_host_is_told_and_mended(lab: Lab, host: Host, damage: str, told: str) -> None:
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web", "::")
    before = host.ipv6(), node.ipv6()
    host.run("sh", "-c", damage)
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert told in found.stdout.splitlines()
    host.ok("restore")
    host.quiet("check")
    host.reaches("web", "tcp", f"{SUBNET}::2", 80)
    assert (host.ipv6(), node.ipv6()) == before


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (f"ip address delete {SUBNET}::2/64 dev eth0", f"has no address {SUBNET}::2"),
        ("ip link set eth0 down; ip link set eth0 up", f"has no address {SUBNET}::2"),
        ("ip link set eth0 mtu 1200", "has MTU 1200, not 1500"),
        (f"echo 1 > {_CONF}/eth0/accept_ra", "accept_ra of eth0 in"),
        (f"echo 1 > {_CONF}/eth0/disable_ipv6", f"has no address {SUBNET}::2"),
    ],
)
def test_drift_in_a_container_is_told_and_mended(
    lab: Lab, host: Host, damage: str, told: str
) -> None:
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web", "::")
    before = node.ipv6()
    node.run("sh", "-c", damage)
    found = host.dnet("check")
    assert found.returncode == STATUS["drift"]
    assert told in found.stdout
    host.ok("restore")
    host.quiet("check")
    host.reaches("web", "tcp", f"{SUBNET}::2", 80)
    assert node.ipv6() == before


def test_an_attachment_that_lost_its_device_comes_back_with_both(lab: Lab, host: Host) -> None:
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    (port,) = ports(host)
    host.ip(f"link delete {port}")
    assert host.dnet("check").returncode == STATUS["drift"]
    host.ok("restore")
    assert own(node, "eth0") == [f"{SUBNET}::2/64"]
    host.quiet("check")


# --- an adopted device --------------------------------------------------------------------------


def test_an_adopted_bridge_keeps_its_address_and_loses_what_dnet_added(host: Host) -> None:
    host.ip(
        "link add br0 type bridge",
        "link set br0 up",
        "addr add 10.7.0.1/24 dev br0",
        "addr add 2001:db8:7::1/64 dev br0 nodad",
    )
    host.sysctl("net/ipv6/conf/br0/accept_ra", 0)
    host.sysctl("net/ipv6/conf/all/forwarding", 1)
    before = host.ipv6()
    assert host.json("bridge", "init", "br0", "--ipv6")["address6"] == "2001:db8:7::1/64"
    assert loopbacks(host) == ["br0"]
    host.quiet("check")
    host.quiet("bridge", "init", "br0", "--no-ipv6")
    assert host.ipv6() == before
    host.ok("bridge", "init", "br0", "--ipv6")
    host.quiet("bridge", "remove", "br0")
    assert host.ipv6() == before


# --- a kernel without it ------------------------------------------------------------------------


def test_ipv6_that_is_switched_off_is_refused_alone(lab: Lab, host: Host) -> None:
    host.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
    before = host.everything()
    refusal = host.fails(STATUS["kernel"], *INIT, "--ipv6", code="kernel")
    assert "net.ipv6.conf.all.disable_ipv6 is not 0" in refusal.message
    assert refusal.hint == "sysctl -w net.ipv6.conf.all.disable_ipv6=0"
    assert host.everything() == before
    host.ok(*INIT)
    node = attached(lab, host, "web")
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "172.17.0.2", 80)
    host.quiet("check")


def without_ipv6(host: Host, *words: str) -> tuple[int, str, str]:
    """What becomes of a `dnet` that sees the settings of a kernel without IPv6."""
    hide = 'mount -t tmpfs none /proc/sys/net/ipv6 && exec "$@"'
    done = host.try_run("unshare", "--mount", "sh", "-c", hide, "sh", "dnet", *words)
    return done.returncode, done.stdout, done.stderr


def test_a_kernel_without_ipv6_goes_on_with_ipv4(lab: Lab, host: Host) -> None:
    status, _, told = without_ipv6(host, *INIT, "--ipv6")
    assert status == STATUS["kernel"]
    assert told.startswith("dnet: error: dnet0 cannot have IPv6: the kernel has none\n")
    host.ok(*BOTH)
    node = attached(lab, host, "web")
    host.ip("link delete dnet0")
    status, _, told = without_ipv6(host, "restore")
    assert status == 0
    assert "dnet0 has no IPv6, because the kernel has none" in told
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", "172.17.0.2", 80)
    assert "dnet0 has no IPv6, because the kernel has none\n" in without_ipv6(host, "check")[1]
    host.ok("restore")
    host.quiet("check")
