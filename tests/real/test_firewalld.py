"""The real firewalld beside dnet: after its start and its reload, and which zone a bridge is in."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import firewalld as firewalls
from tests import observed, processes
from tests.firewalld import BEGUN_ANEW, RESTORED, Firewalld, Unit
from tests.host import Host
from tests.lab import Lab

RE = re.MULTILINE | re.DOTALL
BACKENDS = ("nftables", "iptables")
INIT = ("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
PUTS = "firewall-cmd --zone=trusted --add-interface=dnet0"
TAKES = "firewall-cmd --zone=trusted --remove-interface=dnet0"
STOPS = "the nftables chain inet firewalld filter_FORWARD stops packets from dnet0"
MISSING = f"dnet0 is not in firewalld's zone trusted: {PUTS}"
LOCKED_DOWN = """#!/bin/sh
case "$*" in
  *addInterface*) echo 'Call failed: ACCESS_DENIED: lockdown is enabled' >&2; exit 1 ;;
esac
exec {real} "$@"
"""


class Ground:
    """A host with two containers, of which `web` is published, and a client outside of it."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.host = host
        self.outside, self.web, self.db = lab.outside(host), lab.node(), lab.node()
        self.outside.listen("tcp", 99, "out")
        self.web.listen("tcp", 80, "web")
        self.db.listen("tcp", 81, "db")

    def set_up(self, *options: str) -> None:
        self.host.ok(*INIT, *options)
        self.host.ok("attach", "web", "--netns", self.web.netns, "-p", "8080:80")
        self.host.ok("attach", "db", "--netns", self.db.netns)

    def works(self) -> None:
        """Every way that is promised is open, and `check` has nothing to say."""
        self.reaches_out()
        for node in (self.outside, self.host, self.web, self.db):
            node.reaches("web", "tcp", "10.99.0.1", 8080)
        self.host.reaches("web", "tcp", "127.0.0.1", 8080)
        ip = self.host.json("interface", "show", "db")["ip"]
        self.web.reaches("db", "tcp", str(ip), 81)
        self.host.quiet("check")

    def reaches_out(self) -> None:
        self.web.reaches("out", "tcp", "10.99.0.2", 99)

    def is_kept_in(self) -> None:
        self.web.misses("tcp", "10.99.0.2", 99)


@pytest.fixture(scope="module")
def running(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewalld]:
    """A firewalld that the tests of this module share."""
    folder = tmp_path_factory.mktemp("firewalld")
    with firewalls.opened(shared_lab.host(), folder) as firewalld:
        firewalld.start()
        yield firewalld


@pytest.fixture(scope="module")
def ground(shared_lab: Lab, running: Firewalld) -> Ground:
    return Ground(shared_lab, running.host)


@pytest.fixture
def firewalld(running: Firewalld) -> Iterator[Firewalld]:
    """That one on a machine without a bridge, and with nothing in its zones before and after."""
    yield running
    running.host.ok("reset", "--yes")
    assert running.zones() == {}


@pytest.fixture
def host(firewalld: Firewalld) -> Host:
    return firewalld.host


# --- start and reload ----------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_unit_restores_after_its_start_and_its_reload(
    lab: Lab, tmp_path: Path, backend: str
) -> None:
    ground = Ground(lab, lab.host())
    with firewalls.opened(ground.host, tmp_path, backend) as firewalld:
        unit = Unit(firewalld, tmp_path)
        with unit.listening():
            ground.set_up()
            firewalld.start()
            assert unit.asked() == BEGUN_ANEW
            assert MISSING in ground.host.dnet("check").stdout
            unit.follow_up()
            ground.works()
            firewalld.cmd("--reload")
            assert unit.asked() == RESTORED
            ground.works()


def test_the_unit_hears_firewalld_alone_and_under_each_of_its_names(
    lab: Lab, tmp_path: Path
) -> None:
    with firewalls.opened(lab.host(), tmp_path) as firewalld:
        unit = Unit(firewalld, tmp_path)
        with unit.listening():
            for _ in range(2):
                firewalld.feign("Reloaded")
                firewalld.start()
                assert unit.asked() == BEGUN_ANEW
                firewalld.feign("Reloaded")
                firewalld.cmd("--add-port=99/tcp")  # Which it tells, too.
                firewalld.cmd("--reload")
                assert unit.asked() == RESTORED
                firewalld.stop()
                assert unit.asked() == BEGUN_ANEW


