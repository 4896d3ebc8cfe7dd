"""What there is in nftables: by netlink, and as nft(8) lists it.

The messages are those of nf_tables_api.c, the numbers those of
include/uapi/linux/netfilter/nf_tables.h and nfnetlink.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from dnet.firewall.nftables.elements import Raw
from dnet.host import nlsocket, process, system
from dnet.typing import Any, NamedTuple
from dnet.values.family import FAMILIES, Family
from dnet.values.jsontext import loads

PREROUTING, FORWARD = 0, 2  # NF_INET_PRE_ROUTING, NF_INET_FORWARD, include/uapi/linux/netfilter.h
_INET, _NETDEV, _BRIDGE = 1, 5, 7  # NFPROTO_INET, NFPROTO_NETDEV, NFPROTO_BRIDGE
_FAMILIES = {_INET: "inet", **{one.number: one.nft for one in FAMILIES}}
_ANY = 0
_DROP = 0  # NF_DROP

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
# NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETSETELEM, NFT_MSG_GETGEN
_GET_TABLE, _GET_CHAIN, _GET_SET = _SUBSYSTEM | 1, _SUBSYSTEM | 4, _SUBSYSTEM | 10
_GET_RULE = _SUBSYSTEM | 7  # NFT_MSG_GETRULE
_GET_ELEMENTS, _GET_GENERATION = _SUBSYSTEM | 13, _SUBSYSTEM | 16
_GENERATION_ID = 1  # NFTA_GEN_ID
_TABLE_NAME, _SET_TABLE = 1, 1  # NFTA_TABLE_NAME, NFTA_SET_TABLE
# NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_HOOK_HOOKNUM
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY, _HOOK_NUMBER = 1, 3, 4, 5, 1
# NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS
_RULE_TABLE, _RULE_CHAIN, _RULE_HANDLE, _EXPRESSIONS = 1, 2, 3, 4
# NFTA_EXPR_NAME, NFTA_EXPR_DATA; NFTA_MATCH_NAME, NFTA_MATCH_INFO of nf_tables_compat.h
_NAME, _OF_EXPRESSION, _MATCH_NAME, _MATCH_INFO = 1, 2, 1, 3
_HOOK_DEVICE, _HOOK_DEVICES = 3, 4  # NFTA_HOOK_DEV, NFTA_HOOK_DEVS
# NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS
_OF_TABLE, _OF_SET, _ELEMENTS = 1, 2, 3
# NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_KEY_END, NFTA_DATA_VALUE
_KEY, _DATA, _FLAGS, _KEY_END, _VALUE = 1, 2, 3, 10, 1
_VERDICT, _CODE, _CHAIN = 2, 1, 2  # NFTA_DATA_VERDICT, NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN
_EXPRESSION, _EXPRESSION_DATA = 7, 2  # NFTA_SET_ELEM_EXPR, NFTA_EXPR_DATA
_COUNTER = (2, 1)  # NFTA_COUNTER_PACKETS, NFTA_COUNTER_BYTES
_NUMBER = struct.Struct("!I")


class BaseChain(NamedTuple):
    """A chain at a hook of netfilter; `drops` is its policy."""

    family: str
    table: str
    name: str
    hook: int
    drops: bool


def tables(of: Family) -> set[str]:
    """The tables of the family ip, or ip6, which are those of iptables-nft too.

    Raises OSError where the kernel does not tell.
    """
    found = (nlsocket.attributes(body).get(_TABLE_NAME) for _, body in _dump(_GET_TABLE, of.number))
    return {_text(name) for name in found if name}


def has_table(name: str) -> bool:
    """Whether there is a table of that name of the family inet. Raises OSError."""
    found = (nlsocket.attributes(body).get(_TABLE_NAME) for _, body in _dump(_GET_TABLE, _INET))
    return name in {_text(one) for one in found if one}


def chains(of: Family) -> set[tuple[str, str]]:
    """Tables and chains of the family ip, or ip6. Raises OSError."""
    found = (nlsocket.attributes(body) for _, body in _dump(_GET_CHAIN, of.number))
    return {(_text(one[_CHAIN_TABLE]), _text(one[_CHAIN_NAME])) for one in found}


def tables_with_sets(of: Family) -> set[str]:
    """The tables of the family ip, or ip6, that have a set or a map, be it one without a name.

    Raises OSError where the kernel does not tell.
    """
    found = (nlsocket.attributes(body).get(_SET_TABLE) for _, body in _dump(_GET_SET, of.number))
    return {_text(name) for name in found if name}


def base_chains() -> Iterator[BaseChain]:
    """The chains at a hook that packets of IP meet. Raises OSError where the kernel has none."""
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


def generation() -> int:
    """The number of the ruleset, which each transaction of anybody's moves on. Raises OSError."""
    with nlsocket.Socket(nlsocket.NETFILTER) as socket:
        (answer,) = socket.request(_GET_GENERATION, nlsocket.ABOUT.pack(_ANY, 0, 0))
    told = nlsocket.attributes(answer, nlsocket.ABOUT.size)
    number: int = _NUMBER.unpack(told[_GENERATION_ID])[0]
    return number


def comments(family: Family, table: str, chain: str) -> Iterator[tuple[str, str]]:
    """The rules of a chain with a comment of iptables', each by its handle; which nft never tells.

    Of one with other matches of iptables' as well nothing is told. Raises OSError.
    """
    asked = nlsocket.attribute(_RULE_TABLE, f"{table}\0".encode())
    asked += nlsocket.attribute(_RULE_CHAIN, f"{chain}\0".encode())
    question = nlsocket.ABOUT.pack(family.number, 0, 0) + asked
    for message in nlsocket.dump(nlsocket.NETFILTER, _GET_RULE, question):
        rule = nlsocket.attributes(message, nlsocket.ABOUT.size)
        listed = map(nlsocket.attributes, nlsocket.values(rule.get(_EXPRESSIONS, b"")))
        matches = [
            nlsocket.attributes(one[_OF_EXPRESSION]) for one in listed if one[_NAME] == b"match\0"
        ]
        if [one[_MATCH_NAME] for one in matches] == [b"comment\0"]:
            handle = int.from_bytes(rule[_RULE_HANDLE], "big")
            yield str(handle), _text(matches[0][_MATCH_INFO].partition(b"\0")[0])


