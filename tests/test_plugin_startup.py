"""What a program loads that a container runtime calls; most of what a call costs is its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dnet.store import document
from tests.test_startup import CLICKS, HEAVY
from tests.unit.facts import with_bridge

_CODE = """
import os, sys
end = os._exit
def told(status):
    sys.stderr.write("\\n" + " ".join(sys.modules))
    sys.stderr.flush()
    end(status)
os._exit = told
from dnet.plugins.{module} import main
sys.argv = ["program", *sys.argv[1:]]
main()
"""


def loaded(module: str, *words: str, text: str = "", **env: str) -> set[str]:
    """The modules that a call loads, which has to succeed."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE.format(module=module), *words],
        input=text,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    return set(done.stderr.rpartition("\n")[2].split())


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with a store that has a bridge."""
    (tmp_path / "state.json").write_bytes(document.write(with_bridge()))
    return tmp_path


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("dnet.")}


GROUND = {"dnet.errors", "dnet.typing", "dnet.plugins", "dnet.values", "dnet.values.jsontext"}


def test_a_version_is_told_before_anything_of_dnet_is_loaded() -> None:
    seen = loaded("cni", text='{"cniVersion": "1.0.0"}', CNI_COMMAND="VERSION")
    modules = ("cni", "cnierrors", "frame")
    assert own(seen) == GROUND | {f"dnet.plugins.{one}" for one in modules}
    assert not seen & {"click", "rich", *HEAVY, *CLICKS}


def config(store: Path) -> str:
    return json.dumps({"cniVersion": "1.1.0", "name": "lab", "stateDir": str(store)})


CONTAINER = {"CNI_CONTAINERID": "gone", "CNI_IFNAME": "eth0"}
NOT_NEEDED = {"click", "rich", "dnet.host.netlink", "dnet.plan.planner", "dnet.network.bridge"}


def test_deleting_nothing_takes_no_lock_and_loads_little(store: Path) -> None:
    seen = loaded("cni", text=config(store), CNI_COMMAND="DEL", **CONTAINER)
    assert not seen & (NOT_NEEDED | HEAVY)
    assert not (store / "lock").exists()


def test_podman_s_driver_loads_as_little(store: Path) -> None:
    network = {"name": "lab", "options": {"state_dir": str(store)}}
    text = json.dumps({"container_id": "gone", "network": network})
    seen = loaded("netavark", "teardown", "/run/netns/x", text=text)
    assert not seen & (NOT_NEEDED | HEAVY)
    assert own(loaded("netavark", "info")) <= GROUND | {
        *("dnet.plugins.netavark", "dnet.plugins.frame"),
    }


def test_a_hook_for_nobody_loads_as_little(store: Path) -> None:
    text = json.dumps({"id": "gone", "status": "stopped"})
    seen = loaded("oci", "--state-dir", str(store), text=text)
    assert not seen & (NOT_NEEDED | HEAVY)
