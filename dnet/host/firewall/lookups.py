"""What iptables-nft-save leaves out of the rules that it lists.

Of a rule that looks something up in a set of nft's it prints the rest, as if it were about all:
`ip saddr @some drop` becomes `-j DROP`.
"""

from __future__ import annotations

from collections.abc import Iterator

from dnet.firewall import nftrules
from dnet.firewall.door import Chain
from dnet.firewall.iptables.listing import Tables
from dnet.firewall.iptables.rules import SHARED, of_family, plain
from dnet.firewall.iptables.ruletext import parse
from dnet.host.firewall import nf_tables
from dnet.values.family import Family

_MARK = "--lookup"  # No option of iptables': what it asks for, nobody can tell.
_DNET = "DNET-"


def mark(tables: Tables, of: Family) -> None:
    """Mark such rules of others in the built-in chains, and in those that these lead to."""
    try:
        with_sets = nf_tables.tables_with_sets(of)
        for chain in SHARED:
            if chain.table in with_sets:
                for one in _reached(tables, of_family(chain, of)):
                    _mark(tables, one)
    except (OSError, ValueError, LookupError, TypeError):
        return  # Without nft nobody can tell.


def _reached(tables: Tables, first: Chain) -> Iterator[Chain]:
    waiting, seen = [first], {first}
    while waiting:
        here = waiting.pop()
        yield here
        for text in tables.chains.get(here, ()):
            target = Chain(first.table, parse(text).target)
            if target in tables.chains and target not in seen and not _is_own(target):
                seen.add(target)
                waiting.append(target)


def _mark(tables: Tables, chain: Chain) -> None:
    at = chain.family.nft, plain(chain).table, chain.name
    listing = nftrules.Listing(nf_tables.listed("-t", "list", "chain", *at))
    found, texts = listing.rules(chain.name), tables.chains.get(chain, [])
    if len(found) != len(texts):
        return
    for index, rule in enumerate(found):
        if nftrules.looks_up(rule) and not _is_own(Chain(chain.table, parse(texts[index]).target)):
            texts[index] = f"{_MARK} {texts[index]}"


def _is_own(chain: Chain) -> bool:
    return chain.name.startswith(_DNET)
