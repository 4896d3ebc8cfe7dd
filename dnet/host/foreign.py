"""Other people's firewalls: base chains that drop what dnet accepts.

A packet that one base chain accepts still goes through every other one of the hook
(nft(8), "Base chains"), so a chain of somebody else's with the policy drop has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dnet.host import messages

_FORWARD_HOOK = 2  # NF_INET_FORWARD, include/uapi/linux/netfilter.h
_DROP = 0  # NF_DROP
_FAMILIES = {1: "inet", 2: "ip"}  # NFPROTO_INET, NFPROTO_IPV4
_OWN = {"nft": ("ip", "filter", "FORWARD")}


def dropping(variant: str | None) -> list[str]:
    """The base chains of the forward hook, other than iptables' own, that drop by default."""
    try:
        found = list(_chains())
    except OSError:
        return []  # A kernel without nftables, where nothing of the kind can be.
    own = _OWN.get(variant or "nft")
    return [
        f"{family} {table} {chain}"
        for family, table, chain in found
        if (family, table, chain) != own
    ]


def warning(chain: str) -> str:
    """What it means, and what to do."""
    return (
        f"the nftables chain {chain} drops forwarded packets by default, whatever dnet accepts: "
        "allow the bridge there"
    )


def _chains() -> Iterator[tuple[str, str, str]]:
    for message in messages.base_chains():
        hook = message.get_attr("NFTA_CHAIN_HOOK")
        if hook is None or message.get_attr("NFTA_CHAIN_POLICY") != _DROP:
            continue
        family = _FAMILIES.get(message["nfgen_family"])
        if family and hook.get_attr("NFTA_HOOK_HOOKNUM") == _FORWARD_HOOK:
            yield family, _text(message, "TABLE"), _text(message, "NAME")


def _text(message: Any, name: str) -> str:
    value = message.get_attr(f"NFTA_CHAIN_{name}")
    return value.decode() if isinstance(value, bytes) else str(value)
