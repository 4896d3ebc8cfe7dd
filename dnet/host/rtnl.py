"""Devices, addresses and routes by rtnetlink(7), over a socket of dnet's own.

The few messages that dnet needs are taken apart and put together here: to load a library's takes
a third of the time of all that `attach` does.
"""

from __future__ import annotations

import _socket  # Under `socket`, and loaded in a thirtieth of its time.
import errno
import os
import struct
from collections.abc import Callable
from contextlib import suppress

from dnet.host import nlsocket
from dnet.host.nlsocket import CREATE, EXCLUSIVE, REPLACE, attribute, attributes
from dnet.typing import NamedTuple, TypeVar
from dnet.values import address, family
from dnet.values.family import V4, V6, Family

T = TypeVar("T")

_NUMBER = struct.Struct("=i")
_TRIES = 100

_NEW_LINK, _DELETE_LINK, _GET_LINK = 16, 17, 18  # include/uapi/linux/rtnetlink.h
_NEW_ADDRESS, _DELETE_ADDRESS, _GET_ADDRESS = 20, 21, 22
_NEW_ROUTE, _DELETE_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR, _DELETE_NEIGHBOUR, _GET_NEIGHBOUR = 28, 29, 30
_MAIN, _LOCAL_TABLE, _KERNEL, _BOOT = 254, 255, 2, 3  # RT_TABLE_…, RTPROT_KERNEL, RTPROT_BOOT
_UNIVERSE, _LINK = 0, 253  # RT_SCOPE_UNIVERSE, RT_SCOPE_LINK
_UNICAST, _TO_HOST = 1, 2  # RTN_UNICAST, RTN_LOCAL
# RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC
_TO, _OF, _IN, _BY, _THROUGH, _METRIC, _FROM = 1, 2, 3, 4, 5, 6, 7
_ROUTE_MESSAGE = struct.Struct("=BBBBBBBBI")  # struct rtmsg

_ADDRESS, _LOCAL, _BROADCAST = 1, 2, 4  # IFA_…, include/uapi/linux/if_addr.h
_NO_DAD = 0x2  # IFA_F_NODAD
_ADDRESS_MESSAGE = struct.Struct("=BBBBi")  # struct ifaddrmsg

_FOR_OTHERS = 0x08  # NTF_PROXY, include/uapi/linux/neighbour.h
_NEIGHBOUR, _NEIGHBOUR_MAC = 1, 2  # NDA_DST, NDA_LLADDR
_PERMANENT, _UNKNOWN = 0x80, 0x1 | 0x20  # NUD_PERMANENT, NUD_INCOMPLETE and NUD_FAILED
_NEIGHBOUR_MESSAGE = struct.Struct("=BxxxiHBB")  # struct ndmsg

_UP, _RUNNING = 0x1, 0x40  # IFF_UP, IFF_RUNNING
_LINK_MESSAGE = struct.Struct("=HHiII")  # struct ifinfomsg
MAC, NAME, MTU, _PEER, MASTER, _INFO, NETNS = 1, 3, 4, 5, 10, 18, 28  # IFLA_…, if_link.h
_KIND, _DATA, _SLAVE_KIND, _SLAVE_DATA = 1, 2, 4, 5  # IFLA_INFO_…
_VETH_PEER, _MAX_LEARNED = 1, 49  # VETH_INFO_PEER, IFLA_BR_FDB_MAX_LEARNED
_STATE, _HAIRPIN, _GUARD, _ISOLATED = 1, 4, 5, 33  # IFLA_BRPORT_…, IFLA_BRPORT_MODE the second

Attributes = dict[int, "str | int"]
"""What a device is to have: MAC, NAME, MTU, MASTER and NETNS with their values."""


class Link(NamedTuple):
    """A device as the kernel tells of it.

    `peer` is the index of the other end of a pair, `master` that of its bridge, of which it is a
    port in a `state` (BR_STATE_…, include/uapi/linux/if_bridge.h); None where it is none.
    """

    ifindex: int
    name: str
    up: bool
    mac: str | None
    mtu: int
    peer: int | None
    master: int | None
    kind: str | None
    state: int | None
    hairpin: bool
    guarded: bool
    isolated: bool


