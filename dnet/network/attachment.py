"""Attachments: an interface plugged into a network namespace, with its ports and links.

What `docker run` did with the four registered functions, for any network namespace.
"""

from __future__ import annotations

from collections.abc import Mapping as Fields
from collections.abc import Sequence
from functools import partial
from itertools import islice
from types import MappingProxyType

from dnet.errors import ConflictError, NotFoundError, UsageError
from dnet.model import find
from dnet.model.entities import Interface, Mapping
from dnet.model.state import State
from dnet.network import bridgeports, interface, ipallocator, link, portmapper
from dnet.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from dnet.values import address, names, nearby
from dnet.values.endpoint import PublishSpec

if TYPE_CHECKING:
    from dnet.network.facts import Facts, Namespace
    from dnet.values.sources import Sources


Linked = tuple[str, str | None]
"""A child's id, and its alias or None."""


class Wiring(NamedTuple):
    """What an attachment asks for besides the interface itself.

    `sources` are who may use what is published, None whoever might before; `given` are further
    fields of the interface that are to be so from now on.
    """

    netns: str
    ifname: str = "eth0"
    mac: str | None = None
    publish: Sequence[PublishSpec] = ()
    links: Sequence[Linked] = ()
    sources: Sources | None = None
    given: Fields[str, Any] = MappingProxyType({})


def attach(
    state: State,
    facts: Facts,
    *,
    interface_id: str,
    wiring: Wiring,
    bridge: str | None = None,
    ip: str | None = None,
    ip6: str | None = None,
    expose: Sequence[str] = (),
) -> Interface:
    """Give an id an interface in a network namespace, and publish and link what is asked for.

    Again with the same arguments it is the same attachment, reconnected if it was disconnected.
    Raises ConflictError where it is plugged in elsewhere.
    """
    _refuse_unfit(facts, wiring.given.get("hosts_file"))
    namespace = facts.namespace(wiring.netns)
    names.namespace(namespace.shown)  # The current folder may be part of it.
    one = interface.allocate(
        state, facts, interface_id=interface_id, bridge=bridge, ip=ip, ip6=ip6, expose=expose
    )
    made = _plug(state, facts, one, namespace, wiring)
    ports = _publish(state, facts, made, wiring.publish, wiring.sources)
    links = _link(state, facts, made, wiring.links)
    if one.netns is not None and (ports or links):
        _refuse_more(one, ports, wiring.sources or (), links)
    return made


def chosen(state: State, interface: Interface, specs: Sequence[PublishSpec]) -> list[Mapping]:
    """The mappings of an attachment for those specs that leave its host port open."""
    has, found = published(state, interface), list[Mapping]()
    for spec in sorted(specs, key=lambda spec: spec.leaves_open):
        taken = _take_fitting(has, spec)
        found += taken if spec.leaves_open else []
    return found


def collect(
    state: State, facts: Facts, *, owners: Sequence[str] = (), origin: Sequence[str] = ()
) -> list[Interface]:
    """Release what belongs to network namespaces that are gone, and the ids that are named.

    A namespace that cannot be found lives on while a process is in it, and so does its pair of
    devices; they are spared, unless another namespace has its name now.
    With an `origin`, of the others those alone whose origin begins so. Raises NotFoundError for a
    name that is no interface.
    """
    for owner in owners:
        find.interface(state, owner)
    keys = state.interfaces_by_origin.keys(tuple(origin)) if origin else list(state.interfaces)
    lost = [
        one
        for one in map(state.interfaces.__getitem__, keys)
        if one.netns and one.id not in owners and not facts.is_there(one.netns, one.cookie)
    ]
    gone = [state.interfaces[name] for name in dict.fromkeys(owners)]
    gone += [
        one
        for one in lost
        if facts.is_another(str(one.netns), one.cookie) or not facts.stays(one.id)
    ]
    for one in gone:
        interface.drop(state, one)
    remove_unused_bridges(state, facts)
    return gone


def remove_unused_bridges(state: State, facts: Facts) -> None:
    """Remove those that were made for container runtimes, and on which nothing is left."""
    if find.deserted(state):
        from dnet.network import bridge  # Which takes time to load.

        bridge.remove_unused(state, facts)


def _plug(
    state: State, facts: Facts, interface: Interface, namespace: Namespace, wiring: Wiring
) -> Interface:
    made = interface._replace(
        netns=namespace.shown,
        ifname=wiring.ifname,
        cookie=namespace.cookie,
        mac=wiring.mac or interface.mac,
        **wiring.given,
    )
    _refuse_same_place(state, made)
    if interface.netns is None or made.hardware_address != interface.hardware_address:
        _refuse_same_mac(state, facts, made)
    if _place(interface) != _place(made) and (port := facts.port_of(interface.id)):
        _refuse_plugged(state, interface, made, port)
    if made == interface:
        state.replug.add(interface.id)
        state.confirm()
    else:
        ports = bridgeports.of_bridge(state, facts, made.bridge)
        state.interfaces.put(made.id, made)
        ports.refuse_too_many()
    return made


def _refuse_unfit(facts: Facts, path: str | None) -> None:
    """Raises UsageError for a hosts file that cannot be kept."""
    if path is not None and (reason := facts.why_unfit(path)):
        raise UsageError(
            f"--hosts-file: {reason}",
            "use a regular file without hard links, in folders only root can write to; to create "
            f"one: cp /etc/hosts {names.for_shell(path)}",
        )


