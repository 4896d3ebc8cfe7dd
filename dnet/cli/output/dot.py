"""The whole picture in Graphviz' language; names need no escaping, by the rules for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.cli.output.document import Item, missing, ports_text, unplugged
from dnet.model.state import State
from dnet.values.address import bracketed
from dnet.values.family import V4, V6
from dnet.values.names import HOST

_HEAD = """\
digraph dnet {
  rankdir=LR;
  ranksep=1;
  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11];
  edge [fontname="sans-serif", fontsize=9];"""


def lines(state: State, whole: Item) -> Iterator[str]:
    """One graph: the host, its bridges, and what is on them, each in a rank of its own."""
    yield from _HEAD.splitlines()
    yield _node(HOST, [HOST], "shape=box3d", 'style=""')
    for bridge in whole["bridges"]:
        yield from _bridge(state, bridge)
    for address in whole["addresses"]:
        yield from _container(state, whole, address)
    for link in whole["links"]:
        alias = [f"as {link['alias']}"] if link["alias"] != link["child"] else []
        label = _label([*alias, *link["ports"]])
        # Without constraint=false a link would push its child into a rank of its own.
        how = ("style=dashed", "color=steelblue", "fontcolor=steelblue", "constraint=false")
        yield _edge(link["parent"], link["child"], *how, label)
    yield "}"


def _bridge(state: State, bridge: Item) -> Iterator[str]:
    node = f"bridge {bridge['name']}"
    apart = [] if bridge["icc"] else ["no icc"]
    text = [bridge["name"], bridge["address"], bridge["address6"], *apart]
    yield _node(node, text, 'style="filled"', "fillcolor=lightgray", wrong=missing(bridge))
    yield _edge(HOST, node, "dir=none")
    reserved = [
        f"{_reserved(state, one.key)}{f' for {one.owner}' if one.owner else ''}"
        for one in state.reservations.values()
        if one.bridge == bridge["name"] and one.owner not in state.interfaces.rows
    ]
    if reserved:
        yield _node(f"reserved {bridge['name']}", ["reserved", *reserved], "shape=note", 'style=""')
        yield _edge(node, f"reserved {bridge['name']}", "dir=none", "style=dotted")


def _container(state: State, whole: Item, taken: Item) -> Iterator[str]:
    """An interface, once by its address of IPv4; or an address that is taken without one."""
    holder = state.holder(taken["ip"])
    if holder is None:
        name, node, ips = taken["owner"], taken["ip"], [taken["ip"]]
        kept, wrong = list[str](), ""
    elif taken["ip"] != holder.ip:
        return
    else:
        name = node = holder.id
        ips = [*holder.addresses]
        kept = [
            f"reserves {_reserved(state, key)}" for key in state.reservations_by_owner.keys(name)
        ]
        wrong = "".join(unplugged(one) for one in whole["interfaces"] if one["id"] == name)
    published = _published(one for one in whole["mappings"] if one["container_ip"] in ips)
    yield _node(node, [name, *ips, *published, *kept], wrong=wrong)
    yield _edge(f"bridge {taken['bridge']}", node, "dir=none")


def _published(mappings: Iterable[Item]) -> list[str]:
    """`8080 → 80/tcp`, once for both families; ahead of it the host's address, if it is one."""
    hosts: dict[str, list[str]] = {}
    for one in mappings:
        inside = f"{ports_text(one, 'container_port')}/{one['proto']}"
        hosts.setdefault(f"{ports_text(one, 'host_port')} → {inside}", []).append(one["host_ip"])
    return [f"{at}{ports}" for ports, ips in hosts.items() for at in _at(ips)]


def _at(ips: list[str]) -> Iterator[str]:
    """What stands ahead of a port on some addresses of the host: nothing for 0.0.0.0."""
    for ip in ips:
        if ip == V4.any:
            yield ""
        elif ip != V6.any or V4.any not in ips:
            yield f"{bracketed(ip)}:"


def _reserved(state: State, key: str) -> str:
    one = state.reservations[key]
    return "".join((*_at([one.endpoint.host_ip]), one.endpoint.ports))


def _node(name: str, text: Iterable[str | None], *settings: str, wrong: str = "") -> str:
    colour = ["color=red", "fontcolor=red"] if wrong else []
    return f'  "{name}" [{", ".join([_label(filter(None, text)), *settings, *colour])}];'


def _edge(one: str, other: str, *settings: str) -> str:
    return f'  "{one}" -> "{other}" [{", ".join(settings)}];'


def _label(texts: Iterable[str]) -> str:
    text = r"\n".join(texts)
    return f'label="{text}"'
