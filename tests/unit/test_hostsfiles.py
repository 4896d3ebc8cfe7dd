"""What an /etc/hosts says: for the host, and for who may not reach everybody."""

from __future__ import annotations

import pytest

from dnet.errors import NotFoundError
from dnet.model.state import State
from dnet.network import interface, ipallocator, link
from dnet.plan import hostsfiles
from tests.unit.facts import FACTS, make_bridge, with_bridge


def town(*, icc: bool = True, isolate: bool = True) -> State:
    """Two bridges; the first has IPv6."""
    state = with_bridge(icc=icc, isolate=isolate, address6="fd00::1/64")
    make_bridge(state, "dnet1", "10.5.0.1/24", isolate=isolate)
    for name, home in (("web", "dnet0"), ("db", "dnet0"), ("far", "dnet1"), ("off", "dnet1")):
        interface.allocate(state, FACTS, interface_id=name, bridge=home, expose=["80/tcp"])
    ipallocator.request(state, FACTS, bridge="dnet0", owner="router")
    ipallocator.request(state, FACTS, bridge="dnet0")
    return state


WEB = ["172.17.0.2 web", "fd00::2 web"]
DB = ["172.17.0.3 db", "fd00::3 db"]
FAR, OFF, ROUTER = "10.5.0.2 far", "10.5.0.3 off", "172.17.0.4 router"


def told(state: State, who: str | None = None) -> list[str]:
    first, second, *lines = hostsfiles.whole(state, who)
    assert (first.split()[1], second.split()[1]) == ("localhost", "localhost")
    return sorted(lines)


def test_the_host_reaches_everybody() -> None:
    state = town(icc=False)
    assert told(state) == told(state, "host") == sorted([*WEB, *DB, FAR, OFF, ROUTER])


def test_siblings_reach_one_another_and_no_other_bridge() -> None:
    assert told(town(), "web") == sorted([*WEB, *DB, ROUTER])
    assert told(town(), "far") == [FAR, OFF]


def test_only_itself_where_siblings_are_kept_apart() -> None:
    assert told(town(icc=False), "web") == sorted(WEB)


def test_bridges_that_are_not_kept_apart_in_the_families_that_both_have() -> None:
    assert told(town(isolate=False), "far") == sorted([FAR, OFF, WEB[0], DB[0], ROUTER])


def test_a_link_names_the_child_and_its_alias() -> None:
    state = town(icc=False)
    link.add(state, FACTS, parent="web", child="db", alias="store")
    link.add(state, FACTS, parent="web", child="far")
    link.add(state, FACTS, parent="host", child="off", alias="o.f")
    assert told(state, "web") == sorted([*WEB, *(f"{one} store" for one in DB), FAR])
    assert told(state, "db") == sorted(DB)
    assert told(state) == sorted([*WEB, *DB, FAR, f"{OFF} o.f", ROUTER])


def test_an_alias_is_nobody_else() -> None:
    state = town()
    link.add(state, FACTS, parent="web", child="db", alias="router")
    link.add(state, FACTS, parent="web", child="far", alias="db")
    addresses = ("172.17.0.3", "fd00::3")
    assert told(state, "web") == sorted([*WEB, *(f"{ip} router" for ip in addresses), f"{FAR} db"])


def test_who_is_not_there_is_not_found() -> None:
    for name in ("wbe", "router"):
        with pytest.raises(NotFoundError):
            list(hostsfiles.whole(town(), name))
