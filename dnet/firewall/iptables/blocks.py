"""Chains by port, once there are many mappings.

The kernel looks through a chain rule by rule, and so does iptables to delete one. With more
than a handful of mappings, those of 256 neighbouring ports of a protocol get a chain of their
own, such as DNET-tcp-8192, to which the bridge's chain jumps for just these ports. A range that
reaches over the edge of such a block stays in the bridge's own chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.firewall.door import Chain
from dnet.model.ports import ports
from dnet.model.state import State
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.endpoint import Endpoint
from dnet.values.family import V4, Family

THRESHOLD = 128
"""Up to so many mappings stay in one chain, which then reads as the source's does."""

_SIZE = 256
_LONGEST_PREFIX = 28 - len("-sctp-65280")
_SUFFIX = r"-(tcp|udp|sctp)-[0-9]{1,5}\Z"


class Block(NamedTuple):
    """256 ports of a protocol, from a multiple of 256 on, of a bridge's chain."""

    chain: str
    proto: str
    first: int
    family: Family = V4

    @property
    def name(self) -> str:
        """The name of its chain."""
        return f"{_prefix(self.chain)}-{self.proto}-{self.first}"

    @property
    def own(self) -> Chain:
        """The chain itself."""
        return self._of(self.name)

    @property
    def home(self) -> Chain:
        """The bridge's chain."""
        return self._of(self.chain)

    def _of(self, name: str) -> Chain:
        return Chain("nat" if self.family is V4 else f"{self.family.nft} nat", name)

    @property
    def jump(self) -> str:
        """The rule that leads there."""
        ports = f"{self.first}:{self.first + _SIZE - 1}"
        return f"-p {self.proto} -m {self.proto} --dport {ports} -j {self.name}"


def is_dispatched(state: State) -> bool:
    """Whether there are enough mappings to make it worth it."""
    return len(state.mappings) > THRESHOLD


def block_of(endpoint: Endpoint, chain: str) -> Block | None:
    """The block a mapping's rule is in; None for a range that reaches over its edge."""
    first = endpoint.port & -_SIZE
    of = family.of(endpoint.host_ip)
    return Block(chain, endpoint.proto, first, of) if endpoint.end < first + _SIZE else None


def blocks(state: State) -> Iterator[Block]:
    """The blocks in which there is a mapping, each once."""
    chains = {bridge.name: bridge.chain for bridge in state.bridges.values()}
    found = (block_of(one.endpoint, chains[one.bridge]) for one in state.mappings.values())
    return (block for block in dict.fromkeys(found) if block is not None)


def members(state: State, block: Block) -> int:
    """How many mappings are in a block."""
    whole = Endpoint(block.family.any, block.first, block.proto, block.first + _SIZE - 1)
    return sum(
        block_of(mapping.endpoint, state.bridges[mapping.bridge].chain) == block
        for mapping in map(state.mappings.__getitem__, ports(state.mappings).overlapping(whole))
    )


def is_block_chain(name: str, chains: Iterable[str]) -> bool:
    """Whether a chain is a block's of one of these bridges' chains."""
    import re

    found = re.search(_SUFFIX, name)
    return found is not None and name[: found.start()] in map(_prefix, chains)


def _prefix(chain: str) -> str:
    """A chain's name, as far as there is room for it: the rest is told apart by a checksum."""
    if len(chain) <= _LONGEST_PREFIX:
        return chain
    from zlib import crc32

    return f"{chain[: _LONGEST_PREFIX - 9]}-{crc32(chain.encode()):08x}"