class Channel:
    """A socket of the network namespace that the process is in when it is opened.

    Every request raises OSError with the kernel's error number. `most` is how many answers to
    one question are taken: whoever rules a namespace decides how many there are.
    """

    def __init__(self, most: int | None = None) -> None:
        self._socket = nlsocket.Socket(nlsocket.ROUTE)
        self._most = most

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    # Questions

    def link(self, index: int) -> Link:
        """A device."""
        return _read_link(self._socket.request(_GET_LINK, _link(index))[0])

    def is_running(self, index: int) -> bool:
        """Whether a device sends, which it does a moment after it has been brought up."""
        flags = _LINK_MESSAGE.unpack_from(self._socket.request(_GET_LINK, _link(index))[0])[3]
        return bool(flags & _RUNNING)

    def links(self) -> list[Link]:
        """Every device."""
        return [_read_link(one) for one in self._dump(_GET_LINK, _link(0))]

    def addresses(self, index: int, of: Family = V4) -> list[str]:
        """The addresses of a device, each with the length of its prefix.

        Those of IPv6 that are good beyond the link, and no address of another machine.
        """
        question = _ADDRESS_MESSAGE.pack(of.number, 0, 0, 0, index)
        found = []
        for one in self._dump(_GET_ADDRESS, question):
            own, length, _, scope, device = _ADDRESS_MESSAGE.unpack_from(one)
            is_meant = of is V4 or scope == _UNIVERSE
            if (own, device) == (of.number, index) and is_meant:
                told = attributes(one, _ADDRESS_MESSAGE.size)
                local = told.get(_LOCAL, told[_ADDRESS])  # With IPv6 it is told where they differ.
                found.append(f"{_socket.inet_ntop(of.number, local)}/{length}")
        return found

    def subnets(self, index: int, of: Family = V4) -> list[str]:
        """The subnets that the main table routes to what is plugged into a device."""
        by = attribute(_BY, _NUMBER.pack(index))
        wanted = _MAIN, _LINK if of is V4 else _UNIVERSE, _UNICAST
        found = []
        for one in self._dump(_GET_ROUTE, _route(of, 0, 0, 0, 0) + by):
            _, length, _, _, table, _, scope, kind, _ = _ROUTE_MESSAGE.unpack_from(one)
            told = attributes(one, _ROUTE_MESSAGE.size)
            is_meant = (table, scope, kind) == wanted and _TO in told and _THROUGH not in told
            if is_meant and told.get(_BY) == _NUMBER.pack(index):
                found.append(f"{_socket.inet_ntop(of.number, told[_TO])}/{length}")
        return found

    def proxied(self, of: Family) -> list[tuple[int, str]]:
        """The addresses for which the host answers, each with the number of the device."""
        found = []
        question = _NEIGHBOUR_MESSAGE.pack(of.number, 0, 0, _FOR_OTHERS, 0)
        for one in self._dump(_GET_NEIGHBOUR, question):
            own, index, _, flags, _ = _NEIGHBOUR_MESSAGE.unpack_from(one)
            told = attributes(one, _NEIGHBOUR_MESSAGE.size)
            if own == of.number and flags & _FOR_OTHERS and _NEIGHBOUR in told:
                found.append((index, _socket.inet_ntop(own, told[_NEIGHBOUR])))
        return found

    def way_to(self, ip: str, source: str | None = None, came_in: int = 0) -> int | None:
        """The number of the device by which the host sends to an address; None without a route.

        What comes from a `source` and by a device, it sends on.
        """
        device = self._asked_way(ip, source, came_in).get(_BY)
        return None if device is None else int(_NUMBER.unpack(device)[0])

    def router_to(self, ip: str) -> str | None:
        """The router by which the host sends to an address; None where it needs none."""
        router = self._asked_way(ip).get(_THROUGH)
        return None if router is None else _socket.inet_ntop(family.of(ip).number, router)

    def _asked_way(self, ip: str, source: str | None = None, came_in: int = 0) -> dict[int, bytes]:
        own = family.of(ip)
        known = own.bits if source else 0
        message = _ROUTE_MESSAGE.pack(own.number, own.bits, known, 0, 0, 0, 0, 0, 0)
        message += attribute(_TO, _packed(ip))
        if source:
            message += attribute(_OF, _packed(source))
        if came_in:
            message += attribute(_IN, _NUMBER.pack(came_in))
        refusal, answers = self._socket.attempt(_GET_ROUTE, message)
        return {} if refusal else attributes(answers[0], _ROUTE_MESSAGE.size)

    def has_neighbour(self, index: int, ip: str) -> bool | None:
        """Whether somebody behind a device has an address; None where nobody has asked for it."""
        found = self._neighbour(index, ip)
        return None if found is None else not found[0] & _UNKNOWN

    def neighbour_mac(self, index: int, ip: str) -> str | None:
        """The hardware address that has an address behind a device, if that is known."""
        found = self._neighbour(index, ip)
        mac = found[1].get(_NEIGHBOUR_MAC) if found and not found[0] & _UNKNOWN else None
        return mac.hex(":") if mac else None

    def _neighbour(self, index: int, ip: str) -> tuple[int, dict[int, bytes]] | None:
        """The state of an entry for neighbours, and what else is told of it."""
        own = family.of(ip)
        question = _NEIGHBOUR_MESSAGE.pack(own.number, 0, 0, 0, 0)
        for one in self._dump(_GET_NEIGHBOUR, question):
            of, device, state, _, _ = _NEIGHBOUR_MESSAGE.unpack_from(one)
            told = attributes(one, _NEIGHBOUR_MESSAGE.size)
            if (of, device, told.get(_NEIGHBOUR)) == (own.number, index, _packed(ip)):
                return state, told
        return None

    # Changes

    def add_bridge(self, attributes: Attributes) -> None:
        """Make a bridge."""
        self._add_link(attributes, attribute(_KIND, b"bridge\0"))

    def add_veth(self, attributes: Attributes, peer: Attributes, *, up: bool = True) -> None:
        """Make a veth pair of which this end is up, unless it is not to be."""
        other = attribute(_VETH_PEER, _link(0, attributes=peer))
        kind = attribute(_KIND, b"veth\0") + attribute(_DATA, other)
        self._add_link(attributes, kind, up=up)

    def add_ifb(self, attributes: Attributes) -> None:
        """Make a device that receives what it is to send, and bring it up."""
        self._add_link(attributes, attribute(_KIND, b"ifb\0"), up=True)

    def _add_link(self, attributes: Attributes, kind: bytes, *, up: bool | None = None) -> None:
        message = _link(0, up=up, attributes=attributes) + attribute(_INFO, kind)
        self._socket.request(_NEW_LINK, message, CREATE | EXCLUSIVE)

    def set_link(
        self, index: int, *, up: bool | None = None, attributes: Attributes | None = None
    ) -> None:
        """Change a device, and bring it up or down."""
        self._socket.request(_NEW_LINK, _link(index, up=up, attributes=attributes))

    def set_hairpin(self, index: int) -> None:
        """Let a port of a bridge be its own client, and take no BPDU."""
        self._set_port(index, attribute(_HAIRPIN, b"\1") + attribute(_GUARD, b"\1"))

    def set_isolated(self, index: int, *, on: bool) -> None:
        """Let a port of a bridge exchange no frame with other isolated ones, or let it again."""
        self._set_port(index, attribute(_ISOLATED, bytes([on])))

    def _set_port(self, index: int, port: bytes) -> None:
        kind = attribute(_SLAVE_KIND, b"bridge\0") + attribute(_SLAVE_DATA, port)
        self._socket.request(_NEW_LINK, _link(index) + attribute(_INFO, kind))

    def limit_learning(self, index: int, most: int) -> None:
        """Let a bridge learn only so many addresses; an older kernel than 6.7 passes that over."""
        limit = attribute(_DATA, attribute(_MAX_LEARNED, _NUMBER.pack(most)))
        kind = attribute(_KIND, b"bridge\0") + limit
        self._socket.request(_NEW_LINK, _link(index) + attribute(_INFO, kind))

    def delete_link(self, index: int) -> None:
        """Delete a device."""
        self._socket.request(_DELETE_LINK, _link(index))

    def add_address(self, index: int, cidr: str, *, again: bool = False) -> None:
        """Give a device an address, which it may have already if it is given `again`.

        With the broadcast address of an IPv4 subnet, which programs ask for (SIOCGIFBRDADDR,
        netdevice(7)); one of IPv6 can be used at once, for nobody else has it.
        """
        flags = CREATE | (REPLACE if again else EXCLUSIVE)
        self._socket.request(_NEW_ADDRESS, _address(index, cidr), flags)

    def delete_address(self, index: int, cidr: str) -> None:
        """Take an address away from a device."""
        self._socket.request(_DELETE_ADDRESS, _address(index, cidr))

    def add_default_route(self, index: int, gateway: str) -> None:
        """Route everything that has no other way through a device."""
        message = _route(family.of(gateway), 0, _BOOT, _UNIVERSE, _UNICAST)
        message += attribute(_THROUGH, _packed(gateway))
        message += attribute(_BY, _NUMBER.pack(index))
        self._socket.request(_NEW_ROUTE, message, CREATE | EXCLUSIVE)

    def add_subnet_route(self, index: int, subnet: str, source: str) -> None:
        """Route a subnet to what is plugged into a device, as the kernel does for an address."""
        ip, _, length = subnet.partition("/")
        own = family.of(ip)
        scope = _LINK if own is V4 else _UNIVERSE
        message = _route(own, int(length), _KERNEL, scope, _UNICAST)
        message += attribute(_TO, _packed(ip)) + attribute(_BY, _NUMBER.pack(index))
        if own is V4:
            message += attribute(_FROM, _packed(source))
        else:  # As addrconf_prefix_route does, net/ipv6/addrconf.c: IP6_RT_PRIO_ADDRCONF.
            message += attribute(_METRIC, _NUMBER.pack(256))
        self._socket.request(_NEW_ROUTE, message, CREATE | REPLACE)

    def add_host_route(self, index: int, ip: str) -> None:
        """Route one address to what is behind a device."""
        own = family.of(ip)
        scope = _LINK if own is V4 else _UNIVERSE
        message = _route(own, own.bits, _BOOT, scope, _UNICAST)
        message += attribute(_TO, _packed(ip)) + attribute(_BY, _NUMBER.pack(index))
        self._socket.request(_NEW_ROUTE, message, CREATE | EXCLUSIVE)

    def add_neighbour(self, index: int, ip: str, mac: str) -> None:
        """Say for good which hardware address somebody behind a device has."""
        message = _NEIGHBOUR_MESSAGE.pack(family.of(ip).number, index, _PERMANENT, 0, 0)
        message += attribute(_NEIGHBOUR, _packed(ip))
        message += attribute(_NEIGHBOUR_MAC, bytes.fromhex(mac.replace(":", "")))
        self._socket.request(_NEW_NEIGHBOUR, message, CREATE | REPLACE)

    def add_loopback_route(self, index: int, metric: int) -> None:
        """Let the host take ::1 for itself also where it comes in by a device."""
        message = _loopback(index) + attribute(_METRIC, _NUMBER.pack(metric))
        self._socket.request(_NEW_ROUTE, message, CREATE | EXCLUSIVE)

    def delete_loopback_route(self, index: int) -> None:
        """Take that back, also where it is gone already."""
        with suppress(ProcessLookupError):
            self._socket.request(_DELETE_ROUTE, _loopback(index))

    def add_proxy(self, index: int, ip: str) -> None:
        """Let the host answer for an address on a device, as it may do already."""
        self._socket.request(_NEW_NEIGHBOUR, _proxy(index, ip), CREATE)

    def delete_proxy(self, index: int, ip: str) -> None:
        """Take that back, also where it is gone already."""
        with suppress(FileNotFoundError):
            self._socket.request(_DELETE_NEIGHBOUR, _proxy(index, ip))

    def _dump(self, kind: int, question: bytes) -> list[bytes]:
        """All there is, asked for again where it changed in the middle of the answer."""
        found = self._socket.dump(kind, question, most=self._most, tries=_TRIES)
        if self._socket.changed:
            raise OSError(errno.EAGAIN, "it changes faster than it can be read")
        return found


