"""Stores as no dnet has written them: of broken bytes, and of values that nobody expects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        65536,
        1 << 64,
        10**40,
        1.5,
        float("nan"),
        float("inf"),
        "",
        " ",
    ),
    *(
        "x",
        "host",
        "dnet0",
        "dnet1",
        "lo",
        "..",
        "a/b",
        "a\nb",
        "-j ACCEPT",
        "\ud800",
        "ü",
        "x" * 300,
    ),
    *(
        "172.17.0.2",
        "172.17.0.3",
        "10.1.0.2",
        "172.17.42.1/16",
        "0.0.0.0/0",
        "::1",
        "172.17.0.0/16",
    ),
    *("0.0.0.0:80/tcp", "80/tcp", "0.0.0.0:1-65535/udp", "web:db", "nft", "legacy", "1970-01-01"),
    *([], {}, [[]], [None], ["80/tcp"], {"a": 1}, [1, 2], [9, 1], {"172.17.0.5": None}),
)
_TEXTS = (b"", b"\0", b"{", b"[]", b"null", b'{"schema": 2}', b"\xff\xfe", b"{}" * 9, b"[" * 9999)
Place = tuple[Any, Any]


def mutated(text: bytes, chance: Random) -> bytes:
    """A store's text that something has happened to."""
    if chance.random() < 0.3:
        return _broken(text, chance)
    document = json.loads(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        _change(document, chance)
    return json.dumps(document).encode(errors="surrogatepass")


def _broken(text: bytes, chance: Random) -> bytes:
    way = chance.choice(("other", "cut", "flip", "insert", "drop", "double", "twice"))
    first, last = sorted(chance.randrange(len(text)) for _ in range(2))
    if way == "other":
        return chance.choice(_TEXTS)
    if way == "cut":
        return text[:first]
    if way == "flip":
        return text[:first] + bytes([text[first] ^ 1 << chance.randrange(8)]) + text[first + 1 :]
    if way == "insert":
        return text[:first] + chance.randbytes(chance.randint(1, 8)) + text[first:]
    if way == "drop":
        return text[:first] + text[last:]
    return text[:last] + text[first:] if way == "double" else text * 2


def _places(value: Any) -> Iterator[Place]:
    """Every (container, key) of a document."""
    keys: Any = range(len(value)) if isinstance(value, list) else list(value)
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _change(document: Any, chance: Random) -> None:
    places = list(_places(document))
    if not places:
        return
    (one, key), (other, there) = chance.choice(places), chance.choice(places)
    way = chance.choice(("value", "value", "value", "gone", "renamed", "copied", "swapped", "deep"))
    if way == "value":
        one[key] = chance.choice(_VALUES)
    elif way == "gone":
        del one[key]
    elif way == "renamed" and isinstance(one, dict):
        one[str(chance.choice(_VALUES))] = one.pop(key)
    elif way == "copied":
        other[there] = json.loads(json.dumps(one[key]))
    elif way == "swapped" and one is other:
        one[key], other[there] = other[there], one[key]
    elif way == "deep":
        one[key] = json.loads("[" * 300 + "]" * 300)
