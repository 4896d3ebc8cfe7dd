"""Whose the chains with dnet's own names are, where there is more than one store."""

from __future__ import annotations

from dnet import STATE_DIR
from dnet.errors import DnetError
from dnet.host import system
from dnet.store.folder import Store


def owns_names(store: Store) -> bool:
    """Whether nobody else can own what bears dnet's names in this network namespace.

    The store in the usual place can, where this is another one.
    """
    usual = Store(STATE_DIR)
    if store.is_at(usual.folder):
        return True
    try:
        state = usual.load()
    except DnetError:
        return False
    here = (None, system.netns_cookie())
    return not state.bridges or state.boot_id != system.boot_id() or state.netns not in here
