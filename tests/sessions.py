"""The console sessions of a document, typed in as they stand: every answer must be the one shown.

A block marked `console` is a session: a line after `$ ` is a command, one after `> ` goes on with
it, and the rest is what comes. Further words of the mark name programs that it needs beside those
of the suite. A block marked `bash` is a file, saved first under the name in its second line.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.host import Host

_BLOCK = re.compile(r"^```(console|bash)\b([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Names of namespaces are nobody else's either, and end with the session.
_WORLD = "mount -t tmpfs tmpfs /run/netns && mount -t sysfs sysfs /sys && exec bash -c "
# Typed faster than by hand: a server that was just started may not listen yet.
_CURLRC = 'retry = 9\nretry-connrefused\nnoproxy = "*"\n'


class Block(NamedTuple):
    """A block of a document, and the programs that it needs."""

    kind: str
    needs: tuple[str, ...]
    text: str

    @property
    def missing(self) -> list[str]:
        """The programs that are not here."""
        return [name for name in self.needs if shutil.which(name) is None]


def blocks(text: str) -> list[Block]:
    """The sessions and files of a document, in their order."""
    found = _BLOCK.findall(text)
    return [Block(kind, tuple(needs.split()), inside) for kind, needs, inside in found]


def sections(text: str) -> dict[str, list[Block]]:
    """The same by the headings of second level they stand under, without those that have none."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    by_title = zip(parts[::2], map(blocks, parts[1::2]), strict=True)
    return {title: found for title, found in by_title if found}


def play(host: Host, told: Iterable[Block], folder: Path) -> None:
    """Type sessions in, one after the other, in `folder`, without those that need what is missing.

    What they show and what comes must be the same.
    """
    (folder / ".curlrc").write_text(_CURLRC)
    expected = ""
    for block in told:
        if block.kind == "bash":
            _save(block.text, folder)
        elif not block.missing:
            expected += block.text
    assert "$ " in expected
    code = f"cd {folder} && exec 2>&1\n{''.join(_typed(expected))}"
    env = {"HOME": str(folder), "DNET_STATE_DIR": str(folder / "state")}
    done = host.try_run("unshare", "--mount", "sh", "-c", _WORLD + shlex.quote(code), env=env)
    assert done.stdout == expected, done.stderr


def _typed(session: str) -> Iterator[str]:
    """Shell code that prints a session anew: each command as it stands, and what comes of it."""
    for command in re.findall(r"^\$ .*\n(?:> .*\n)*", session, re.MULTILINE):
        yield f"printf %s {shlex.quote(command)}\n{re.sub('^[$>] ', '', command, flags=re.M)}"


def _save(script: str, folder: Path) -> None:
    """Write a script under the name that its second line gives it."""
    name = re.search(r"^# (\S+):", script, re.MULTILINE)
    assert name, script
    (folder / name[1]).write_text(script)