# --- the zone ------------------------------------------------------------------------------


def test_a_bridge_is_trusted_until_it_is_removed(firewalld: Firewalld, ground: Ground) -> None:
    ground.set_up()
    assert firewalld.zones() == {"dnet0": "trusted"}
    ground.works()
    ground.host.quiet("bridge", "remove", "dnet0", "--force")
    assert "dnet0" not in firewalld.zones()
    ground.set_up()
    ground.works()
    ground.host.ok("reset", "--yes")
    assert "dnet0" not in firewalld.zones()


def test_what_dnet_drops_stays_dropped(firewalld: Firewalld, ground: Ground) -> None:
    host = ground.host
    ground.set_up("--no-icc")
    assert firewalld.zones() == {"dnet0": "trusted"}
    ground.reaches_out()
    ground.outside.reaches("web", "tcp", "10.99.0.1", 8080)
    web, db = (str(host.json("interface", "show", one)["ip"]) for one in ("web", "db"))
    ground.web.misses("tcp", db, 81)
    ground.outside.ip(f"route replace {web} via 10.99.0.1")
    ground.outside.misses("tcp", web, 80)


def test_it_is_a_step_like_any_other(firewalld: Firewalld, host: Host) -> None:
    assert PUTS in host.ok(*INIT, "--dry-run").splitlines()
    assert "dnet0" not in firewalld.zones()
    assert {"kind": "firewalld", "step": PUTS} in host.json(*INIT, "--dry-run")
    assert PUTS in host.dnet("-v", *INIT).stderr
    firewalld.cmd("--zone=trusted", "--remove-interface=dnet0")
    assert MISSING in host.dnet("check").stdout.splitlines()
    assert host.dnet("restore").stderr == f"dnet: repaired: {MISSING}\n"
    host.quiet("check")
    firewalld.cmd("--zone=trusted", "--remove-interface=dnet0")
    host.quiet(*INIT)
    host.quiet("check")
    removal = host.ok("bridge", "remove", "dnet0", "--dry-run").splitlines()
    assert removal[0] == TAKES
    assert TAKES in host.dnet("-v", "reset", "--yes").stderr


def test_several_bridges_at_once(firewalld: Firewalld, host: Host) -> None:
    host.ok("batch", stdin="bridge init dnet0\nbridge init dnet1\nbridge init x --no-iptables\n")
    assert firewalld.zones() == {"dnet0": "trusted", "dnet1": "trusted"}
    firewalld.cmd("--reload")
    host.ok("restore")
    assert firewalld.zones() == {"dnet0": "trusted", "dnet1": "trusted"}
    host.ok("bridge", "remove", "dnet1")
    assert firewalld.zones() == {"dnet0": "trusted"}
    host.ok("bridge", "init", "dnet0", "--no-iptables")
    assert firewalld.zones() == {}


def test_it_is_left_alone_where_that_was_asked_for(firewalld: Firewalld, ground: Ground) -> None:
    host = ground.host
    ground.set_up("--no-firewalld")
    assert "dnet0" not in firewalld.zones()
    assert host.json("bridge", "show")["firewalld"] is False
    ground.is_kept_in()
    (told,) = host.dnet("check").stdout.splitlines()
    assert told.startswith(STOPS)
    host.run(told.rpartition(": ")[2])
    ground.works()
    firewalld.cmd("--zone=trusted", "--remove-interface=dnet0")
    host.ok("bridge", "init", "--firewalld")
    assert firewalld.zones() == {"dnet0": "trusted"}
    ground.works()
    host.ok("bridge", "init", "--no-firewalld")
    assert "dnet0" not in firewalld.zones()
    # From then on whatever the administrator says is none of dnet's business.
    firewalld.cmd("--zone=trusted", "--add-interface=dnet0")
    ground.works()
    host.ok("restore")
    host.ok("bridge", "remove", "dnet0", "--force")
    assert firewalld.zones() == {"dnet0": "trusted"}
    firewalld.cmd("--zone=trusted", "--remove-interface=dnet0")


