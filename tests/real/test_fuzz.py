"""Bad input of every kind: no traceback, a documented exit status, and nothing changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import figures
from tests.zygote import ROOT

# The kind of input of each part, and how many. Parts run side by side.
PARTS = [("lines", figures.amount(700, 2_500))] * figures.amount(1, 8)
PARTS += [("stores", figures.amount(100, 2_500))] * figures.amount(1, 2)
# Nothing else may be written to, no process but its own can be named, and no other network.
_ALONE = """
mount -t tmpfs tmpfs /run/netns && mount -t tmpfs tmpfs "$0" && mount -o remount,bind,ro / || exit
ip link set lo up && ip netns add one && ip netns add two && cd "$0" && exec "$@"
"""


@pytest.mark.parametrize(
    ("part", "kind", "count"), [(part, *one) for part, one in enumerate(PARTS)]
)
def test_bad_input(part: int, kind: str, count: int, variant_folders: Path, tmp_path: Path) -> None:
    seed = figures.SEED + part
    command = [sys.executable, "-m", "tests.fuzz", kind, str(count), str(seed)]
    alone = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    path = f"{variant_folders / 'nft'}:/usr/sbin:/usr/bin:/sbin:/bin"
    with figures.tally("fuzz", "inputs", "tracebacks, changes") as tally:
        done = subprocess.run(
            [*alone, "sh", "-c", _ALONE, str(tmp_path), *command],
            env={"PATH": path, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        tally.tried = count
        tally.wrong += json.loads(done.stdout)
