"""scripts/setup: the environments that it makes, and makes again where they are of no use."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "scripts/setup", "tests/constraints.txt", "tests/oldest.txt")
# In place of pip, which would need the network: it is refused, or makes what setup looks for.
PIP = """
import os, pathlib, sys
if "NO_NETWORK" in os.environ:
    sys.exit("no network")
dnet = pathlib.Path(sys.prefix, "bin/dnet")
dnet.touch()
dnet.chmod(0o755)
"""
# The distributions of an environment as the constraints name them.
LIST = """
from importlib.metadata import distributions
for one in distributions():
    print(f"{one.name}=={one.version}")
"""


class Checkout:
    """As much of a checkout as scripts/setup reads."""

    def __init__(self, folder: Path, pip: Path) -> None:
        self._folder, self._pip = folder, pip

    @property
    def _bin(self) -> Path:
        return self._folder / ".venv/bin"

    def set_up(self, **env: str) -> subprocess.CompletedProcess[str]:
        """What becomes of scripts/setup where its environment is first on PATH."""
        path = f"{self._bin}:{os.environ['PATH']}"
        return subprocess.run(
            [self._folder / "scripts/setup"],
            env={**os.environ, "PATH": path, "PYTHONPATH": str(self._pip), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    def works(self) -> bool:
        """Whether the environment is one, and of this place."""
        done = subprocess.run(
            [self._bin / "python3", "-c", "import sys; print(sys.prefix)"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout == f"{self._folder / '.venv'}\n"

    def copied(self, folder: Path) -> Checkout:
        """The same in another place, environment and all."""
        shutil.copytree(self._folder, folder, symlinks=True)
        return Checkout(folder, self._pip)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    pip = tmp_path / "fake/pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text(PIP)
    for name in FILES:
        (tmp_path / "first" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "first" / name)
    return Checkout(tmp_path / "first", pip.parent)


def test_what_failed_and_what_was_copied_is_made_again(checkout: Checkout, tmp_path: Path) -> None:
    done = checkout.set_up(NO_NETWORK="1")
    assert done.returncode == 1, done
    assert done.stderr.splitlines()[-1].startswith("setup: error: pip could not install")
    assert (done := checkout.set_up()).returncode == 0, done
    assert (checkout.set_up().stderr, checkout.works()) == ("", True)
    copy = checkout.copied(tmp_path / "copy")
    assert (done := copy.set_up()).returncode == 0, done
    assert (copy.works(), checkout.works()) == (True, True)


def test_all_that_is_installed_is_pinned() -> None:
    done = subprocess.run(
        [ROOT / ".venv/bin/python", "-I", "-c", LIST], capture_output=True, text=True, check=True
    )
    text = (ROOT / "tests/constraints.txt").read_text()
    pinned = {line.lower() for line in text.splitlines() if not line.startswith("#")}
    there = {line.lower() for line in done.stdout.splitlines() if not line.startswith("dnet==")}
    assert there == pinned
