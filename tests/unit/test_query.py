"""What a list shows of a state that is asked for by a name."""

from __future__ import annotations

import pytest

from dnet.cli.commands.show import show
from dnet.cli.output import views
from dnet.cli.output.render import render
from dnet.errors import NotFoundError, UsageError
from dnet.model import query
from dnet.model.state import State
from dnet.network import interface, ipallocator, link, portallocator, portmapper
from tests.unit.facts import FACTS, make_bridge, snapshot, specs, with_bridge


def town() -> State:
    """Two bridges, of which one has IPv6, with something of every owner."""
    state = with_bridge()
    make_bridge(state, "dnet1", "10.5.0.1/24", ipv6=True)
    for name, home in (("web", "dnet0"), ("db", "dnet0"), ("six", "dnet1")):
        interface.allocate(state, FACTS, interface_id=name, bridge=home, expose=["80/tcp"])
    portmapper.add(
        state, FACTS, target="web", specs=specs("6000-6010:6000-6010", "127.0.0.1:81:81")
    )
    portmapper.add(state, FACTS, target="six", specs=specs("8080:80"))
    portallocator.allocate(state, FACTS, bridge="dnet1", ports=(9000, 9000), owner="db")
    portallocator.allocate(state, FACTS, bridge="dnet0", ports=(53, 53), proto="udp")
    ipallocator.request(state, FACTS, bridge="dnet0", owner="router")
    link.add(state, FACTS, parent="web", child="db")
    link.add(state, FACTS, parent="host", child="db")
    link.add(state, FACTS, parent="web", child="six")
    return state


PORTS = {
    "6005": ["0.0.0.0:6000-6010/tcp"],
    "5990-6000": ["0.0.0.0:6000-6010/tcp"],
    "192.0.2.1:6010": ["0.0.0.0:6000-6010/tcp"],
    "81": ["127.0.0.1:81/tcp"],
    "0.0.0.0:81": ["127.0.0.1:81/tcp"],
    "53/udp": ["0.0.0.0:53/udp"],
    "80": ["127.0.0.1:80/tcp"],
    "8080": ["0.0.0.0:8080/tcp", "[::]:8080/tcp"],
    "[::1]:8080": ["[::]:8080/tcp"],
    "[::]:9000": ["0.0.0.0:9000/tcp"],
    "web": ["0.0.0.0:6000-6010/tcp", "127.0.0.1:81/tcp"],
    "db": ["0.0.0.0:9000/tcp", "127.0.0.1:80/tcp"],
    "six": ["0.0.0.0:8080/tcp", "[::]:8080/tcp"],
    "router": [],
}


@pytest.mark.parametrize("asked", PORTS)
def test_a_port_or_an_owner_names_what_has_it(asked: str) -> None:
    state = town()
    before = snapshot(state)
    assert list(views.taken_ports(query.of_port(state, asked), None)) == PORTS[asked]
    assert snapshot(state) == before


@pytest.mark.parametrize("asked", ["6005/udp", "82", "127.0.0.2:81", "nobody", "[::1]:81"])
def test_a_port_that_nobody_has_is_not_found(asked: str) -> None:
    with pytest.raises(NotFoundError):
        query.of_port(town(), asked)


@pytest.mark.parametrize("asked", ["99999", "0:80", "1.2.3:80", "80/icmp"])
def test_what_is_neither_a_port_nor_an_id_is_refused(asked: str) -> None:
    with pytest.raises(UsageError, match="is neither a host endpoint nor an id"):
        query.of_port(town(), asked)


def test_an_id_of_digits_alone_is_an_id_where_there_is_one() -> None:
    state = town()
    interface.allocate(state, FACTS, interface_id="6005", bridge="dnet0")
    assert list(views.taken_ports(query.of_port(state, "6005"), None)) == []


def addresses(state: State) -> list[str]:
    return [ip for home in state.bridges.values() for ip, _ in ipallocator.taken(state, home)]


def test_an_address_or_an_owner_names_addresses() -> None:
    state = town()
    assert addresses(query.of_address(state, "web")) == ["172.17.0.2"]
    assert addresses(query.of_address(state, "router")) == ["172.17.0.4"]
    assert addresses(query.of_address(state, "172.17.0.3")) == ["172.17.0.3"]
    six = state.interfaces["six"].addresses
    assert addresses(query.of_address(state, "six")) == [*six]
    assert addresses(query.of_address(state, six[1].upper())) == [six[1]]


@pytest.mark.parametrize("asked", ["172.17.0.9", "192.0.2.1", "fd00::1", "nobody", "host0"])
def test_an_address_or_owner_that_is_not_there_is_not_found(asked: str) -> None:
    with pytest.raises(NotFoundError):
        query.of_address(town(), asked)


def test_links_are_found_by_either_end() -> None:
    state = town()
    assert [*query.of_owner(state, "web").links] == ["web:db", "web:six"]
    assert [*query.of_owner(state, "db").links] == ["web:db", "host:db"]
    assert [*query.of_owner(state, "host").links] == ["host:db"]
    assert [*query.of_owner(state, "router").links] == []


def test_only_what_an_owner_has_is_shown() -> None:
    inventory = views.inventory(query.of_owner(town(), "db"), Nowhere())
    assert [one["name"] for one in inventory["bridges"]] == ["dnet0", "dnet1"]
    assert [one["id"] for one in inventory["interfaces"]] == ["db"]
    assert [one["ip"] for one in inventory["addresses"]] == ["172.17.0.3"]
    assert [one["port"] for one in inventory["ports"]] == [9000, 80]
    assert inventory["mappings"] == []
    assert [one["parent"] for one in inventory["links"]] == ["web", "host"]


class Nowhere:
    """Nothing of what should be is there."""

    def of_bridge(self, _: object) -> bool:
        return False

    def of_interface(self, _: object) -> bool:
        return False


TREES = {
    "web": """\
dnet0  172.17.42.1/16  the device is missing
  web  172.17.0.2
    publishes 0.0.0.0:6000-6010:6000-6010/tcp
    publishes 127.0.0.1:81:81/tcp
    links to db  80/tcp
    links to six  80/tcp
""",
    "router": """\
dnet0  172.17.42.1/16  the device is missing
  router  172.17.0.4
""",
    "host": """\
host
  links to db  80/tcp
""",
}


@pytest.mark.parametrize("asked", TREES)
def test_the_tree_of_one(asked: str) -> None:
    assert render(show.callback(asked).show(town(), None), "text") == TREES[asked]