def _refuse_plugged(state: State, interface: Interface, made: Interface, port: str) -> None:
    """Raises ConflictError for one whose port is there, unless it was detached just now."""
    if interface.netns is not None:
        other_mac = made.hardware_address != interface.hardware_address
        mac = f" with the MAC {interface.hardware_address}" if other_mac else ""
        raise ConflictError(
            f"{interface.id} is already attached, as {interface.ifname} in {interface.netns}{mac}",
            f"to release it with everything it has: dnet detach {interface.id}",
        )
    before = state.loaded(state.interfaces, interface.id)
    if before is None or before.netns is None:
        raise ConflictError(
            f"{interface.id} is already attached, by another store: the device {port} exists",
            f"choose another id, or if that store is lost: ip link delete {port}",
        )


def _place(interface: Interface) -> tuple[str | None, str | None, str]:
    return interface.netns, interface.ifname, interface.hardware_address


def _refuse_same_place(state: State, made: Interface) -> None:
    for key in state.interfaces_by_place.keys((made.netns, made.ifname)):
        if key != made.id:
            raise ConflictError(
                f"{made.ifname} in {made.netns} is the interface of {key}",
                f"choose another name with --ifname, or: dnet detach {key}",
            )


def _refuse_same_mac(state: State, facts: Facts, made: Interface) -> None:
    """Raises ConflictError: a bridge sends what is for both to the one it heard of last."""
    mac, home = made.hardware_address, state.bridges[made.bridge]
    owners = [key for key in state.interfaces_by_mac.keys((home.name, mac)) if key != made.id]
    # Of those that were given none, the only one that can have it has the address it belongs to.
    ip = address.of_mac(mac)
    sibling = state.holder(ip) if ip not in (None, made.ip) else None
    if sibling and (sibling.bridge, sibling.hardware_address) == (home.name, mac):
        owners.append(sibling.id)
    if mac == ipallocator.bridge_mac(facts, home):
        owners.append(f"{home.name} itself")
    if owners:
        another = "another one, or none," if made.mac else "another one"
        raise ConflictError(f"{mac} is the MAC of {owners[0]}", f"choose {another} with --mac")


def _refuse_unlinkable(state: State, parent: str, child: str) -> None:
    """Raises NotFoundError, and UsageError for a child whose ports have to be named."""
    target = state.interfaces.get(child)
    if target is None:
        raise NotFoundError(
            f"there is no interface {child} to link to",
            f"attach it first, or: dnet interface allocate {child} --expose PORT/PROTO",
            partial(nearby.names, child, state.interfaces),
        )
    if not target.expose and child != parent:
        raise UsageError(
            f"{child} exposes no port that {parent} could be linked to",
            f"attach it without this --link, then: dnet link add {parent} {child} -p PORT/PROTO",
        )


def _publish(
    state: State,
    facts: Facts,
    made: Interface,
    specs: Sequence[PublishSpec],
    sources: Sources | None,
) -> list[PublishSpec]:
    """Publish ports, and give those that were not.

    What leaves the host port open is not published again on attaching again. Raises UsageError for
    sources of a family that nothing is published in.
    """
    if not specs:
        return []
    whom = portmapper.publishable(state, made.id)
    portmapper.refuse_strangers(whom, specs, sources)
    new = []
    before = published(state, made)
    had = {one.key for one in before}
    has = list(before)
    for spec in specs:
        again = _take_fitting(has, spec) if spec.leaves_open else []
        if again:
            if sources is not None:
                portmapper.let_in(state, facts, again, sources)
            if again[1:] == [] and spec.host_ip is None:
                mapping = state.mappings[again[0].key]
                portmapper.add_beside(state, facts, mapping=mapping)
            continue
        mark = state.mark()
        found = portmapper.add_one(state, facts, whom, spec, sources)
        # Of two families one may have been there without the other.
        if state.mark() != mark and not any(one.key in had for one in found):
            new.append(spec)
    return new


def published(state: State, interface: Interface) -> list[Mapping]:
    """The mappings of an attachment."""
    targets = state.mappings_by_target
    return [state.mappings[key] for ip in interface.addresses for key in targets.keys(ip)]


def _take_fitting(has: list[Mapping], spec: PublishSpec) -> list[Mapping]:
    """Take out the first that could be what a spec asks for, with what it is in IPv6."""
    fitting = (one for one in has if spec.fits(one.endpoint, one.container_port))
    found = list(islice(fitting, 1))
    if found and spec.host_ip is None and (beside := portmapper.beside(found[0], has)):
        found.append(beside)
    for one in found:
        has.remove(one)
    return found


def _link(state: State, facts: Facts, made: Interface, links: Sequence[Linked]) -> list[Linked]:
    """Link to children, and give those that were not."""
    new = []
    for child, alias in links:
        _refuse_unlinkable(state, made.id, child)
        was_there = f"{made.id}:{child}" in state.links
        mark = state.mark()
        link.add(state, facts, parent=made.id, child=child, alias=alias)
        if state.mark() != mark and not was_there:
            new.append((child, alias))
    return new


def _refuse_more(
    interface: Interface, ports: list[PublishSpec], sources: Sources, links: list[Linked]
) -> NoReturn:
    """Raises ConflictError for what an attachment was first made without."""
    lacks = [f"-p {spec}" for spec in ports]
    restricted = "".join(f" --from {source}" for source in sources)
    adding = (
        [f"dnet map add {interface.id} {' '.join(map(str, ports))}{restricted}"] if ports else []
    )
    for child, alias in links:
        lacks.append(f"--link {child}:{alias}" if alias else f"--link {child}")
        adding.append(f"dnet link add {interface.id} {child}{f' --alias {alias}' if alias else ''}")
    raise ConflictError(
        f"{interface.id} is already attached, without {', '.join(lacks)}", " && ".join(adding)
    )
