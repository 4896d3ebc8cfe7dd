"""How the containers of bridges with --no-icc are kept apart: by br_netfilter, or isolated ports.

A frame between two ports of a bridge meets a rule only with br_netfilter, for all bridges of the
network namespace alike. Isolated ports exchange no frame at all (bridge(8)); what a link lets
through takes its way through the host then, which answers for siblings (RFC 3069). The two do not
go together: br_netfilter hands what is translated straight to a port that may not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from dnet.firewall.traffic import filtered
from dnet.plan.settings import BRIDGE_CALLS_IPTABLES
from dnet.plan.steps import Sysctl

if TYPE_CHECKING:
    from dnet.firewall.door import Firewall
    from dnet.model.entities import Bridge
    from dnet.model.state import State
    from dnet.plan.scope import Scope
    from dnet.plan.view import View

NONE, BR_NETFILTER, ISOLATED_PORTS = "none", "br-netfilter", "isolated-ports"

_ARP_PROXY_DELAY = "80"  # In 1/100 s; NEIGH_VAR_PROXY_DELAY of arp_tbl, net/ipv4/arp.c.


def icc_by(state: State, firewall: Firewall, view: View) -> str:
    """What keeps siblings apart on the bridges of a state, as the machine is now."""
    if not _separated(state.bridges.values()):
        return NONE
    if firewall.needs_br_netfilter or view.value(Sysctl(BRIDGE_CALLS_IPTABLES, "1")) == "1":
        return BR_NETFILTER
    return ISOLATED_PORTS


class Siblings(NamedTuple):
    """What a state needs for it of ports and bridges.

    Attributes:
        by: what keeps siblings apart.
        isolated: the bridges whose ports are isolated.
        freed: those whose ports may have been, and whose devices stay.
        minds_ports: whether any firewall that is concerned isolates ports. Otherwise dnet has
            never done so, and leaves them as they are.
    """

    by: str
    isolated: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()
    minds_ports: bool = False

    @classmethod
    def of(
        cls, state: State, scope: Scope, firewalls: Callable[[str], Firewall], view: View
    ) -> Siblings:
        """The answer for a state, where what is of `scope` may have been before."""
        by = icc_by(state, firewalls(state.firewall), view)
        names = scope.firewalls | {state.firewall}
        if all(firewalls(name).needs_br_netfilter for name in names):
            return cls(by)
        now = isolated(state, by)
        # With the device of any other bridge its settings go.
        staying = [one for one in scope.bridges if one.adopted or one.name in state.bridges]
        return cls(by, now, _separated(staying) - now, minds_ports=True)

    def isolates(self, bridge: str) -> bool | None:
        """Whether the ports of a bridge are to be isolated; None where nobody minds."""
        return bridge in self.isolated if self.minds_ports else None

    def settings(self, blocked: Container[str], view: View) -> Iterator[Sysctl]:
        """What lets the host answer for siblings at once, or no longer, as far as it differs.

        Of `blocked` bridges there is no device.
        """
        for name in sorted(self.isolated | self.freed):
            if name not in blocked:
                yield from self._settings(name, view)

    def _settings(self, bridge: str, view: View) -> Iterator[Sysctl]:
        if bridge in self.isolated:
            yield from (one for one in _proxying(bridge) if view.value(one) != one.value)
        elif bridge in self.freed:
            for one in _not_proxying(bridge):
                if view.value(one) not in (None, one.value):
                    yield one

    def changed(self, bridges: Iterable[str], scope: Scope, view: View) -> set[str]:
        """Those of some bridges whose ports have to be looked at, for they are kept in another way.

        The settings tell, since they are the last that is changed. Where somebody else has made
        them before, what the bridge was does.
        """
        if not self.minds_ports:
            return set()
        open_before = {one.name for one in scope.bridges} - _separated(scope.bridges)
        return {
            name
            for name in bridges
            if name in self.isolated & open_before or any(self._settings(name, view))
        }


def isolated(state: State, by: str) -> frozenset[str]:
    """The bridges of a state whose ports are isolated."""
    return _separated(state.bridges.values()) if by == ISOLATED_PORTS else frozenset()


def _separated(bridges: Iterable[Bridge]) -> frozenset[str]:
    return frozenset(one.name for one in filtered(bridges) if not one.icc)


def _proxying(bridge: str) -> Iterator[Sysctl]:
    """The delay first, for whoever is answered for is to be reached at once."""
    yield _delay(bridge, "0")
    yield _proxy(bridge, "1")


def _not_proxying(bridge: str) -> Iterator[Sysctl]:
    yield _proxy(bridge, "0")
    yield _delay(bridge, _ARP_PROXY_DELAY)


def _proxy(bridge: str, value: str) -> Sysctl:
    return Sysctl(("net", "ipv4", "conf", bridge, "proxy_arp_pvlan"), value)


def _delay(bridge: str, value: str) -> Sysctl:
    return Sysctl(("net", "ipv4", "neigh", bridge, "proxy_delay"), value)