def _link(index: int, *, up: bool | None = None, attributes: Attributes | None = None) -> bytes:
    flags, change = (0, 0) if up is None else (_UP * up, _UP)
    given = (attribute(kind, _value(kind, one)) for kind, one in (attributes or {}).items())
    return _LINK_MESSAGE.pack(0, 0, index, flags, change) + b"".join(given)


def _value(kind: int, value: str | int) -> bytes:
    if isinstance(value, int):
        return _NUMBER.pack(value)
    return bytes.fromhex(value.replace(":", "")) if kind == MAC else os.fsencode(value) + b"\0"


def _address(index: int, cidr: str) -> bytes:
    ip, _, length = cidr.partition("/")
    local, own = _packed(ip), family.of(ip)
    flags = 0 if own is V4 else _NO_DAD
    message = _ADDRESS_MESSAGE.pack(own.number, int(length), flags, 0, index)
    message += attribute(_LOCAL, local) + attribute(_ADDRESS, local)
    if own is V4 and int(length) <= address.LONGEST_PREFIX:
        message += attribute(_BROADCAST, _socket.inet_aton(address.broadcast(cidr)))
    return message


def _route(of: Family, length: int, origin: int, scope: int, kind: int) -> bytes:
    """The head of a message about a route of the main table."""
    return _ROUTE_MESSAGE.pack(of.number, length, 0, 0, _MAIN, origin, scope, kind, 0)


