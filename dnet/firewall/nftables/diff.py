"""From what the table `inet dnet` holds to what it should: the smallest change, as data.

The administrator's rules stay. A chain whose rules differ is filled again. An object that is
declared differently is made again, with the rules that refer to it. All of it is one transaction:
no packet comes between its commands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from dnet.errors import DnetError
from dnet.firewall.door import Finding
from dnet.firewall.nftables.change import FOREIGN, MISSING, Change, Command, of_elements
from dnet.firewall.nftables.elements import Elements
from dnet.firewall.nftables.layout import (
    CHAIN,
    FORWARD,
    MARK,
    TABLE,
    THE_USERS,
    TO_USER,
    TRACE,
    USER,
    WHOLE,
    Form,
    Object,
    Objects,
    is_list,
    objects,
)
from dnet.firewall.nftables.listing import Seen, Table
from dnet.typing import NamedTuple

Lines = tuple[str, ...]

_EVERY = objects(WHOLE)
_HOLDING = r"(?:@|\b(?:jump|goto) ){0}(?![\w./\\-])|(?:\bname|\bset|:) \"{0}\""


def is_dnets(table: Table) -> bool:
    """Whether a table of this name is one that dnet made."""
    return MARK in table.about


def is_remainder(table: Table) -> bool:
    """Whether nothing but what is the administrator's is left, and what that uses."""
    return is_dnets(table) and all(
        not rules or (one, rules) == (FORWARD, (TO_USER,))
        for one, rules in ((one, _rules(one, lines)) for one, lines in _mine(table).items())
    )


def made(elements: Elements, form: Form) -> Change:
    """The whole table in a form, where there is none."""
    every = objects(form)
    return Change(
        ahead=(_TABLE, *_declared(every)),
        coming=elements,
        behind=tuple(_filled(every)),
        findings=(Finding(TRACE, "the table is missing"),),
    )


def gone(table: Table, *, goes_on: bool) -> Change:
    """What takes the table away, but for what is the administrator's.

    Where another firewall `goes_on` with the rules, what they drop goes on to be dropped.
    """
    left = Finding(TRACE, "the table is left over")
    if not has_administrators(table):
        return Change(ahead=(Command(f"delete table {TABLE}"),), findings=(left,))
    mine = _mine(table)
    jumps = {FORWARD: (TO_USER,)} if goes_on and table.objects.get(THE_USERS) else {}
    held = [one for one in mine if one in jumps or _holding(table, one)]
    if all(one in held and _rules(one, mine[one]) == jumps.get(one, ()) for one in mine):
        return Change()
    # What those that go on to drop look something up in stays as it is.
    filled = [one for one in held if goes_on and one.kind != CHAIN]
    return Change(
        ahead=(
            *_emptied(one for one in mine if one not in filled),
            *_deleted([one for one in mine if one not in held]),
        ),
        behind=tuple(
            Command(f"add rule {TABLE} {one.name}", rule)
            for one, rules in jumps.items()
            for rule in rules
            if one in mine
        ),
        findings=(left,),
    )


def difference(seen: Seen, table: Table, elements: Elements, form: Form) -> Change:
    """How to get from a table that is there to what should be, in a form.

    A set of another one stays, empty, where a rule of the administrator's holds it.
    """
    there, spelled = table.objects, seen.spelled(form)
    held = [one for one in there if one not in spelled and one in _EVERY and _holding(table, one)]
    every = objects(form) | {one: _EVERY[one] for one in held}
    spelled = spelled | {one: there[one] for one in held}
    differ = _differing(table, every, spelled)
    names = {one.name for one in every}
    listed = seen.elements or {}
    found = {holder: keys for holder, keys in listed.items() if holder in names}
    going, coming = _changed(found, elements)
    about = [line for line in table.about if line != MARK]
    return Change(
        ahead=(
            *_emptied([*differ.foreign, *differ.refilled]),
            *_deleted([one for one in differ.leaving if not is_list(one)]),
            *([_TABLE] if about else ()),
            *_declared(_some(every, differ.missing, differ.anew)),
        ),
        going=going,
        coming=coming,
        behind=(
            *_filled(_some(every, differ.missing, differ.refilled)),
            # Until here elements lead there.
            *_deleted([one for one in differ.leaving if is_list(one)]),
        ),
        findings=(
            *(Finding(TRACE, FOREIGN, line) for line in about),
            *_findings(differ, there, spelled),
            *of_elements(going, FOREIGN),
            *of_elements(coming, MISSING),
        ),
        refusal=_refusal(table, differ.leaving),
    )


class _Differing(NamedTuple):
    """What is to be made, to go, to be declared anew, and the chains to be filled anew."""

    missing: list[Object]
    foreign: list[Object]
    anew: list[Object]
    refilled: list[Object]

    @property
    def leaving(self) -> list[Object]:
        return [*self.foreign, *self.anew]


def _differing(table: Table, every: Objects, spelled: Objects) -> _Differing:
    there = table.objects
    foreign = [one for one in _mine(table) if one not in every]
    both = [one for one in every if one in there and one != THE_USERS]
    anew = [one for one in both if _head(one, there[one]) != _head(one, spelled[one])]

    def is_refilled(chain: Object) -> bool:
        """Whether its rules differ, or hold what has to go."""
        lines, leaving = there[chain], (*foreign, *anew)
        return (
            chain in anew
            or _rules(chain, lines) != _rules(chain, spelled[chain])
            or any(_names(line, one) for line in lines for one in leaving)
        )

    return _Differing(
        missing=[one for one in every if one not in there],
        foreign=foreign,
        anew=anew,
        refilled=[one for one in both if one.kind == CHAIN and is_refilled(one)],
    )


