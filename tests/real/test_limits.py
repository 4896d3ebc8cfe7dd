"""A test that hangs or is skipped is told by its name, and the others go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HANGING = """
import os, signal, subprocess, time
import pytest

def test_hangs():
    time.sleep(1000)

@pytest.fixture
def endless():
    yield
    time.sleep(1000)

def test_fails_and_its_teardown_hangs(endless):
    assert False

def test_leaves_a_stopped_agent_behind(lab):
    node = lab.node()
    node.listen("tcp", 80)
    os.kill(node.agent_pid, signal.SIGSTOP)
    assert False

def test_waits_for_a_child_that_is_stopped(lab):
    with lab.node().started("tail", "-f", __file__) as child:
        os.kill(child.pid, signal.SIGSTOP)
        assert False

def test_leaves_a_process_behind(lab):
    lab.node().run(f"exec >/dev/null 2>&1; tail -f {__file__} & kill -STOP $!")

def test_hangs_in_a_dnet(lab):
    with lab.node().started("tail", "-f", __file__):
        lab.host().dnet("bridge", "init", env={"PATH": slow_tools(lab.folder)})

def slow_tools(folder):
    (folder / "iptables-save").write_text("#!/bin/sh\\nkill -STOP $PPID $$\\n")
    (folder / "iptables-save").chmod(0o755)
    for name in ("iptables", "iptables-restore"):
        (folder / name).symlink_to(folder / "iptables-save")
    return f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"

@pytest.mark.parametrize("number", range(4))
def test_goes_on(number, lab):
    assert lab.node().path.exists()
"""


def run(file: Path, *options: str, env: dict[str, str] | None = None) -> str:
    """What pytest says of the tests of a file, with the fixtures and limits of this suite."""
    config = ["-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *config, *options, str(file)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_a_test_that_hangs_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    file = tmp_path / "test_hanging.py"
    file.write_text(HANGING)
    said = run(file, "-n", "2", "--timeout", "6", "-o", "faulthandler_timeout=20")
    failed = dict(re.findall(r"^FAILED \S*::(\w+)(?: - (.*))?$", said, re.MULTILINE))
    assert "Timeout" in failed.pop("test_hangs"), said
    assert "Timeout" in failed.pop("test_hangs_in_a_dnet"), said
    assert failed.keys() == {
        "test_fails_and_its_teardown_hangs",
        "test_leaves_a_stopped_agent_behind",
        "test_waits_for_a_child_that_is_stopped",
    }, said
    assert "5 passed" in said
    left = subprocess.run(["pgrep", "-f", str(file)], capture_output=True, check=False)
    assert left.returncode == 1


@pytest.mark.parametrize(("required", "outcome"), [("1", "FAILED"), ("", "SKIPPED")])
def test_a_skip_is_a_failure_where_real_tests_are_required(
    tmp_path: Path, required: str, outcome: str
) -> None:
    file = tmp_path / "test_skipped.py"
    file.write_text(
        "import pytest\n"
        "pytestmark = pytest.mark.real\n"
        "def test_skipped(): pytest.skip('no kernel')\n"
        "def test_failed(): assert False\n"
    )
    said = run(file, env={"DNET_REQUIRE_REAL": required})
    assert re.search(rf"^{outcome} .*no kernel", said, re.MULTILINE), said
