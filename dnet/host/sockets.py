"""Which ports the host's own processes hold, as the kernel tells it.

A published port is translated before a local socket would see the packet, so nothing fails when
both want it: the process just never hears of its clients again. Asking beforehand is the only
protection. Everything here speaks of the network namespace of the calling thread.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from dnet.errors import out_of_files
from dnet.host import sockdiag
from dnet.host.system import read_file
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.address import bracketed
from dnet.values.family import FAMILIES, V4, V6, WILDCARDS, Family

_LISTEN = b"0A"  # TCP_LISTEN, include/net/tcp_states.h
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, RFC 4291
_PORTS = 1 << 16


class Listener(NamedTuple):
    """A socket that takes packets for a port.

    `address` is of the family that was asked for, or `::` for a socket on the IPv6 wildcard, which
    Linux gives the IPv4 packets too unless it asked for IPV6_V6ONLY (ipv6(7)); where only /proc is
    there to ask, which does not tell, it counts as not having. `inode` names the socket in
    /proc/PID/fd, 0 where the kernel itself holds it.
    """

    address: str
    port: int
    proto: str
    inode: int

    def __str__(self) -> str:
        return f"{bracketed(self.address)}:{self.port}/{self.proto}"


class Listeners:
    """The listeners of one protocol and family, looked up by address and port in constant time."""

    __slots__ = ("_any", "_exact", "_wildcard")

    def __init__(self, found: Iterable[Listener]) -> None:
        self._any: dict[int, Listener] = {}
        self._wildcard: dict[int, Listener] = {}
        self._exact: dict[tuple[str, int], Listener] = {}
        for listener in found:
            self._any.setdefault(listener.port, listener)
            if listener.address in WILDCARDS:
                self._wildcard.setdefault(listener.port, listener)
            else:
                self._exact.setdefault((listener.address, listener.port), listener)

    def holder(self, host_ip: str, port: int) -> Listener | None:
        """The listener that a binding of `host_ip:port` would collide with.

        The wildcard address collides with every listener of that port, another address with
        its own and the wildcard's.
        """
        if host_ip in WILDCARDS:
            return self._any.get(port)
        return self._wildcard.get(port) or self._exact.get((host_ip, port))

    def first_holder(self, host_ip: str, first: int, last: int) -> Listener | None:
        """What `holder` gives for the lowest port from `first` to `last` that has one."""
        ports: Iterable[int] = range(first, last + 1)
        if len(self._any) < last - first:
            ports = sorted(port for port in self._any if first <= port <= last)
        for port in ports:
            if held := self.holder(host_ip, port):
                return held
        return None

    def addresses(self, first: int, last: int) -> list[str]:
        """Those on which a port from `first` to `last` is listened on, a wildcard first."""
        wildcards = {one.address for port, one in self._wildcard.items() if first <= port <= last}
        exact = {address for address, port in self._exact if first <= port <= last}
        return [*sorted(wildcards), *sorted(exact)]


class PortSet:
    """A set of ports, made of ranges however long."""

    __slots__ = ("_mask",)

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._mask = bytearray(_PORTS)
        for first, last in ranges:
            self._mask[first : last + 1] = b"\1" * (last + 1 - first)

    def __contains__(self, port: int) -> bool:
        return self._mask[port] != 0


class HostPorts:
    """The ports of the host that cannot be bound; each part of /proc is read once, if asked.

    `proto` is tcp, udp or sctp, `port` 1 to 65535, `host_ip` an address, 0.0.0.0 for all of IPv4
    and :: for all of IPv6. The sockets whose inodes are `lent` stand in nobody's way: set by set,
    of which the next is looked at where another socket than those so far does.
    """

    def __init__(self, lent: Iterable[frozenset[int]] = ()) -> None:
        self._lenders = iter(lent)
        self._lent: frozenset[int] = frozenset()
        self._listeners: dict[tuple[str, Family], Listeners] = {}
        self._reserved: PortSet | None = None

    def is_busy(self, host_ip: str, port: int, proto: str) -> bool:
        """Whether an automatic choice has to pass the port over: it is listened on, or reserved.

        The administrator's reservation is against automatic choices, and leaves the port to who
        asks for it by name (Documentation/networking/ip-sysctl.rst).
        """
        reserved = self._reserved or self._read_reserved()
        return port in reserved or self._holder(host_ip, port, port, proto) is not None

    def busy_range(self, host_ip: str, first: int, last: int, proto: str) -> str | None:
        """Who listens on a port from `first` to `last`, both included; None where nobody does."""
        listener = self._holder(host_ip, first, last, proto)
        return f"{describe(listener)} listens on {listener}" if listener else None

    def addresses(self, host_ip: str, first: int, last: int, proto: str) -> list[str]:
        """Where, of an address's family, a port from `first` to `last` is listened on.

        A wildcard comes first.
        """
        return self._heard(host_ip, proto).addresses(first, last)

    def _holder(self, host_ip: str, first: int, last: int, proto: str) -> Listener | None:
        while held := self._heard(host_ip, proto).first_holder(host_ip, first, last):
            further = next(self._lenders, None)
            if further is None:
                return held
            self._lent |= further
            self._listeners.clear()
        return None

    def _heard(self, host_ip: str, proto: str) -> Listeners:
        """Those of an address's family."""
        of = family.of(host_ip)
        return self._listeners.get((proto, of)) or self._read(proto, of)

    def _read(self, proto: str, of: Family) -> Listeners:
        self._listeners[proto, of] = listeners = read_listeners(proto, of, self._lent)
        return listeners

    def _read_reserved(self) -> PortSet:
        self._reserved = reserved = reserved_ports()
        return reserved


