"""The README's session, pasted as it stands: what it shows is what it prints."""

from __future__ import annotations

import re
from pathlib import Path

from tests import session
from tests.lab import Lab

README = Path(__file__).parents[2] / "README.md"
_SESSION = re.compile(r"^```sh session\n(.*?)^```$.*?^```text\n(.*?)^```$", re.M | re.S)


def test_the_session_prints_what_it_shows(lab: Lab, tmp_path: Path) -> None:
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    (found,) = _SESSION.findall(README.read_text())
    pasted, shown = found
    assert "\ndnet attach" in pasted
    assert session.play(host, tmp_path, [pasted]) == [shown]


def test_it_is_short() -> None:
    assert len(README.read_bytes()) <= 6_000
