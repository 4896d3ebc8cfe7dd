"""What `dnet probe` tries: each mapping from each place where it is promised to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dnet.errors import NotFoundError, UsageError
from dnet.model import find
from dnet.model.entities import Interface, Mapping
from dnet.model.state import State
from dnet.network import portmapper
from dnet.typing import NamedTuple
from dnet.values import family
from dnet.values.address import is_loopback
from dnet.values.endpoint import parse_endpoint
from dnet.values.family import WILDCARDS, Family
from dnet.values.names import HOST, quoted

OUTSIDE = "outside"
_TRIED = ("tcp", "udp")


class Trial(NamedTuple):
    """A mapping, tried from a place.

    Attributes:
        origin: `outside`, `host` or an interface's id.
        mapping: what is tried; of a range the first port.
        target: the interface that has the container's address, if one has.
        client: the interface that it is tried from, if it is one.
        untried: why it is not tried, if so.
    """

    origin: str
    mapping: Mapping
    target: Interface | None = None
    client: Interface | None = None
    untried: str | None = None

    @property
    def family(self) -> Family:
        """The family of the endpoint and of the container's address."""
        return family.of(self.mapping.container_ip)

    @property
    def whose(self) -> str:
        """The container in words: its id, else its address."""
        return self.target.id if self.target else self.mapping.container_ip

    @property
    def is_let_in(self) -> bool:
        """Whether where it is tried from may use the mapping; the host always may."""
        if self.client is None or not self.mapping.sources:
            return True
        from dnet.values import sources

        ip = self.client.address_of(self.family)
        return ip is not None and sources.admit(self.mapping.sources, ip)

    @property
    def is_anywhere(self) -> bool:
        """Whether it is published on every address of the host."""
        return self.mapping.endpoint.host_ip in WILDCARDS


def planned(state: State, asked: Sequence[str], origins: Sequence[str]) -> Iterator[Trial]:
    """The trials of what is asked for, which is every mapping where nothing is.

    Raises NotFoundError for a mapping or an id that is not there, UsageError for what is neither.
    """
    clients = {one: find.interface(state, one) for one in origins if one not in (OUTSIDE, HOST)}
    for client in clients.values():
        if client.netns is None:
            raise NotFoundError(f"{client.id} is not attached to a network namespace")
    for mapping in _meant(state, asked):
        owner = state.leases_with(mapping.bridge, mapping.container_ip).get(mapping.container_ip)
        target = state.interfaces.get(owner) if owner else None
        for origin in origins or _promised(mapping):
            trial = Trial(origin, mapping, target, clients.get(origin))
            yield trial._replace(untried=_untried(trial))


def _promised(mapping: Mapping) -> tuple[str, ...]:
    return (HOST,) if is_loopback(mapping.endpoint.host_ip) else (OUTSIDE, HOST)


def _untried(trial: Trial) -> str | None:
    endpoint, client = trial.mapping.endpoint, trial.client
    if endpoint.proto not in _TRIED:
        return f"{endpoint.proto} is not tried, only {' and '.join(_TRIED)}"
    if trial.origin != HOST and is_loopback(endpoint.host_ip):
        return f"{endpoint.host_ip} can only be used by the host"
    if trial.origin == OUTSIDE and trial.mapping.sources:
        return f"only {', '.join(trial.mapping.sources)} may use it"
    if client and client.address_of(trial.family) is None:
        return f"{client.id} has no address of IPv{trial.family.version}"
    return None


def _meant(state: State, asked: Sequence[str]) -> Iterator[Mapping]:
    if not asked:
        yield from state.mappings.values()
    keys = (key for text in asked for key in _keys(state, text))
    for key in dict.fromkeys(keys):
        yield state.mappings[key]


def _keys(state: State, text: str) -> Sequence[str]:
    """The mappings of an id, or the one of an endpoint."""
    if text in state.interfaces.rows:
        one = find.interface(state, text)
        found = [key for ip in one.addresses for key in state.mappings_by_target.keys(ip)]
        if not found:
            raise NotFoundError(f"{text} has no published port", f"dnet map add {text} PORT")
        return found
    try:
        query = parse_endpoint(text)
    except UsageError as error:
        if text[:1].isalpha():
            find.interface(state, text)  # It says what there is.
        raise UsageError(
            f"{quoted(text)} is neither a host endpoint nor an id: {error}", "dnet map list"
        ) from None
    return portmapper.meant(state, query)
