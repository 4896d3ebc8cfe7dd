"""The device of a bridge that is there: given another address, drifted, adopted."""

from __future__ import annotations

import os
import re
import sys

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.real.devices import link as properties
from tests.real.devices import ports
from tests.real.test_bridge import ADDRESS, addresses, devices
from tests.real.test_transaction import refusing

INIT = ("bridge", "init", "dnet0")
KERNEL = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))

# A configuration BPDU of a bridge that would be the root of any tree (IEEE 802.1D, 9.3.1).
BPDU = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
me = bytes(2) + b"\\x02" + bytes(5)
body = b"\\x42\\x42\\x03" + bytes(5) + me + bytes(4) + me + b"\\x80\\x01"
body += bytes(2) + b"\\x14\\0\\x02\\0\\x0f\\0"
wire.send(b"\\x01\\x80\\xc2\\0\\0\\0" + me[2:] + len(body).to_bytes(2, "big") + body + bytes(8))
"""
MANY_SENDERS = """
import socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
for number in range(12000):
    wire.send(b"\\xff" * 6 + b"\\x02\\0" + number.to_bytes(4, "big") + b"\\x88\\xb5" + bytes(46))
"""


@pytest.fixture
def host(host: Host) -> Host:
    """A machine with the bridge dnet0."""
    host.ok(*INIT, *ADDRESS)
    return host


# --- another address -----------------------------------------------------------------------


def test_another_address_of_the_same_subnet(host: Host) -> None:
    host.ok(*INIT, "--address", "172.17.0.1/16")
    assert addresses(host, "dnet0") == ["172.17.0.1/16"]
    host.ip("address add 172.17.0.9/16 dev dnet0")
    host.ok(*INIT, "--address", "172.17.0.9/16")
    assert addresses(host, "dnet0") == ["172.17.0.9/16"]
    host.quiet("check")


def test_another_address_of_the_same_subnet_that_is_undone(host: Host) -> None:
    before = host.everything()
    no_iptables = refusing(host, "iptables-restore")
    done = host.dnet(*INIT, "--address", "172.17.0.1/16", "--no-icc", env=no_iptables)
    assert done.returncode == STATUS["kernel"]
    assert host.everything() == before


# --- drifted -------------------------------------------------------------------------------


def test_remove_takes_a_device_whose_hardware_address_drifted(host: Host) -> None:
    host.ip("link set dnet0 address 02:00:00:00:00:01")
    host.quiet("bridge", "remove", "dnet0")
    assert "dnet0" not in devices(host)


def test_remove_leaves_a_device_that_is_not_the_bridge_s(host: Host) -> None:
    host.ip("link delete dnet0", "link add dnet0 type bridge", "address add 10.1.0.1/24 dev dnet0")
    host.quiet("bridge", "remove", "dnet0")
    assert addresses(host, "dnet0") == ["10.1.0.1/24"]


# --- adopted -------------------------------------------------------------------------------


def test_an_adopted_device_keeps_every_address(host: Host) -> None:
    given = ["10.1.0.1/24", "10.2.0.1/24"]
    host.ip("link add br0 type bridge", *(f"address add {one} dev br0" for one in given))
    for one in given:
        host.ok("bridge", "init", "br0", "--address", one)
        assert addresses(host, "br0") == given
    host.quiet("check")


TAP = ("link add tap0 type veth peer name vm", "link set tap0 address fe:54:00:12:34:56")


def test_an_adopted_device_keeps_its_hardware_address(lab: Lab, host: Host) -> None:
    """What is on it has learnt that; a port of dnet's would else change it, being lower."""
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0", "link set br0 up")
    host.ip(*TAP, "link set tap0 master br0 up")
    before = properties(host, "br0")["address"]
    assert before == "fe:54:00:12:34:56"
    host.ok("bridge", "init", "br0")
    host.ok("attach", "web", "--netns", lab.node().netns, "--bridge", "br0")
    assert properties(host, "br0")["address"] == before
    host.ok("detach", "web")
    host.ip("link delete tap0")
    assert properties(host, "br0")["address"] == before


def test_restore_fixes_the_hardware_address_of_one_made_anew(lab: Lab, host: Host) -> None:
    make = ("link add br0 type bridge", "address add 10.1.0.1/24 dev br0", "link set br0 up")
    host.ip(*make)
    host.ok("bridge", "init", "br0")
    host.ip("link delete br0", *make, *TAP, "link set tap0 master br0 up")
    host.ok("restore")
    host.ok("attach", "web", "--netns", lab.node().netns, "--bridge", "br0")
    assert properties(host, "br0")["address"] == "fe:54:00:12:34:56"


def test_what_its_ports_tell_is_told_where_it_can_be_seen(host: Host) -> None:
    """Only /sys says whether a hardware address was set, where it shows these devices."""
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0", "link set br0 up")
    host.ok("bridge", "init", "br0")
    host.sysctl("net/ipv6/conf/br0/accept_ra", 0)
    host.ip("link delete br0", "link add br0 type bridge", "address add 10.1.0.1/24 dev br0")
    host.ip("link set br0 up")
    host.sysctl("net/ipv6/conf/br0/accept_ra", 0)
    seen = "mount -t sysfs sysfs /sys && exec dnet"
    checked = host.try_run("unshare", "--mount", "sh", "-c", f"{seen} check")
    assert checked.stdout == "the MAC of br0 follows its ports\n"
    assert host.try_run("unshare", "--mount", "sh", "-c", f"{seen} restore").returncode == 0
    again = host.try_run("unshare", "--mount", "sh", "-c", f"{seen} check")
    assert (again.returncode, again.stdout) == (0, "")


