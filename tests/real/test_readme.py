"""The README's sessions, typed in as they stand: every answer in it is the one that comes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.host import Host
from tests.session import play, type_in

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(console|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def save(script: str, folder: Path) -> None:
    """Write a script under the name that its second line gives it."""
    name = re.search(r"^# (\S+):", script, re.MULTILINE)
    assert name, script
    (folder / name[1]).write_text(script)


def test_the_readme_shows_what_comes(host: Host, tmp_path: Path) -> None:
    expected = ""
    for kind, text in BLOCK.findall(README.read_text()):
        if kind == "bash":
            save(text, tmp_path)
        elif "jq" not in text or shutil.which("jq"):
            expected += text
    assert "$ dnet attach" in expected
    assert play(host, tmp_path, [type_in(expected)]) == [expected]
