"""The console script, and `python -m dnet`."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run dnet with the arguments of the process."""
    gc.disable()  # A command, its imports included, has ended before garbage is worth looking for.
    from dnet.cli.main import main

    main()


if __name__ == "__main__":
    main()
