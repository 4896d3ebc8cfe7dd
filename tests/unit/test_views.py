"""What the whole picture shows."""

from __future__ import annotations

import re

from dnet.cli.commands.show import show
from dnet.cli.output import views
from dnet.cli.output.render import render
from dnet.model.state import State
from dnet.network import (
    attachment,
    bridge,
    interface,
    ipallocator,
    link,
    portallocator,
    portmapper,
)
from dnet.network.facts import Namespace
from dnet.transaction.presence import Presence
from dnet.values.endpoint import parse_publish
from tests.unit.facts import FakeFacts, specs


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
    red = "color=red, fontcolor=red"
    bridge = f'style="filled", fillcolor=lightgray, {red}'
    blue = "style=dashed, color=steelblue, fontcolor=steelblue, constraint=false"
    assert lines[5:-1] == [
        '  "host" [label="host", shape=box3d, style=""];',
        f'  "bridge nowhere0" [label="nowhere0\\n10.5.0.1/24", {bridge}];',
        '  "host" -> "bridge nowhere0" [dir=none];',
        '  "db" [label="db\\n10.5.0.2\\nreserves 9000/tcp"];',
        '  "bridge nowhere0" -> "db" [dir=none];',
        f'  "web" [label="web\\n10.5.0.3\\n8080 → 80/tcp", {red}];',
        '  "bridge nowhere0" -> "web" [dir=none];',
        f'  "web" -> "db" [{blue}, label="5432/tcp"];',
    ]


def test_the_drawing_tells_what_is_not_as_usual() -> None:
    facts, state = FakeFacts(), State()
    bridge.init(
        state, facts, name="b0", options={"address": "10.5.0.1/24", "ipv6": True, "icc": False}
    )
    for name in ("web", "db"):
        interface.allocate(state, facts, interface_id=name)
    wanted = ("8080:80", "127.0.0.1:81:81/udp", "[::]:82:82", "[::1]:6000-6009:7000-7009")
    portmapper.add(state, facts, target="web", specs=specs(*wanted))
    portallocator.allocate(state, facts, ports=(9000, 9000), owner="nobody")
    portallocator.allocate(state, facts, ports=(9001, 9001), host_ip="::1")
    ipallocator.request(state, facts, owner="router")
    ipallocator.request(state, facts, ipv6=True)
    link.add(state, facts, parent="host", child="db", ports=["1/tcp", "1/udp"], alias="d.b")
    text = render(show.callback(None).show(state, None), "dot")
    found = dict(re.findall(r'^  ("[^>]*?") \[.*?label="(.*?)"', text, re.MULTILINE))
    found |= dict(re.findall(r'^  (.* -> .*?) \[style=dashed.*label="(.*?)"', text, re.MULTILINE))
    six = "fd12:3456:789a::"
    assert found == {
        '"host"': "host",
        '"bridge b0"': rf"b0\n10.5.0.1/24\n{six}1/64\nno icc",
        '"reserved b0"': r"reserved\n9000/tcp for nobody\n[::1]:9001/tcp",
        '"web"': rf"web\n10.5.0.2\n{six}2\n8080 → 80/tcp\n127.0.0.1:81 → 81/udp\n"
        r"[::]:82 → 82/tcp\n[::1]:6000-6009 → 7000-7009/tcp",
        '"db"': rf"db\n10.5.0.3\n{six}3",
        '"10.5.0.4"': r"router\n10.5.0.4",
        f'"{six}4"': f"{six}4",
        '"host" -> "db"': r"as d.b\n1/tcp\n1/udp",
    }
