"""A state as a batch, and what comes of the batch in an empty store."""

from __future__ import annotations

from typing import Any

import pytest

from dnet.cli.batch.lines import Reader, words_of
from dnet.cli.output import rebuild
from dnet.cli.session import Session
from dnet.model.entities import Origin
from dnet.model.state import State
from dnet.network import attachment, bridge, interface, ipallocator, link, portallocator, portmapper
from dnet.network.facts import Namespace
from tests.unit.facts import FakeFacts, make_bridge, snapshot, specs, with_bridge

PLACES = ("web", "/srv/n s/it's #1", "/proc/7/ns/net")
FACTS = FakeFacts(
    namespaces={one: Namespace(one, one, number) for number, one in enumerate(PLACES, 1)},
    files=["/etc/netns/web/hosts"],
)
# Which addresses and ports are next, what was released, and the site of subnets not yet made.
FORGOTTEN = {"cursors", "released", "released6", "checksum", "serial", "schema", "settings"}


def replayed(state: State) -> State:
    """An empty store after the batch."""
    made, reader = State(), Reader(Session("/nonexistent", 1.0))
    for line in rebuild.lines(state):
        if words := words_of(line):
            operation = reader.read(words).operation
            assert operation is not None
            operation(made, FACTS)
    return made


def kept(state: State) -> dict[str, Any]:
    """What has to be the same; the order is that of the batch."""
    return {part: rows for part, rows in snapshot(state).items() if part not in FORGOTTEN}


def attach(state: State, name: str, place: str, **options: Any) -> None:
    given = options.pop("given", {})
    wiring = attachment.Wiring(
        place, options.pop("ifname", "eth0"), options.pop("mac", None), given=given
    )
    attachment.attach(state, FACTS, interface_id=name, wiring=wiring, **options)


def options_of_bridges() -> State:
    state = with_bridge(
        icc=False,
        range="172.17.8.0/24",
        mtu=1400,
        chain="LAB",
        masquerade=False,
        ip_forward=False,
        isolate=False,
        binding_ip="192.0.2.1",
        port_range=(40000, 40010),
        allocation="reuse",
        firewalld=False,
        direct_access=False,
        firewall="nftables",
    )
    make_bridge(
        state,
        "six",
        "10.5.0.1/24",
        address6="2001:db8::1/64",
        range6="2001:db8::100/120",
        masquerade6=True,
        binding_ip6="::1",
        direct_access=True,
    )
    make_bridge(state, "bare", "10.6.0.1/24", iptables=False)
    return state


def attachments() -> State:
    state = with_bridge(ipv6=True)
    attach(state, "web", PLACES[0], mac="02:00:00:00:00:09", expose=["80/tcp", "53/udp"])
    given = {"rate_in": "8Mbit", "rate_out": "1500Kbit", "hosts_file": "/etc/netns/web/hosts"}
    attach(state, "limited", PLACES[0], ifname="eth1", given=given)
    attach(state, "odd", PLACES[1], ifname="lan0", ip="172.17.0.9", ip6="fd12:3456:789a::77")
    interface.allocate(state, FACTS, interface_id="vm", expose=["22/tcp"])
    ipallocator.request(state, FACTS, owner="router", count=2)
    ipallocator.request(state, FACTS, ip="fd12:3456:789a::99")
    return state


def ports() -> State:
    state = attachments()
    wanted = ("8080:80", "127.0.0.1:81:81/udp", "[::1]:82:82", "6000-6009:7000-7009/sctp")
    portmapper.add(state, FACTS, target="web", specs=specs(*wanted))
    some = ("10.0.0.0/8", "192.0.2.7/32")
    portmapper.add(state, FACTS, target="web", specs=specs("83:83"), sources=some)
    portmapper.add(state, FACTS, target="172.17.0.4", specs=specs("90:90"))
    portallocator.allocate(state, FACTS, ports=(8000, 8000), owner="vm")
    portallocator.allocate(state, FACTS, ports=(8001, 8001), host_ip="::1", proto="udp")
    portallocator.allocate(state, FACTS, ports=(8002, 8002), host_ip="0.0.0.0")
    portmapper.add(state, FACTS, target="vm", specs=specs("8000:22"))
    link.add(state, FACTS, parent="web", child="odd", ports=["5432/tcp", "53/udp"], alias="db")
    link.add(state, FACTS, parent="odd", child="web")
    link.add(state, FACTS, parent="host", child="vm")
    return state


def ipv6_that_came_later() -> State:
    state = with_bridge()
    attach(state, "old", "web")
    portmapper.add(state, FACTS, target="old", specs=specs("8080:80"))
    portallocator.allocate(state, FACTS, ports=(8000, 8000))
    bridge.init(state, FACTS, name="dnet0", options={"ipv6": True, "binding_ip6": "::1"})
    interface.allocate(state, FACTS, interface_id="new", expose=["80/tcp"])
    portmapper.add(state, FACTS, target="new", specs=specs("8081:80"))
    link.add(state, FACTS, parent="old", child="new")
    return state


STATES = (State, options_of_bridges, attachments, ports, ipv6_that_came_later)


@pytest.mark.parametrize("make", STATES, ids=lambda one: one.__name__)
def test_the_batch_makes_the_state_anew(make: Any) -> None:
    state = make()
    before = snapshot(state)
    assert kept(replayed(state)) == kept(state)
    assert replayed(state).firewall == state.firewall
    assert snapshot(state) == before
    assert list(rebuild.lines(replayed(state))) == list(rebuild.lines(state))


def test_a_namespace_of_a_process_is_left_to_whoever_makes_it_anew() -> None:
    state = with_bridge()
    attach(state, "web", PLACES[2], mac="02:00:00:00:00:09")
    assert list(rebuild.lines(state))[1:] == [
        "interface allocate web --bridge dnet0 --ip 172.17.0.2",
        "# to do: attach web --netns /proc/7/ns/net --ifname eth0 --mac 02:00:00:00:00:09",
    ]
    assert replayed(state).interfaces["web"].netns is None


def test_what_a_runtime_asked_for_is_left_to_the_runtime() -> None:
    state = with_bridge()
    make_bridge(state, "cni0", "10.5.0.1/24")
    state.bridges.put("cni0", state.bridges["cni0"]._replace(origin="cni:lab"))
    for name, home in (("pod", "cni0"), ("box", "dnet0"), ("own", "dnet0")):
        interface.allocate(state, FACTS, interface_id=name, bridge=home, expose=["80/tcp"])
        portmapper.add(state, FACTS, target=name, specs=specs("80"))
        portallocator.allocate(state, FACTS, owner=name, bridge=home)
    for name in ("pod", "box"):
        asked = state.interfaces[name]._replace(origin=Origin("cni", "lab", name, "eth0"))
        state.interfaces.put(name, asked)
    link.add(state, FACTS, parent="own", child="box")
    made = replayed(state)
    assert [*made.bridges] == ["dnet0"]
    assert [*made.interfaces] == ["own"]
    assert (len(made.mappings), len(made.reservations), len(made.links)) == (1, 1, 0)
    comments = [line for line in rebuild.lines(state) if line.startswith("#")]
    assert comments == [
        "# pod is left out: cni asks for it",
        "# box is left out: cni asks for it",
        "# cni0 is left out: it is made for cni:lab",
    ]
