"""What there is in nftables: by netlink, and as nft(8) lists it.

The messages are those of nf_tables_api.c, the numbers those of
include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from dnet.host import nlsocket, process, system
from dnet.values.family import V4

PREROUTING, FORWARD = 0, 2  # NF_INET_PRE_ROUTING, NF_INET_FORWARD, include/uapi/linux/netfilter.h
_FAMILIES = {1: "inet", V4.number: V4.nft}  # NFPROTO_INET, NFPROTOV4.number
_ANY = 0
_DROP = 0  # NF_DROP

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
# NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET
_GET_TABLE, _GET_CHAIN, _GET_SET = _SUBSYSTEM | 1, _SUBSYSTEM | 4, _SUBSYSTEM | 10
_TABLE_NAME, _SET_TABLE = 1, 1  # NFTA_TABLE_NAME, NFTA_SET_TABLE
# NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_HOOK_HOOKNUM
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _HOOK_NUMBER = 1, 3, 4, 5, 1
_FAMILY = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource
_NUMBER = struct.Struct("!I")


class BaseChain(NamedTuple):
    """A chain at a hook of netfilter; `drops` is its policy."""

    family: str
    table: str
    name: str
    hook: int
    drops: bool


def tables() -> set[str]:
    """The tables of the family ip, which are those of iptables-nft too.

    Raises OSError where the kernel does not tell.
    """
    found = (nlsocket.attributes(body).get(_TABLE_NAME) for _, body in _dump(_GET_TABLE, V4.number))
    return {_text(name) for name in found if name}


def tables_with_sets() -> set[str]:
    """The tables of the family ip that have a set or a map, be it one without a name.

    Raises OSError where the kernel does not tell.
    """
    found = (nlsocket.attributes(body).get(_SET_TABLE) for _, body in _dump(_GET_SET, V4.number))
    return {_text(name) for name in found if name}


def base_chains() -> Iterator[BaseChain]:
    """The chains at a hook that IPv4 packets meet. Raises OSError where the kernel has none."""
    for family, body in _dump(_GET_CHAIN, _ANY):
        found = nlsocket.attributes(body)
        hook = nlsocket.attributes(found.get(_CHAIN_HOOK, b"")).get(_HOOK_NUMBER)
        if hook and family in _FAMILIES:
            policy = found.get(_CHAIN_POLICY)
            yield BaseChain(
                _FAMILIES[family],
                _text(found[_CHAIN_TABLE]),
                _text(found[_CHAIN_NAME]),
                _NUMBER.unpack(hook)[0],
                policy is not None and _NUMBER.unpack(policy)[0] == _DROP,
            )


def _dump(kind: int, family: int) -> Iterator[tuple[int, bytes]]:
    """The family and the attributes of each thing of a kind."""
    for message in nlsocket.dump(nlsocket.NETFILTER, kind, _FAMILY.pack(family, 0, 0)):
        yield _FAMILY.unpack_from(message)[0], message[_FAMILY.size :]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def listed(*words: str) -> Any:
    """What `nft -j` lists. Raises OSError without it, ValueError where it prints no JSON."""
    program = system.find_program("nft")
    if program is None:
        raise FileNotFoundError("nft")
    return json.loads(process.run([program, "-j", *words]).output)
