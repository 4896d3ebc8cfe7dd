"""What `attach` refuses, it has not begun."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.real.devices import link, names

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


def test_a_dry_run_changes_nothing(lab: Lab, host: Host) -> None:
    node = lab.node()
    before = host.everything()
    steps = host.ok("attach", "web", "--netns", node.netns, "-p", "8080:80", "--dry-run")
    assert "veth" in steps
    assert "--to-destination 172.17.0.2:80" in steps
    assert host.everything() == before
    assert names(node) == ["lo"]
