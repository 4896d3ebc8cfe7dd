"""The console script, and `python -m dnet`: from here on, Ctrl-C ends it without a word."""

from __future__ import annotations

import gc
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run dnet with the arguments of the process.

    Until something is changed, Ctrl-C ends it as it ends any other process: while the rest is
    loaded, which is most of the time, Python's own way would be a traceback.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # A command, its imports included, has ended before garbage is worth looking for.
    from dnet.cli.main import main

    main()


if __name__ == "__main__":
    main()