def read_listeners(proto: str, of: Family = V4, but: Collection[int] = ()) -> Listeners:
    """The listeners of `proto` (tcp, udp or sctp) for a family, by sock_diag(7) or /proc/net.

    TCP: sockets in state LISTEN. UDP: those without a peer. SCTP: endpoints. A protocol the
    kernel does not have has no listeners. Sockets with one of the inodes `but` are left out.
    """
    return Listeners(one for one in _read_all(proto, of) if one.inode not in but)


def _read_all(proto: str, of: Family) -> Iterable[Listener]:
    if proto == "sctp":
        return parse_sctp(_lines("/proc/net/sctp/eps"), of)
    sockets = (V6,) if of is V6 else FAMILIES  # Those of IPv6 may hear IPv4 as well.
    if proto in ("tcp", "udp") and (found := sockdiag.listening(proto, sockets)) is not None:
        hearing = (one for one in found if of is V6 or not one.ipv6_only)
        heard = ((_heard(one.address, of), one) for one in hearing)
        return (Listener(ip, one.port, proto, one.inode) for ip, one in heard if ip)
    tables = (f"/proc/net/{proto}{'6' if one is V6 else ''}" for one in sockets)
    return (found for path in tables for found in parse_inet(_lines(path), proto, of))


def _lines(path: str) -> Iterator[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        if out_of_files(error):
            raise
        return
    with os.fdopen(descriptor, "rb") as table:
        yield from table


def parse_inet(lines: Iterable[bytes], proto: str, of: Family = V4) -> Iterator[Listener]:
    """The listeners for a family in lines of /proc/net/tcp, tcp6, udp or udp6, with the heading.

    Stops at the first TCP socket that does not listen: the kernel lists the listening ones first
    (Documentation/networking/proc_net_tcp.rst), and a busy host has 100,000 of the others.
    """
    rows = iter(lines)
    next(rows, None)
    for row in rows:
        fields = row.split(None, 10)
        local, remote, state = fields[1:4]
        if proto == "tcp":
            if state != _LISTEN:
                return
        elif remote.strip(b"0") != b":":
            continue
        address, _, port = local.partition(b":")
        if text := _shown(address, of):
            yield Listener(text, int(port, 16), proto, int(fields[9]))


@lru_cache
def _shown(hexadecimal: bytes, of: Family) -> str | None:
    """The address of a row; /proc prints it as 32-bit words in the byte order of the machine."""
    raw = bytes.fromhex(hexadecimal.decode())
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return _heard(raw, of)


def _heard(raw: bytes, of: Family) -> str | None:
    """The address of a family that a socket bound to `raw` hears, None for none.

    `::` is for all of IPv4 as well.
    """
    if len(raw) == 16 and not any(raw):
        return V6.any
    if (len(raw) == 16 and raw[:12] != _MAPPED) is not (of is V6):
        return None
    return _socket.inet_ntop(of.number, raw) if of is V6 else ".".join(map(str, raw[-4:]))


def parse_sctp(lines: Iterable[bytes], of: Family = V4) -> Iterator[Listener]:
    """The listeners for a family in lines of /proc/net/sctp/eps, one for each local address.

    Columns: ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS… (net/sctp/proc.c); only endpoints that
    listen are in the table.
    """
    rows = iter(lines)
    next(rows, None)
    for row in rows:
        fields = row.decode().split()
        for address in fields[8:]:
            # IPv6 in eight full groups, unlike anywhere else: "0000:0000:…:0000".
            v6 = ":" in address
            raw = bytes.fromhex(address.replace(":", "")) if v6 else _packed(address)
            if text := _heard(raw, of):
                yield Listener(text, int(fields[5]), "sctp", int(fields[7]))


def _packed(address: str) -> bytes:
    return bytes(map(int, address.split(".")))


def reserved_ports() -> PortSet:
    """The ports in ip_local_reserved_ports (Documentation/networking/ip-sysctl.rst)."""
    try:
        text = read_file("/proc/sys/net/ipv4/ip_local_reserved_ports").decode()
    except OSError as error:
        if out_of_files(error):
            raise
        text = ""
    return PortSet(parse_ranges(text))


def parse_ranges(text: str) -> Iterator[tuple[int, int]]:
    """The ranges in a list such as `8080,9148-9150`, both ends included."""
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            yield int(first), int(last or first)


def describe(listener: Listener) -> str:
    """`process NAME (pid N)` for who holds a listener, `a host process` where /proc hides it.

    Takes milliseconds: for refusals only.
    """
    from dnet.host import openfiles

    pid = openfiles.socket_owner(listener.inode) if listener.inode else None
    if pid is not None:
        try:
            return f"process {openfiles.name(pid)} (pid {pid})"
        except OSError:
            pass  # It ended meanwhile.
    return "a host process"
