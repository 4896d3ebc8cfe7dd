"""Hints that can be pasted as they stand. Loaded only where there is an error."""

from __future__ import annotations

import re

from dnet.cli.define import COMMANDS
from dnet.errors import DnetError
from dnet.values.names import for_shell

_COMMAND = re.compile(rf"(?<![\w/.-])dnet (?=(?:{'|'.join(COMMANDS)})(?![\w-]))")


def for_store(error: DnetError, state_dir: str | None) -> DnetError:
    """The error, each command of its hint with the store that the command line named."""
    hint = error.hint if state_dir is not None else None
    if state_dir is None or hint is None:
        return error
    named = f"dnet --state-dir {for_shell(state_dir)} "
    return error.with_hint(_COMMAND.sub(lambda _: named, hint))
