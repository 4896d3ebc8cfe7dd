"""What the table `inet dnet` has of a store, as nft(8) lists it: without a word of dnet's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

from tests.families import Family

Element = tuple[str, ...]


def listed(text: str) -> dict[str, list[Any]]:
    """The elements of each set and map of `nft -j list table inet dnet`."""
    objects = json.loads(text)["nftables"] if text.strip() else []
    held = (one.get("set") or one.get("map") for one in objects)
    return {one["name"]: one.get("elem", []) for one in held if one}


def translations(found: dict[str, list[Any]], of: Family) -> Iterator[Element]:
    """(address, protocol, ports, target) of every element of a family that translates."""
    for kind, at in product(("port", "range"), ("", "at")):
        for key, data in found.get(f"{kind}{of.version}{at}", []):
            address, proto, span = _place(key, of, at)
            target = ":".join(map(str, data["concat"])) if isinstance(data, dict) else data
            yield address, proto, span, target


def restricted(found: dict[str, list[Any]], of: Family) -> Iterator[Element]:
    """(address, protocol, ports, chain) of every element that asks who may use a mapping."""
    for kind, at in product(("from", "fromrange"), ("", "at")):
        for key, data in found.get(f"{kind}{of.version}{at}", []):
            yield *_place(key, of, at), data["jump"]["target"]


def _place(key: Any, of: Family, at: str) -> Element:
    address, proto, ports = key["concat"] if at else (of.any, *key["concat"])
    span = "-".join(map(str, ports["range"])) if isinstance(ports, dict) else str(ports)
    return address, proto, span


def place(key: tuple[str, int, int, str]) -> Element:
    """(address, protocol, ports) of a mapping of the store."""
    address, first, last, proto = key
    return address, proto, f"{first}" if last == first else f"{first}-{last}"


def expected(key: tuple[str, int, int, str], row: Any) -> Iterator[Element]:
    """What a mapping of the store stands for: a range that moves its ports, for each of them."""
    (address, first, last, proto), port = key, row["container_port"]
    if last != first and first == port:
        yield address, proto, f"{first}-{last}", row["container_ip"]
    else:
        for one in range(first, last + 1):
            yield address, proto, f"{one}", f"{row['container_ip']}:{port + one - first}"


def passes(found: dict[str, list[Any]], of: Family) -> Iterator[Element]:
    """(source, destination, protocol, port) of every element that lets a link through."""
    for one in found.get(f"link{of.version}", []):
        yield tuple(map(str, one["concat"]))


def parents(found: dict[str, list[Any]], of: Family) -> Iterator[Element]:
    """(device, address) of every element that a link may come from."""
    for one in found.get(f"parent{of.version}", []):
        yield tuple(one["concat"])
