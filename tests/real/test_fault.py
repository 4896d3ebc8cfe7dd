"""A fault of dnet's own: one line, a report in a file, and nothing that is left half done."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from dnet import __version__
from tests import conntrack
from tests.contract import STATUS
from tests.host import Host, Refusal, read_refusal
from tests.lab import Lab
from tests.node import Completed

# What goes wrong, once: `raise_` is called with the place that it is wrapped around.
_PROGRAM = """
import sys
sys.argv = ["dnet", *{words!r}]
left = 1

def wrap(owner, name, first):
    real = getattr(owner, name)
    def wrapped(*arguments, **named):
        global left
        if first and left:
            left -= 1
            fail()
        result = real(*arguments, **named)
        if not first and left:
            left -= 1
            fail()
        return result
    setattr(owner, name, wrapped)

def fail():
    {fails}

{place}
from dnet.__main__ import main
main()
"""
FAILS = {
    "KeyError": "raise KeyError('x')",
    "AssertionError": "assert False",
    "MemoryError": "raise MemoryError",
    "RecursionError": "fail()",
    "ValueError": "raise ValueError('one\\x1b[2J\\ntwo')",
}
# Before and after the kernel has been changed, while the store is committed, and with the answer.
PLACES = {
    "deciding": "from dnet.network import portmapper; wrap(portmapper, 'add_one', True)",
    "devices": "from dnet.host.netlink import Netlink; wrap(Netlink, '_configure_inside', True)",
    "rules": "from dnet.host.firewall.iptables import Rules; wrap(Rules, 'apply', True)",
    "applied": "from dnet.host.kernel import Kernel; wrap(Kernel, 'apply', False)",
    "committing": "from dnet.store import atomic; wrap(atomic, 'keep_spare', True)",
}
REPORT = re.compile(r"they need the report in (/\S+)$")


def faulty(host: Host, place: str, fails: str, *words: str, setup: str = "") -> Completed:
    """A finished `dnet` in which something goes wrong."""
    program = _PROGRAM.format(words=list(words), fails=fails, place=f"{place}\n{setup}")
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(host.state_dir.parent)}
    done = host.try_run(sys.executable, "-c", program, env=env)
    assert "Traceback" not in done.stdout + done.stderr, done
    return done


def report_of(refusal: Refusal) -> str:
    """What is in the file that a hint names, which is for its owner alone."""
    found = REPORT.search(str(refusal.hint))
    assert found is not None, refusal
    path = Path(found[1])
    mode = path.lstat().st_mode
    assert (stat.S_ISREG(mode), stat.S_IMODE(mode)) == (True, 0o600)
    text = path.read_text()
    path.unlink()
    return text


@pytest.fixture
def web(host: Host) -> Host:
    """A machine with a bridge and an interface, and a folder for reports."""
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ok("interface", "allocate", "web")
    return host


@pytest.mark.parametrize("name", FAILS)
def test_it_is_told_on_one_line_and_noted_in_a_file(web: Host, name: str) -> None:
    before = web.everything()
    done = faulty(web, PLACES["deciding"], FAILS[name], "map", "add", "web", "8080:80")
    refusal = read_refusal(done)
    assert refusal.status == STATUS["failed"]
    assert name in refusal.message
    assert f"{refusal.message}{refusal.hint}".isprintable()
    report = report_of(refusal)
    assert report.startswith(f"dnet {__version__}\nPython {sys.version}\n")
    assert "\n$ dnet map add web 8080:80\n" in report
    assert "\nTraceback (most recent call last):\n" in report
    assert f"\n{name}" in report
    assert web.everything() == before


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fails", ["KeyError", "MemoryError"])
def test_what_is_half_done_is_undone(web: Host, lab: Lab, place: str, fails: str) -> None:
    before = web.everything()
    words = ("attach", "web", "--netns", lab.node().netns, "-p", "8080:80")
    refusal = read_refusal(faulty(web, PLACES[place], FAILS[fails], *words))
    assert refusal.status == STATUS["failed"]
    report_of(refusal)
    assert web.everything() == before
    web.quiet("check")
    assert web.ok(*words) == "172.17.0.2"


def test_where_undoing_fails_by_a_fault_as_well_the_next_command_does_it(web: Host) -> None:
    before = web.snapshot()
    twice = PLACES["applied"].replace("wrap", "left = 2; wrap")
    done = faulty(web, twice, FAILS["KeyError"], "map", "add", "web", "8080:80")
    warning, *rest = done.stderr.splitlines(keepends=True)
    assert (
        warning == "dnet: warning: could not undo everything ('x'); the next change tries again\n"
    )
    refusal = read_refusal(Completed(done.args, done.returncode, "", "".join(rest)))
    assert report_of(refusal).count("Traceback") == 2
    web.ok("ip", "request")
    web.quiet("check")
    assert web.snapshot() == before


def test_what_was_done_is_told_as_done(web: Host) -> None:
    place = "from dnet.cli.output import render; wrap(render, 'render', True)"
    done = faulty(web, place, FAILS["KeyError"], "map", "add", "web", "8080:80")
    refusal = read_refusal(done)
    assert str(refusal.hint).startswith("the command itself succeeded; ")
    assert web.keys("map", "list") == ["0.0.0.0:8080/tcp"]


_SENDS_AND_FAILS = (
    "import socket; sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
    " sender.sendto(b'x', ('127.0.0.1', 8080)); raise KeyError('x')"
)


def test_what_came_through_before_it_was_undone_goes_on_no_more(web: Host, lab: Lab) -> None:
    web.ok("attach", "web", "--netns", lab.node().netns)
    words = ("map", "add", "web", "8080:80/udp")
    read_refusal(faulty(web, PLACES["committing"], _SENDS_AND_FAILS, *words))
    assert not any("dport=8080" in line for line in web.within(conntrack.listing))
    # What this is worth: that it is tracked as long as the mapping stays.
    web.ok(*words)
    web.run(f'{sys.executable} -c "{_SENDS_AND_FAILS.partition(" raise")[0]}"')
    assert any("dport=8080" in line for line in web.within(conntrack.listing))


def test_as_json(web: Host) -> None:
    done = faulty(web, PLACES["deciding"], FAILS["ValueError"], "map", "add", "web", "80", "--json")
    refusal = read_refusal(done)
    assert (refusal.status, refusal.code) == (1, "failed")
    report_of(refusal)


def test_a_list_that_fails_in_its_middle(web: Host) -> None:
    place = "from dnet.cli.output import views; wrap(views, 'taken_address', True)"
    refusal = read_refusal(faulty(web, place, FAILS["KeyError"], "ip", "list", "--available"))
    report_of(refusal)


def test_a_line_of_a_dialogue_that_fails_is_answered_and_the_next_is_read(web: Host) -> None:
    lines = web.state_dir.parent / "lines"
    lines.write_text("map add web 80\nmap add web 81\n")
    done = faulty(web, PLACES["applied"], FAILS["KeyError"], "batch", "--each", str(lines))
    failed, made = done.stdout.splitlines()
    assert failed.startswith("error: failed: internal error in dnet: KeyError")
    assert made == "0.0.0.0:49153/tcp"
    assert done.returncode == 0
    web.quiet("check")
    (report,) = web.state_dir.parent.glob("dnet-fault-*")
    assert "\n$ dnet batch --each map add web 80\n" in report.read_text()


@pytest.mark.parametrize("options", [[], ["--keep-going"]])
def test_a_line_of_a_batch_that_fails_undoes_the_whole(web: Host, options: list[str]) -> None:
    lines = web.state_dir.parent / "lines"
    lines.write_text("ip request\nmap add web 80\nip request\n")
    before = web.everything()
    words = ("batch", str(lines), *options)
    report_of(read_refusal(faulty(web, PLACES["deciding"], FAILS["KeyError"], *words)))
    assert web.everything() == before


def test_where_no_report_can_be_written(web: Host) -> None:
    full = """