def test_another_zone_of_the_administrator_s_stays(firewalld: Firewalld, host: Host) -> None:
    host.quiet(*INIT)
    firewalld.cmd("--zone=dmz", "--change-interface=dnet0")
    host.ok(*INIT)
    host.ok("restore")
    (told,) = host.dnet("check").stdout.splitlines()
    assert told.startswith(STOPS)
    assert firewalld.zones() == {"dnet0": "dmz"}
    host.run(told.rpartition(": ")[2])
    host.quiet("check")
    firewalld.cmd("--zone=dmz", "--change-interface=dnet0")
    host.ok("bridge", "remove", "dnet0")
    assert firewalld.zones() == {"dnet0": "dmz"}
    firewalld.cmd("--zone=dmz", "--remove-interface=dnet0")


def test_a_zone_of_all_that_are_called_alike_stays(firewalld: Firewalld, host: Host) -> None:
    firewalld.cmd("--zone=dmz", "--add-interface=dn+")
    host.ok(*INIT)
    assert "dnet0" not in firewalld.zones()
    assert MISSING not in host.dnet("check").stdout
    firewalld.cmd("--zone=dmz", "--remove-interface=dn+")


def test_a_permanent_zone_of_the_administrator_s_stays(firewalld: Firewalld, host: Host) -> None:
    firewalld.cmd("--permanent", "--zone=dmz", "--add-interface=dnet0")
    host.ok(*INIT)
    assert "dnet0" not in firewalld.zones()  # Until he says when.
    firewalld.cmd("--reload")
    host.ok("restore")
    assert firewalld.zones() == {"dnet0": "dmz"}
    firewalld.cmd("--permanent", "--zone=trusted", "--change-interface=dnet0")
    firewalld.cmd("--reload")
    host.ok("restore")
    host.ok("bridge", "remove", "dnet0")
    assert firewalld.zones() == {"dnet0": "trusted"}
    firewalld.cmd("--permanent", "--zone=trusted", "--remove-interface=dnet0")
    firewalld.cmd("--reload")


def test_the_document_s_zone_keeps_the_host_s_services_closed(lab: Lab, tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "firewalls.md").read_text()
    (commands,) = re.findall(r"^firewall-cmd --permanent --new-zone.*?--reload$", document, RE)
    ground = Ground(lab, lab.host())
    with firewalls.opened(ground.host, tmp_path) as firewalld:
        firewalld.start()
        ground.host.run(commands)
        ground.set_up()
        ground.works()
        assert firewalld.zones() == {"dnet0": "dnet"}
        ground.host.listen("tcp", 7, "host")
        ground.web.misses("tcp", "172.17.42.1", 7)


@pytest.mark.parametrize("zone", ["trusted", "internal"])
def test_an_adopted_bridge_stays_in_the_zone_it_has(
    firewalld: Firewalld, host: Host, zone: str
) -> None:
    host.ip("link add br7 type bridge", "address add 10.7.0.1/24 dev br7")
    firewalld.cmd(f"--zone={zone}", "--add-interface=br7")
    host.ok("bridge", "init", "br7")
    assert host.json("bridge", "show")["firewalld"] is False
    host.ok("restore")
    host.ok("bridge", "remove", "br7")
    assert firewalld.zones() == {"br7": zone}
    firewalld.cmd(f"--zone={zone}", "--remove-interface=br7")
    host.ip("link delete br7")


def test_an_adopted_bridge_without_a_zone_is_trusted_too(firewalld: Firewalld, host: Host) -> None:
    host.ip("link add br7 type bridge", "address add 10.7.0.1/24 dev br7")
    host.ok("bridge", "init", "br7")
    assert firewalld.zones() == {"br7": "trusted"}
    host.ok("bridge", "remove", "br7")
    assert "br7" not in firewalld.zones()
    host.ip("link delete br7")


# --- undone, killed ------------------------------------------------------------------------


class Passed(NamedTuple):
    """The numbers of the points at which a `bridge init` has joined the zone, and commits."""

    joined: int
    commits: int


