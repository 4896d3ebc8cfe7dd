"""The demonstration, as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "scripts" / "demo"


def begin(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(DEMO)],
        env={**os.environ, "TMPDIR": str(folder), "DNET_STATE_DIR": "/nowhere"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(
    not (ROOT / ".venv/bin/dnet").exists(), reason="scripts/setup has not been run in this checkout"
)
def test_two_at_once_succeed_and_leave_nothing(tmp_path: Path) -> None:
    names = ("outside", "web", "db")
    before = [Path("/run/netns", name).exists() for name in names]
    demos = [begin(tmp_path), begin(tmp_path)]
    for demo in demos:
        output, errors = demo.communicate(timeout=300)
        assert demo.returncode == 0, output + errors
        assert "This is web. You are 192.0.2.9." in output
        assert output.splitlines()[-1].startswith("demo: ok")
        assert errors == ""
    assert list(tmp_path.iterdir()) == []
    assert [Path("/run/netns", name).exists() for name in names] == before
