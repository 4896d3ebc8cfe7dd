"""The host's end of an interface's veth pair."""

from __future__ import annotations

from dnet.values.names import digest


def veth_name(interface_id: str) -> str:
    """Its name: 14 bytes that follow from the id."""
    return f"veth{digest(interface_id)}"


def ifb_name(interface_id: str) -> str:
    """The name of the device that what it sends goes by, where that is limited."""
    return f"ifb{digest(interface_id)}"


def ifb_beside(name: str) -> str:
    """The same by the name of the host's end."""
    return f"ifb{name.removeprefix('veth')}"


def is_veth_name(name: str) -> bool:
    """Whether `veth_name` may have made a name."""
    start, rest = name[:4], name[4:]
    return start == "veth" and len(rest) == 10 and set("0123456789abcdef").issuperset(rest)