import os, tempfile
real = tempfile.mkstemp
def mkstemp(*arguments):
    descriptor, path = real(*arguments)
    os.close(descriptor)
    return os.open("/dev/full", os.O_WRONLY), path
tempfile.mkstemp = mkstemp
"""
    words = ("map", "add", "web", "80")
    refusal = read_refusal(faulty(web, PLACES["deciding"], FAILS["KeyError"], *words, setup=full))
    assert "no report could be written ([Errno 28] No space left on device)" in str(refusal.hint)
    assert list(web.state_dir.parent.glob("dnet-fault-*")) == []


def test_where_dnet_is_installed_by_half(web: Host) -> None:
    place = "sys.modules['click'] = None"
    refusal = read_refusal(faulty(web, place, "pass", "map", "list", "--help"))
    assert refusal.status == STATUS["failed"]
    assert "click" in refusal.message
    assert "check that dnet is installed whole" in str(refusal.hint)


def test_where_not_even_the_report_can_be_thought_of(web: Host) -> None:
    place = "sys.modules['dnet.cli.main'] = sys.modules['dnet.transaction.fault'] = None"
    refusal = read_refusal(faulty(web, place, "pass", "map", "list"))
    assert (refusal.status, refusal.hint) == (STATUS["failed"], None)


def test_the_module_as_well_as_the_command(web: Host) -> None:
    words = [sys.executable, "-m", "dnet", "map", "list", "--help"]
    (web.state_dir.parent / "click.py").write_text("1 / 0")
    env = {"PYTHONPATH": str(web.state_dir.parent), "TMPDIR": str(web.state_dir.parent)}
    refusal = read_refusal(web.try_run(*words, env=env))
    assert "ZeroDivisionError" in report_of(refusal)
