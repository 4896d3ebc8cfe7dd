"""Chains by port, once there are many mappings.

The kernel looks through a chain rule by rule, and so does iptables to delete one. With more
than a handful of mappings, those of 256 neighbouring ports of a protocol get a chain of their
own, such as DNET-tcp-8192, to which the bridge's chain jumps for just these ports. A range that
reaches over the edge of such a block stays in the bridge's own chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dnet.firewall.iptables.chains import block_chain
from dnet.model.ports import ports
from dnet.model.state import State
from dnet.values.address import ANY
from dnet.values.endpoint import Endpoint

THRESHOLD = 128
"""Up to so many mappings stay in one chain, which then reads as the source's does."""

_SIZE = 256


class Block(NamedTuple):
    """256 ports of a protocol, from a multiple of 256 on, of a bridge's chain."""

    chain: str
    proto: str
    first: int

    @property
    def name(self) -> str:
        """The name of its chain."""
        return block_chain(self.chain, self.proto, self.first)

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
    return Block(chain, endpoint.proto, first) if endpoint.end < first + _SIZE else None


def blocks(state: State) -> Iterator[Block]:
    """The blocks in which there is a mapping, each once."""
    chains = {bridge.name: bridge.chain for bridge in state.bridges.values()}
    found = (block_of(one.endpoint, chains[one.bridge]) for one in state.mappings.values())
    return (block for block in dict.fromkeys(found) if block is not None)


def members(state: State, block: Block) -> int:
    """How many mappings are in a block."""
    whole = Endpoint(ANY, block.first, block.proto, block.first + _SIZE - 1)
    return sum(
        block_of(mapping.endpoint, state.bridges[mapping.bridge].chain) == block
        for mapping in map(state.mappings.__getitem__, ports(state.mappings).meeting(whole))
    )
