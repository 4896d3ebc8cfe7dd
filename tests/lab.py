"""Throw-away networks: namespaces with unique names, wires between them, and their removal."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests import namespaces, processes
from tests.host import Host
from tests.node import Node

VARIANTS = ("nft", "legacy")
NFTABLES = "nftables"
EVERY = (*VARIANTS, NFTABLES)
BRIDGE_NF = "net/bridge/bridge-nf-call-iptables"
BRIDGE_NF6 = "net/bridge/bridge-nf-call-ip6tables"
_PREFIX = "dnt"
_numbers = itertools.count()
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
# Settings with which a namespace begins as the machine has them, and a test as the kernel does.
_FRESH = ("ip_forward", "conf/*/rp_filter", "conf/*/route_localnet")


def why_not_here() -> str | None:
    """Why no network namespace can be made here, None where one can."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in ("ip", "nsenter", "iptables") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {' '.join(missing)}"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "network namespaces are not permitted"


def why_no_variant(variant: str) -> str | None:
    """Why an iptables variant, or nftables, cannot be used on this kernel, None where it can."""
    if variant == NFTABLES:
        return None if shutil.which("nft") else "nft is not installed"
    command = [f"xtables-{variant}-multi", "iptables", "-t", "nat", "-S"]
    if shutil.which(command[0]) is None:
        return f"{command[0]} is not installed"
    tried = subprocess.run(["unshare", "--net", *command], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"iptables-{variant} does not work on this kernel"


def make_variant_folder(parent: Path, variant: str) -> Path:
    """A folder for the head of PATH, in which `iptables` is of the given variant.

    Beside nftables it is what the rules of others in a test are made with.
    """
    folder = parent / variant
    folder.mkdir()
    multi = shutil.which(f"xtables-{'nft' if variant == NFTABLES else variant}-multi")
    assert multi is not None
    for name in ("iptables", "iptables-save", "iptables-restore"):
        (folder / name).symlink_to(multi)
        (folder / name.replace("ip", "ip6", 1)).symlink_to(multi)
    return folder


def sweep() -> None:
    """Removes the namespaces of test runs that were killed before they could.

    To be called before this process makes any: one of those may have had its process id.
    """
    for path in Path("/run/netns").glob(f"{_PREFIX}-*"):
        owner = re.fullmatch(rf"{_PREFIX}-(\d+)-\d+", path.name)
        if owner and (int(owner[1]) == os.getpid() or not Path("/proc", owner[1]).exists()):
            namespaces.remove([path.name])


class Lab:
    """Makes namespaces and the wires between them. Nothing of them is left after `close`."""

    def __init__(
        self,
        folder: Path,
        variant_folders: Path,
        variant: str = "nft",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.variant = variant
        self._variant_folders = variant_folders
        self._env = env or {}
        self.nodes: list[Node] = []

    def _new_namespace(self) -> str:
        name = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
        namespaces.make(name)
        return name

    def _environment(self, variant: str) -> dict[str, str]:
        path = [
            str(self._variant_folders / variant),
            str(Path(sys.executable).parent),
            *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
        ]
        return {
            "PATH": ":".join(path),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            # The machine's own would be reached from its namespaces, too.
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/no-bus",
            **({"DNET_FIREWALL": NFTABLES} if variant == NFTABLES else {}),
            **self._env,
        }

    def node(self) -> Node:
        """A namespace by itself: a client outside, a container not yet plugged in."""
        node = Node(self._new_namespace(), self._environment(self.variant))
        self.nodes.append(node)
        node.within(_loopback_up)
        return node

    def host(self, variant: str | None = None, resolv_conf: str | None = None) -> Host:
        """A machine with `dnet` on it: an empty firewall, no device but a loopback that is up.

        IPv4 forwarding and reverse path filtering are off, as in a kernel just started; bridged
        traffic meets no ip6tables, and with nftables br_netfilter is not in use, so that ports come
        to be isolated.
        """
        variant = variant or self.variant
        netns = self._new_namespace()
        folder = self.folder / netns
        host = Host(netns, self._environment(variant), folder, variant, resolv_conf)
        self.nodes.append(host)
        host.within(lambda: _be_fresh(variant))
        return host

    def wire(
        self, a: Node, b: Node, addr_a: str | None = None, addr_b: str | None = None
    ) -> tuple[str, str]:
        """A cable between two namespaces, each end with its address; the names of both ends."""
        dev_a, dev_b = a.device(), b.device()
        a.ip(
            f"link add {dev_a} type veth peer name {dev_b} netns {b.netns}",
            f"link set {dev_a} up",
            *([f"addr add {addr_a} dev {dev_a}"] if addr_a else []),
        )
        b.ip(f"link set {dev_b} up", *([f"addr add {addr_b} dev {dev_b}"] if addr_b else []))
        return dev_a, dev_b

    def outside(self, host: Host, network: str = "10.99.0") -> Node:
        """A client on a wire of its own: NETWORK.2 there, NETWORK.1 on the host."""
        client = self.node()
        self.wire(client, host, f"{network}.2/24", f"{network}.1/24")
        return client

    def container(
        self, host: Host, bridge: str, ip: str, prefix: int = 16, gateway: str = "172.17.42.1"
    ) -> Node:
        """A namespace plugged into a bridge by hand, with an address and a default route."""
        container = Node(self._new_namespace(), self._environment(self.variant))
        self.nodes.append(container)
        port = host.device("veth")
        host.ip(
            f"link add {port} type veth peer name eth0 netns {container.netns}",
            f"link set {port} master {bridge} up",
        )
        container.within(_loopback_up)
        container.ip(
            f"addr add {ip}/{prefix} dev eth0",
            "link set eth0 up",
            f"route add default via {gateway}",
        )
        return container

    def close(self) -> None:
        """Ends every process and removes every namespace, whatever state they are in."""
        for node in self.nodes:
            node.close()
        processes.kill_inside([node.path for node in self.nodes])
        namespaces.remove(node.netns for node in self.nodes)
        self.nodes.clear()


def _loopback_up() -> None:
    with socket.socket() as one:
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _be_fresh(variant: str) -> None:
    ipv4 = Path("/proc/sys/net/ipv4")
    for path in (path for name in _FRESH for path in ipv4.glob(name)):
        path.write_text("0")
    _loopback_up()
    bridge_nf = [BRIDGE_NF6, *([BRIDGE_NF] if variant == NFTABLES else [])]
    for path in (Path("/proc/sys", name) for name in bridge_nf):
        if path.exists():
            path.write_text("0")


@contextmanager
def opened(
    folder: Path, variant_folders: Path, variant: str, env: Mapping[str, str] | None = None
) -> Iterator[Lab]:
    """A Lab that is closed whatever happens; with `env` besides what its machines have."""
    lab = Lab(folder, variant_folders, variant, env)
    try:
        yield lab
    finally:
        lab.close()
