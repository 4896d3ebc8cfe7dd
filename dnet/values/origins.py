"""How a command line names what container runtimes asked for."""

from __future__ import annotations

from dnet.errors import UsageError
from dnet.values.names import quoted

RUNTIMES = "cni", "netavark", "oci"


def parse(text: str) -> tuple[str, ...]:
    """`BY[:NETWORK[/CONTAINER[/IFNAME]]]`: the beginning of the key of an origin.

    Raises UsageError.
    """
    by, colon, rest = text.partition(":")
    if by not in RUNTIMES:
        raise UsageError(
            f"{quoted(text)}: unknown runtime {quoted(by)}", "use cni, netavark or oci"
        )
    parts = rest.split("/") if colon else []
    if not all(parts) or len(parts) > 3:
        raise UsageError(
            f"{quoted(text)} is not an origin", "write it like cni:lab or cni:lab/CONTAINER/eth0"
        )
    return by, *parts
