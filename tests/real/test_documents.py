"""The sessions of the documents, each typed in as it stands on a fresh machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import clients, documents, session
from tests.lab import Lab

DOCS = Path(__file__).parents[2] / "docs"
RECIPES = documents.sections((DOCS / "recipes.md").read_text())


@pytest.mark.parametrize("title", RECIPES)
def test_a_recipe_shows_what_comes(lab: Lab, tmp_path: Path, title: str) -> None:
    if missing := documents.missing(RECIPES[title]):
        pytest.skip(f"not installed: {' '.join(missing)}")
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    shown, came = documents.play(host, RECIPES[title], tmp_path)
    assert came == shown


TROUBLES = documents.sections((DOCS / "troubleshooting.md").read_text())


@pytest.mark.parametrize("title", TROUBLES)
def test_a_trouble_shows_what_comes(lab: Lab, tmp_path: Path, title: str) -> None:
    usual = "unset DNET_STATE_DIR"
    shown, came = documents.play(lab.host(), TROUBLES[title], tmp_path, usual)
    assert came == shown


@pytest.mark.parametrize("name", ["no-answer", "tutorial", "scripts", "hosts"])
def test_what_is_told_from_beginning_to_end(lab: Lab, tmp_path: Path, name: str) -> None:
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    told = documents.blocks((DOCS / f"{name}.md").read_text())
    shown, came = documents.play(host, told, tmp_path)
    assert came == shown


_BEFORE = {
    "podman": clients.WORLD,
    clients.PODMAN5: clients.NEWER,
    "containerd": clients.CONTAINERD_WORLD,
    "systemctl": clients.SYSTEMD_WORLD,
}
RUNTIMES = documents.sections((DOCS / "runtimes.md").read_text())


@pytest.mark.runtimes
@pytest.mark.parametrize("title", RUNTIMES)
def test_a_runtime_shows_what_comes(lab: Lab, tmp_path: Path, title: str) -> None:
    told = RUNTIMES[title]
    clients.need(*dict.fromkeys(name for block in told for name in block.needs))
    needs = {name for block in told for name in block.needs}
    runtime = next((name for name in _BEFORE if name in needs), "")
    clients.make_image(tmp_path, f"Hello from {runtime.rstrip('5')}")
    before = _BEFORE.get(runtime, "")
    world = clients.newer_world(tmp_path) if runtime == clients.PODMAN5 else session.WORLD
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    shown, came = documents.play(host, told, tmp_path, before, world)
    assert came == shown


def test_the_restrictions_do_what_the_document_says(lab: Lab, tmp_path: Path) -> None:
    told = documents.blocks((DOCS / "security.md").read_text())
    shown, came = documents.play(lab.host(), told, tmp_path)
    assert came == shown


def test_what_a_python_program_does(lab: Lab, tmp_path: Path) -> None:
    told = documents.blocks((DOCS / "python.md").read_text())
    shown, came = documents.play(lab.host(), told, tmp_path)
    assert came == shown
