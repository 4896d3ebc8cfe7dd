"""What the chains of nftables do with the packets of a probe, as the kernel tells it.

A table of the probe's own marks them (nft(8), "meta nftrace"), and has chains ahead of and behind
everything at each hook, so that a packet is known to have come so far. Rules of iptables-nft are
seen as well, those of iptables-legacy are not.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from dnet.host import nlsocket
from dnet.host.probe import nftowned
from dnet.host.probe.nftowned import INET
from dnet.host.rtnl import name_of
from dnet.probe.evidence import (
    FIRST,
    FORWARD,
    INPUT,
    LAST,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    Hop,
)
from dnet.probe.trials import Trial
from dnet.typing import NamedTuple, Self
from dnet.values.family import V4, V6, Family

NAME = "dnet-probe"
PROTOCOLS = {"tcp": _socket.IPPROTO_TCP, "udp": _socket.IPPROTO_UDP}

_HOOKS = {PREROUTING: 0, INPUT: 1, FORWARD: 2, OUTPUT: 3, POSTROUTING: 4}
# Ahead of and behind every priority that anybody uses.
_PRIORITIES = {FIRST: -1_000_000, LAST: 1_000_000}
_BEGINNINGS = (PREROUTING, OUTPUT)

_GROUP = 9  # NFNLGRP_NFTRACE, include/uapi/linux/netfilter/nfnetlink.h
_NETLINK, _JOIN = 270, 1  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
_FORCED_BUFFER = 33  # SO_RCVBUFFORCE
_BUFFER = 1 << 23
_RECEIVE = 1 << 17
_AT_ONCE = 60  # Rules in a message, for which there is room in any socket.
_TRACE = 10 << 8 | 17  # NFT_MSG_TRACE
# NFTA_TRACE_…, include/uapi/linux/netfilter/nf_tables.h
_TABLE, _CHAIN, _RULE, _TYPE, _VERDICT, _ID = 1, 2, 3, 4, 5, 6
_NETWORK_HEADER, _TRANSPORT_HEADER, _IIF, _OIF, _POLICY = 8, 9, 10, 12, 16
_OF_POLICY, _OF_RULE = 1, 3  # NFT_TRACETYPE_…
_CODE = 1  # NFTA_VERDICT_CODE
_VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", 4: "repeat", 5: "accept"}
_VERDICTS |= {-1: "continue", -2: "break", -3: "jump", -4: "goto", -5: "return"}
_FAMILIES = {1: "inet", V4.number: "ip", V6.number: "ip6", 5: "netdev", 7: "bridge"}
_NUMBER, _SIGNED, _HANDLE = struct.Struct("!I"), struct.Struct("!i"), struct.Struct("!Q")
_PORTS = struct.Struct("!HH")


class Flow(NamedTuple):
    """A flow to be traced: its ports and, for the answer, who sends that."""

    family: Family
    proto: str
    source_port: int
    port: int
    container: str
    container_port: int

    @classmethod
    def of(cls, trial: Trial, source_port: int) -> Flow:
        """That of a trial, from a port."""
        mapping = trial.mapping
        return cls(
            trial.family,
            mapping.endpoint.proto,
            source_port,
            mapping.endpoint.port,
            mapping.container_ip,
            mapping.container_port,
        )


Way = tuple[int, bool]
"""The port that a flow comes from, and whether its packet asks, or answers."""


class Trace:
    """A trace of flows, from the moment it is made until it is closed. Raises OSError."""

    def __init__(self) -> None:
        self._name = f"{NAME}-{os.getpid()}"
        self._table = nlsocket.Socket(nlsocket.NETFILTER)
        try:
            self._heard = _socket.socket(
                _socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_NONBLOCK, nlsocket.NETFILTER
            )
            with suppress(OSError):
                self._heard.setsockopt(_socket.SOL_SOCKET, _FORCED_BUFFER, _BUFFER)
            self._heard.bind((0, 0))  # Without an address of its own it would hear nothing.
            self._heard.setsockopt(_NETLINK, _JOIN, _GROUP)
            self._table.transact(nftowned.RESOURCE, [*self._skeleton()])
        except OSError:
            self._table.close()
            raise
        self._messages: list[tuple[int, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take all of it away."""
        self._table.close()
        self._heard.close()

    def fileno(self) -> int:
        """What is readable when the kernel has something to tell."""
        return self._heard.fileno()

    def follow(self, flows: Sequence[Flow]) -> None:
        """Trace flows, and their answers. Raises OSError."""
        self._follow(flows, ((PREROUTING, True), (OUTPUT, True), (PREROUTING, False)))

    def follow_inside(self, flows: Sequence[Flow]) -> None:
        """Trace flows where they end, in the namespace of the container. Raises OSError."""
        there = [one._replace(port=one.container_port) for one in flows]
        self._follow(there, ((PREROUTING, True), (OUTPUT, False)))

    def _follow(self, flows: Sequence[Flow], places: Sequence[tuple[str, bool]]) -> None:
        messages = [
            nftowned.rule(
                INET, self._name, _chain_of(hook, FIRST), *_first(one, asks), *nftowned.traces()
            )
            for one in flows
            for hook, asks in places
        ]
        for at in range(0, len(messages), _AT_ONCE):
            self._table.transact(nftowned.RESOURCE, messages[at : at + _AT_ONCE])

    def _skeleton(self) -> Iterator[nlsocket.Message]:
        yield nftowned.table(INET, self._name)
        for hook, number in _HOOKS.items():
            for end, priority in _PRIORITIES.items():
                name = _chain_of(hook, end)
                yield nftowned.chain(INET, self._name, name, number, priority)

    def read(self) -> None:
        """Take in what the kernel has told so far."""
        with suppress(BlockingIOError):
            while True:
                try:
                    received = self._heard.recv(_RECEIVE)
                except OSError as error:
                    if isinstance(error, BlockingIOError):
                        raise
                    continue  # It had more to tell than there was room for.
                self._take(received)

    def _take(self, received: bytes) -> None:
        at = 0
        while at < len(received):
            length, kind, _, _, _ = nlsocket.HEADER.unpack_from(received, at)
            start = at + nlsocket.HEADER.size
            if kind == _TRACE:
                body = received[start + nlsocket.ABOUT.size : at + length]
                self._messages.append((received[start], body))
            at += length + 3 & ~3

    def first(self, sources: Collection[int]) -> dict[Way, tuple[Hop, ...]]:
        """What the first packet of each flow from some ports met, and the first answer to it.

        A packet begins where the trace marks it, and again where the host sends it to itself. The
        kernel may give it another number on its way: only the ports tell which one it is.
        """
        found: dict[Way, list[Hop]] = {}
        ended: set[Way] = set()
        ways: dict[bytes, Way] = {}
        for family, message in self._messages:
            has = nlsocket.attributes(message)
            number, header = has.get(_ID, b""), has.get(_TRANSPORT_HEADER, b"")
            if len(header) >= _PORTS.size:
                source, destination = _PORTS.unpack_from(header)
                ways[number] = (source, True) if source in sources else (destination, False)
            way, hop = ways.get(number, (0, True)), self._hop(family, has)
            if hop.place[1] == self._name and not hop.mark:
                continue  # It brings what leaves to the client outside.
            if way in found and _begins(hop):
                ended.add(way)
            if way[0] in sources and way not in ended:
                found.setdefault(way, []).append(hop)
        return {way: tuple(hops) for way, hops in found.items()}

    def _hop(self, family: int, has: dict[int, bytes]) -> Hop:
        place = _FAMILIES.get(family, str(family)), _text(has[_TABLE]), _text(has[_CHAIN])
        kind = _NUMBER.unpack(has[_TYPE])[0]
        if kind == _OF_POLICY:
            verdict = _VERDICTS.get(_NUMBER.unpack(has[_POLICY])[0], "accept")
        else:
            code = nlsocket.attributes(has.get(_VERDICT, b"")).get(_CODE)
            number = _SIGNED.unpack(code)[0] if code else 1
            verdict = _VERDICTS.get(number if number < 0 else number & 0xFF, str(number))
        return Hop(
            place,
            verdict,
            _HANDLE.unpack(has[_RULE])[0] if kind == _OF_RULE and _RULE in has else None,
            self._mark(place),
            _device(has, _IIF),
            _device(has, _OIF),
            _destination(has.get(_NETWORK_HEADER, b"")),
        )

    def _mark(self, place: tuple[str, str, str]) -> tuple[str, str] | None:
        if place[:2] != (_FAMILIES[INET], self._name):
            return None
        hook, _, end = place[2].partition("-")
        return hook, end


def _first(flow: Flow, asks: bool) -> list[bytes]:
    """What a rule asks of the first packet of a flow, or of the answer to it."""
    proto = PROTOCOLS[flow.proto]
    if asks:
        return nftowned.flow(flow.family, proto, (flow.source_port, flow.port))
    ports = flow.container_port, flow.source_port
    return nftowned.flow(flow.family, proto, ports, source=flow.container)


def _begins(hop: Hop) -> bool:
    is_start = hop.mark in [(hook, FIRST) for hook in _BEGINNINGS]
    return is_start and hop.rule is not None and hop.came_in != "lo"


def _chain_of(hook: str, end: str) -> str:
    return f"{hook}-{end}"


def _device(has: dict[int, bytes], kind: int) -> str | None:
    return name_of(_NUMBER.unpack(has[kind])[0]) if kind in has else None


def _destination(header: bytes) -> str | None:
    if not header:
        return None
    of, at = (V6, 24) if header[0] >> 4 == V6.version else (V4, 16)
    packed = header[at : at + of.bits // 8]
    return _socket.inet_ntop(of.number, packed) if len(packed) == of.bits // 8 else None


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
