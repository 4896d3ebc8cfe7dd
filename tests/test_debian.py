"""The Debian package names what pyproject.toml does, and the tables for newcomers real commands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from dnet import __version__
from generate.tree import Node, walk

ROOT = Path(__file__).parents[1]
CONTROL = (ROOT / "debian/control").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("wanted", [*PROJECT["dependencies"], f"{PROJECT['requires-python']}"])
def test_the_package_depends_on_what_dnet_does(wanted: str) -> None:
    name, version = wanted.split(">=")
    package = f"python3-{name}" if name else "python3"
    assert f" {package} (>= {version}),\n" in CONTROL


def test_its_version_is_that_of_dnet() -> None:
    first = (ROOT / "debian/changelog").read_text().partition("\n")[0]
    assert re.match(r"dnet \((.*)\) ", first)[1] == __version__  # type: ignore[index]


def test_who_maintains_it_is_said_in_one_place() -> None:
    maintainer = re.search("^Maintainer: (.*)$", CONTROL, re.MULTILINE)
    signed = re.findall("^ -- (.*)  ", (ROOT / "debian/changelog").read_text(), re.MULTILINE)
    assert maintainer
    assert signed[0] == maintainer[1]


def typed() -> list[str]:
    """What docs/from-docker.md says to type, without the word dnet."""
    text = (ROOT / "docs/from-docker.md").read_text()
    rows = re.findall(r"^\| .* \| (.*) \|$", text, re.MULTILINE)
    found = [cell for row in rows for cell in re.findall("`([^`]+)`", row)]
    lines = [line.removeprefix("dnet ") for line in found if line != "DNET-USER"]
    return [line for line in lines if not line.startswith("--")]


@pytest.mark.parametrize("line", typed())
def test_what_is_to_be_typed_is_a_command_with_these_options(line: str) -> None:
    words = line.split()
    node = max((one for one in walk() if words[: len(one.path)] == list(one.path)), key=depth)
    assert not node.children, line
    known = {name for option in node.options for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known


def depth(node: Node) -> int:
    """How many words call it."""
    return len(node.path)
