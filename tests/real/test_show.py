"""`dnet show` for other programs: the batch that makes it anew, and who is called what."""

from __future__ import annotations

from typing import Any

from tests.host import Host
from tests.lab import Lab
from tests.node import ANSWER_SECONDS, SILENCE_SECONDS, Node

BRIDGES = (
    "bridge init dnet0 --address 172.17.42.1/16 --no-icc --ipv6 --mtu 1400 --no-direct-access",
    "bridge init dnet1 --address 10.5.0.1/24 --allocation reuse --range 10.5.0.128/25 --no-isolate",
    "bridge init dnet2 --address 10.6.0.1/24 --no-isolate --port-range 40000-40010",
)


def town(lab: Lab, host: Host) -> dict[str, Node]:
    """Three bridges, of which two are not kept apart, with containers that listen."""
    nodes = {name: lab.node() for name in ("web", "db", "one", "two")}
    places = {"web": "dnet0", "db": "dnet0", "one": "dnet1", "two": "dnet2"}
    lines = [
        *BRIDGES,
        *(
            f"attach {name} --netns {node.netns} --bridge {places[name]} --expose 80"
            for name, node in nodes.items()
        ),
        "map add web 8080:80 127.0.0.1:8081:81/udp 6000-6009:7000-7009",
        "interface allocate vm --bridge dnet1 --expose 22/tcp",
        "link add web db --alias store",
        "link add host db",
        "port allocate --bridge dnet0 --port 9000 --owner db",
        "port allocate --bridge dnet2 --count 2",
        "ip request --bridge dnet2 --owner router",
        "ip request --bridge dnet0 --ipv6",
    ]
    host.ok("batch", stdin="\n".join(lines))
    return nodes


def told(host: Host) -> dict[str, Any]:
    """All that is shown, but when a bridge was made, in an order that is of no account."""
    whole: dict[str, list[Any]] = host.json("show")
    bridges = [{**one, "created": None} for one in whole.pop("bridges")]
    return {"bridges": bridges, **{kind: sorted(rows, key=str) for kind, rows in whole.items()}}


def test_the_batch_makes_store_and_kernel_anew(every: Lab) -> None:
    host = every.host()
    nodes = town(every, host)
    before, rules, batch = told(host), host.listing(), host.ok("show", "--format", "batch")
    host.ok("reset", "--yes")
    host.ok("batch", stdin=batch)
    assert told(host) == before
    assert host.ok("show", "--format", "batch") == batch
    assert sorted(host.listing().splitlines()) == sorted(rules.splitlines())
    assert host.ok("check") == ""
    nodes["web"].listen("tcp", 80, "web")
    host.reaches("web", "tcp", "127.0.0.1", 8080)


def test_the_names_are_of_those_who_answer(nftables: Lab) -> None:
    host = nftables.host()
    nodes = town(nftables, host)
    for name, node in nodes.items():
        node.listen("tcp", 80, name, "::")
    addresses = {
        name: (one["ip"], one["ip6"])
        for name in nodes
        for one in [host.json("interface", "show", name)]
    }
    for reader, node in (*nodes.items(), ("host", host)):
        lines = host.ok("show", reader, "--format", "hosts").splitlines()
        listed = {line.split()[0] for line in lines}
        asked = [
            (name, ip) for name, ips in addresses.items() for ip in ips if ip and name != reader
        ]
        seconds = [ANSWER_SECONDS if ip in listed else SILENCE_SECONDS for _, ip in asked]
        answers = node.ask_all(
            [("tcp", ip, 80, limit) for (_, ip), limit in zip(asked, seconds, strict=True)]
        )
        reached = {ip for (_, ip), answer in zip(asked, answers, strict=True) if answer}
        assert reached == listed & {ip for _, ip in asked}, reader
    assert f"{addresses['db'][0]} db store" in host.ok("show", "web", "--format", "hosts")
