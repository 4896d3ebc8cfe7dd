"""Calling a function of `dnet` inside a network namespace of a test."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.node import Node

ROOT = Path(__file__).parents[2]


def inside(
    node: Node, code: str, *, env: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> Any:
    """What `code` leaves in its variable `result`, having run in a process of its own.

    The result comes as JSON, so a tuple is a list. `prefix` is a command that runs Python.
    """
    program = f"import json\n{code}\nprint(json.dumps(result))"
    done = node.try_run(
        *prefix, sys.executable, "-c", program, env={"PYTHONPATH": str(ROOT), **(env or {})}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
