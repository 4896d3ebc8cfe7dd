"""An attachment tells its neighbours whose address it is now (RFC 5227, 2.3)."""

from __future__ import annotations

import subprocess
import sys

from tests.lab import Lab

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
