"""How siblings are kept apart, and what follows for ports and bridges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dnet.firewall.door import Chain, Trace
from dnet.firewall.iptables.backend import Iptables
from dnet.model.entities import IPTABLES, NFTABLES, Bridge, Interface
from dnet.model.state import State
from dnet.network.facts import Device, Namespace
from dnet.plan import devices, siblings
from dnet.plan.devicesteps import AddVeth, ConfigureInside, SetIsolated, SetLink
from dnet.plan.scope import Scope
from dnet.plan.siblings import BR_NETFILTER, ISOLATED_PORTS, NONE, Siblings
from dnet.plan.steps import SettingStep
from tests.unit.facts import make_bridge

CALLS = "net.bridge.bridge-nf-call-iptables"
OFF = {CALLS: "0"}
PROXY, DELAY = "net.ipv4.conf.dnet0.proxy_arp_pvlan", "net.ipv4.neigh.dnet0.proxy_delay"
UNTOUCHED, PROXYING = {PROXY: "0", DELAY: "80"}, {PROXY: "1", DELAY: "0"}
ON, TAKEN_BACK = [f"{DELAY}=0", f"{PROXY}=1"], [f"{PROXY}=0", f"{DELAY}=80"]


class Isolating(Iptables):
    """A firewall that needs no br_netfilter."""

    needs_br_netfilter = False


class FakeView:
    """A machine with some settings, by their dotted names."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def value(self, setting: SettingStep) -> str | None:
        return self._values.get(".".join(setting.name))


def firewall(name: str) -> Iptables:
    return Iptables() if name == IPTABLES else Isolating()


def a_state(name: str, **options: Any) -> State:
    state = State()
    options = {"icc": False, **options}
    make_bridge(state, "dnet0", "172.17.42.1/16", firewall=name, **options)
    return state


def scope_of(*states: State) -> Scope:
    scope = Scope()
    for state in states:
        trace = Trace(state.firewall, Chain("a table", "a chain"))
        scope |= Scope(tuple(state.bridges.values()), frozenset({trace}))
    return scope


def found(state: State, values: Mapping[str, str], *before: State) -> tuple[Siblings, list[str]]:
    """How siblings are kept, and the settings to write, as sysctl(8) takes them."""
    view: Any = FakeView(values)
    one = Siblings.of(state, scope_of(state, *before), firewall, view)
    return one, [f"{'.'.join(each.name)}={each.value}" for each in one.settings((), view)]


@pytest.mark.parametrize(
    ("name", "options", "values", "by"),
    [
        (IPTABLES, {}, {}, BR_NETFILTER),
        (IPTABLES, {}, OFF, BR_NETFILTER),
        (IPTABLES, {"icc": True}, OFF, NONE),
        (IPTABLES, {"iptables": False}, OFF, NONE),
        (NFTABLES, {}, {}, ISOLATED_PORTS),
        (NFTABLES, {}, OFF, ISOLATED_PORTS),
        (NFTABLES, {}, {CALLS: "1"}, BR_NETFILTER),
        (NFTABLES, {"icc": True}, OFF, NONE),
        (NFTABLES, {"iptables": False}, OFF, NONE),
    ],
)
def test_the_firewall_and_br_netfilter_decide(
    name: str, options: dict[str, Any], values: dict[str, str], by: str
) -> None:
    state = a_state(name, **options)
    view: Any = FakeView(values)
    assert siblings.icc_by(state, firewall(name), view) == by
    isolated = {"dnet0"} if by == ISOLATED_PORTS else set()
    assert siblings.isolated(state, by) == isolated
    minded = None if name == IPTABLES else bool(isolated)
    assert found(state, values)[0].isolates("dnet0") is minded


def test_the_host_answers_for_isolated_siblings_alone() -> None:
    closed, opened = a_state(NFTABLES), a_state(NFTABLES, icc=True)
    assert found(closed, {**OFF, **UNTOUCHED})[1] == ON
    assert found(closed, {**OFF, **PROXYING})[1] == []
    assert found(closed, {CALLS: "1", **PROXYING})[1] == TAKEN_BACK
    assert found(closed, {CALLS: "1", **UNTOUCHED})[1] == []
    # What was never closed has been set by somebody else; so has what is no store's of nftables.
    assert found(opened, {**OFF, **PROXYING})[1] == []
    assert found(opened, {**OFF, **PROXYING}, closed)[1] == TAKEN_BACK
    assert found(a_state(IPTABLES), {CALLS: "1", **PROXYING})[1] == []
    assert found(a_state(IPTABLES), {CALLS: "1", **PROXYING}, closed)[1] == TAKEN_BACK


