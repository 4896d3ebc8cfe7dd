"""What nobody foresaw: told on one line, and all that is known of it in a file for who mends it.

Loaded only where there is such a fault.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from dnet import __version__
from dnet.errors import DnetError
from dnet.store.fileerrors import unforeseen
from dnet.values.names import for_shell


def known(error: Exception, words: Sequence[str]) -> DnetError:
    """The error that a user reads; `words` is the command line that came to it."""
    if isinstance(error, DnetError):
        return error
    if isinstance(error, OSError):
        return unforeseen(error)
    return DnetError(_what(error), f"{_way_out(error)}; {_where(error, words)}")


def _what(error: Exception) -> str:
    name = type(error).__name__
    return f"internal error in dnet: {f'{name}: {error}' if str(error) else name}"


def _way_out(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "see whether memory is short: free -m, ulimit -v"
    if isinstance(error, ImportError):
        return "check that dnet is installed whole"
    return "report it to dnet's authors"


def _where(error: Exception, words: Sequence[str]) -> str:
    try:
        return f"they need the report in {_noted(error, words)}"
    except Exception as other:  # Whatever it is, the first one is to be told.
        return f"no report could be written ({other})"


def _noted(error: Exception, words: Sequence[str]) -> str:
    """The path of a new file with a report, for its owner alone to read. Raises OSError."""
    from tempfile import mkstemp

    report = _report(error, words).encode(errors="backslashreplace")
    descriptor, path = mkstemp(".txt", "dnet-fault-")
    try:
        with open(descriptor, "wb") as file:
            file.write(report)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)
        raise
    return path


def _report(error: Exception, words: Sequence[str]) -> str:
    from traceback import format_exception

    system = os.uname()
    lines = (
        f"dnet {__version__}",
        f"Python {sys.version}",
        f"{system.sysname} {system.release} {system.machine}",
        f"$ dnet {' '.join(map(for_shell, words))}",
    )
    return "".join((*(f"{line}\n" for line in lines), "\n", *format_exception(error)))
