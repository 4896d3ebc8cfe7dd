"""What `attach` refuses, it has not begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab
from tests.real.devices import link, names, ports
from tests.real.inside import inside

BRIDGE = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge."""
    host = lab.host()
    host.ok(*BRIDGE)
    return host


@pytest.mark.parametrize("way", ["name", "path", "self", "pid"])
def test_the_hosts_own_namespace_is_refused(host: Host, way: str) -> None:
    host.listen("tcp", 80)
    ways = {"name": host.netns, "path": str(host.path), "self": "/proc/self/ns/net"}
    before = host.everything()
    netns = ways.get(way, str(host.agent_pid))
    host.fails(2, "attach", "web", "--netns", netns, "-p", "8080:80", code="usage")
    assert host.everything() == before


def test_a_file_that_is_no_namespace_is_refused(host: Host) -> None:
    before = host.everything()
    host.fails(2, "attach", "web", "--netns", "/etc/hostname", code="usage")
    assert host.everything() == before


def test_a_named_file_that_is_no_namespace_is_called_by_its_shorter_path(host: Host) -> None:
    folder = "mount -t tmpfs tmpfs /run/netns && touch /run/netns/plain"
    call = f"{folder} && dnet --state-dir {host.state_dir} attach web --netns plain"
    done = host.try_run("unshare", "--mount", "sh", "-c", call)
    assert done.returncode == STATUS["usage"]
    assert done.stderr.startswith("dnet: error: /run/netns/plain is not a network namespace")


def test_a_path_with_a_nul_byte_is_refused(host: Host) -> None:
    before = host.everything()
    done = host.dnet("batch", stdin="attach web --netns /run/netns/a\0b\n")
    assert (done.returncode, done.stdout) == (STATUS["usage"], "")
    assert read_refusal(done).message.endswith("has a control character in it")
    assert host.everything() == before


TURNED = """
import os
from dnet.cli.main import main
from dnet.host.netlink import Netlink

take = Netlink.take
path, other = {path!r}, {other!r}

def turned(self, step):
    if type(step).__name__ == {kind!r}:
        os.remove(path)
        os.symlink(other, path)
    take(self, step)

Netlink.take = turned
try:
    main(["attach", "web", "--netns", path])
except SystemExit as error:
    result = error.code
"""


@pytest.mark.parametrize("kind", ["AddVeth", "ConfigureInside"])
def test_a_path_that_is_turned_meanwhile_leads_nowhere(
    lab: Lab, host: Host, tmp_path: Path, kind: str
) -> None:
    """Between the decision and a step, to the host's own namespace and to another container's."""
    node, another = lab.node(), lab.node()
    other = "/proc/self/ns/net" if kind == "AddVeth" else str(another.path)
    if kind == "ConfigureInside":
        another.ip("link add eth0 type bridge")
    path = tmp_path / "netns"
    path.symlink_to(node.path)
    before = host.everything(), another.run("ip address")
    code = TURNED.format(path=str(path), other=other, kind=kind)
    assert inside(host, code) == STATUS["kernel"]
    assert (host.everything(), another.run("ip address")) == before
    assert names(node) == ["lo"]


@pytest.mark.parametrize("netns", ["no-such", "/run/netns/no-such", "4194304"])
def test_a_namespace_that_is_not_there_is_refused(host: Host, netns: str) -> None:
    before = host.everything()
    refusal = host.fails(3, "attach", "web", "--netns", netns, code="not-found")
    assert netns in refusal.message
    assert host.everything() == before


def test_a_device_name_that_is_taken_in_there_is_refused(lab: Lab, host: Host) -> None:
    node = lab.node()
    node.ip("link add eth0 type bridge")
    before = host.everything()
    refusal = host.fails(4, "attach", "web", "--netns", node.netns, "-p", "80", code="conflict")
    assert "eth0" in refusal.message
    assert host.everything() == before
    assert link(node)["linkinfo"]["info_kind"] == "bridge"


