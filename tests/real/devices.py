"""What the kernel says of the devices that `attach` makes."""

from __future__ import annotations

import json
from typing import Any

from tests.host import Host
from tests.node import Node


def link(node: Node, name: str = "eth0") -> dict[str, Any]:
    """The properties of a device."""
    (found,) = json.loads(node.run("ip", "-d", "-j", "link", "show", "dev", name))
    return dict(found)


def names(node: Node) -> list[str]:
    """The names of all devices of a namespace."""
    return [one["ifname"] for one in json.loads(node.run("ip -j link"))]


def ports(host: Host, bridge: str = "dnet0") -> list[str]:
    """The names of the devices plugged into a bridge."""
    return [one["ifname"] for one in json.loads(host.run(f"ip -j link show master {bridge}"))]


def wait_until_gone(host: Host, name: str) -> None:
    """Waits for the end of a pair whose other end was in a namespace that has ended.

    The kernel takes the devices of a namespace apart some time after its last process ended.
    """
    host.run(f"while ip link show {name} >/dev/null 2>&1; do sleep 0.05; done")
