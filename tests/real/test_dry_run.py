"""`--dry-run`: says what would be done, and does none of it."""

from __future__ import annotations

import pytest

from tests.host import Host
from tests.lab import Lab

INIT = ("bridge", "init", "br0", "--address", "172.17.42.1/16")

# On a machine with a bridge, interfaces `web` and `db`, a mapping of 8080, a link, an address and
# a port of nobody's: the command, and something that its dry run has to name.
CHANGES: dict[tuple[str, ...], str | None] = {
    ("bridge", "init", "br1", "--chain", "B1", "--address", "10.5.0.1/24"): "10.5.0.1/24",
    ("bridge", "init", "br0", "--icc"): "-j ACCEPT",
    ("bridge", "remove", "br0", "--force"): "MASQUERADE",
    ("ip", "request"): None,
    ("ip", "release", "172.17.0.9"): None,
    ("interface", "allocate", "app"): None,
    ("interface", "release", "web"): "--to-destination 172.17.0.2:80",
    ("port", "allocate"): None,
    ("port", "release", "7000"): None,
    ("map", "add", "web", "8081:81"): "--to-destination 172.17.0.2:81",
    ("map", "remove", "8080"): "--to-destination 172.17.0.2:80",
    ("map", "remove", "--all", "web"): "--to-destination 172.17.0.2:80",
    ("link", "add", "db", "web"): "172.17.0.2",
    ("link", "add", "host", "db"): "--to-destination 172.17.0.3:5432",
    ("link", "remove", "web", "db"): "172.17.0.3",
}


@pytest.fixture(scope="module")
def busy(shared_lab: Lab) -> Host:
    """A machine that has something of everything, which no test of this module changes."""
    host = shared_lab.host()
    host.ok(*INIT, "--no-icc")
    host.ok("interface", "allocate", "web", "--expose", "80/tcp")
    host.ok("interface", "allocate", "db", "--expose", "5432/tcp")
    host.ok("map", "add", "web", "8080:80")
    host.ok("link", "add", "web", "db")
    host.ok("ip", "request", "--ip", "172.17.0.9")
    host.ok("port", "allocate", "--port", 7000)
    return host


@pytest.mark.parametrize("command", CHANGES, ids=" ".join)
def test_it_changes_nothing(busy: Host, command: tuple[str, ...]) -> None:
    before = busy.everything()
    output = busy.ok(*command, "--dry-run")
    assert busy.everything() == before
    named = CHANGES[command]
    if named is not None:
        assert named in output


def test_it_does_not_even_make_the_state_folder(lab: Lab) -> None:
    host = lab.host()
    before = host.everything()
    output = host.ok(*INIT, "--dry-run")
    assert host.everything() == before
    assert not host.state_dir.exists()
    for named in ("br0", "172.17.42.1/16", "ip_forward", "MASQUERADE", "-j DNET", "--ctstate"):
        assert named in output


def test_what_it_prints_of_iptables_is_what_is_done(both: Lab) -> None:
    host = both.host()
    printed = host.ok(*INIT, "--dry-run")
    host.ok(*INIT)
    for rule in host.rules("filter") + host.rules("nat"):
        words = rule.split(maxsplit=2)
        if words[0] == "-A":
            assert words[2] in printed, rule


def test_a_refusal_is_the_same(busy: Host) -> None:
    before = busy.everything()
    busy.fails(4, "map", "add", "db", "8080:80", "--dry-run")
    busy.fails(3, "map", "remove", "8099", "--dry-run")
    busy.fails(2, "map", "add", "db", "0:80", "--dry-run")
    busy.fails(4, "bridge", "remove", "br0", "--dry-run")
    assert busy.everything() == before


def test_on_a_machine_without_a_store_it_leaves_no_folder_either(host: Host) -> None:
    for command in ("restore", "reset", "gc", "bridge init"):
        assert host.dnet(*command.split(), "--dry-run").returncode == 0
    assert not host.state_dir.exists()
