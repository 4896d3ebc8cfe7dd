"""A table of nftables as `nft -j` lists it: what its rules ask of a packet, and do with it.

Pure. The form is that of libnftables-json(5). What is not listed here is what nobody can tell
without the packet itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

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
    opposite,
)
from dnet.typing import Any
from dnet.values.family import V4, V6

Statement = Any
Elements = Mapping[str, Sequence[Any]]
"""What is in each set and map, as far as it is known."""

_VERDICTS = {
    "accept": ACCEPT,
    "drop": DROP,
    "reject": DROP,
    "return": RETURN,
    "jump": JUMP,
    "goto": GOTO,
    "queue": OTHER,
}
# Statements after which the rule goes on, whatever the packet is.
_GOING_ON = frozenset(
    {"counter", "log", "mangle", "notrack", "last", "dup", "flow", "set", "map", "ct helper"}
)
_LIMITS = frozenset({"limit", "quota", "ct count"})
# Of the layers above, where a rule is about one protocol among others.
_PROTOCOLS = frozenset(
    {"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6", "ah", "esp", "comp"}
)
_FAMILY_OF = {"ip": V4, "icmp": V4, "ip6": V6, "icmpv6": V6}
_WITH_PORTS = frozenset({"tcp", "udp", "sctp", "th"})
_SETS = frozenset({"set", "map", "vmap"})
_ANYTHING = (("",),)
_DEVICES = frozenset({"ifname", "iface_index"})


class Listing:
    """The chains of a table, each with the statements of its rules, and its sets."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.chains: dict[str, list[list[Statement]]] = {}
        self.elements: dict[str, Sequence[Any]] = {}
        self._untold: dict[str, str] = {}
        for item in document["nftables"]:
            for kind, found in item.items():
                if kind == "chain":
                    self.chains.setdefault(found["name"], [])
                elif kind == "rule":
                    self.chains.setdefault(found["chain"], []).append(found["expr"])
                elif kind in ("set", "map"):
                    self._take(kind, found)

    def _take(self, kind: str, found: Mapping[str, Any]) -> None:
        types = found["type"] if isinstance(found["type"], list) else [found["type"]]
        if "elem" in found:
            self.elements[found["name"]] = found["elem"]
        elif _DEVICES.issuperset(types):
            self._untold[found["name"]] = kind

    def rules(self, chain: str) -> Sequence[Sequence[Statement]]:
        """Those of a chain; of one that was not listed nobody knows what it does."""
        return self.chains.get(chain, _ANYTHING)

    @property
    def untold(self) -> Mapping[str, str]:
        """The sets and maps of devices that were listed without what is in them; their kind."""
        return self._untold

    def add(self, document: Mapping[str, Any]) -> None:
        """Take in what is in a set, from a listing of it alone."""
        for item in document["nftables"]:
            for kind in ("set", "map"):
                if kind in item:
                    self.elements[item[kind]["name"]] = item[kind].get("elem", [])


def looks_up(value: Any) -> bool:
    """Whether a rule, or a part of one, looks something up in a set or a map."""
    if isinstance(value, dict):
        return not _SETS.isdisjoint(value) or any(map(looks_up, value.values()))
    if isinstance(value, list):
        return any(map(looks_up, value))
    return isinstance(value, str) and value.startswith("@")


def judge(rule: Sequence[Statement], packet: Packet, elements: Elements) -> Iterator[Any]:
    """What a rule does in turn, and how each of that meets the packet."""
    truth, unsure = YES, False
    for statement in rule:
        (kind, what), *_ = statement.items() if isinstance(statement, dict) else [("", None)]
        if kind == "match":
            truth = min(truth, _match(what, packet, elements))
        elif kind == "vmap":
            yield from _mapped(truth, what, packet, elements)
        elif kind in _VERDICTS:
            yield truth, _action(kind, what)
            return
        elif kind in _LIMITS:
            truth = min(truth, SOME)
        elif kind == "continue":
            return
        elif kind not in _GOING_ON:
            truth, unsure = min(truth, UNKNOWN), True
    if unsure:  # What is not known may be a verdict.
        yield truth, Action(OTHER)


def _action(kind: str, what: Any) -> Action:
    return Action(_VERDICTS[kind], what["target"] if kind in ("jump", "goto") else "")


def _mapped(truth: int, what: Any, packet: Packet, elements: Elements) -> Iterator[Any]:
    """The verdicts of a map: each is one alternative."""
    found = _members(what["data"], elements)
    if found is None:
        yield min(truth, UNKNOWN, _scope(what["key"], packet)), Action(OTHER)
        return
    for key, verdict in sorted(found, key=lambda one: bool(one[0] == "*")):  # All others.
        ((kind, target),) = verdict.items()
        meets = min(truth, _meets(what["key"], _plain(key), packet, elements))
        if kind in _VERDICTS:
            yield meets, _action(kind, target)


def _members(right: Any, elements: Elements) -> Sequence[Any] | None:
    """What is in a set, be it one without a name; None where that is not known."""
    if isinstance(right, str):
        return elements.get(right.removeprefix("@"))
    found: Sequence[Any] = right["set"]
    return found


