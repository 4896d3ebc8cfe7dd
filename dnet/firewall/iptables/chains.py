"""What the chains by port of a bridge's chain are called, such as DNET-tcp-8192."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONGEST_PREFIX = 28 - len("-sctp-65280")
_SUFFIX = re.compile(r"-(tcp|udp|sctp)-[0-9]{1,5}\Z")


def block_chain(chain: str, proto: str, first: int) -> str:
    """The name of the chain for the ports of a protocol from `first` on."""
    return f"{_prefix(chain)}-{proto}-{first}"


def is_block_chain(name: str, chains: Iterable[str]) -> bool:
    """Whether a chain is a block's of one of these bridges' chains."""
    found = _SUFFIX.search(name)
    return found is not None and name[: found.start()] in map(_prefix, chains)


def _prefix(chain: str) -> str:
    """A chain's name, as far as there is room for it: the rest is told apart by a checksum."""
    if len(chain) <= _LONGEST_PREFIX:
        return chain
    from zlib import crc32

    return f"{chain[: _LONGEST_PREFIX - 9]}-{crc32(chain.encode()):08x}"
