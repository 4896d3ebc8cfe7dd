"""Devices and addresses by rtnetlink: the only place where pyroute2 is used.

Importing pyroute2 takes longer than everything else a command does, so it is loaded when the
first question or change comes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dnet.errors import ConflictError, KernelError, PermissionDeniedError
from dnet.facts import Device
from dnet.host.steps import Netlink as Step
from dnet.model import Interface

if TYPE_CHECKING:
    from dnet.host.inside import Inner

_ANY_FAMILY = 0  # NFPROTO_UNSPEC, include/uapi/linux/netfilter.h
_FORWARDING = 3  # BR_STATE_FORWARDING, include/uapi/linux/if_bridge.h


class Netlink:
    """The devices of the network namespace the process is in."""

    @cached_property
    def _route(self) -> Any:
        return open_socket()

    def close(self) -> None:
        """Close the socket, if one was opened."""
        if "_route" in self.__dict__:
            self._route.close()
            del self.__dict__["_route"]

    # Questions

    def device(self, name: str) -> Device | None:
        """A device by its name."""
        with _reporting(f"asking for {name}"):
            found = unless_missing(lambda: list(self._route.link("get", ifname=name)))
            if not found:
                return None
            index = found[0]["index"]
            addresses = list(self._route.get_addr(family=2, index=index))
        return _device(found[0], tuple(cidr(message) for message in addresses))

    def ports(self, name: str) -> list[Device]:
        """The ports of a bridge, without their addresses."""
        bridge = self.device(name)
        with _reporting("asking for the ports"):
            found = list(self._route.link("dump")) if bridge else ()
        return [_device(one, ()) for one in found if bridge and _master(one) == bridge.ifindex]

    def inner(self, one: Interface, netns: str) -> Inner | None:
        """An interface's device as it is in a namespace."""
        from dnet.host import inside

        with (
            _reporting(f"asking for {one.ifname} in {netns}"),
            inside.Namespace(netns) as namespace,
        ):
            return namespace.inner(str(one.ifname))

    # Changes, each named by a step

    def take(self, step: Step) -> None:
        """Make the change a step stands for. Raises KernelError."""
        with _reporting(step.shown):
            getattr(self, step.action)(**step.arguments)

    def add_bridge(self, name: str, mac: str) -> None:
        """Make a bridge; with an address given it keeps that whatever its ports are."""
        self._route.link("add", ifname=name, kind="bridge", address=mac)

    def set_link(self, name: str, **attributes: object) -> None:
        """Set MTU, address or state of a device."""
        self._route.link("set", index=self._index(name), **attributes)

    def add_address(self, name: str, cidr: str) -> None:
        """Give a device an address."""
        ip, _, prefix = cidr.partition("/")
        self._route.addr("add", index=self._index(name), address=ip, prefixlen=int(prefix))

    def delete_address(self, name: str, cidr: str) -> None:
        """Take an address away from a device."""
        ip, _, prefix = cidr.partition("/")
        self._route.addr("del", index=self._index(name), address=ip, prefixlen=int(prefix))

    def delete_link(self, name: str) -> None:
        """Delete a device; one that is gone already is no error."""
        unless_missing(lambda: self._route.link("del", index=self._index(name)))

    def add_veth(self, name: str, peer: str, netns: str, mac: str, mtu: int) -> None:
        """Make a veth pair whose other end is in another namespace."""
        with open(netns, "rb") as namespace:
            inner = {"ifname": peer, "net_ns_fd": namespace.fileno(), "address": mac, "mtu": mtu}
            try:
                self._route.link("add", ifname=name, kind="veth", mtu=mtu, peer=inner)
            except Exception as error:
                if getattr(error, "code", None) != errno.EEXIST:
                    raise
                raise ConflictError(
                    f"there is a device {peer} in {netns} already",
                    "choose another name with --ifname",
                ) from None

    def set_port(self, name: str, bridge: str) -> None:
        """Make a device a port of a bridge, and bring it up."""
        self._route.link("set", index=self._index(name), master=self._index(bridge), state="up")

    def set_hairpin(self, name: str) -> None:
        """Let a bridge send a frame back to the port it came from."""
        self._route.brport("set", index=self._index(name), mode=1)

    def configure_inside(
        self, netns: str, name: str, mac: str, cidr: str, gateway: str, port: str
    ) -> None:
        """Give the device in a namespace its address, and the namespace its route."""
        from dnet.host import inside

        with inside.Namespace(netns) as namespace:
            namespace.configure(name, cidr, gateway)
            self._await_forwarding(port)
            namespace.announce(name, mac, cidr.partition("/")[0])

    def _await_forwarding(self, port: str) -> None:
        """A bridge forwards for a port once it has noticed the carrier, which takes it a moment."""
        import time

        for _ in range(100):
            if _port(self._route.link("get", ifname=port)[0], "STATE") == _FORWARDING:
                return
            time.sleep(0.001)

    def _index(self, name: str) -> int:
        found = list(self._route.link("get", ifname=name))
        return int(found[0]["index"])


def _device(message: Any, addresses: tuple[str, ...]) -> Device:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    return Device(
        name=message.get_attr("IFLA_IFNAME"),
        ifindex=message["index"],
        kind=kind,
        mac=message.get_attr("IFLA_ADDRESS"),
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(message["flags"] & 1),
        addresses=addresses,
        master=_master(message),
        hairpin=bool(_port(message, "MODE")),
    )


def _master(message: Any) -> int | None:
    master: int | None = message.get_attr("IFLA_MASTER")
    return master


def _port(message: Any, attribute: str) -> Any:
    """What a device is as a port of its bridge; None where it is no port."""
    info: Any = message.get_attr("IFLA_LINKINFO")
    port: Any = info.get_attr("IFLA_INFO_SLAVE_DATA") if info else None
    return port.get_attr(f"IFLA_BRPORT_{attribute}") if hasattr(port, "get_attr") else None


def cidr(message: Any) -> str:
    """The address with its prefix length in an answer of the kernel."""
    return f"{message.get_attr('IFA_LOCAL')}/{message['prefixlen']}"


def open_socket() -> Any:
    """A socket for the network namespace the process is in now."""
    from pyroute2 import IPRoute

    return IPRoute()


def base_chains() -> Iterator[Any]:
    """Every chain of nftables. Raises OSError where the kernel has none."""
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.nftables.main import NFTables

    try:
        with NFTables(nfgen_family=_ANY_FAMILY) as tables:
            yield from tables.get_chains()
    except NetlinkError as error:
        raise OSError(error.code, str(error)) from None


def unless_missing(ask: Callable[[], Any]) -> Any:
    """An answer, or None where there is no such device."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        return ask()
    except NetlinkError as error:
        if error.code in (errno.ENODEV, errno.ENOENT):
            return None
        raise


@contextmanager
def _reporting(what: str) -> Iterator[None]:
    """Turn what the kernel refuses into dnet's own errors."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        if error.code in (errno.EPERM, errno.EACCES):
            raise PermissionDeniedError(
                f"{what}: CAP_NET_ADMIN is missing", "run it as root"
            ) from None
        raise KernelError(f"{what}: {os.strerror(error.code)}") from None
    except (OSError, RuntimeError) as error:  # pyroute2 gives up sending with the latter
        raise KernelError(f"{what}: {getattr(error, 'strerror', None) or error}") from None
