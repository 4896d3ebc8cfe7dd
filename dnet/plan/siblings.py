"""How the containers of bridges with --no-icc are kept apart: by br_netfilter, or isolated ports.

A frame between two ports of a bridge meets a rule only with br_netfilter, for all bridges of the
network namespace alike. Isolated ports exchange no frame at all (bridge(8)); what a link lets
through takes its way through the host then, which answers for siblings (RFC 3069). The two do not
go together: br_netfilter hands what is translated straight to a port that may not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping

from dnet.firewall.traffic import families, filtered
from dnet.plan.settings import BRIDGE_CALLS, served
from dnet.plan.steps import SettingStep
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import address
from dnet.values.family import FAMILIES, V4, V6, Families, Family

if TYPE_CHECKING:
    from dnet.firewall.door import Firewall
    from dnet.model.entities import Bridge
    from dnet.model.state import State
    from dnet.plan.devicesteps import AddProxyNeighbour, DeleteProxyNeighbour
    from dnet.plan.scope import Scope
    from dnet.plan.view import View

NONE, BR_NETFILTER, ISOLATED_PORTS = "none", "br-netfilter", "isolated-ports"

# In 1/100 s; NEIGH_VAR_PROXY_DELAY of arp_tbl and nd_tbl, net/ipv4/arp.c and net/ipv6/ndisc.c.
_PROXY_DELAY = "80"
_PROXY = {V4: "proxy_arp_pvlan", V6: "proxy_ndp"}


def icc_by(state: State, firewall: Firewall, view: View) -> str:
    """What keeps siblings apart on the bridges of a state, as the machine is now."""
    if not _separated(state.bridges.values()):
        return NONE
    calls = (SettingStep(BRIDGE_CALLS[one], "1") for one in _families(state.bridges.values()))
    if firewall.needs_br_netfilter or any(view.value(one) == "1" for one in calls):
        return BR_NETFILTER
    return ISOLATED_PORTS


class Siblings(NamedTuple):
    """What a state needs for it of ports and bridges.

    Attributes:
        by: what keeps siblings apart.
        families: those that they have addresses of.
        isolated: the bridges whose ports are isolated.
        freed: those whose ports may have been, and whose devices stay.
        minds_ports: whether any firewall that is concerned isolates ports. Otherwise dnet has
            never done so, and leaves them as they are.
        dual: the bridges that have IPv6.
        subnets6: the addresses, with prefix length, of those and of any that has had it and stays.
        answered: for whom the host answers (RFC 4389), by bridge: the IPv6 addresses of siblings
            that are linked.
    """

    by: str
    families: Families = (V4,)
    isolated: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()
    minds_ports: bool = False
    dual: frozenset[str] = frozenset()
    subnets6: Mapping[str, Collection[str]] = {}
    answered: Mapping[str, Collection[str]] = {}

    @classmethod
    def of(
        cls, state: State, scope: Scope, firewalls: Callable[[str], Firewall], view: View
    ) -> Siblings:
        """The answer for a state, where what is of `scope` may have been before."""
        by = icc_by(state, firewalls(state.firewall), view)
        names = scope.firewalls | {state.firewall}
        if all(firewalls(name).needs_br_netfilter for name in names):
            return cls(by, _families(state.bridges.values()))
        now = isolated(state, by)
        # With the device of any other bridge its settings go.
        staying = [one for one in scope.bridges if one.adopted or one.name in state.bridges]
        known = [*state.bridges.values(), *staying]
        return cls(
            by,
            _families(state.bridges.values()),
            now,
            _separated(staying) - now,
            minds_ports=True,
            dual=frozenset(_subnets6(state.bridges.values(), view)),
            subnets6=_subnets6(known, view),
            answered=_linked(state, now),
        )

    def isolates(self, bridge: str) -> bool | None:
        """Whether the ports of a bridge are to be isolated; None where nobody minds."""
        return bridge in self.isolated if self.minds_ports else None

    def settings(self, failed: Container[str], view: View) -> Iterator[SettingStep]:
        """What lets the host answer for siblings at once, or no longer, as far as it differs.

        Of `failed` bridges there is no device.
        """
        for name in sorted(self.isolated | self.freed):
            if name not in failed:
                yield from self._settings(name, view)

    def _settings(self, bridge: str, view: View) -> Iterator[SettingStep]:
        for of in FAMILIES if bridge in self.subnets6 else (V4,):
            if bridge in self.isolated and (of is V4 or bridge in self.dual):
                yield from (one for one in _proxying(bridge, of) if view.value(one) != one.value)
            elif bridge in self.freed or of is V6:
                for one in _not_proxying(bridge, of):
                    if view.value(one) not in (None, one.value):
                        yield one

    def neighbours(
        self, failed: Container[str], view: View
    ) -> Iterator[AddProxyNeighbour | DeleteProxyNeighbour]:
        """What lets the host answer for linked siblings, and no longer for others.

        With IPv4 it does so for whom it has a route to; with IPv6 for whom it is told to
        (ndisc_recv_ns, net/ipv6/ndisc.c). Of others' nothing is taken away.
        """
        names = sorted((self.isolated | self.freed) & self.subnets6.keys())
        if not names:
            return
        from dnet.plan.devicesteps import AddProxyNeighbour, DeleteProxyNeighbour

        there = view.proxied()
        for name in (one for one in names if one not in failed):
            has, wanted = there.get(name, ()), self.answered.get(name, ())
            mine = [ip for ip in has if _is_within(self.subnets6[name], ip)]
            for ip in (one for one in mine if one not in wanted):
                yield DeleteProxyNeighbour(name, ip, f"the host answers for {ip} on {name}")
            for ip in (one for one in wanted if one not in has):
                yield AddProxyNeighbour(name, ip, f"the host does not answer for {ip} on {name}")

    def changed(self, bridges: Iterable[str], scope: Scope, view: View) -> set[str]:
        """Those of some bridges whose ports have to be looked at, for they are kept in another way.

        The settings tell, since they are the last that is changed. Where somebody else has made
        them before, or a change was not carried out whole, what the bridge was does.
        """
        if not self.minds_ports:
            return set()
        open_before = {one.name for one in scope.bridges if not _separated([one])}
        return {
            name
            for name in bridges
            if name in (self.isolated | self.freed) & open_before or any(self._settings(name, view))
        }


def isolated(state: State, by: str) -> frozenset[str]:
    """The bridges of a state whose ports are isolated."""
    return _separated(state.bridges.values()) if by == ISOLATED_PORTS else frozenset()


def _families(bridges: Iterable[Bridge]) -> Families:
    """The families of which there are siblings to be kept apart."""
    return families(one for one in bridges if not one.icc)


def _subnets6(bridges: Iterable[Bridge], view: View) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in bridges:
        if cidr := served(one, view).address6:
            found.setdefault(one.name, set()).add(cidr)
    return found


def _is_within(subnets: Iterable[str], ip: str) -> bool:
    return any(address.contains(one, ip) for one in subnets)


def _linked(state: State, bridges: Collection[str]) -> dict[str, set[str]]:
    """The IPv6 addresses of linked siblings, of some bridges."""
    found: dict[str, set[str]] = {}
    for link in state.links.values():
        if link.parent_bridge == link.child_bridge and link.child_bridge in bridges:
            for ends in link.ways[1:]:
                found.setdefault(link.child_bridge, set()).update(ends)
    return found


def _separated(bridges: Iterable[Bridge]) -> frozenset[str]:
    return frozenset(one.name for one in filtered(bridges) if not one.icc)


def _proxying(bridge: str, of: Family) -> Iterator[SettingStep]:
    """The delay first, for whoever is answered for is to be reached at once."""
    yield _delay(bridge, of, "0")
    yield _proxy(bridge, of, "1")


def _not_proxying(bridge: str, of: Family) -> Iterator[SettingStep]:
    yield _proxy(bridge, of, "0")
    yield _delay(bridge, of, _PROXY_DELAY)


def _proxy(bridge: str, of: Family, value: str) -> SettingStep:
    return SettingStep(("net", of.name, "conf", bridge, _PROXY[of]), value)


def _delay(bridge: str, of: Family, value: str) -> SettingStep:
    return SettingStep(("net", of.name, "neigh", bridge, "proxy_delay"), value)
