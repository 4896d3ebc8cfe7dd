"""What the whole picture shows."""

from __future__ import annotations

from dnet.cli.commands.show import show
from dnet.cli.output import views
from dnet.cli.output.render import render
from dnet.model.state import State
from dnet.network import attachment, bridge, interface, portallocator
from dnet.network.facts import Namespace
from dnet.transaction.presence import Presence
from dnet.values.endpoint import parse_publish
from tests.unit.facts import FakeFacts


def lab() -> State:
    facts = FakeFacts(namespaces={"web": Namespace("web", "/run/netns/web", 7)})
    state = State()
    bridge.init(state, facts, name="nowhere0", options={"address": "10.5.0.1/24"})
    interface.allocate(state, facts, interface_id="db", expose=["5432/tcp"])
    wiring = attachment.Wiring("web", publish=[parse_publish("8080:80")], links=[("db", None)])
    attachment.attach(state, facts, interface_id="web", wiring=wiring)
    portallocator.allocate(state, facts, ports=(9000, 9000), owner="db")
    return State(state.document())


def shown(form: str) -> str:
    request = show.callback(None)
    return render(request.show(lab(), None), form)


def test_the_inventory_has_everything_once() -> None:
    state = lab()
    inventory = views.inventory(state, Presence(state))
    assert [one["name"] for one in inventory["bridges"]] == ["nowhere0"]
    assert [one["id"] for one in inventory["interfaces"]] == ["db", "web"]
    assert [one["ip"] for one in inventory["addresses"]] == ["10.5.0.2", "10.5.0.3"]
    assert sorted(one["port"] for one in inventory["ports"]) == [8080, 9000]
    assert [one["owner"] for one in inventory["mappings"]] == ["web"]
    assert [one["child"] for one in inventory["links"]] == ["db"]


def test_the_tree_hangs_each_thing_on_what_it_belongs_to() -> None:
    assert shown("text").splitlines() == [
        "nowhere0  10.5.0.1/24  the device is missing",
        "  addresses: 2 taken, 251 free",
        "  tcp ports: 2 taken, 16383 of 49153-65535 free",
        "  db  10.5.0.2",
        "    reserves 0.0.0.0:9000/tcp",
        "  web  10.5.0.3  eth0 in web  unplugged",
        "    publishes 0.0.0.0:8080:80/tcp",
        "    links to db  5432/tcp",
    ]


def test_the_drawing_is_one_graph() -> None:
    lines = shown("dot").splitlines()
    assert (lines[0], lines[-1]) == ("digraph dnet {", "}")
    assert '  "web" -> "db" [style=dashed, label="5432/tcp"];' in lines
