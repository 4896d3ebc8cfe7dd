"""What an end of a link may be called, but for the host itself."""

from __future__ import annotations

from dnet.values import address, names


def parse(text: str) -> str:
    """An interface id, or an address of IPv4, of a container of another host. Raises UsageError."""
    return address.parse(text) if names.reads_as_address(text) else names.interface_id(text)