def _some(every: Objects, *chosen: Collection[Object]) -> Objects:
    """Those that are chosen, in the order of all."""
    return {one: lines for one, lines in every.items() if any(one in some for some in chosen)}


def _findings(differ: _Differing, there: Objects, spelled: Objects) -> Iterator[Finding]:
    for one in differ.missing:
        yield Finding(one.chain, f"the {one.kind} is missing")
    for one in differ.foreign:
        left = one in _EVERY or is_list(one)
        yield Finding(one.chain, f"the {one.kind} is {'left over' if left else FOREIGN}")
    for one in differ.anew:
        yield Finding(one.chain, "declared differently", _declaration(one, there))
    for one in differ.refilled:
        yield from _told(one, there[one], spelled[one])


_TABLE = Command(f"add table {TABLE}", f"{{ {MARK}; }}")


def _mine(table: Table) -> Objects:
    """What is there, but for what is the administrator's."""
    return {one: lines for one, lines in table.objects.items() if not one.is_administrators}


def has_administrators(table: Table) -> bool:
    """Whether anything is there of the administrator's: dnet makes their chain, and no rule."""
    return any(
        one.is_administrators and (one != THE_USERS or lines)
        for one, lines in table.objects.items()
    )


def _head(one: Object, lines: Lines) -> Lines:
    """What an object is declared with: the rules of a chain come behind it."""
    return lines if one.kind != CHAIN else tuple(takewhile(_is_declared, lines))


def _rules(one: Object, lines: Lines) -> Lines:
    return lines[len(_head(one, lines)) :]


def _is_base(line: str) -> bool:
    return line.startswith("type ")


def _is_declared(line: str) -> bool:
    """Whether a line of a chain is no rule of it."""
    return _is_base(line) or line.startswith("comment ")


def _declaration(one: Object, there: Objects) -> str | None:
    return " ".join(_head(one, there[one])) or None


def _emptied(mine: Iterable[Object]) -> Iterator[Command]:
    for one in mine:
        if one.kind in (CHAIN, "set", "map"):
            yield Command(f"flush {one.kind} {TABLE} {one.name}")


def _deleted(leaving: Collection[Object]) -> Iterator[Command]:
    """The chains last, for elements may lead to them."""
    for one in sorted(leaving, key=lambda one: one.kind == CHAIN):
        yield Command(f"delete {one.kind} {TABLE} {one.name}")


def _declared(some: Objects) -> Iterator[Command]:
    for one, lines in some.items():
        head = " ".join(line if line.endswith(";") else f"{line};" for line in _head(one, lines))
        yield Command(f"add {one.kind} {TABLE} {one.name}", f"{{ {head} }}" if head else "")


def _filled(some: Objects) -> Iterator[Command]:
    for one, lines in some.items():
        for rule in _rules(one, lines):
            yield Command(f"add rule {TABLE} {one.name}", rule)


def _changed(found: Elements, wanted: Elements) -> tuple[Elements, Elements]:
    """Those that go, and those that come; one with other data does both."""
    going: Elements = {}
    coming: Elements = {}
    for holder in {**found, **wanted}:
        here, there = found.get(holder, {}), wanted.get(holder, {})
        if here != there:
            going[holder] = {key: data for key, data in here.items() if there.get(key) != data}
            coming[holder] = {key: data for key, data in there.items() if here.get(key) != data}
    return _filtered(going), _filtered(coming)


def _filtered(elements: Elements) -> Elements:
    return {holder: found for holder, found in elements.items() if found}


def _told(one: Object, lines: Lines, wanted: Lines) -> Iterator[Finding]:
    """In words: the order only where the rules are all there, and no others."""
    found, should = _rules(one, lines), _rules(one, wanted)
    missing, extra = Counter(should) - Counter(found), Counter(found) - Counter(should)
    yield from (Finding(one.chain, MISSING, rule) for rule in missing.elements())
    yield from (Finding(one.chain, FOREIGN, rule) for rule in extra.elements())
    if found != should and not missing and not extra:
        yield Finding(one.chain, "the rules are in the wrong order")


def _refusal(table: Table, leaving: Iterable[Object]) -> DnetError | None:
    """Why something cannot be made as it should be: something of the administrator's uses it."""
    for one in leaving:
        for user, line in _holding(table, one):
            what = "a rule" if user.kind == CHAIN else "an element"
            return DnetError(
                f"{TABLE} {user.name}: {what} dnet did not make refers to the {one.kind} "
                f"{one.name}, which dnet must remove or create again: {line}",
                f"remove it; to see it: nft -a list {user.kind} {TABLE} {user.name}",
            )
    if hook := next(filter(_is_base, table.objects.get(THE_USERS, ())), None):
        return DnetError(
            f"{TABLE} {USER}: no rule can jump to this chain, because it is a base chain: {hook}",
            f"save its rules, and create it again without a hook: nft list chain {TABLE} {USER}",
        )
    return None


def _holding(table: Table, held: Object) -> list[tuple[Object, str]]:
    """The rules of the administrator's, and the elements of maps, that use an object."""
    return [
        (one, line)
        for one, lines in table.objects.items()
        if one.is_administrators and one.kind in (CHAIN, "map")
        for line in lines
        if _names(line, held)
    ]


def _names(rule: str, one: Object) -> bool:
    """Whether a rule uses a set or leads to a chain."""
    return bool(re.search(_HOLDING.format(re.escape(one.name)), rule))
