"""A store's mappings tried: without a lock, and without a change of store or kernel."""

from __future__ import annotations

from collections.abc import Sequence

from dnet.errors import NotFoundError
from dnet.host import privilege
from dnet.host.rtnl import find_index
from dnet.probe import trials
from dnet.transaction.recovery import Recovery
from dnet.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnet.host.probe.run import Outcome


class Probing(Recovery):
    """What a store publishes, and who reaches it."""

    def probe(
        self, asked: Sequence[str], origins: Sequence[str], via: str | None, timeout: float
    ) -> Outcome:
        """Try mappings from where they are promised, or from some origins; see dnet.probe.trials.

        `via` is the device that packets from outside come in by, `timeout` how long each may take,
        in seconds. Raises NotFoundError, PermissionDeniedError, KernelError.
        """
        state = self._store.load()
        self._bring_here(state)
        planned = list(trials.planned(state, asked, origins))
        if via is not None and find_index(via) is None:
            raise NotFoundError(f"there is no device {via}", "ip link show")
        for capability in (privilege.NET_ADMIN, privilege.SYS_ADMIN):
            if not privilege.has(capability):
                raise privilege.denied("probing", capability)
        from dnet.host.probe.run import Probe

        return Probe(state, via, timeout).run(planned)
