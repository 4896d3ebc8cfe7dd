"""What was perhaps meant by a name that is not there, for the hint of an error."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dnet.values.endpoint import Endpoint, EndpointQuery

_CLOSE = 0.6
# Options are short words that have much in common: --port is no --format.
_CLOSE_OPTION = 0.7
_MOST = 3
# Comparing takes long names milliseconds each: only those are compared that begin or end alike.
_COMPARED = 20
# What other tools call it.
_SYNONYMS = {
    **dict.fromkeys(("ls", "ps", "list", "status", "info", "inspect"), ("list", "show", "check")),
    **dict.fromkeys(("rm", "del", "delete", "destroy", "free"), ("remove", "release", "detach")),
    **dict.fromkeys(
        ("create", "new", "make", "set", "get", "add"),
        ("init", "add", "allocate", "request", "attach"),
    ),
    "init": ("bridge",),
    "allocate": ("request",),
    "request": ("allocate",),
    **dict.fromkeys(("publish", "expose", "forward"), ("map",)),
    **dict.fromkeys(("plug", "connect", "join"), ("attach", "link")),
    **dict.fromkeys(("unplug", "disconnect", "leave"), ("detach",)),
    **dict.fromkeys(("repair", "reload", "apply"), ("restore",)),
}
# What is no command here, but an option of dnet itself.
_OF_DNET = {"version": "dnet --version"}
_OPTION_SYNONYMS = {
    **dict.fromkeys(("--force", "-f", "-y"), ("--yes",)),
    **dict.fromkeys(("--bip", "--subnet", "--gateway"), ("--address",)),
    "--fixed-cidr": ("--range",),
    "--ip-masq": ("--masquerade", "--no-masquerade"),
    **dict.fromkeys(("--port", "--ports"), ("--publish",)),
}


def names(word: str, known: Iterable[str]) -> list[str]:
    """Up to three of the names that are known, the most similar first."""
    from difflib import get_close_matches
    from heapq import nlargest

    likely = nlargest(_COMPARED, known, key=lambda name: _shared(word, name))
    return get_close_matches(word, likely, _MOST, _CLOSE)


def commands(word: str, known: Collection[str]) -> list[str]:
    """Up to three of the commands that are known: those that mean it, else those written alike."""
    if word in _OF_DNET:
        return [_OF_DNET[word]]
    meant = [name for name in _SYNONYMS.get(word, ()) if name in known]
    return meant[:_MOST] or names(word, known)


def options(word: str, known: Collection[str]) -> list[str]:
    """Up to three of a command's options: those that mean it, else those written alike."""
    from difflib import get_close_matches

    if meant := [name for name in _OPTION_SYNONYMS.get(word, ()) if name in known]:
        return meant
    bare = {name.lstrip("-"): name for name in known if name.startswith("--")}
    typed = word.lstrip("-")
    begun = [name for name in bare if len(typed) > 1 and name.startswith(typed)]
    found = begun or get_close_matches(typed, bare, _MOST, _CLOSE_OPTION)
    return [bare[name] for name in found[:_MOST]]


def endpoints(query: EndpointQuery, known: Iterable[str]) -> list[str]:
    """Up to three endpoints of the store: of that port, else of one that is written alike."""
    by_port: dict[str, list[str]] = {}
    for key in known:
        by_port.setdefault(str(Endpoint.from_key(key).port), []).append(key)
    ports = [str(query.port)] if str(query.port) in by_port else names(str(query.port), by_port)
    return [key for port in ports for key in by_port[port]][:_MOST]


def _shared(one: str, other: str) -> int:
    """How many characters two names share at their beginning and at their end."""
    return _begin(one, other) + _begin(one[::-1], other[::-1])


def _begin(one: str, other: str) -> int:
    for at, (mine, yours) in enumerate(zip(one, other, strict=False)):
        if mine != yours:
            return at
    return min(len(one), len(other))