def _plain(element: Any) -> Any:
    """An element without what else is noted of it, such as its time limit."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def _match(what: Any, packet: Packet, elements: Elements) -> int:
    scope = _scope(what["left"], packet)
    if scope != YES or what["op"] not in ("==", "!=", "in"):
        return min(scope, UNKNOWN)
    found = _meets(what["left"], what["right"], packet, elements)
    return opposite(found) if what["op"] == "!=" else found


def _meets(left: Any, right: Any, packet: Packet, elements: Elements) -> int:
    """Whether something of the packet is what is asked for, or one of several."""
    if (scope := _scope(left, packet)) != YES:
        return scope
    if _kind(right) == "set" or (isinstance(right, str) and right.startswith("@")):
        members = _members(right, elements)
        if members is None:
            return UNKNOWN
        return any_of(_meets(left, _plain(one), packet, elements) for one in members)
    if isinstance(right, list):  # Any of several flags.
        return any_of(_meets(left, one, packet, elements) for one in right)
    if _kind(left) == "concat" == _kind(right):
        pairs = zip(left["concat"], right["concat"], strict=True)
        return min(_meets(one, part, packet, elements) for one, part in pairs)
    if _kind(left) == "&" and left["&"][1] == right:
        left = left["&"][0]
    protocol, field = _asked(left)
    if protocol in _WITH_PORTS and field == "dport":
        ports = port_span(_written(right))
        return packet.goes_to(ports) if ports else UNKNOWN
    return _KNOWN.get((protocol, field), _unknown)(packet, right)


def _kind(value: Any) -> str:
    """What kind of expression it is, if it is no plain value."""
    return str(next(iter(value))) if isinstance(value, dict) and value else ""


def _asked(left: Any) -> tuple[str, str]:
    """What of a packet is looked at: a protocol with its field, or `meta` or `ct` with a key."""
    kind = _kind(left)
    if kind == "payload":
        return str(left[kind].get("protocol")), str(left[kind].get("field"))
    if kind in ("meta", "ct") and "dir" not in left[kind]:
        return kind, str(left[kind]["key"])
    return kind, ""


def _scope(left: Any, packet: Packet) -> int:
    """Whether the packet has what is looked at."""
    kind = _kind(left)
    if kind == "concat":
        return min(_scope(one, packet) for one in left[kind])
    if kind == "&":
        return _scope(left[kind][0], packet)
    protocol = _asked(left)[0]
    if protocol in _FAMILY_OF and _FAMILY_OF[protocol] is not packet.family:
        return NO
    if protocol == "th":
        return SOME if packet.proto is None else YES
    return packet.is_of(protocol) if protocol in _PROTOCOLS else YES


def _unknown(_: Packet, __: Any) -> int:
    return UNKNOWN


def _device(device: Device, asked: Any) -> int:
    if not isinstance(asked, str):
        return UNKNOWN
    return device.begins_with(asked[:-1]) if asked.endswith("*") else device.is_called(asked)


def _addresses(described: tuple[int, int], asked: Any) -> int:
    found = span(_written(asked))
    return within(described, found) if found else UNKNOWN


def _written(asked: Any) -> str:
    if isinstance(asked, dict) and "prefix" in asked:
        return f"{asked['prefix']['addr']}/{asked['prefix']['len']}"
    if isinstance(asked, dict) and "range" in asked:
        return "-".join(map(str, asked["range"]))
    return str(asked)


def _protocol(packet: Packet, asked: Any) -> int:
    if asked == ("ipv6-icmp" if packet.family is V4 else "icmp"):
        return NO
    return packet.is_of(str(asked))


def _one_of(found: Collection[Any], asked: Any) -> int:
    return YES if asked in found else NO


def _status(packet: Packet) -> Collection[str]:
    return ("dnat",) if packet.translated else ()


_KNOWN: dict[tuple[str, str], Callable[[Packet, Any], int]] = {
    ("meta", "iifname"): lambda packet, asked: _device(packet.came_in, asked),
    ("meta", "iif"): lambda packet, asked: _device(packet.came_in, asked),
    ("meta", "oifname"): lambda packet, asked: _device(packet.goes_out, asked),
    ("meta", "oif"): lambda packet, asked: _device(packet.goes_out, asked),
    ("meta", "nfproto"): lambda packet, asked: _one_of((packet.family.name,), asked),
    ("meta", "protocol"): lambda packet, asked: _one_of((packet.family.nft,), asked),
    ("meta", "l4proto"): lambda packet, asked: _protocol(packet, asked),
    ("ip", "protocol"): lambda packet, asked: _protocol(packet, asked),
    ("ip", "saddr"): lambda packet, asked: _addresses(packet.source, asked),
    ("ip", "daddr"): lambda packet, asked: _addresses(packet.destination, asked),
    ("ip", "version"): lambda _, asked: _one_of((4,), asked),
    ("ip6", "nexthdr"): lambda packet, asked: _protocol(packet, asked),
    ("ip6", "saddr"): lambda packet, asked: _addresses(packet.source, asked),
    ("ip6", "daddr"): lambda packet, asked: _addresses(packet.destination, asked),
    ("ip6", "version"): lambda _, asked: _one_of((6,), asked),
    ("ct", "state"): lambda _, asked: _one_of(("new",), asked),
    ("ct", "status"): lambda packet, asked: _one_of(_status(packet), asked),
    ("ct", "direction"): lambda _, asked: _one_of(("original",), asked),
}