@pytest.mark.parametrize("adopted", [False, True])
def test_a_bridge_that_stays_when_it_is_removed_is_given_back(adopted: bool) -> None:
    before = a_state(NFTABLES)
    before.bridges.put("dnet0", before.bridges["dnet0"]._replace(adopted=adopted))
    assert found(State(), {**OFF, **PROXYING}, before)[1] == (TAKEN_BACK if adopted else [])


@pytest.mark.parametrize(
    ("values", "before", "names"),
    [
        (UNTOUCHED, a_state(NFTABLES), {"dnet0"}),
        (PROXYING, a_state(NFTABLES), set()),
        (PROXYING, a_state(NFTABLES, icc=True), {"dnet0"}),
        (PROXYING, a_state(NFTABLES, iptables=False), {"dnet0"}),
        ({CALLS: "1", **PROXYING}, a_state(NFTABLES), {"dnet0"}),
        ({CALLS: "1", **UNTOUCHED}, a_state(NFTABLES), set()),
        ({CALLS: "1", **UNTOUCHED}, a_state(NFTABLES, icc=True), set()),
    ],
)
def test_ports_are_looked_at_where_their_bridge_is_kept_in_another_way(
    values: dict[str, str], before: State, names: set[str]
) -> None:
    state, view = a_state(NFTABLES), FakeView({**OFF, **values})
    scope = scope_of(before)
    one = Siblings.of(state, scope, firewall, view)  # type: ignore[arg-type]
    assert one.changed(["dnet0"], scope, view) == names  # type: ignore[arg-type]


BRIDGE = Bridge("dnet0", "172.17.42.1/16", 1500, "", icc=False)
WEB = Interface("web", "dnet0", "172.17.0.2", netns="web", ifname="eth0")
PLACE = Namespace("web", "/run/netns/web", 7)


def a_port(*, up: bool = True, master: int | None = 5, isolated: bool = False) -> Device:
    mac = "02:00:00:00:00:01"
    port = Device("vethweb", 6, "veth", mac, 1500, up, master=master, isolated=isolated)
    return port._replace(hairpin=master is not None, guarded=True)


def test_a_port_is_isolated_before_it_is_up() -> None:
    pair, isolating, rising, inside, _ = devices.plug_steps(WEB, BRIDGE, PLACE, isolates=True)
    assert isinstance(pair, AddVeth)
    assert " up " not in pair.shown
    assert isolating == SetIsolated(pair.device, on=True)
    assert isolating.shown == f"bridge link set dev {pair.device} isolated on"
    assert rising == SetLink(pair.device, up=True)
    assert isinstance(inside, ConfigureInside)
    assert " up " in next(devices.plug_steps(WEB, BRIDGE, PLACE)).shown


def test_a_device_that_is_up_joins_only_as_an_isolated_port() -> None:
    steps = devices.port_steps(WEB, BRIDGE, PLACE, a_port(master=None), 5, isolates=True)
    assert [step.shown.split("vethweb ")[1] for step in steps if step.device == "vethweb"][:4] == [
        "down",
        "master dnet0",
        "isolated on",
        "up",
    ]


@pytest.mark.parametrize(
    ("is_isolated", "isolates", "found"),
    [
        (False, None, []),
        (True, None, []),
        (False, False, []),
        (True, True, []),
        (False, True, ["vethweb of web is not isolated"]),
        (True, False, ["vethweb of web is isolated, and should not be"]),
    ],
)
def test_a_port_is_mended_where_anybody_minds(
    is_isolated: bool, isolates: bool | None, found: list[str]
) -> None:
    port = a_port(isolated=is_isolated)
    steps = list(devices.port_steps(WEB, BRIDGE, PLACE, port, 5, isolates=isolates))
    assert [step.why for step in steps] == found
    assert all(isinstance(step, SetIsolated) and step.on is isolates for step in steps)


def test_a_port_that_is_down_is_isolated_first() -> None:
    port = a_port(up=False)
    first, second = devices.port_steps(WEB, BRIDGE, PLACE, port, 5, isolates=True)
    assert isinstance(first, SetIsolated)
    assert isinstance(second, SetLink)
    assert second.up
