"""`dnet plugin`: programs where runtimes look for them, and files that tell runtimes of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.host import Host
from tests.lab import Lab
from tests.libcni import Attachment
from tests.node import Node
from tests.runtimes import one_document


@pytest.fixture
def web(lab: Lab) -> Node:
    return lab.node()


def test_installed_twice(host: Host, tmp_path: Path) -> None:
    words = [
        "plugin",
        "install",
        "--cni",
        f"{tmp_path}/a/cni",
        "--netavark",
        f"{tmp_path}/netavark",
    ]
    words += ["--hooks", f"{tmp_path}/hooks"]
    paths = [tmp_path / "a/cni/dnet", tmp_path / "netavark/dnet", tmp_path / "hooks/50-dnet.json"]
    for _ in range(2):
        assert host.ok(*words).splitlines() == list(map(str, paths))
    assert [Path(os.readlink(path)).name for path in paths[:2]] == ["dnet-cni", "dnet-netavark"]
    assert json.loads(paths[2].read_text()) == host.json("plugin", "config", "oci")
    assert not list(tmp_path.rglob("*.new"))


def test_another_s_is_left_alone(host: Host, tmp_path: Path) -> None:
    (tmp_path / "dnet").write_text("another's")
    words = ["plugin", "install", "--netavark", f"{tmp_path}/n", "--cni", str(tmp_path)]
    refusal = host.fails(4, *words, code="conflict")
    assert str(tmp_path / "dnet") in refusal.message
    assert not (tmp_path / "n").exists()
    host.ok(*words, "--force")
    assert (tmp_path / "dnet").is_symlink()


def test_a_hook_that_was_changed_is_left_alone(host: Host, tmp_path: Path) -> None:
    host.ok("plugin", "install", "--hooks", str(tmp_path))
    file = tmp_path / "50-dnet.json"
    file.write_text(file.read_text().replace("65535", "9999"))
    host.fails(4, "plugin", "install", "--hooks", str(tmp_path))
    assert "9999" in file.read_text()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_can_write_to_is_refused(
    host: Host, tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "cni"
    folder.mkdir()
    folder.chmod(mode)
    assert (
        "users other than root" in host.fails(4, "plugin", "install", "--cni", str(folder)).message
    )
    assert list(folder.iterdir()) == []
    host.ok("plugin", "install", "--cni", str(folder), "--force")


def test_a_folder_in_one_of_somebody_else_s_is_refused(host: Host, tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    host.fails(4, "plugin", "install", "--cni", f"{tmp_path}/cni")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_installs_nothing(host: Host, tmp_path: Path) -> None:
    shown = host.ok("plugin", "install", "--cni", str(tmp_path), "--dry-run")
    assert shown.startswith("ln -s /")
    assert list(tmp_path.iterdir()) == []


def test_nowhere_is_refused(host: Host) -> None:
    host.fails(2, "plugin", "install")


def test_a_network_of_cni_works(host: Host, web: Node) -> None:
    found = host.json("plugin", "config", "cni", "--bridge", "lab0")
    (plugin,) = found["plugins"]
    assert json.loads(host.ok("plugin", "config", "cni", "--bridge", "lab0")) == found
    document = {**plugin, "cniVersion": found["cniVersion"], "name": found["name"]}
    env = Attachment("web", str(web.path)).environment("ADD")
    one_document(host.program("dnet-cni", stdin=json.dumps(document), env=env))
    assert host.keys("interface", "list") == ["web"]
    assert host.keys("bridge", "list") == ["lab0"]


def test_a_hook_works(host: Host, web: Node) -> None:
    host.ok("bridge", "init", "lab0")
    hook: Any = host.json("plugin", "config", "oci", "--bridge", "lab0")["hook"]
    with web.started("sleep", "600") as process:
        state = {"id": "web", "status": "creating", "pid": process.pid}
        done = host.try_run(
            *("env", "-i", hook["path"], *hook["args"][1:]), stdin=json.dumps(state)
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        process.kill()
    assert host.keys("interface", "list", "--origin", "oci:lab0") == ["web"]


def test_podman_is_told_of_the_driver(host: Host) -> None:
    shown = host.ok("plugin", "config", "netavark", "--bridge", "lab0")
    assert f"--interface-name lab0 --opt state_dir={host.state_dir} dnet" in shown
    assert 'network_backend = "netavark"' in shown
