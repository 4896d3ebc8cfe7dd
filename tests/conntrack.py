"""The kernel's connection tracking table, filled, emptied and listed without dnet's own code.

An entry is given by options of conntrack(8). Each function is about the network namespace that it
is called in, as in `node.within(conntrack.listing)`. The numbers are those of
include/uapi/linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from socket import AF_INET, AF_INET6
from typing import NamedTuple

_NEW, _GET, _DELETE = 0x100, 0x101, 0x102  # messages of NFNL_SUBSYS_CTNETLINK
_CHANGE, _MAKE, _DUMP = 0x5, 0x605, 0x301  # NLM_F_REQUEST with NLM_F_ACK, CREATE and EXCL, DUMP
_ERROR, _DONE = 2, 3  # NLMSG_ERROR, NLMSG_DONE
_PROTOINFO, _TIMEOUT, _ID, _ZONE = 4, 7, 12, 18
_ADDRESSES: dict[int, dict[str, int]] = {
    AF_INET: {"src": 1, "dst": 2},
    AF_INET6: {"src": 3, "dst": 4},
}
_PORTS = {"sport": 2, "dport": 3}
_PARTS: dict[int, dict[str, int]] = {
    AF_INET: {**_PORTS, "id": 4, "type": 5, "code": 6},
    AF_INET6: {**_PORTS, "id": 7, "type": 8, "code": 9},
}
_ONE_BYTE = ("type", "code")  # two of any other part
_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmpv6": 58, "sctp": 132, "udplite": 136}
_STATES = {6: {"SYN_SENT": 1, "ESTABLISHED": 3}, 132: {"ESTABLISHED": 4}}
_SECONDS = 600
_OPTIONS = {
    "-p": (2, "proto"),
    "-s": (0, "src"),
    "-d": (0, "dst"),
    "-r": (1, "src"),
    "-q": (1, "dst"),
    "--sport": (0, "sport"),
    "--dport": (0, "dport"),
    "--srckey": (0, "sport"),
    "--dstkey": (0, "dport"),
    "--orig-port-dst": (0, "dport"),
    "--reply-port-src": (1, "sport"),
    "--reply-port-dst": (1, "dport"),
    **{f"--{of}-{name}": (0, name) for of in ("icmp", "icmpv6") for name in ("type", "code", "id")},
    "-w": (2, "zone"),
    **{f"--{name}": (2, name) for name in ("state", "orig-vtag", "reply-vtag")},
}
_TURNED = {"src": "dst", "dst": "src", "sport": "dport", "dport": "sport"}
_ANSWERS = {"8": "0", "128": "129"}  # the type of ICMP that answers another


class Entry(NamedTuple):
    """Who asks, who answers, and what belongs to neither, each part by its name."""

    asks: dict[str, str]
    answers: dict[str, str]
    rest: dict[str, str]

    def __str__(self) -> str:
        return " ".join(f"{name}={part}" for parts in self for name, part in parts.items())


def listing() -> list[str]:
    """A line an entry, as `conntrack -L -o id` has it, without what changes by itself.

    What has passed is told where the kernel counts it (nf_conntrack_acct).
    """
    with closing(_opened()) as channel:
        return [str(entry) for entry in _entries(channel)]


def track(*entries: str) -> None:
    """Put entries in, as `conntrack -I ENTRY`. Raises OSError where the kernel refuses one."""
    with closing(_opened()) as channel:
        for options in entries:
            _ask(channel, _NEW, _MAKE, _about(_whole(_read(options))))


def delete(options: str) -> int:
    """Delete what the options are true of, as `conntrack -D OPTIONS`; how many that were."""
    wanted = _read(options)
    with closing(_opened()) as channel:
        gone = [
            entry
            for entry in _entries(channel)
            if all(part.items() >= want.items() for part, want in zip(entry, wanted, strict=True))
        ]
        for entry in gone:
            _ask(channel, _DELETE, _CHANGE, _about(entry))
    return len(gone)


def _read(options: str) -> Entry:
    entry = Entry({}, {}, {})
    words = iter(options.split())
    for option, value in zip(words, words, strict=True):
        place, name = _OPTIONS[option]
        entry[place][name] = str(_PROTOCOLS.get(value, value))
    return entry


def _whole(entry: Entry) -> Entry:
    """With the answers that are to be expected where none are said."""
    asks, answers, rest = entry
    turned = {_TURNED.get(name, name): part for name, part in asks.items()}
    if "type" in turned:
        turned["type"] = _ANSWERS[turned["type"]]
    return Entry(asks, turned | answers, rest)


def _about(entry: Entry) -> bytes:
    """The body of a message: that the entry is there, or is to go."""
    of = AF_INET6 if ":" in entry.asks["src"] else AF_INET
    proto = int(entry.rest["proto"])
    body = struct.pack("!BBH", of, 0, 0)  # struct nfgenmsg
    for kind, end in ((1, entry.asks), (2, entry.answers)):
        body += _attribute(kind, _end(of, proto, end))
    body += _attribute(_TIMEOUT, struct.pack("!I", _SECONDS))
    if zone := entry.rest.get("zone"):
        body += _attribute(_ZONE, struct.pack("!H", int(zone)))
    if state := entry.rest.get("state"):
        body += _attribute(_PROTOINFO, _state(proto, state, entry.rest))
    return body


def _end(of: int, proto: int, end: dict[str, str]) -> bytes:
    addresses, parts = b"", _attribute(1, bytes([proto]))
    for name, number in _ADDRESSES[of].items():
        addresses += _attribute(number, socket.inet_pton(of, end[name]))
    for name, number in _PARTS[of].items():
        if name in end:
            parts += _attribute(number, int(end[name]).to_bytes(1 if name in _ONE_BYTE else 2))
    return _attribute(1, addresses) + _attribute(2, parts)


def _state(proto: int, state: str, rest: dict[str, str]) -> bytes:
    told = _attribute(1, bytes([_STATES[proto][state]]))
    if proto == 6:
        return _attribute(1, told)
    for number, name in enumerate(("orig-vtag", "reply-vtag"), 2):
        told += _attribute(number, struct.pack("!I", int(rest[name])))
    return _attribute(3, told)


def _entries(channel: socket.socket) -> Iterator[Entry]:
    for body in _ask(channel, _GET, _DUMP, bytes(4)):
        has = _attributes(body[4:])
        asks = _read_end("orig", body[0], has[1])
        answers = _read_end("reply", body[0], has[2])
        asks |= _passed(has.get(9, b""))
        answers |= _passed(has.get(10, b""))
        rest = {"proto": _number(_attributes(_attributes(has[1])[2])[1])}
        rest |= {"zone": _number(has[_ZONE])} if _ZONE in has else {}
        yield Entry(asks, answers, {**rest, "id": _number(has[_ID])})


def _read_end(side: str, of: int, told: bytes) -> dict[str, str]:
    end = _attributes(told)
    addresses, parts = _attributes(end[1]), _attributes(end[2])
    found = {name: socket.inet_ntop(of, addresses[at]) for name, at in _ADDRESSES[of].items()}
    found |= {name: _number(parts[at]) for name, at in _PARTS[of].items() if at in parts}
    return found | ({f"zone-{side}": _number(end[3])} if 3 in end else {})


def _passed(told: bytes) -> dict[str, str]:
    amounts = _attributes(told)
    names = {"packets": 1, "bytes": 2}
    return {name: _number(amounts[at]) for name, at in names.items() if at in amounts}


def _number(value: bytes) -> str:
    return str(int.from_bytes(value))


# --- netlink ------------------------------------------------------------------------------------


def _opened() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER


def _ask(channel: socket.socket, kind: int, flags: int, body: bytes) -> list[bytes]:
    """The bodies of what is answered, until the last of them."""
    channel.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body)
    found: list[bytes] = []
    while True:
        data = channel.recv(1 << 16)
        while data:
            length, told, _, _, _ = struct.unpack_from("=IHHII", data)
            if told == _ERROR and (number := -struct.unpack_from("=i", data, 16)[0]):
                raise OSError(number, os.strerror(number))
            if told in (_ERROR, _DONE):
                return found
            found.append(data[16:length])
            data = data[_aligned(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[_aligned(length) :]
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _aligned(length: int) -> int:
    return length + -length % 4
