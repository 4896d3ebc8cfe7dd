"""What container runtimes ask for: attachments that are known by their origin, with their bridge.

A runtime says who a container is in its own words. It may ask twice, for something that is gone, or
never again for something that is there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Mapping as Options

from dnet.errors import OtherBridgeError, UsageError
from dnet.model import find
from dnet.model.entities import Bridge, Interface, Mapping, Origin
from dnet.model.state import State
from dnet.network import attachment, interface, portmapper
from dnet.network.attachment import Wiring
from dnet.typing import TYPE_CHECKING, Any, NamedTuple
from dnet.values import address, address6, family, names
from dnet.values.endpoint import PublishSpec
from dnet.values.family import V4, V6
from dnet.values.names import for_shell

if TYPE_CHECKING:
    from dnet.network.facts import Facts

_SHORT = 12
_RANGES = {"range": "address", "range6": "address6"}


class Home(NamedTuple):
    """The bridge of a runtime's network, and what its configuration says of it.

    `options` are those of bridge.init; with None the bridge has to be there.
    """

    name: str
    options: Options[str, Any] | None = None


def attach(
    state: State,
    facts: Facts,
    *,
    origin: Origin,
    home: Home,
    wiring: Wiring,
    ip: str | None = None,
    ip6: str | None = None,
    expose: Sequence[str] = (),
) -> Interface:
    """Plug a container in, on a bridge that is made where it is missing.

    Again it is the same attachment; one whose namespace is gone is made again.
    Raises OtherBridgeError where the bridge is there and other than the configuration says, and
    what attachment.attach raises.
    """
    _provide(state, facts, home, f"{origin.by}:{origin.network}")
    former = _former(state, facts, origin)
    _drop_dead(state, facts, wiring)
    made = attachment.attach(
        state,
        facts,
        interface_id=former.id if former else _new_id(state, origin),
        wiring=wiring._replace(publish=_possible(state, origin, home.name, wiring.publish)),
        bridge=home.name,
        ip=ip,
        ip6=ip6,
        expose=expose,
    )
    if made.origin != origin:
        made = made._replace(origin=origin)
        state.interfaces.put(made.id, made)
    return made


def detach(state: State, facts: Facts, *, origin: Sequence[str]) -> list[Interface]:
    """Release what has an origin that begins so; nothing of it there is no error."""
    gone = find.by_origin(state, origin)
    for one in gone:
        published = attachment.published(state, one)
        interface.drop(state, one)
        _hand_over(state, one, published)
    attachment.remove_unused_bridges(state, facts)
    return gone


def forget(state: State, facts: Facts, *, container: str) -> None:
    """Release what an OCI runtime's container had that has stopped, on whichever bridge.

    Ids of containers are unique to a folder of a runtime's. Whose first process lives is another
    one of that id.
    """
    for one in find.by_origin(state, ("oci",)):
        if one.origin and one.origin.container == container and not _has_first_process(facts, one):
            interface.drop(state, one)
    attachment.remove_unused_bridges(state, facts)


def _has_first_process(facts: Facts, interface: Interface) -> bool:
    is_of_process = str(interface.netns).startswith("/proc/")
    return is_of_process and facts.is_there(str(interface.netns), interface.cookie)


def _hand_over(state: State, gone: Interface, published: Sequence[Mapping]) -> None:
    """Let another interface of the container have the ports of one that it is disconnected from."""
    for heir in _siblings(state, gone.origin) if gone.origin else ():
        for one in published:
            ip = heir.address_of(family.of(one.container_ip))
            if ip is not None and one.key not in state.mappings:
                moved = one._replace(container_ip=ip, bridge=heir.bridge)
                if state.bridges[heir.bridge].iptables:
                    state.mappings.put(moved.key, moved)


def _siblings(state: State, origin: Origin) -> list[Interface]:
    """The other interfaces that a runtime's container has, oldest first."""
    return [
        one
        for one in find.by_origin(state, (origin.by,))
        if one.origin and one.origin.container == origin.container and one.origin.key != origin.key
    ]


class Collected(NamedTuple):
    """What was released, and what was to be and has a process in its namespace."""

    gone: list[Interface]
    spared: list[Interface]


def collect(
    state: State, facts: Facts, *, origin: Sequence[str], but: Collection[tuple[str, str]]
) -> Collected:
    """Release what has an origin that begins so, but for these containers' (id, ifname).

    Who has a process in its namespace is spared: no runtime is alone on a network for certain.
    """
    found = Collected([], [])
    for one in find.by_origin(state, origin):
        if one.origin and (one.origin.container, one.origin.ifname) in but:
            continue
        lives = one.netns is not None and facts.is_inhabited(one.netns, one.cookie)
        (found.spared if lives else found.gone).append(one)
    for one in found.gone:
        interface.drop(state, one)
    attachment.remove_unused_bridges(state, facts)
    return found


