"""The console script, and `python -m dnet`: from here on, Ctrl-C ends it without a word."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # Loaded ten times as fast.
import gc
import os
import sys
from contextlib import suppress

from dnet.typing import NoReturn


def main() -> NoReturn:
    """Run dnet with the arguments of the process.

    Until something is changed, Ctrl-C ends it as it ends any other process: while the rest is
    loaded, which is most of the time, Python's own way would be a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # A command, its imports included, has ended before garbage is worth looking for.
    try:
        from dnet.cli.main import main

        main()
    except Exception as error:
        _end(error)


def _end(error: Exception) -> NoReturn:
    """End where dnet cannot be loaded, as where half of it is installed."""
    said = [f"dnet: error: {type(error).__name__}: {error}"]
    with suppress(Exception):
        from dnet.transaction.fault import known

        said = list(known(error, sys.argv[1:]).lines())
    with suppress(OSError):
        os.write(2, "".join(f"{line}\n" for line in said).encode(errors="backslashreplace"))
    os._exit(1)


if __name__ == "__main__":
    main()
