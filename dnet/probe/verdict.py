"""From what was seen of an attempt to what became of it, what decided, and what to do about it.

In the order of the packet's way: of several things that would stop it the first one is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dnet.probe import answer, container, request
from dnet.probe.evidence import (
    ANSWER,
    ANSWERED,
    REFUSED,
    RESET,
    SILENT,
    Evidence,
)
from dnet.probe.reasons import Reason, mistaken
from dnet.typing import NamedTuple

ANSWERS, DELIVERED, DROPPED, NOT_TRIED = "answers", "delivered", "dropped", "not-tried"
REFUSES, UNREACHABLE = "refused", "unreachable"
_GOOD = frozenset({ANSWERS, DELIVERED, NOT_TRIED})

_TOO_LARGE = "the handshake passes, but 1,400 bytes after it do not: a path with a smaller MTU"
_MTU = "compare: ip link show, on the host and in the container; ping -M do -s 1372"
_UNSEEN = "the cause was not found"


class Verdict(NamedTuple):
    """What became of a packet: the result, what decided as one would look it up, and a hint."""

    result: str
    where: str | None = None
    hint: str | None = None

    @property
    def is_bad(self) -> bool:
        """Whether it was tried and did not arrive."""
        return self.result not in _GOOD


def judge(seen: Evidence) -> Verdict:
    """What became of an attempt."""
    if seen.outcome == ANSWERED:
        if seen.large is False and seen.answers:
            return Verdict(DROPPED, _TOO_LARGE, _MTU)
        return Verdict(ANSWERS) if seen.answers else _taken(seen)
    is_sent = seen.arrived and seen.trial.mapping.endpoint.proto == "udp"
    if is_sent and seen.outcome == SILENT and not seen.came_back(ANSWER):
        return Verdict(DELIVERED)
    result = {REFUSED: REFUSES, SILENT: DROPPED}.get(seen.outcome, UNREACHABLE)
    for find in _ON_THE_WAY:
        if found := find(seen):
            where, hint = found
            return Verdict(result, where, hint)
    return Verdict(result, _somewhere(seen), "dnet check")


def is_traced(seen: Evidence) -> bool:
    """Whether what decided is known, and is none of what leaves no trace."""
    return any(find(seen) for find in _ON_THE_WAY if find not in (request.legacy, answer.legacy))


def _taken(seen: Evidence) -> Verdict:
    if seen.elsewhere:
        return Verdict(UNREACHABLE, *mistaken(seen, seen.elsewhere))
    endpoint = seen.trial.mapping.endpoint
    who = seen.around.process or "a process of the host"
    return Verdict(
        UNREACHABLE,
        f"{who} answers, not {seen.trial.whose}: no rule translates {endpoint}",
        "dnet check; dnet restore",
    )


def _somewhere(seen: Evidence) -> str:
    """How far it was seen, where nothing says what stopped it."""
    if seen.came_back(ANSWER) or seen.came_back(RESET):
        return f"{seen.trial.whose} answers, and the answer does not arrive: {_UNSEEN}"
    if seen.left:
        return f"it leaves by {seen.trial.mapping.bridge}: {_UNSEEN}"
    return f"it does not leave towards {seen.trial.whose}: {_UNSEEN}"


_ON_THE_WAY: Sequence[Callable[[Evidence], Reason | None]] = (
    request.unsent,
    request.kept_out,
    request.by_rule,
    request.early,
    request.untracked,
    request.untranslated,
    request.unforwarded,
    request.astray,
    request.unlocal,
    request.secured,
    request.full,
    request.legacy,
    container.unplugged,
    container.unheard,
    container.ruled_out_inside,
    container.heard_late,
    container.silent,
    answer.by_rule,
    answer.early,
    answer.unreturned,
    answer.misled,
    answer.unrouted,
    answer.secured,
    answer.untranslated_back,
    answer.legacy,
)
