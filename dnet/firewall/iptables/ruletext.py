"""A rule as iptables-save prints it: what it asks of a packet, and what it does with it.

Pure. What is not listed here is what nobody can tell without the packet itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from dnet.firewall.packet import Device, Packet, any_of, port_span, span, within
from dnet.firewall.verdict import (
    ACCEPT,
    DROP,
    GOTO,
    JUMP,
    NO,
    OTHER,
    RETURN,
    SOME,
    UNKNOWN,
    YES,
    Action,
    Steps,
    opposite,
)
from dnet.typing import NamedTuple

Canonical = tuple[tuple[str, ...], ...]

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)', re.DOTALL)
# Their argument is what somebody wrote, and may look like anything.
_FREE = frozenset({"-i", "-o", "--comment", "--physdev-in", "--physdev-out"})

_ENDING = {"ACCEPT": ACCEPT, "DROP": DROP, "REJECT": DROP, "RETURN": RETURN}
# Targets after which the next rule follows (iptables-extensions(8)).
_GOING_ON = frozenset(
    {"AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DSCP", "ECN", "HL", "HMARK"}
    | {"IDLETIMER", "LED", "LOG", "MARK", "NFLOG", "NOTRACK", "RATEEST", "SECMARK", "SET", "TCPMSS"}
    | {"TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL", "ULOG"}
)
# Matches of which every option is below, and those that are about some packets.
_KNOWN = frozenset(
    {"addrtype", "comment", "conntrack", "iprange", "multiport", "physdev", "sctp", "state"}
    | {"tcp", "udp"}
)
_SOME = frozenset({"icmp", "icmp6", "limit"})


class Option(NamedTuple):
    """One thing a rule asks for, such as `! -i lo`."""

    name: str
    arguments: tuple[str, ...]
    negated: bool


class Parsed(NamedTuple):
    """What a rule asks for, and what it does with what is so."""

    options: tuple[Option, ...]
    target: str = ""
    goes: bool = False

    def names(self, device: str) -> bool:
        """Whether it is about a device by its name."""
        return any(
            one.name in ("-i", "-o") and one.arguments == (device,) and not one.negated
            for one in self.options
        )


@lru_cache(maxsize=4096)
def parse(text: str) -> Parsed:
    """Take a rule apart. What follows its target belongs to that."""
    options: list[Option] = []
    name, arguments, negated = "", list[str](), False

    def end() -> None:
        if name:
            options.append(Option(name, tuple(arguments), negated))

    following = False  # Whether the next word is the one before it turned round.
    for word, is_quoted in _words(text):
        if name in ("-j", "-g"):
            return Parsed(tuple(options), word, name == "-g")
        if name in _FREE and not arguments:
            arguments.append(word)
        elif word == "!" and not is_quoted:
            following = True
        elif word.startswith("-") and not is_quoted:
            end()
            name, arguments, negated = word, [], following
            following = False
        else:
            arguments.append(word)
    end()
    return Parsed(tuple(options))


def judge(text: str, packet: Packet, chains: Callable[[str], bool]) -> Steps:
    """How a rule meets a packet, and what it does with it; nothing where the next one follows.

    `chains` says whether a target is a chain.
    """
    rule = parse(text)
    if not rule.target or rule.target in _GOING_ON:
        return ()
    if rule.target in _ENDING:
        action = Action(_ENDING[rule.target])
    elif chains(rule.target):
        action = Action(GOTO if rule.goes else JUMP, rule.target)
    else:
        action = Action(OTHER)
    return ((min((_truth(one, packet) for one in rule.options), default=YES), action),)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    for match in _WORD.finditer(text):
        quoted, bare = match.groups()
        yield (re.sub(r"\\(.)", r"\1", quoted), True) if bare is None else (bare, False)


def _truth(option: Option, packet: Packet) -> int:
    if option.name == "-m":
        name = option.arguments[0]
        return YES if name in _KNOWN else SOME if name in _SOME else UNKNOWN
    ask = _ASKED.get(option.name)
    found = ask(packet, *option.arguments[:1]) if ask else UNKNOWN
    return opposite(found) if option.negated else found


def _device(device: Device, asked: str) -> int:
    return device.begins_with(asked[:-1]) if asked.endswith("+") else device.is_called(asked)


def _state(packet: Packet, asked: str) -> int:
    if not packet.tracked:
        return UNKNOWN
    found = {"NEW", "DNAT"} if packet.translated else {"NEW"}
    return YES if found & set(asked.split(",")) else NO


def _status(packet: Packet, asked: str) -> int:
    wanted = set(asked.split(","))
    if "NONE" in wanted or not packet.tracked:
        return UNKNOWN
    return YES if packet.translated and "DNAT" in wanted else NO


def _type(packet: Packet, asked: str) -> int:
    """What is forwarded is never for an address of the host, nor from one."""
    if not packet.tracked:
        return UNKNOWN
    return any_of({"LOCAL": NO, "UNICAST": YES}.get(one, NO) for one in asked.split(","))


def _among(addresses: tuple[int, int], asked: str) -> int:
    found = span(asked)
    return within(addresses, found) if found else UNKNOWN


def _ports(packet: Packet, asked: str) -> int:
    """Some of the protocol that a rule about ports names with them."""
    spans = map(port_span, asked.split(","))
    return any_of(packet.goes_to(one) if one else UNKNOWN for one in spans)


def _sure(holds: bool) -> int:
    return YES if holds else NO


_ASKED: dict[str, Callable[..., int]] = {
    "--comment": lambda _, *__: YES,
    "-i": lambda packet, asked: _device(packet.came_in, asked),
    "-o": lambda packet, asked: _device(packet.goes_out, asked),
    "-s": lambda packet, asked: _among(packet.source, asked),
    "-d": lambda packet, asked: _among(packet.destination, asked),
    "--src-range": lambda packet, asked: _among(packet.source, asked),
    "--dst-range": lambda packet, asked: _among(packet.destination, asked),
    "-p": lambda packet, asked: packet.is_of(asked),
    "--dport": lambda packet, asked: _ports(packet, asked),
    "--dports": lambda packet, asked: _ports(packet, asked),
    "--sport": lambda *_: SOME,
    "--sports": lambda *_: SOME,
    "--ports": lambda *_: SOME,
    "--tcp-flags": lambda *_: SOME,
    "--icmp-type": lambda *_: SOME,
    "--icmpv6-type": lambda *_: SOME,
    "-f": lambda *_: SOME,
    "--ctstate": _state,
    "--state": _state,
    "--ctstatus": _status,
    "--ctdir": lambda packet, asked: _sure(asked == "ORIGINAL") if packet.tracked else UNKNOWN,
    "--src-type": _type,
    "--dst-type": _type,
    "--physdev-is-bridged": lambda packet: _sure(packet.bridged),
    "--physdev-is-in": lambda packet: YES if packet.bridged else UNKNOWN,
    "--physdev-is-out": lambda packet: _sure(packet.bridged),
    "--physdev-in": lambda *_: SOME,
    "--physdev-out": lambda *_: SOME,
}


def canonical(text: str) -> Canonical:
    """A rule without what versions of iptables print differently: order, and module loads."""
    return tuple(sorted(option for option in _options(text.split()) if option[0] != "-m"))


def _options(words: list[str]) -> Iterator[tuple[str, ...]]:
    option: list[str] = []
    for word in words:
        if (word == "!" or word.startswith("-")) and option and option != ["!"]:
            yield tuple(option)
            option = []
        option.append(word)
    if option:
        yield tuple(option)