def test_a_device_name_that_is_taken_on_the_host_is_named(lab: Lab, host: Host) -> None:
    words = ("attach", "web", "--netns", lab.node().netns)
    host.ok(*words)
    (port,) = ports(host)
    host.ip(f"link delete {port}", f"link add {port} type bridge")
    done = host.dnet(*words)
    assert done.returncode == STATUS["conflict"]
    # The attachment was there before, so that undoing meets the same: it is told once.
    error, hint = done.stderr.splitlines()
    assert error == f"dnet: error: the device {port} already exists and is not dnet's"
    assert hint == f"dnet: hint: ip link delete dev {port}"
    host.ip(f"link delete dev {port}")
    host.ok(*words)
    host.quiet("check")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (2, "usage", ("-p", "0:80")),
        (2, "usage", ("--mac", "01:00:5e:00:00:01")),
        (2, "usage", ("--mac", "nonsense")),
        (2, "usage", ("--ifname", "a-name-too-long-for-it")),
        (2, "usage", ("--ifname", "with/slash")),
        (3, "not-found", ("--link", "nobody")),
        (4, "address-in-use", ("--ip", "172.17.42.1")),
        (4, "port-in-use", ("-p", "8080:80", "-p", "9090:80")),
    ],
)
def test_bad_values_change_nothing(
    lab: Lab, host: Host, status: int, code: str, words: tuple[str, ...]
) -> None:
    host.listen("tcp", 9090)
    node = lab.node()
    before = host.everything()
    host.fails(status, "attach", "web", "--netns", node.netns, *words, code=code)
    assert host.everything() == before
    assert names(node) == ["lo"]


def test_a_mac_that_is_taken_is_refused(lab: Lab, host: Host) -> None:
    host.ok("interface", "allocate", "web")
    mac = host.json("interface", "show", "web")["mac"]
    node = lab.node()
    before = host.everything()
    refusal = host.fails(4, "attach", "db", "--netns", node.netns, "--mac", mac)
    assert refusal.message == f"{mac} is the MAC of web"
    assert host.everything() == before
    assert host.ok("attach", "web", "--netns", node.netns, "--mac", mac)


def test_a_mac_that_a_sibling_was_given_is_nobody_else_s(lab: Lab, host: Host) -> None:
    one, other = lab.node(), lab.node()
    host.ok("attach", "web", "--netns", one.netns, "--mac", "02:42:ac:11:00:03")
    before = host.everything()
    words = ("attach", "db", "--netns", other.netns)
    refusal = host.fails(4, *words, "--ip", "172.17.0.3", code="conflict")
    assert refusal.message == "02:42:ac:11:00:03 is the MAC of web"
    refusal = host.fails(4, *words, "--mac", "02:42:ac:11:2a:01", code="conflict")
    assert refusal.message == "02:42:ac:11:2a:01 is the MAC of dnet0 itself"
    assert host.everything() == before
    assert host.ok(*words) == "172.17.0.4"


def test_the_mac_of_an_adopted_bridge_is_nobody_else_s(lab: Lab, host: Host) -> None:
    host.ip(
        "link add br0 address 02:00:00:00:00:07 type bridge",
        "address add 10.1.0.1/24 dev br0",
    )
    host.ok("bridge", "init", "br0")
    words = ("attach", "web", "--netns", lab.node().netns, "--bridge", "br0")
    refusal = host.fails(4, *words, "--mac", "02:00:00:00:00:07", code="conflict")
    assert refusal.message == "02:00:00:00:00:07 is the MAC of br0 itself"
    host.ip("link set br0 address 02:42:0a:01:00:02")
    assert host.ok(*words) == "10.1.0.3"


def test_a_dry_run_changes_nothing(lab: Lab, host: Host) -> None:
    node = lab.node()
    before = host.everything()
    steps = host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80", "--dry-run")
    assert "veth" in steps
    assert "--to-destination 172.17.0.2:80" in steps
    assert host.everything() == before
    assert names(node) == ["lo"]


def test_what_detaching_takes_along_is_said_where_it_is_advised(lab: Lab, host: Host) -> None:
    one, other = lab.node(), lab.node()
    host.ok("attach", "web", "--netns", str(one.path))
    refusal = host.fails(STATUS["conflict"], "attach", "web", "--netns", str(other.path))
    assert refusal.hint == "to release it with everything it has: dnet detach web"
