"""A client outside, made for a probe.

It is in a network namespace without a name, at the end of a veth pair. Both are gone with
the process, whatever ends it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from dnet.host import fib, netns, nlsocket, rtnl, sysctl
from dnet.host.probe import early, nftowned, redirect, trace
from dnet.host.probe.nftowned import EGRESS, INGRESS, NETDEV
from dnet.host.rtnl import Channel, find_index, index_of
from dnet.plan.steps import SettingStep
from dnet.typing import NamedTuple, TypeVar
from dnet.values import address
from dnet.values.family import V4, V6, Family

T = TypeVar("T")

# For measurements in networks: RFC 2544 and RFC 5180. Nobody's routes lead there.
_NETWORKS = {V4: "198.18.0.0/15", V6: "2001:2::/48"}
_TRIES = 16
_MAC, _PEER_MAC = "02:64:6e:65:74:01", "02:64:6e:65:74:02"
_PRIORITY = 1_000_000  # Behind the chains of others.
_MOST_SECONDS, _PAUSE = 2.0, 0.002
_CHAIN = "probe"
# A VPN may have two halves of everything, and IPv6 has 2000::/3.
_DEFAULTS = 3


class Outside(NamedTuple):
    """A client outside.

    Attributes:
        descriptor: its network namespace.
        addresses: its address of each family it has one of.
        device: the device that its packets come in by.
        home: the device that answers to it are to leave by.
        limits: what it cannot try, in words.
    """

    descriptor: int
    addresses: dict[Family, str]
    device: str
    home: str
    limits: tuple[str, ...]


@contextmanager
def outside(via: str | None, families: Sequence[Family], *, is_default: bool) -> Iterator[Outside]:
    """A client outside, whose packets come in by the device `via`. Raises OSError.

    `is_default` is whether default routes lead there. What is sent to the client leaves by it then,
    if the kernel can take such packets out there.
    """
    with ExitStack() as held:
        pair = _Pair(held)
        for of in families:
            with suppress(OSError):
                pair.settle(of)
        ways = pair.lead_in(via, is_default=is_default)
        pair.wait()
        yield Outside(pair.descriptor, pair.addresses, *ways)


class _Ways(NamedTuple):
    device: str
    home: str
    limits: tuple[str, ...] = ()


class _Pair:
    """A veth pair of which one end is in a network namespace made for it."""

    def __init__(self, held: ExitStack) -> None:
        self._held = held
        self.descriptor = netns.made()
        held.callback(os.close, self.descriptor)
        self.name = f"probe{os.urandom(4).hex()}"
        self.addresses: dict[Family, str] = {}
        self._channel, self._inner = Channel(), self._within(Channel)
        held.callback(self._channel.close)
        held.callback(self._inner.close)
        self._channel.add_veth(
            {rtnl.NAME: self.name, rtnl.MAC: _MAC},
            {rtnl.NAME: self.name, rtnl.MAC: _PEER_MAC, rtnl.NETNS: self.descriptor},
        )
        self._index = index_of(self.name)
        # The namespace may outlive its descriptor for a moment: nothing of it is seen then.
        held.callback(self._remove)
        self._peer = self._within(lambda: index_of(self.name))
        self._inner.set_link(self._peer, up=True)

    def wait(self) -> None:
        """Wait until both ends send: the kernel sees to it in a worker (net/core/link_watch.c)."""
        end = time.monotonic() + _MOST_SECONDS
        ends = ((self._channel, self._index), (self._inner, self._peer))
        while not all(channel.is_running(index) for channel, index in ends):
            if time.monotonic() > end:
                break
            time.sleep(_PAUSE)

    def _within(self, make: Callable[[], T]) -> T:
        with netns.inside(self.descriptor):
            return make()

    def _remove(self) -> None:
        with suppress(OSError):
            self._channel.delete_link(self._index)

    def settle(self, of: Family) -> None:
        """Give the client an address of a family, and a default route. Raises OSError."""
        router, own = _free(of)
        self._inner.add_address(self._peer, f"{own}/{of.bits - 1}")
        self._inner.add_neighbour(self._peer, router, _MAC)
        self._inner.add_default_route(self._peer, router)
        self.addresses[of] = own

    def lead_in(self, via: str | None, *, is_default: bool) -> _Ways:
        """Lead packets in and back."""
        index = find_index(via) if via else None
        if via is None or index is None:
            return self._directly("no default route: nothing that names an uplink; see --via")
        returns = is_default and self._takes_out(via)
        why = None if returns else _strict(via, self.addresses)
        if why is None and not self._redirects(index):
            why = "the kernel cannot redirect packets into it (act_mirred)"
        if why is not None:
            return self._directly(f"rules, settings and ip rules that name {via}: {why}")
        if returns:
            queues = tuple(early.at_exit(via))
            return _Ways(via, via, tuple(f"packets leaving by {via}: {one}" for one in queues))
        limit = f"rules for packets leaving by {via}: answers to the probe leave by {self.name}"
        return self._directly(limit)._replace(device=via)

    def _directly(self, limit: str) -> _Ways:
        for ip in self.addresses.values():
            self._channel.add_host_route(self._index, ip)
            self._channel.add_neighbour(self._index, ip, _PEER_MAC)
        return _Ways(self.name, self.name, (limit,))

    def _redirects(self, index: int) -> bool:
        try:
            redirect.ingress(self._index, index, tuple(self.addresses))
        except OSError:
            return False
        return True

    def _takes_out(self, via: str) -> bool:
        """Bring the client what leaves for it by another device, with that one's addresses."""
        name = f"{trace.NAME}-{os.getpid()}"
        try:
            leaving = self._held.enter_context(_owner())
            leaving.transact(
                nftowned.RESOURCE,
                [*_table(name, EGRESS, via)]
                + [
                    nftowned.rule(
                        NETDEV,
                        name,
                        _CHAIN,
                        *nftowned.goes_to(of, ip),
                        *nftowned.forwards_to(self._index),
                    )
                    for of, ip in self.addresses.items()
                ],
            )
            coming = self._held.enter_context(self._within(_owner))
            takes = nftowned.rule(NETDEV, name, _CHAIN, *nftowned.takes())
            coming.transact(nftowned.RESOURCE, [*_table(name, INGRESS, self.name), takes])
        except OSError:
            return False
        return True