def _provide(state: State, facts: Facts, home: Home, origin: str) -> None:
    """Make the bridge, if it is not there. Raises OtherBridgeError."""
    if home.options is None:
        return
    there = state.bridges.get(home.name)
    if there is None:
        from dnet.network import bridge  # Which takes time to load.

        bridge.init(state, facts, name=home.name, options={**home.options, "origin": origin})
    else:
        _refuse_other(state, there, home.options)


def _refuse_other(state: State, bridge: Bridge, options: Options[str, Any]) -> None:
    for name, asked in options.items():
        has, wanted = _has(state, bridge, name), asked
        if name in _RANGES:
            wanted = _part(bridge, name, asked)
        if has != wanted and (name, wanted) != ("firewall", "auto"):
            raise OtherBridgeError(
                f"the bridge {bridge.name} has the {name} {_told(has)}, not {_told(wanted)}",
                f"correct the configuration, or see: dnet bridge show {for_shell(bridge.name)}",
            )


def _has(state: State, bridge: Bridge, name: str) -> Any:
    if name == "firewall":
        return state.firewall
    return bridge.address6 is not None if name == "ipv6" else getattr(bridge, name)


def _part(bridge: Bridge, name: str, text: str) -> str | None:
    """A range as a bridge has it: None for all of the subnet."""
    whole = getattr(bridge, _RANGES[name])
    if whole is None:
        return text
    parse = address.parse_range if name == "range" else address6.parse_range
    part = parse(text, whole)
    return None if part == str(address.network(whole)) else part


def _told(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)


def _possible(
    state: State, origin: Origin, name: str, specs: Sequence[PublishSpec]
) -> list[PublishSpec]:
    """What is to be published here: without `::` on a bridge of IPv4, where that is asked for too.

    And without what another interface of the container has. Runtimes ask for both families of
    whatever network, and for all ports of a container on each of its networks.
    """
    home = find.bridge(state, name)
    has = [
        mapping for one in _siblings(state, origin) for mapping in attachment.published(state, one)
    ]
    kept = [one for spec in specs for one in _lacking(home, has, spec)]
    for spec in specs:
        beside = spec._replace(host_ip=None)
        if (
            spec in kept
            and spec.host_ip == V6.any
            and home.address6 is None
            and _asks_for(specs, beside)
        ):
            kept.remove(spec)
            state.remark(f"{beside} is published by IPv4 only: {name} has no IPv6")
    return kept


def _lacking(home: Bridge, has: Sequence[Mapping], spec: PublishSpec) -> Iterator[PublishSpec]:
    """What of a wish none of these mappings is.

    A port that is published in IPv4 alone lacks IPv6, if the bridge has that.
    """
    there = next((one for one in has if spec.fits(one.endpoint, one.container_port)), None)
    if there is None:
        yield spec
    elif spec.host_ip is None and home.address6 and not portmapper.beside(there, has):
        yield spec._replace(host_ip=home.binding_ip6)


def _asks_for(specs: Sequence[PublishSpec], port: PublishSpec) -> bool:
    of_ipv4 = (one for one in specs if one.host_ip is None or family.of(one.host_ip) is V4)
    return any(one._replace(host_ip=None) == port for one in of_ipv4)


def _former(state: State, facts: Facts, origin: Origin) -> Interface | None:
    """The attachment as it was asked for before, unless it went with its namespace."""
    for one in find.by_origin(state, origin.key):
        if one.netns is None or facts.is_there(one.netns, one.cookie):
            return one
        interface.drop(state, one)
    return None


def _drop_dead(state: State, facts: Facts, wiring: Wiring) -> None:
    """Drop what a runtime left at the same place: a pid, and a path with it, is used again."""
    place = facts.namespace(wiring.netns).shown, wiring.ifname
    for key in state.interfaces_by_place.keys(place):
        one = state.interfaces[key]
        if one.origin and not facts.is_there(str(one.netns), one.cookie):
            interface.drop(state, one)


def _new_id(state: State, origin: Origin) -> str:
    """An id that people can read: the container's name, else the beginning of its id.

    With the device behind it where the container has another interface.
    """
    rest = f".{origin.ifname}" if _siblings(state, origin) else ""
    for base in (origin.name, origin.container[:_SHORT]):
        if base and _is_free(state, f"{base}{rest}"):
            return f"{base}{rest}"
    return f"{origin.by}-{names.digest('/'.join(origin.key))}"


def _is_free(state: State, text: str) -> bool:
    """Whether it is an id that nobody has, nor keeps a port for."""
    try:
        names.interface_id(text)
    except UsageError:
        return False
    return text not in state.interfaces and not state.reservations_by_owner.keys(text)
