"""What the Container Network Interface has a number for."""

from __future__ import annotations

from dnet.errors import UsageError

# The specification's numbers of errors; from 100 on they are a plugin's own.
OTHER_VERSION, UNSUPPORTED, UNKNOWN_CONTAINER, BAD_VARIABLE = 1, 2, 3, 4
UNDECODABLE, BAD_CONFIG, AGAIN, UNAVAILABLE, OWN = 6, 7, 11, 50, 100


class ProtocolError(UsageError):
    """An error with its number."""

    def __init__(self, number: int, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint)
        self.number = number