def _owner() -> nlsocket.Socket:
    """A socket of the present network namespace that tables belong to."""
    return nlsocket.Socket(nlsocket.NETFILTER)


def _table(name: str, hook: int, device: str) -> Iterator[nlsocket.Message]:
    yield nftowned.table(NETDEV, name)
    yield nftowned.chain(NETDEV, name, _CHAIN, hook, _PRIORITY, device)


def _strict(via: str, families: Collection[Family]) -> str | None:
    """Why packets would be dropped there for the way back to the probe alone."""
    settings = (
        SettingStep(("net", V4.name, "conf", name, "rp_filter"), "2") for name in ("all", via)
    )
    values = [sysctl.value(one) for one in settings]
    if V4 not in families or max(filter(None, values), default="0") != "1":
        return None
    return "its rp_filter is 1, which would drop what the probe sends"


def _free(of: Family) -> tuple[str, str]:
    """Two neighbouring addresses to which no route leads but a default one. Raises OSError."""
    number, length = fib.prefix(_NETWORKS[of])
    for _ in range(_TRIES):
        offset = int.from_bytes(os.urandom(8), "big") & (1 << min(of.bits - length, 62)) - 2
        router, own = (address.from_int(number + offset + at, of) for at in (0, 1))
        found = fib.overlapping([f"{router}/{of.bits - 1}"])
        if all(int(one.subnet.partition("/")[2]) <= _DEFAULTS for one in found):
            return router, own
    raise OSError(errno.EADDRNOTAVAIL, f"routes have {_NETWORKS[of]}")
