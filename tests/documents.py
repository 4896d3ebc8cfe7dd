"""The sessions of a document in Markdown: what it shows must be what comes.

A block marked `console` is a session; further words of its mark name the programs that it needs
beside those of the suite. A block marked `bash` or `python` is a file, under the name in the first
comment of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from dnet.store.lock import held
from tests import clients, session
from tests.host import Host

_BLOCK = re.compile(r"^```(console|bash|python)\b([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Typed faster than by hand: a server that was just started may not listen yet.
_CURLRC = 'retry = 30\nretry-delay = 1\nretry-connrefused\nnoproxy = "*"\n'


class Block(NamedTuple):
    """A block of a document, and the programs that it needs."""

    kind: str
    needs: tuple[str, ...]
    text: str


def blocks(text: str) -> list[Block]:
    """The sessions and files of a document, in their order."""
    found = _BLOCK.findall(text)
    return [Block(kind, tuple(needs.split()), inside) for kind, needs, inside in found]


def sections(text: str) -> dict[str, list[Block]]:
    """The same by the headings of second level they stand under, without those that have none."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)[1:]
    by_title = zip(parts[::2], map(blocks, parts[1::2]), strict=True)
    return {title: found for title, found in by_title if found}


def missing(told: Sequence[Block]) -> list[str]:
    """The programs that blocks need and that are not here."""
    needs = dict.fromkeys(name for block in told for name in block.needs)
    return [name for name in needs if not clients.is_here(name)]


def play(
    host: Host, told: Sequence[Block], folder: Path, before: str = "", world: str = session.WORLD
) -> tuple[str, str]:
    """Type sessions in, in one shell: what they show, and what came.

    `before` is shell code that stands ahead of them, unseen. Without those that need a program
    that is not here.
    """
    (Path(host.env["HOME"]) / ".curlrc").write_text(_CURLRC)
    for block in told:
        if block.kind in ("bash", "python"):
            _save(block.text, folder)
    shown = [block.text for block in told if block.kind == "console" and not missing([block])]
    with ExitStack() as alone:
        if any("runc" in block.needs for block in told):
            # A container of runc has its name in the cgroups of the whole machine.
            alone.enter_context(held("/run/dnet-tests-runc.lock", 300))
        code = [f"{{ {before}\n}} >/dev/null\n"] if before else []
        came = session.play(host, folder, [*code, *map(session.type_in, shown)], world)
    return "".join(shown), "".join(came)


def _save(script: str, folder: Path) -> None:
    """Write a script under the name that its first comment gives it."""
    name = re.search(r"^# (\S+):", script, re.MULTILINE)
    assert name, script
    (folder / name[1]).write_text(script)
    (folder / name[1]).chmod(0o755)
