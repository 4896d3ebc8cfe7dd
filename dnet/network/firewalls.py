"""Which firewall has the rules of a store's bridges: one for all of them."""

from __future__ import annotations

from dnet.errors import ConflictError, KernelError
from dnet.model.entities import IPTABLES, NFTABLES
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.network.facts import Facts

AUTO = "auto"
PROGRAMS = {IPTABLES: ("iptables", "iptables"), NFTABLES: ("nft", "nftables")}
"""Of each, the program and the package that has it."""


def choose(state: State, facts: Facts, asked: str | None, *, is_needed: bool) -> None:
    """Let the first bridge with rules decide: by name, else what was chosen before, else the first.

    Of those that nobody named the programs have to be there.

    Raises ConflictError where the store has another one, KernelError where one `is_needed` and
    there is none.
    """
    named = asked if asked != AUTO else None
    if not state.uses_firewall:
        _decide(state, facts, named, is_needed=is_needed)
    elif named not in (None, state.firewall):
        raise ConflictError(
            f"the rules of this store are in {state.firewall}", f"dnet firewall use {named}"
        )


def use(state: State, facts: Facts, *, name: str) -> None:
    """Let another firewall have the rules of all bridges.

    Raises KernelError where its programs are not on this machine, ConflictError where it cannot
    have two of the bridges next to each other.
    """
    if name not in facts.firewalls():
        program, package = PROGRAMS[name]
        raise KernelError(f"{program} not found", f"apt-get install {package}")
    if name != state.firewall and state.uses_firewall:
        state.settings.put("former", state.firewall)
    state.use_firewall(name)
    state.confirm()
    for bridge in state.bridges.values():
        for objection in facts.objections(state, bridge):
            raise objection


def count(state: State, _facts: Facts, *, on: bool) -> None:
    """Count what passes through mappings, or no longer. Raises ConflictError with iptables."""
    if on and not (state.uses_firewall and state.firewall == NFTABLES):
        raise ConflictError(
            "only nftables counts packets and bytes of mappings",
            "dnet firewall use nftables" if state.uses_firewall else "dnet bridge init",
        )
    if on:
        state.settings.put("counts", state.firewall)
    elif "counts" in state.settings:
        state.settings.drop("counts")
    state.confirm()


def _decide(state: State, facts: Facts, named: str | None, *, is_needed: bool) -> None:
    if named is None and is_needed:
        chosen = (one for one in facts.firewalls() if one == state.firewall)
        named = next(chosen, None) or next(facts.firewalls(), None)
        if named is None:
            raise KernelError(
                "neither iptables nor nft is installed",
                "apt-get install iptables, or: apt-get install nftables",
            )
    if named is not None:
        state.use_firewall(named)
