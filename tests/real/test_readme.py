"""The README's sessions, typed in as they stand: every answer in it is the one that comes."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from tests.host import Host

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(console|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Names of namespaces are nobody else's either, and end with the session.
WORLD = "mount -t tmpfs tmpfs /run/netns && mount -t sysfs sysfs /sys && exec bash -c "


def type_in(session: str) -> str:
    """Shell code that prints a session anew: each command line, and what comes of it."""
    commands = [line for line in session.splitlines() if line.startswith("$ ")]
    return "".join(f"printf '%s\\n' {shlex.quote(one)}\n{one[2:]}\n" for one in commands)


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
    code = f"cd {tmp_path} && exec 2>&1\n{type_in(expected)}"
    done = host.try_run("unshare", "--mount", "sh", "-c", WORLD + shlex.quote(code))
    assert done.stdout == expected, done.stderr