def test_an_adopted_bridge_with_stp_is_told_of(lab: Lab, host: Host) -> None:
    host.ip("link add br0 type bridge stp_state 1 forward_delay 3000", "link set br0 up")
    host.ip("address add 10.1.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    lines = [f"attach web{number} --netns {lab.node().netns} --bridge br0" for number in range(2)]
    done = host.dnet("batch", stdin="\n".join(lines))
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("dnet: warning: br0 runs STP: ")


def test_a_bpdu_does_not_make_a_container_part_of_a_tree(lab: Lab, host: Host) -> None:
    """A bridge with STP takes the port away from whoever sends one (BPDU guard)."""
    host.ip("link add br0 type bridge stp_state 1 forward_delay 200", "link set br0 up")
    host.ip("address add 10.1.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns, "--bridge", "br0")
    root = properties(host, "br0")["linkinfo"]["info_data"]["root_id"]
    node.run(sys.executable, "-c", BPDU)
    (port,) = ports(host, "br0")
    assert properties(host, port)["linkinfo"]["info_slave_data"]["state"] == "disabled"
    assert properties(host, "br0")["linkinfo"]["info_data"]["root_id"] == root


@pytest.mark.skipif(KERNEL < (6, 7), reason="the kernel has no such limit")
def test_a_bridge_learns_only_so_many_addresses(lab: Lab, host: Host) -> None:
    """A container that sends from ever new ones does not fill the kernel's memory."""
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    node.run(sys.executable, "-c", MANY_SENDERS)
    learned = host.run("bridge fdb show br dnet0").count("master dnet0")
    assert 8000 < learned <= 8200


def test_the_first_address_that_will_do_is_adopted(host: Host) -> None:
    host.ip("link add br0 type bridge", "address add 10.1.0.1/32 dev br0", "link set br0 up")
    refusal = host.fails(4, "bridge", "init", "br0", code="conflict")
    assert refusal.message == (
        "the device br0 already exists, with 10.1.0.1/32, none of which a bridge can use"
    )
    host.ip("address add 169.254.7.7/16 dev br0", "address add 10.2.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    assert host.json("bridge", "show", "br0")["address"] == "10.2.0.1/24"


def test_adopting_is_undone_altogether(host: Host) -> None:
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0")
    before = host.everything()
    words = ("bridge", "init", "br0", "--mtu", 1400, "--chain", "OTHER", "--no-icc")
    done = host.dnet(*words, env=refusing(host, "iptables-restore"))
    assert done.returncode == STATUS["kernel"]
    assert host.everything() == before


def test_init_again_needs_no_other_bridge(host: Host) -> None:
    host.ip("link add br0 type bridge", "address add 10.1.0.1/24 dev br0")
    host.ok("bridge", "init", "br0")
    host.ip("link delete br0", "link set dnet0 down")
    host.ok(*INIT)
    assert "UP" in str(properties(host, "dnet0")["flags"])
    host.fails(9, "bridge", "init", "br0", code="kernel")


def test_a_device_is_not_adopted_by_another_name_of_its(host: Host) -> None:
    host.ip("link add real0 type bridge", "address add 10.1.0.1/24 dev real0")
    host.ip("link property add dev real0 altname alt0")
    before = host.everything()
    refusal = host.fails(4, "bridge", "init", "alt0", code="conflict")
    assert refusal.message == "alt0 is another name of the device real0"
    assert refusal.hint == "dnet bridge init real0, or choose another name for the bridge"
    assert host.everything() == before
    host.ok("bridge", "init", "real0")


def test_another_device_that_came_to_the_bridge_s_name_is_left_alone(host: Host) -> None:
    host.ip("link delete dnet0", "link add real0 type bridge")
    host.ip("link property add dev real0 altname dnet0")
    refusal = host.fails(9, *INIT, code="kernel")
    assert refusal.message == "dnet0 is another name of the device real0"
    assert refusal.hint == "ip link property del dev real0 altname dnet0 && dnet restore"
    host.run(str(refusal.hint))
    assert addresses(host, "real0") == []
    host.quiet("check")


# --- with attachments ----------------------------------------------------------------------


def test_a_device_that_is_made_anew_gets_its_ports_back(lab: Lab, host: Host) -> None:
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    before = host.snapshot()
    host.ip("link delete dnet0")
    host.ok(*INIT)
    assert host.snapshot() == before
    host.quiet("check")


def test_another_mtu_is_that_of_the_attachments_too(lab: Lab, host: Host) -> None:
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    (port,) = ports(host)
    node.ip("route delete default")
    host.ok(*INIT, "--mtu", 1400)
    ends = (host, "dnet0"), (host, port), (node, "eth0")
    assert [properties(*end)["mtu"] for end in ends] == [1400, 1400, 1400]
    assert node.run("ip", "route", "show", "default") == ""
    host.quiet("check")
    for drifted, name in ends[1:]:
        drifted.ip(f"link set {name} mtu 1300")
        found = host.dnet("check")
        assert found.returncode == 1
        assert found.stdout.count("\n") == 1
        assert "web" in found.stdout
        assert "MTU 1300, not 1400" in found.stdout
        host.ok("restore")
        host.quiet("check")


def test_another_mtu_is_undone_in_the_attachments_too(lab: Lab, host: Host) -> None:
    node = lab.node()
    host.ok("attach", "web", "--netns", node.netns)
    before = host.everything(), node.run("ip link")
    no_iptables = refusing(host, "iptables-restore")
    done = host.dnet(*INIT, "--mtu", 1400, "--no-icc", env=no_iptables)
    assert done.returncode == STATUS["kernel"]
    assert (host.everything(), node.run("ip link")) == before
