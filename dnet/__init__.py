"""Docker's original network driver as plain shell commands, without a daemon."""

from __future__ import annotations

__version__ = "0.1.0"

STATE_DIR = "/var/lib/dnet"
"""Where the store is, unless somebody says otherwise."""
