"""Where a process may open few files: it says so, changes nothing, and takes nothing for gone."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host, read_refusal
from tests.lab import Lab

# The interpreter itself cannot start with less.
LEAST, ENOUGH = 6, 32
SHORT = "too many files open"
COMMANDS = (
    "attach new --netns NODE -p 80 --link web",
    "detach web",
    "map add db 8081:80",
    "bridge init dnet1 --no-icc",
    "check",
    "restore",
    "gc",
    "ip request",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_few_files(host: Host, lab: Lab, command: str) -> None:
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    for name in ("web", "db"):
        host.ok("attach", name, "--netns", lab.node().netns, "--expose", "80")
    words = command.replace("NODE", lab.node().netns)
    before = host.everything()
    refused = 0
    for most in range(LEAST, ENOUGH):
        done = host.try_run("sh", "-c", f"ulimit -n {most}; exec dnet {words}")
        if done.returncode == 0:
            break
        refusal = read_refusal(done)
        assert (refusal.status, SHORT in refusal.message) == (STATUS["failed"], True), done
        assert "ulimit -n" in str(refusal.hint)
        assert host.everything() == before
        refused += 1
    assert refused
    assert done.returncode == 0
    host.quiet("check")
