"""What Docker 0.11.1's network driver was measured to answer, asked of dnet again.

`tests/data/traces.json` holds operations given to the source and its answers: `init CIDR ICC`,
`iface ID [IP]`, `release ID` and `port ID HOST_IP HOST_PORT CONTAINER_PORT PROTO`, where `-`
stands for what was not given.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dnet.errors import DnetError, ExhaustedError, PortInUseError
from dnet.model import find
from dnet.model.state import State
from dnet.network import bridge, interface, portmapper
from dnet.values import address, endpoint
from tests.unit.facts import FACTS

TRACES = json.loads((Path(__file__).parents[1] / "data" / "traces.json").read_text("utf-8"))

# Answers that differ, each with what dnet answers and why. Nothing else may differ.
DIFFERENT = {
    ("ports-specific", "port b - - 84 sctp"): (
        {"HostIP": "0.0.0.0", "HostPort": 49153},
        "the source knows no sctp; dnet does, with a cursor of its own",
    ),
}
REFUSALS = {
    "no available ip addresses on network": ExhaustedError,
    "port has already been allocated": PortInUseError,
}


def replay(state: State, operation: str) -> dict[str, Any] | None:
    """Carry one operation out; the answer in the source's own words."""
    verb, *words = operation.split()
    return VERBS[verb](state, *words)


def init(state: State, cidr: str, icc: str) -> None:
    options = {"address": address.parse_cidr(cidr), "icc": icc == "1", "allocation": "reuse"}
    bridge.init(state, FACTS, name="docker0", options=options)


def iface(state: State, interface_id: str, ip: str | None = None) -> dict[str, Any]:
    made = interface.allocate(state, FACTS, interface_id=interface_id, ip=ip)
    home = find.bridge(state, made.bridge)
    return {
        "Bridge": home.name,
        "Gateway": home.gateway,
        "IP": made.ip,
        "IPPrefixLen": address.prefix_len(home.address),
        "Mask": address.network(home.address).netmask.packed.hex(),
    }


def release(state: State, interface_id: str) -> None:
    interface.release(state, FACTS, ids=[interface_id])


def port(
    state: State, interface_id: str, host_ip: str, host_port: str, port: str, proto: str
) -> dict[str, Any]:
    given = [text.replace("-", "") for text in (host_ip, host_port)]
    text = f"{given[0]}:{given[1]}:{port}/{proto}".removeprefix(":")
    spec = endpoint.parse_publish(text)
    (made,) = portmapper.add(state, FACTS, target=interface_id, specs=[spec])
    return {"HostIP": made.endpoint.host_ip, "HostPort": made.endpoint.port}


VERBS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "init": init,
    "iface": iface,
    "release": release,
    "port": port,
}


@pytest.mark.parametrize("trace", TRACES, ids=[trace["name"] for trace in TRACES])
def test_trace(trace: dict[str, Any]) -> None:
    state = State()
    for step in trace["ops"]:
        recorded, _, answer = step["result"].partition(" ")
        if (trace["name"], step["op"]) in DIFFERENT:
            assert recorded == "ERR"
            assert replay(state, step["op"]) == DIFFERENT[trace["name"], step["op"]][0], step
        elif recorded == "OK":
            assert replay(state, step["op"]) == (json.loads(answer) if answer else None), step
        else:
            mark = state.mark()
            with pytest.raises(DnetError) as refused:
                replay(state, step["op"])
            assert refused.type is REFUSALS[answer], step
            state.undo(mark)


def test_every_difference_is_recorded() -> None:
    recorded = {(trace["name"], step["op"]) for trace in TRACES for step in trace["ops"]}
    assert set(DIFFERENT) <= recorded


def test_the_icc_option_is_kept() -> None:
    icc_off = next(trace for trace in TRACES if trace["name"] == "icc-off")
    state = State()
    replay(state, icc_off["ops"][0]["op"])
    assert state.bridges["docker0"].icc is False
