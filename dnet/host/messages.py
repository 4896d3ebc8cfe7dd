"""pyroute2's messages without the rest of it: the only place where it is imported.

Loading all of pyroute2 takes longer than everything else that a command does; its messages take
a fifth of that, and are loaded for the first question or change.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, NamedTuple


class Routing(NamedTuple):
    """The messages of rtnetlink(7), each to be made by calling it."""

    link: Any
    address: Any
    route: Any


@cache
def routing() -> Routing:
    """The messages about devices, addresses and routes."""
    _without_init("pyroute2")
    from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    return Routing(ifinfmsg, ifaddrmsg, rtmsg)


def _without_init(package: str) -> None:
    """Make the modules of a package importable without running its `__init__`.

    pyroute2's loads everything there is, and the modules that are wanted here need none of it.
    """
    if package in sys.modules:
        return
    spec = PathFinder.find_spec(package)
    if spec is None:
        raise ImportError(f"{package} is not installed")
    bare = ModuleType(package)
    bare.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[package] = bare
