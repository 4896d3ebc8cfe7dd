"""The manual pages' examples, typed in as they stand: every answer is the one that comes.

`UPDATE_GOLDEN=1` writes what comes into the sources; `scripts/generate` then makes the pages.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import pages
from tests.lab import Lab
from tests.session import play


@pytest.mark.parametrize("file", pages.FILES, ids=lambda file: file.name)
def test_the_page_shows_what_comes(lab: Lab, tmp_path: Path, file: Path) -> None:
    examples = pages.examples(file)
    host = lab.host(resolv_conf="nameserver 192.0.2.53\n")
    printed = play(host, tmp_path, [example.code for example in examples])
    if os.environ.get("UPDATE_GOLDEN"):
        pages.update(file, printed)
        return
    assert printed == [example.shown for example in examples]