@pytest.fixture
def passed(host: Host, tmp_path: Path) -> Passed:
    log = tmp_path / "points"
    for logged in ({}, {"DNET_POINT_LOG": str(log)}):  # The first time more is done.
        host.ok(*INIT, env=logged)
        host.ok("bridge", "remove", "dnet0")
    lines = log.read_text().splitlines()
    _journal, commit, *_ = (at for at, line in enumerate(lines, 1) if line == "before file rename")
    ends = (at for at, line in enumerate(lines[:commit], 1) if line == "after answer waitpid")
    return Passed(max(ends), commit)


def test_what_fails_afterwards_takes_it_back(
    firewalld: Firewalld, host: Host, passed: Passed
) -> None:
    failing = {"DNET_POINT_AT": str(passed.commits), "DNET_POINT_DO": "ENOSPC"}
    done = host.dnet("-v", *INIT, env=failing)
    assert done.returncode == 1, done
    assert done.stderr.index(PUTS) < done.stderr.index(TAKES)
    assert "dnet0" not in firewalld.zones()


def test_what_is_killed_afterwards_is_taken_back_by_the_next(
    firewalld: Firewalld, host: Host, passed: Passed
) -> None:
    killing = {"DNET_POINT_AT": str(passed.joined), "DNET_POINT_DO": "kill"}
    assert host.dnet(*INIT, env=killing).returncode == -signal.SIGKILL
    assert firewalld.zones() == {"dnet0": "trusted"}
    host.ok("bridge", "init", "other")
    assert firewalld.zones() == {"other": "trusted"}


# --- not asked, not there, not answering ---------------------------------------------------


def test_only_what_concerns_a_bridge_asks(firewalld: Firewalld, ground: Ground) -> None:
    host = ground.host
    host.quiet(*INIT)
    for words in (
        ("ip", "request"),
        ("attach", "web", "--netns", ground.web.netns, "-p", "8080:80"),
        ("map", "add", "web", "81:80"),
        ("map", "add", "web", "81:80"),
        ("port", "allocate"),
        ("map", "remove", "81"),
        ("detach", "web"),
    ):
        assert "busctl" not in observed.on(host, *words).programs, words
    assert "busctl" in observed.on(host, "check").programs
    assert firewalld.zones() == {"dnet0": "trusted"}


def test_where_it_does_not_run_the_bus_is_asked_once(lab: Lab, tmp_path: Path) -> None:
    host = lab.host()
    assert "busctl" not in observed.on(host, *INIT).programs
    with firewalls.opened(host, tmp_path):
        assert observed.on(host, *INIT).programs.count("busctl") == 1
    assert "busctl" not in observed.on(host, "bridge", "remove", "dnet0").programs


def test_one_of_another_network_namespace_is_not_asked(
    firewalld: Firewalld, shared_lab: Lab
) -> None:
    other = shared_lab.host()
    other.env["DBUS_SYSTEM_BUS_ADDRESS"] = firewalld.host.env["DBUS_SYSTEM_BUS_ADDRESS"]
    other.quiet(*INIT)
    other.quiet("check")
    assert "dnet0" not in firewalld.zones()


def test_one_that_hangs_merits_a_warning(firewalld: Firewalld, host: Host) -> None:
    with processes.stopped(firewalld.pid):
        done = host.dnet(*INIT)
    assert done.returncode == 0, done
    assert done.stderr.splitlines()[0] == (
        "dnet: warning: firewalld: no answer within 3 seconds; once it answers again: dnet restore"
    )
    host.ok("restore")
    assert firewalld.zones() == {"dnet0": "trusted"}


def test_one_that_refuses_merits_a_warning(
    firewalld: Firewalld, host: Host, tmp_path: Path
) -> None:
    busctl = tmp_path / "busctl"
    busctl.write_text(LOCKED_DOWN.format(real=host.run("command -v busctl").strip()))
    busctl.chmod(0o755)
    done = host.dnet(*INIT, env={"PATH": f"{tmp_path}:{host.env['PATH']}"})
    assert done.returncode == 0, done
    refused = "firewalld refused addInterface trusted dnet0: ACCESS_DENIED: lockdown is enabled"
    assert done.stderr.splitlines()[0] == f"dnet: warning: {refused}"
    assert MISSING in host.dnet("check").stdout.splitlines()
    assert "dnet0" not in firewalld.zones()
