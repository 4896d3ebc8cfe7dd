"""What all runtimes ask for: a container plugged in, and taken away again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from dnet.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dnet.model.entities import Bridge, Interface, Origin, Subnet
    from dnet.network.attachment import Wiring
    from dnet.network.runtimes import Home
    from dnet.plugins.networks import Ips
    from dnet.transaction.driver import Outcome
    from dnet.transaction.recovery import Settings


def attach(
    settings: Settings,
    origin: Origin,
    home: Home,
    wiring: Wiring,
    *,
    ips: Ips,
    expose: Sequence[str] = (),
) -> tuple[Interface, Bridge]:
    """Plug a container in, all of it or nothing; what it got. Raises DnetError."""
    from dnet.network import runtimes

    outcome: Outcome[Interface] = _change(
        settings,
        runtimes.attach,
        origin=origin,
        home=home,
        wiring=wiring,
        expose=expose,
        **ips._asdict(),
    )
    return outcome.result, outcome.state.bridges[outcome.result.bridge]


def addresses(made: Interface, bridge: Bridge) -> Iterator[tuple[str, Subnet]]:
    """Each address of an attachment, with the bridge's subnet that it is in."""
    for subnet in bridge.subnets:
        if (ip := made.address_of(subnet.family)) is not None:
            yield ip, subnet


def detach(state_dir: str, settings: Callable[[], Settings], origin: Sequence[str]) -> None:
    """Release what is known of an origin. Nothing that is there is no error.

    A store that is lost knows of nothing: what it made is left, for nobody can tell whose it is.
    Raises DnetError.
    """
    if _is_concerned(state_dir, origin):
        from dnet.network import runtimes

        _change(settings(), runtimes.detach, origin=origin)


def forget(state_dir: str, settings: Callable[[], Settings], container: str) -> None:
    """Release what the hook of an OCI runtime plugged in for a container that has stopped."""
    if _is_concerned(state_dir, ("oci",)):
        from dnet.network import runtimes

        _change(settings(), runtimes.forget, container=container)


def collect(
    settings: Settings, origin: Sequence[str], valid: Collection[tuple[str, str]]
) -> list[Interface]:
    """Release what has an origin that begins so and is not `valid`, by container and ifname.

    Those that are spared, since a process is in their namespace. Raises DnetError.
    """
    from dnet.network import runtimes

    outcome: Outcome[runtimes.Collected] = _change(
        settings, runtimes.collect, origin=origin, but=valid
    )
    return outcome.result.spared


def _change(settings: Settings, function: Callable[..., Any], **arguments: Any) -> Outcome[Any]:
    from dnet.transaction.driver import Driver
    from dnet.transaction.operation import Operation

    return Driver(settings).change(Operation(function, **arguments))


def _is_concerned(state_dir: str, origin: Sequence[str]) -> bool:
    """Whether there is anything to do, read without the lock."""
    from dnet.model import find
    from dnet.store.folder import Store

    store = Store(state_dir)
    state = store.load()
    known = tuple(origin) in state.interfaces_by_origin
    return known or store.has_journal() or bool(find.deserted(state))
