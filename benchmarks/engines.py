"""The network programs of today's container engines, called as the engines call them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.ground import Host
from benchmarks.peers import Half, Peer, ports

CNI, NETAVARK = "/usr/lib/cni", "/usr/lib/podman/netavark"


def cni(host: Host) -> Peer | None:
    """The plugins bridge, host-local and portmap, as a runtime calls them. None if not there."""
    if not os.path.exists(f"{CNI}/portmap"):
        return None
    results: dict[str, Any] = {}

    def plugin(kind: str, command: str, name: str, config: dict[str, Any]) -> tuple[float, str]:
        ran = host.run(
            f"{CNI}/{kind}",
            text=json.dumps({"cniVersion": "0.4.0", "name": "bench", "type": kind, **config}),
            CNI_COMMAND=command,
            CNI_CONTAINERID=name,
            CNI_NETNS=f"/run/netns/{name}",
            CNI_IFNAME="eth0",
            CNI_PATH=CNI,
        )
        return ran.seconds, ran.output

    bridge = _cni_bridge(host.folder)

    def add_one(name: str, port: int) -> float:
        seconds, output = plugin("bridge", "ADD", name, bridge)
        results[name] = json.loads(output)
        more, _ = plugin("portmap", "ADD", name, _cni_portmap(port, results[name]))
        return seconds + more

    def remove_one(name: str, port: int) -> float:
        seconds, _ = plugin("portmap", "DEL", name, _cni_portmap(port, results[name]))
        return seconds + plugin("bridge", "DEL", name, bridge)[0]

    return Peer(
        "CNI",
        lambda names: [add_one(*one) for one in ports(names)],
        lambda names: [remove_one(*one) for one in ports(names)],
    )


def _cni_bridge(folder: Path) -> dict[str, Any]:
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": "10.88.0.0/16"}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folder / "host-local"),
    }
    options = dict.fromkeys(("isGateway", "ipMasq", "hairpinMode"), True)
    return {"bridge": "cni0", "ipam": ipam, **options}


def _cni_portmap(port: int, result: Any) -> dict[str, Any]:
    mapping = {"hostPort": port, "containerPort": 80, "protocol": "tcp"}
    return {
        "capabilities": {"portMappings": True},
        "runtimeConfig": {"portMappings": [mapping]},
        "prevResult": result,
    }


def netavark(host: Host) -> Peer | None:
    """Netavark with its iptables driver, as podman calls it. None if not there.

    The address is podman's to find, and counts nothing here.
    """
    if not os.path.exists(NETAVARK):
        return None

    def call(action: str, number: int, name: str, port: int) -> float:
        file = host.folder / f"{name}.json"
        ip = f"10.89.{number >> 8}.{number & 255}"
        file.write_text(json.dumps(_netavark_container(name, ip, port)))
        config = ("--config", str(host.folder), "-f", str(file))
        where = f"/run/netns/{name}"
        return host.run(NETAVARK, *config, action, where, NETAVARK_FW="iptables").seconds

    def half(action: str) -> Half:
        return lambda names: [
            call(action, number, *one) for number, one in enumerate(ports(names), 2)
        ]

    return Peer("netavark", half("setup"), half("teardown"))


def _netavark_container(name: str, ip: str, port: int) -> dict[str, Any]:
    network = {
        "name": "bench",
        "id": _id("bench"),
        "driver": "bridge",
        "network_interface": "nv0",
        "subnets": [{"subnet": "10.89.0.0/16", "gateway": "10.89.0.1"}],
        "ipv6_enabled": False,
        "internal": False,
        "dns_enabled": False,
        "ipam_options": {"driver": "host-local"},
    }
    mapping = {
        "container_port": 80,
        "host_ip": "",
        "host_port": port,
        "protocol": "tcp",
        "range": 1,
    }
    return {
        "container_id": _id(name),
        "container_name": name,
        "port_mappings": [mapping],
        "networks": {"bench": {"interface_name": "eth0", "static_ips": [ip]}},
        "network_info": {"bench": network},
    }


def _id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
