"""Which ports real processes hold, each in a network namespace of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab import Lab
from tests.node import Node
from tests.real.inside import inside


def busy(node: Node, host_ip: str, port: int, proto: str = "tcp") -> str | None:
    """The answer of `busy_range`, once `is_busy` is seen to agree with it."""
    code = f"""
from dnet.host.sockets import HostPorts
ports = HostPorts()
result = [
    ports.busy_range({host_ip!r}, {port}, {port}, {proto!r}),
    ports.is_busy({host_ip!r}, {port}, {proto!r}),
]
"""
    answer, is_busy = inside(node, code)
    assert is_busy is (answer is not None)
    return None if answer is None else str(answer)


def busy_range(node: Node, host_ip: str, first: int, last: int) -> Any:
    code = "from dnet.host.sockets import HostPorts\n"
    return inside(
        node, f"{code}result = HostPorts().busy_range({host_ip!r}, {first}, {last}, 'tcp')"
    )


@pytest.fixture
def node(lab: Lab) -> Node:
    node = lab.node()
    node.ip("addr add 192.0.2.1/24 dev lo", "addr add 192.0.2.2/24 dev lo")
    node.ip("addr add 2001:db8::1/64 dev lo nodad")
    return node


def owner(node: Node) -> str:
    name = Path(f"/proc/{node.agent_pid}/comm").read_text().strip()
    return f"process {name} (pid {node.agent_pid})"


@pytest.mark.parametrize("proto", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("held", "shown", "collides", "free"),
    [
        ("0.0.0.0", "0.0.0.0:80", ["0.0.0.0", "192.0.2.1", "127.0.0.1"], []),
        ("::", "[::]:80", ["0.0.0.0", "192.0.2.1", "127.0.0.1", "::", "::1", "2001:db8::1"], []),
        ("192.0.2.1", "192.0.2.1:80", ["0.0.0.0", "192.0.2.1"], ["192.0.2.2"]),
        ("::ffff:192.0.2.1", "192.0.2.1:80", ["0.0.0.0", "192.0.2.1"], ["192.0.2.2", "::1"]),
        ("2001:db8::1", "[2001:db8::1]:80", ["::", "2001:db8::1"], ["0.0.0.0", "192.0.2.1", "::1"]),
    ],
)
def test_a_listener_is_in_the_way_where_the_kernel_says_so(
    node: Node, proto: str, held: str, shown: str, collides: list[str], free: list[str]
) -> None:
    node.listen(proto, 80, address=held)
    other = "udp" if proto == "tcp" else "tcp"
    for host_ip in collides:
        assert busy(node, host_ip, 80, proto) == f"{owner(node)} listens on {shown}/{proto}"
        with pytest.raises(OSError, match="Address already in use"):
            node.listen(proto, 80, address=host_ip)
    for host_ip in free:
        assert busy(node, host_ip, 80, proto) is None
    assert busy(node, "0.0.0.0", 81, proto) is None
    assert busy(node, "0.0.0.0", 80, other) is None


def test_a_socket_that_is_only_connected_is_in_nobodys_way(node: Node) -> None:
    for proto in ("tcp", "udp"):
        node.listen(proto, 80)
        node.open(proto, "192.0.2.1", 80)
        line = node.run("ss", "-Hn", f"--{proto}", "state", "connected", "dst", "192.0.2.1:80")
        local = next(word for word in line.split() if word.startswith("192.0.2.1:"))
        assert busy(node, "0.0.0.0", int(local.rpartition(":")[2]), proto) is None


def test_every_one_of_many_listeners_is_seen(node: Node) -> None:
    # /proc/net/tcp comes a page at a time: twenty-seven rows.
    ports = range(20000, 20300)
    for port in ports:
        node.listen("tcp", port)
    node.open("tcp", "192.0.2.1", 20000)
    code = """
from dnet.host.sockets import HostPorts
ports = HostPorts()
result = [p for p in range(19000, 21000) if ports.is_busy("192.0.2.2", p, "tcp")]
"""
    assert inside(node, code) == list(ports)


def test_a_range_names_its_lowest_port_that_is_held(node: Node) -> None:
    node.listen("tcp", 8003, address="192.0.2.1")
    node.listen("tcp", 8005)
    assert busy_range(node, "192.0.2.2", 1, 65535).endswith(" listens on 0.0.0.0:8005/tcp")
    assert busy_range(node, "0.0.0.0", 1, 65535).endswith(" listens on 192.0.2.1:8003/tcp")
    assert busy_range(node, "0.0.0.0", 8003, 8003).endswith(" listens on 192.0.2.1:8003/tcp")
    assert busy_range(node, "0.0.0.0", 8004, 8004) is None
    assert busy_range(node, "0.0.0.0", 8006, 65535) is None


def test_a_reserved_port_is_passed_over_and_may_be_asked_for(node: Node) -> None:
    node.sysctl("net/ipv4/ip_local_reserved_ports", "8080,9148-9150")
    code = """
from dnet.host.sockets import HostPorts
ports = HostPorts()
asked = [(p, proto) for p in (8079, 8080, 9149, 9151) for proto in ("tcp", "udp", "sctp")]
result = [p for p, proto in asked if ports.is_busy("192.0.2.1", p, proto)]
"""
    assert inside(node, code) == [8080] * 3 + [9149] * 3
    assert busy_range(node, "0.0.0.0", 8080, 8080) is None
    assert busy_range(node, "192.0.2.1", 9000, 10000) is None


def test_a_fresh_namespace_has_nothing_in_the_way(node: Node) -> None:
    for proto in ("tcp", "udp", "sctp"):
        assert busy(node, "0.0.0.0", 80, proto) is None


def test_a_listener_whose_process_cannot_be_seen_is_some_process(node: Node) -> None:
    node.listen("tcp", 80)
    # Another user may read the table of sockets, but not what other processes have open.
    code = """
from dnet.host import openfiles
from dnet.host.sockets import HostPorts
import os
os.setuid(65534)
result = HostPorts().busy_range("0.0.0.0", 80, 80, "tcp")
"""
    assert inside(node, code) == "a host process listens on 0.0.0.0:80/tcp"


def test_namespaces_have_different_cookies(lab: Lab) -> None:
    code = "from dnet.host.system import netns_cookie\nresult = netns_cookie()"
    one, other = lab.node(), lab.node()
    cookie = inside(one, code)
    if cookie is None:
        pytest.skip("this kernel has no SO_NETNS_COOKIE")
    assert cookie == inside(one, code)
    assert len({cookie, inside(other, code), 0}) == 3


def test_a_dropped_capability_is_missed(lab: Lab) -> None:
    code = """
from dnet.host import privilege
result = privilege.has(privilege.NET_ADMIN)
"""
    node = lab.node()
    assert inside(node, code) is True
    dropped = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
    assert inside(node, code, prefix=dropped) is False
