"""Several machines on one wire, each with `dnet` and a store of its own, which share a pool."""

from __future__ import annotations

from collections.abc import Mapping

from tests.host import Host
from tests.lab import Lab
from tests.node import Node

POOL, VNI, PORT = "10.244.0.0/16", 4242, 4789
DEVICE = f"dnetvx{VNI}"
NAMES = ("a", "b", "c")

# Sends what a VXLAN device would have come out of: a packet by UDP from SOURCE to a container.
_INJECT = """
import socket, struct, sys
outer, port, mac, source, target = sys.argv[1:6]
data = b"injected"
udp = struct.pack(">HHHH", 4000, 4001, 8 + len(data), 0) + data
def checked(head):
    total = sum(struct.unpack(">10H", head))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:]
ip = checked(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
    socket.inet_aton(source), socket.inet_aton(target))) + udp
frame = bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000001") + b"\\x08\\x00" + ip
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    out.sendto(struct.pack(">II", 0x08000000, 4242 << 8) + frame, (outer, int(port)))
"""


class Machines:
    """Three hosts, `a`, `b` and `c`, that a file names; 10.0.0.N is each one's address."""

    def __init__(self, lab: Lab, names: tuple[str, ...] = NAMES) -> None:
        self._lab = lab
        self.registry = lab.folder / "pool"
        self.registry.parent.mkdir(parents=True, exist_ok=True)
        self.switch = lab.node()
        self.switch.ip("link add br0 type bridge", "link set br0 up")
        self.hosts: dict[str, Host] = {}
        self.containers: dict[str, Node] = {}
        for name in names:
            self.hosts[name] = self._wired(lab.host(), name)
        self.lines = {name: self.line(name) for name in names}

    def _wired(self, node: Host, name: str) -> Host:
        number = self.number(name)
        device, port = self._lab.wire(node, self.switch, f"10.0.0.{number}/24")
        self.switch.ip(f"link set {port} master br0")
        node.ip(f"route add default via 10.0.0.254 dev {device}")
        return node

    def stranger(self, number: int = 99) -> Node:
        """A machine on the same wire that is in no pool."""
        node = self._lab.node()
        _, port = self._lab.wire(node, self.switch, f"10.0.0.{number}/24")
        self.switch.ip(f"link set {port} master br0")
        return node

    @staticmethod
    def number(name: str) -> int:
        """The number of a host, which is in its address and in its block."""
        return ord(name) - ord("a") + 1

    def line(self, name: str, transport: str = "") -> str:
        """The line of a host in the file."""
        number = self.number(name)
        return f"{name} 10.0.0.{number} 10.244.{number}.0/24 {transport}"

    def register(self, lines: Mapping[str, str] | None = None) -> str:
        """Write the file; its URL."""
        self.registry.write_text("".join(f"{one}\n" for one in (lines or self.lines).values()))
        return f"file://{self.registry}"

    def join(self, *options: str) -> None:
        """Let all of them join."""
        transport = "route" if "route" in options else ""
        self.lines = {name: self.line(name, transport) for name in self.hosts}
        url = self.register()
        for name, host in self.hosts.items():
            block = host.ok("host", "join", name, "--store", url, "--pool", POOL, *options)
            assert block == f"10.244.{self.number(name)}.0/24"

    def attach(self, name: str, interface_id: str = "", *options: str) -> Node:
        """A container on a host, with servers that answer by its id."""
        node, interface_id = self._lab.node(), interface_id or f"on-{name}"
        self.hosts[name].ok("attach", interface_id, "--netns", node.netns, *options)
        for proto in ("tcp", "udp"):
            node.listen(proto, 80, interface_id)
        self.containers[name] = node
        return node

    def ip(self, name: str, last: int = 2) -> str:
        """The address of a host's first container, or of another one."""
        return f"10.244.{self.number(name)}.{last}"

    def sync(self) -> None:
        """Let all of them sync, without a word."""
        for host in self.hosts.values():
            host.quiet("host", "sync")

    def checked(self) -> None:
        """Asserts that each kernel is as its store says."""
        for host in self.hosts.values():
            host.quiet("check")


def mac(name: str) -> str:
    """The hardware address of a host behind VXLAN."""
    return f"02:42:0a:f4:{Machines.number(name):02x}:00"


def inject(node: Node, outer: str, to: str, source: str, target: str) -> None:
    """Send what claims to be a packet of a pool from a node to the VXLAN of a host."""
    node.run("python3", "-c", _INJECT, outer, str(PORT), mac(to), source, target)


def received(node: Node) -> int:
    """How many datagrams have come to a node, be it to nobody there."""
    counters = node.run("cat", "/proc/net/snmp").splitlines()
    names, values = (line.split()[1:] for line in counters if line.startswith("Udp:"))
    found = dict(zip(names, values, strict=True))
    return int(found["InDatagrams"]) + int(found["NoPorts"])