def _loopback(index: int) -> bytes:
    """The beginning of a message about a route of ::1 that leads to a device."""
    message = _ROUTE_MESSAGE.pack(
        V6.number, V6.bits, 0, 0, _LOCAL_TABLE, _BOOT, _UNIVERSE, _TO_HOST, 0
    )
    return message + attribute(_TO, _packed(V6.loopback)) + attribute(_BY, _NUMBER.pack(index))


def _proxy(index: int, ip: str) -> bytes:
    """A message about an address for which the host answers on a device."""
    message = _NEIGHBOUR_MESSAGE.pack(family.of(ip).number, index, 0, _FOR_OTHERS, 0)
    return message + attribute(_NEIGHBOUR, _packed(ip))


def _packed(ip: str) -> bytes:
    return _socket.inet_pton(family.of(ip).number, ip)


def _read_link(message: bytes) -> Link:
    _, _, index, flags, _ = _LINK_MESSAGE.unpack_from(message)
    told = attributes(message, _LINK_MESSAGE.size)
    info = attributes(told.get(_INFO, b""))
    is_port = info.get(_SLAVE_KIND) == b"bridge\0"
    port = attributes(info.get(_SLAVE_DATA, b"")) if is_port else {}
    return Link(
        ifindex=index,
        name=os.fsdecode(told[NAME].rstrip(b"\0")),
        up=bool(flags & _UP),
        mac=told[MAC].hex(":") if told.get(MAC) else None,
        mtu=_NUMBER.unpack(told[MTU])[0],
        peer=_number(told, _PEER),
        master=_number(told, MASTER),
        kind=info[_KIND].rstrip(b"\0").decode() if _KIND in info else None,
        state=port[_STATE][0] if _STATE in port else None,
        hairpin=port.get(_HAIRPIN) == b"\1",
        guarded=port.get(_GUARD) == b"\1",
        isolated=port.get(_ISOLATED) == b"\1",
    )


def _number(told: dict[int, bytes], kind: int) -> int | None:
    return int(_NUMBER.unpack(told[kind])[0]) if kind in told else None


def find_index(name: str) -> int | None:
    """The number of a device of the network namespace the process is in, None where there is none.

    By netdevice(7), in the fiftieth part of the time of a question by netlink.
    """
    try:
        return _socket.if_nametoindex(name)
    except OSError:
        return None


def name_of(index: int | None) -> str | None:
    """The name of a device of the namespace the process is in, None where there is none."""
    try:
        return _socket.if_indextoname(index) if index else None
    except OSError:
        return None


def index_of(name: str) -> int:
    """The number of a device that has to be there. Raises OSError."""
    index = find_index(name)
    if index is None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
    return index


def unless_missing(ask: Callable[[], T]) -> T | None:
    """An answer, or None where there is no such device."""
    try:
        return ask()
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENOENT):
            return None
        raise
