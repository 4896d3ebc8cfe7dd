"""Docker's original network driver as plain shell commands, without a daemon."""

__version__ = "0.1.0"
