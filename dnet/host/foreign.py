"""Other people's firewalls: base chains that drop what dnet accepts.

A packet that one base chain accepts still goes through every other one of the hook
(nft(8), "Base chains"), so a chain of somebody else's with the policy drop has the last word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dnet.host import messages

_FORWARD_HOOK = 2  # NF_INET_FORWARD, include/uapi/linux/netfilter.h
_DROP = 0  # NF_DROP
_FAMILIES = {1: "inet", 2: "ip"}  # NFPROTO_INET, NFPROTO_IPV4
_READ = "inet"
_OWN = {"nft": ("ip", "filter", "FORWARD")}


def dropping(variant: str | None, bridges: Collection[str]) -> list[str]:
    """The base chains of the forward hook, other than iptables' own, that drop by default.

    One that accepts all that comes from each of these bridges was written with them in mind.
    """
    own = _OWN.get(variant or "nft")
    try:
        found = [one for one in _chains() if one != own]
        accepted = _accepted() if any(family == _READ for family, *_ in found) else {}
    except OSError:
        return []  # A kernel without nftables, where nothing of the kind can be.
    return [
        f"{family} {table} {chain}"
        for family, table, chain in found
        if family != _READ or not accepted.get((table, chain), set()).issuperset(bridges)
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


def _accepted() -> dict[tuple[str, str], set[str]]:
    """The devices from which each chain accepts everything, by a rule of their own.

    Of the family inet alone: in that of IPv4 the rules of iptables would have to be read along.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for rule in messages.inet_rules():
        place = rule.get_attr("NFTA_RULE_TABLE"), rule.get_attr("NFTA_RULE_CHAIN")
        found.setdefault(place, set()).update(_accepted_by(rule))
    return found


def _accepted_by(rule: Any) -> Iterator[str]:
    """The device of a rule `iifname "NAME" accept`, with or without a counter."""
    parts = {
        one.get_attr("NFTA_EXPR_NAME"): one.get_attr("NFTA_EXPR_DATA")
        for one in rule.get_attr("NFTA_RULE_EXPRESSIONS") or ()
    }
    parts.pop("counter", None)
    if list(parts) != ["meta", "cmp", "immediate"]:
        return
    compared, verdict = parts["cmp"], ("NFTA_IMMEDIATE_DATA", "NFTA_DATA_VERDICT")
    if (
        parts["meta"].get_attr("NFTA_META_KEY") == "NFT_META_IIFNAME"
        and compared.get_attr("NFTA_CMP_OP") == "NFT_CMP_EQ"
        and parts["immediate"].get_nested(*verdict, "NFTA_VERDICT_CODE") == "NF_ACCEPT"
    ):
        yield compared.get_nested("NFTA_CMP_DATA", "NFTA_DATA_VALUE").rstrip(b"\0").decode()


def _text(message: Any, name: str) -> str:
    value = message.get_attr(f"NFTA_CHAIN_{name}")
    return value.decode() if isinstance(value, bytes) else str(value)
