"""Which rule of iptables-legacy takes packets: by its counters, for it cannot be traced.

So many packets are sent, and then another number of them: what counted just as many both times, and
drops or rejects, is what took them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

from dnet.host import process, system
from dnet.values.family import V4, Family

_TABLES = {True: "/proc/self/net/ip_tables_names", False: "/proc/self/net/ip6_tables_names"}
_PROGRAMS = {True: "iptables-legacy-save", False: "ip6tables-legacy-save"}
_SENT = (3, 5)
_PAUSE = 0.1
_RULE = re.compile(r"\[(\d+):\d+\] (-A .*)")
_POLICY = re.compile(r":(\S+) DROP \[(\d+):\d+\]")
_STOPS = re.compile(r"-j (DROP|REJECT|NFQUEUE|TARPIT)\b")

Counters = dict[str, int]


def is_there(of: Family) -> bool:
    """Whether there are tables of iptables-legacy, and what lists them."""
    return bool(_tables(of)) and system.find_program(_PROGRAMS[of is V4]) is not None


def blamed(of: Family, send: Callable[[int], None]) -> str | None:
    """What took packets that are sent, as iptables-legacy lists it; None where nothing did.

    `send` sends a number of them. Where others send as well, it may be one of
    several.
    """
    rounds = []
    for number in _SENT:
        before = _counters(of)
        send(number)
        time.sleep(_PAUSE)
        after = _counters(of)
        rounds.append({one: count - before.get(one, 0) for one, count in after.items()})
    both = [one for one in rounds[0] if one in rounds[1]]
    exact = [one for one in both if tuple(each[one] for each in rounds) == _SENT]
    sent = list(zip(rounds, _SENT, strict=True))
    perhaps = exact or [one for one in both if all(each[one] >= least for each, least in sent)]
    if len(perhaps) > 1:
        return f"one of these: {'; '.join(perhaps)}"
    return perhaps[0] if perhaps else None


def _counters(of: Family) -> Counters:
    """How many packets each rule and policy took that ends their way."""
    return {name: count for table in _tables(of) for name, count in _of_table(of, table)}


def _of_table(of: Family, table: str) -> Iterator[tuple[str, int]]:
    program = system.find_program(_PROGRAMS[of is V4])
    if program is None:
        return
    listed = process.run([program, "-c", "-t", table]).output
    called = f"{_PROGRAMS[of is V4].removesuffix('-save')} -t {table}"
    for line in listed.splitlines():
        if (rule := _RULE.fullmatch(line)) and _STOPS.search(rule[2]):
            yield f"{called} {rule[2]}", int(rule[1])
        elif policy := _POLICY.fullmatch(line):
            yield f"{called} -P {policy[1]} DROP", int(policy[2])


def _tables(of: Family) -> list[str]:
    """Those that are there: to list another one would make it."""
    try:
        return system.read_file(_TABLES[of is V4]).decode().split()
    except OSError:
        return []
