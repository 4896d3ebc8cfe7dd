"""Which rule of iptables-legacy takes packets: by its counters, for it cannot be traced.

Several flows at once send different numbers of packets, of which any sum tells which flows are in
it, and then other numbers. What counted the same flows both times, and drops or rejects, is what
took them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from dnet.host import process, system
from dnet.typing import TypeAlias
from dnet.values.family import V4, Family

_TABLES = {True: "/proc/self/net/ip_tables_names", False: "/proc/self/net/ip6_tables_names"}
_PROGRAMS = {True: "iptables-legacy-save", False: "ip6tables-legacy-save"}
_SENT = ((3, 5, 6, 7), (7, 6, 5, 3))
_AT_ONCE = len(_SENT[0])
# How long packets may take to be counted, and what is waited between looks at it, in seconds.
_PASSAGE, _PAUSE = 0.1, 0.01
_TABLE = re.compile(r"\*(\S+)")
_RULE = re.compile(r"\[(\d+):\d+\] (-A .*)")
_POLICY = re.compile(r":(\S+) DROP \[(\d+):\d+\]")
_STOPS = re.compile(r"-j (DROP|REJECT|NFQUEUE|TARPIT)\b")

Counters = dict[str, int]
Send: TypeAlias = Callable[[int], None]
"""Sends a number of first packets of a flow."""


def is_there(of: Family) -> bool:
    """Whether there are tables of iptables-legacy, and what lists them."""
    return bool(_tables(of)) and system.find_program(_PROGRAMS[of is V4]) is not None


def blamed(of: Family, flows: Sequence[Send]) -> list[str | None]:
    """What took the packets of each flow, as iptables-legacy lists it; None where nothing did.

    Where others send as well, it may be one of several.
    """
    groups = (flows[at : at + _AT_ONCE] for at in range(0, len(flows), _AT_ONCE))
    return [one for group in groups for one in _blamed(of, group)]


def _blamed(of: Family, flows: Sequence[Send]) -> Iterator[str | None]:
    rounds = []
    counters = _counters(of)
    for numbers in _SENT:
        before = counters
        for send, number in zip(flows, numbers, strict=False):
            send(number)
        end = time.monotonic() + _PASSAGE
        sums = _sums(numbers[: len(flows)])
        while True:
            counters = _counters(of)
            counted = {one: count - before.get(one, 0) for one, count in counters.items()}
            taken = {one: sums[count] for one, count in counted.items() if count in sums}
            if sum(map(len, taken.values())) == len(flows) or time.monotonic() > end:
                break
            time.sleep(_PAUSE)
        rounds.append((counted, taken))
    (first, once), (second, again) = rounds
    exact = {one: those for one, those in once.items() if again.get(one) == those}
    for at, least in enumerate(zip(*_SENT, strict=True)):
        if at == len(flows):
            return
        found = [one for one, those in exact.items() if at in those] or [
            one
            for one in first
            if one not in exact and first[one] >= least[0] and second.get(one, 0) >= least[1]
        ]
        yield f"one of these: {'; '.join(found)}" if len(found) > 1 else next(iter(found), None)


def _sums(numbers: Sequence[int]) -> dict[int, frozenset[int]]:
    """Of each sum that some of the numbers have, the places of those that it is of."""
    places = range(len(numbers))
    some = (those for size in places for those in combinations(places, size + 1))
    return {sum(numbers[at] for at in those): frozenset(those) for those in some}


def _counters(of: Family) -> Counters:
    """How many packets each rule and policy took that ends their way."""
    program = system.find_program(_PROGRAMS[of is V4])
    return dict(_listed(of, process.run([program, "-c"]).output)) if program else {}


def _listed(of: Family, listing: str) -> Iterator[tuple[str, int]]:
    called = ""
    for line in listing.splitlines():
        if table := _TABLE.fullmatch(line):
            called = f"{_PROGRAMS[of is V4].removesuffix('-save')} -t {table[1]}"
        elif (rule := _RULE.fullmatch(line)) and _STOPS.search(rule[2]):
            yield f"{called} {rule[2]}", int(rule[1])
        elif policy := _POLICY.fullmatch(line):
            yield f"{called} -P {policy[1]} DROP", int(policy[2])


def _tables(of: Family) -> list[str]:
    """Those that are there: to list another one would make it."""
    try:
        return system.read_file(_TABLES[of is V4]).decode().split()
    except OSError:
        return []
