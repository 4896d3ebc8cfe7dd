"""What a command may load, and that it starts no other program without need.

Start-up is most of what a command costs. What changes the kernel is looked at in
tests/real/test_processes.py.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dnet.network import interface, ipallocator, link, portallocator, portmapper
from dnet.store import document
from tests import observed
from tests.observed import Observed
from tests.unit.facts import FACTS, specs, with_bridge

# Each takes as long to load as a good part of everything else.
HEAVY = {"asyncio", "ctypes", "email", "importlib.metadata", "logging", "netaddr"}
HEAVY |= {"rich", "socket", "subprocess", "tempfile", "unittest", "urllib"}
CLICKS = {"enum", "json", "re", "typing"}  # Which Click loads as well.


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with a store in which there is one of everything."""
    state = with_bridge()
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80"))
    portallocator.allocate(state, FACTS)
    link.add(state, FACTS, parent="web", child="db")
    ipallocator.request(state, FACTS, ip="172.17.0.9")
    (tmp_path / "state.json").write_bytes(document.write(state))
    return tmp_path


def packages(seen: Observed) -> set[str]:
    """What was loaded that comes with neither Python nor dnet."""
    tops = {name.partition(".")[0] for name in seen.modules}
    return {top for top in tops - sys.stdlib_module_names if not top.startswith("_")} - {"dnet"}


READING = [
    ["--version"],
    ["--help"],
    ["map", "--help"],
    ["map", "add", "--help"],
    ["bridge", "list"],
    ["bridge", "show"],
    ["ip", "list"],
    ["ip", "list", "--available", "-q"],
    ["interface", "list", "--json"],
    ["interface", "show", "web"],
    ["port", "list"],
    ["map", "list", "--json"],
    ["map", "list", "web", "-q"],
    ["link", "list"],
    ["link", "env", "web"],
    ["host", "list"],
    ["completion", "bash"],
    ["show"],
    ["show", "--format", "dot"],
    ["show", "web", "--format", "hosts"],
    ["show", "--format", "batch"],
    ["port", "list", "8080"],
]
ALLOCATING = [
    ["ip", "request"],
    ["ip", "request", "--count", "3", "--json"],
    ["ip", "release", "172.17.0.9"],
    ["interface", "allocate", "new"],
    ["port", "allocate"],
    ["port", "release", "49153"],
]


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_reading_loads_little_and_starts_nothing(store: Path, words: list[str]) -> None:
    seen = observed.with_store(store, *words)
    assert packages(seen) == ({"click"} if "--help" in words else set())
    assert not seen.modules & (HEAVY if "--help" in words else HEAVY | CLICKS)
    assert (
        not {"dnet.transaction.driver", "dnet.host.kernel", "dnet.firewall.iptables.rules"}
        & seen.modules
    )
    assert (seen.programs, seen.locks) == ([], 0)


@pytest.mark.parametrize("words", ALLOCATING, ids=" ".join)
def test_allocating_loads_little_more_and_starts_nothing(store: Path, words: list[str]) -> None:
    seen = observed.with_store(store, *words)
    assert packages(seen) == set()
    assert not seen.modules & (HEAVY | CLICKS)
    assert (
        not {"dnet.host.netlink", "dnet.plan.planner", "dnet.host.firewall.iptables"} & seen.modules
    )
    assert (seen.programs, seen.locks) == ([], 1)


@pytest.mark.parametrize("words", [["--version"], ["--help"]], ids=" ".join)
def test_no_command_is_loaded_that_does_not_run(store: Path, words: list[str]) -> None:
    seen = observed.with_store(store, *words)
    own = {name for name in seen.modules if name.startswith("dnet.")}
    assert own <= {
        *("dnet.cli", "dnet.cli.main", "dnet.cli.define", "dnet.cli.plain"),
        *("dnet.cli.tree", "dnet.errors", "dnet.typing"),
    }


def test_a_completion_script_is_read_and_nothing_else(store: Path) -> None:
    seen = observed.with_store(store, "completion", "fish")
    own = {name.removeprefix("dnet.cli.") for name in seen.modules if name.startswith("dnet.")}
    assert own <= {
        *("dnet.cli", "main", "define", "plain", "session", "output", "output.document"),
        *("output.render", "commands", "commands.completion", "dnet.errors", "dnet.typing"),
    }


@pytest.mark.parametrize(
    ("words", "module"),
    [(["ip", "list"], "dnet.cli.commands.ip"), (["map", "list"], "dnet.cli.commands.map")],
)
def test_one_group_of_commands_is_loaded(store: Path, words: list[str], module: str) -> None:
    groups = {
        f"dnet.cli.commands.{name}" for name in ("bridge", "interface", "ip", "link", "map", "port")
    }
    seen = observed.with_store(store, *words)
    assert groups & seen.modules == {module}
    assert "ipaddress" not in seen.modules


def test_asking_etcd_loads_no_library_for_it() -> None:
    """Nor those of names, regular expressions and JSON that its answers could be read with."""
    asked = (
        "from dnet.registry.door import open_registry\n"
        "from dnet.errors import StoreUnreachableError\n"
        "try:\n    open_registry('etcd://127.0.0.1:1/x').read()\n"
        "except StoreUnreachableError:\n    import sys; print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", asked],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "dnet.registry.etcd" in loaded
    assert not {*HEAVY, "ssl", "re", "json", "ipaddress", "encodings.idna", "base64"} & {*loaded}
