"""An attachment tells its neighbours whose address it is now (RFC 5227, 2.3)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed, Node

# What a packet socket on the sibling's device hears: the first ARP packet about an address.
LISTENER = """
import socket
heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
heard.bind(("eth0", 0x0806))
heard.settimeout(60)
wanted = socket.inet_aton("172.17.0.3")
print("ready", flush=True)
while True:
    frame = heard.recv(2048)
    if frame[28:32] == wanted:
        print(frame[0:6].hex(":"), frame[22:28].hex(":"), frame[38:42] == wanted, flush=True)
        break
"""


def test_a_sibling_hears_of_it_at_once(lab: Lab) -> None:
    host, sibling, node = lab.host(), lab.node(), lab.node()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("attach", "sibling", "--netns", sibling.netns)
    command = sibling.argv(sys.executable, "-I", "-c", LISTENER)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        host.ok("attach", "web", "--netns", node.netns, "--mac", "02:00:00:00:12:34")
        assert listener.stdout.readline() == "ff:ff:ff:ff:ff:ff 02:00:00:00:12:34 True\n"
    assert node.sysctl("net/ipv4/conf/eth0/arp_notify") == "0"


def attached_read_only(host: Host, node: Node) -> Completed:
    """What becomes of an attach where /proc/sys is read-only, as in a container of its own."""
    bind = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    command = f"{bind} && exec dnet attach web --netns {node.netns}"
    return host.try_run("unshare", "--mount", "sh", "-c", command)


def test_where_nothing_can_be_written_it_does_without(lab: Lab) -> None:
    host, sibling, node = lab.host(), lab.node(), lab.node()
    host.ok("bridge", "init", "dnet0", "--no-icc")
    host.ok("attach", "sibling", "--netns", sibling.netns)
    node.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    done = attached_read_only(host, node)
    assert (done.returncode, done.stderr) == (0, "")
    host.quiet("check")
    node.listen("tcp", 80, "web")
    host.reaches("web", "tcp", done.stdout.strip(), 80)


def test_half_of_a_plug_is_taken_away(lab: Lab) -> None:
    """Also where the attachment is one that should be plugged in, as before the command."""
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init", "dnet0", "--no-icc")
    host.ok("attach", "web", "--netns", node.netns)
    node.ip("link delete eth0")
    before = host.everything()
    assert attached_read_only(host, node).returncode == STATUS["kernel"]
    assert host.everything() == before
    assert "eth0" not in node.run("ip -o link")
    bind = "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys"
    done = host.try_run("unshare", "--mount", "sh", "-c", f"{bind} && exec dnet restore")
    assert done.returncode == STATUS["failed"]
    assert host.everything() == before
    host.ok("restore")
    host.quiet("check")


@pytest.mark.parametrize("option", ["--icc", "--no-icc"])
def test_ipv6_that_stays_on_matters_where_siblings_are_kept_apart(lab: Lab, option: str) -> None:
    host, node = lab.host(), lab.node()
    host.ok("bridge", "init", "dnet0", option)
    before = host.everything()
    done = attached_read_only(host, node)
    assert f"cannot disable IPv6 on eth0 in /run/netns/{node.netns}" in done.stderr
    if option == "--icc":
        assert done.returncode == 0
        assert done.stderr.startswith("dnet: warning: ")
    else:
        assert done.returncode == STATUS["kernel"]
        assert host.everything() == before