def chains_on(device: str, *, leaving: bool = False) -> Iterator[tuple[str, str]]:
    """The table and the name of each chain that meets packets on a device.

    It does ahead of IP as they come in there, or behind it as they are `leaving`. Raises OSError
    where the kernel has none.
    """
    for family, body in _dump(_GET_CHAIN, _NETDEV):
        found = nlsocket.attributes(body)
        hook = nlsocket.attributes(found.get(_CHAIN_HOOK, b""))
        number = hook.get(_HOOK_NUMBER)
        listed = nlsocket.values(hook.get(_HOOK_DEVICES, b""))
        devices = {_text(one) for one in (hook.get(_HOOK_DEVICE, b""), *listed)}
        is_meant = number is not None and _NUMBER.unpack(number)[0] == int(leaving)
        if family == _NETDEV and is_meant and device in devices:
            yield _text(found[_CHAIN_TABLE]), _text(found[_CHAIN_NAME])


def bridge_chains() -> Iterator[tuple[str, str]]:
    """The table and the name of each chain that bridged packets meet. Raises OSError."""
    for family, body in _dump(_GET_CHAIN, _BRIDGE):
        found = nlsocket.attributes(body)
        if family == _BRIDGE and found.get(_CHAIN_HOOK):
            yield _text(found[_CHAIN_TABLE]), _text(found[_CHAIN_NAME])


def elements(table: str, name: str) -> list[Raw]:
    """The elements of a set or map in a table of the family inet. Raises OSError.

    A thousandth of the time that nft(8) takes to print them goes into each.
    """
    found: list[Raw] = []
    for listed in _listed(table, name):
        found += _alike(listed) or map(_element, nlsocket.values(listed))
    return found


def _listed(table: str, name: str) -> Iterator[bytes]:
    asked = b"".join(
        nlsocket.attribute(kind, f"{value}\0".encode())
        for kind, value in ((_OF_TABLE, table), (_OF_SET, name))
    )
    question = nlsocket.ABOUT.pack(_INET, 0, 0) + asked
    for message in nlsocket.dump(nlsocket.NETFILTER, _GET_ELEMENTS, question):
        yield nlsocket.attributes(message, nlsocket.ABOUT.size).get(_ELEMENTS, b"")


def counted(table: str, name: str) -> Iterator[tuple[Raw, tuple[int, int]]]:
    """The elements of a set of counters, each with the packets and bytes that it has counted.

    Raises OSError.
    """
    for message in _listed(table, name):
        for value in nlsocket.values(message):
            one = nlsocket.attributes(value)
            told = nlsocket.attributes(one.get(_EXPRESSION, b"")).get(_EXPRESSION_DATA, b"")
            counter = nlsocket.attributes(told)
            packets, size = (int.from_bytes(counter.get(kind, b""), "big") for kind in _COUNTER)
            yield _raw(one), (packets, size)


def _element(value: bytes) -> Raw:
    return _raw(nlsocket.attributes(value))


def _raw(one: dict[int, bytes]) -> Raw:
    flags = one.get(_FLAGS)
    return Raw(
        _value(one, _KEY),
        _value(one, _DATA),
        _value(one, _KEY_END),
        _NUMBER.unpack(flags)[0] if flags else 0,
    )


def _value(one: dict[int, bytes], kind: int) -> bytes:
    """A value; of a verdict its code, and behind it the name of the chain that it leads to."""
    has = nlsocket.attributes(one.get(kind, b""))
    if verdict := has.get(_VERDICT):
        parts = nlsocket.attributes(verdict)
        return parts[_CODE] + parts.get(_CHAIN, b"")
    return has.get(_VALUE, b"")


def _alike(listed: bytes) -> list[Raw]:
    """Elements that have key and data and nothing else, taken apart together.

    As most have that there may be ten thousand of; nothing where one has not.
    """
    first = next(nlsocket.values(listed), b"")
    key, data = _value(nlsocket.attributes(first), _KEY), _value(nlsocket.attributes(first), _DATA)
    nested = (
        nlsocket.attribute(kind, nlsocket.attribute(_VALUE, value))
        for kind, value in ((_KEY, key), (_DATA, data))
    )
    layout = struct.Struct(f"12s{len(key)}s8s{len(data)}s")
    if not data or b"".join(nested) != first or len(listed) % layout.size:
        return []
    ahead, _, between, _ = layout.unpack_from(listed)
    rows = list(layout.iter_unpack(listed))
    if any(one[0] != ahead or one[2] != between for one in rows):
        return []
    return [Raw(key, data) for _, key, _, data in rows]


def _dump(kind: int, family: int) -> Iterator[tuple[int, bytes]]:
    """The family and the attributes of each thing of a kind."""
    for message in nlsocket.dump(nlsocket.NETFILTER, kind, nlsocket.ABOUT.pack(family, 0, 0)):
        yield nlsocket.ABOUT.unpack_from(message)[0], message[nlsocket.ABOUT.size :]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def listed(*words: str) -> Any:
    """What `nft -j` lists. Raises OSError without it, ValueError where it prints no JSON."""
    program = system.find_program("nft")
    if program is None:
        raise FileNotFoundError("nft")
    return loads(process.run([program, "-j", *words]).output)
