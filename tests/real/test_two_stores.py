"""A second store in one network namespace: what bears dnet's names is the usual store's."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab
from tests.node import Completed

IN_THE_USUAL_PLACE = """
mount -t tmpfs none /var/lib && mkdir /var/lib/dnet && mount --bind "$0" /var/lib/dnet
exec dnet "$@"
"""


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a mapping, whose store is in the usual place wherever `second` looks."""
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    host.ok("map", "add", "web", "8080:80")
    return host


def second(host: Host, *words: str) -> Completed:
    """A `dnet` with a state folder of its own."""
    folder = str(host.state_dir.parent / "second")
    command = ("unshare", "--mount", "sh", "-ec", IN_THE_USUAL_PLACE, str(host.state_dir))
    return host.try_run(*command, "--state-dir", folder, *words)


def test_a_reset_without_a_store_takes_nothing_from_the_usual_one(host: Host) -> None:
    before = host.everything()
    done = second(host, "reset", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("dnet: warning: ")
    assert "/var/lib/dnet" in done.stderr
    assert host.everything() == before


def test_a_reset_takes_only_its_own(host: Host) -> None:
    before = host.everything()
    done = second(host, "bridge", "init", "br9", "--address", "10.9.0.1/24", "--chain", "NINE")
    assert (done.returncode, done.stderr) == (0, "")
    assert host.everything() != before
    for command in ("check", "restore"):
        done = second(host, command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert second(host, "reset", "--yes").returncode == 0
    host.quiet("check")
    assert host.everything() == before


def test_what_needs_the_same_chains_is_refused(host: Host) -> None:
    second(host, "bridge", "init", "br9", "--address", "10.9.0.1/24", "--chain", "NINE")
    second(host, "interface", "allocate", "nine")
    done = second(host, "map", "add", "nine", "9090:90")
    assert done.returncode == STATUS["conflict"]
    assert "unknown to this store" in done.stderr


def test_where_neither_is_the_usual_one_there_is_but_one(host: Host) -> None:
    """Each would take the other's for left over."""
    before = host.everything()
    folder = str(host.state_dir.parent / "second")
    line = ("bridge", "init", "br9", "--address", "10.9.0.1/24", "--chain", "NINE")
    refusal = host.fails(STATUS["conflict"], "--state-dir", folder, *line)
    assert "DNET-FORWARD, unknown to this store" in refusal.message
    assert host.everything() == before
    host.fails(STATUS["conflict"], "--state-dir", folder, *line, "--dry-run")
    host.quiet("--state-dir", folder, *line, "--no-iptables")


def test_an_attachment_of_the_other_store_is_not_taken(lab: Lab, host: Host) -> None:
    first, other = lab.node(), lab.node()
    host.ok("attach", "web", "--netns", first.netns)
    second(host, "bridge", "init", "lab0", "--address", "10.9.0.1/24", "--no-iptables")
    before = host.everything()
    for options in ((), ("--dry-run",)):
        done = second(host, "attach", "web", "--netns", other.netns, *options)
        assert done.returncode == STATUS["conflict"]
        assert "another store" in done.stderr
        assert "choose another id" in done.stderr
    assert host.everything() == before
    assert second(host, "attach", "web2", "--netns", other.netns).returncode == 0
    host.quiet("check")


def test_what_the_usual_store_has_is_not_unowned(host: Host) -> None:
    before = host.everything()
    done = second(host, "reset", "--unowned", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("dnet: warning: left alone: ")
    assert "/var/lib/dnet" in done.stderr
    assert second(host, "reset", "--unowned", "--dry-run").stdout == ""
    assert host.everything() == before


def test_what_the_second_has_is_unowned_only_if_it_has_the_names(host: Host) -> None:
    """The default bridge, made by a store that nothing tells of."""
    host.quiet("reset", "--yes")
    before = host.snapshot()
    for bridge in ("dnet0", "br9"):
        folder = str(host.state_dir.parent / bridge)
        address = {"dnet0": "10.9.0.1/24", "br9": "10.8.0.1/24"}[bridge]
        init = ("bridge", "init", bridge, "--address", address, "--no-iptables", "--no-ip-forward")
        host.ok("--state-dir", folder, *init)
        both = host.snapshot()
        done = host.dnet("reset", "--yes")
        assert done.returncode == 0
        assert ("the bridge dnet0; if it belongs to another store: --state-dir" in done.stderr) == (
            bridge == "dnet0"
        )
        assert host.snapshot() == both
        host.quiet("reset", "--unowned", "--yes")
        assert (host.snapshot() == before) == (bridge == "dnet0")
