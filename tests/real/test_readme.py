"""The README's sessions, typed in as they stand: every answer in it is the one that comes."""

from __future__ import annotations

from pathlib import Path

from tests import documents
from tests.lab import Lab

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_what_comes(lab: Lab, tmp_path: Path) -> None:
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    shown, came = documents.play(host, documents.blocks(README.read_text()), tmp_path)
    assert came == shown
    assert "$ dnet attach" in shown
