"""A bridge's part in a pool of several hosts: joining, learning who else is there, leaving.

Decisions alone. What a registry has said is given; nothing here asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dnet.errors import ConflictError, NotFoundError, UsageError
from dnet.hosts import admission, fields, pools
from dnet.hosts.admission import Here
from dnet.hosts.pools import Obstacle
from dnet.hosts.record import NO_CREDENTIALS, PEER, Credentials, HostRecord, Pool, Roster, Transport
from dnet.model.entities import DEFAULT_BRIDGE
from dnet.model.pool import OVERHEAD, VXLAN, Overlay, Peer
from dnet.model.state import State
from dnet.network.facts import POOL_ROUTES
from dnet.typing import TYPE_CHECKING, NamedTuple
from dnet.values import address, family
from dnet.values.family import V4
from dnet.values.names import for_shell, quoted

if TYPE_CHECKING:
    from dnet.model.entities import Bridge
    from dnet.network.facts import Facts

_ANYWHERE = "0.0.0.0"
_LONGEST_OF_MANY = 30  # Two hosts alone need no address of both (RFC 3021).


class Plan(NamedTuple):
    """How a host is to join: where its record is, which bridge has its block, how it is reached.

    `firewall` is the one that a first bridge is to have its rules in.
    """

    name: str
    registry: str
    bridge: str
    underlay: str
    transport: Transport
    credentials: Credentials = NO_CREDENTIALS
    firewall: str | None = None


def own(state: State) -> Overlay:
    """The overlay of a host that is in a pool. Raises NotFoundError where it is in none."""
    found = state.overlay
    if found is None or found.block is None:
        raise NotFoundError("this host is in no pool", "dnet host join --store URL --pool CIDR")
    return found


def bridge_for(state: State, given: str | None) -> str:
    """Which bridge a host joins with: the one that is named, or is in the pool, or the only one."""
    there = state.overlay
    if given is None:
        only = next(iter(state.bridges)) if len(state.bridges) == 1 else DEFAULT_BRIDGE
        return there.bridge if there else only
    if there is not None and there.bridge != given:
        raise ConflictError(
            f"{there.bridge} is already this host's bridge in the pool; a host has only one",
            f"dnet host leave, or leave out --bridge {for_shell(given)}",
        )
    return given


def underlay(facts: Facts, given: str | None) -> str:
    """The address that other hosts reach this one by: it, or that of a device.

    Without any, that of the default route's device. Raises UsageError.
    """
    ours = facts.host_addresses()
    if given is not None and given in ours:
        return fields.parse_underlay(given)
    if given is not None and ":" in given:
        raise UsageError(
            f"{quoted(given)} is an IPv6 address, and dnet connects hosts only by IPv4",
            "give an IPv4 address",
        )
    name = given or facts.default_device()
    if name is None:
        raise UsageError(
            "no default route shows the address at which other hosts reach this one",
            "give it: --underlay IP or --underlay DEVICE",
        )
    device = None if fields.v4(name) is not None else facts.device(name)
    if device is None:
        raise UsageError(
            f"{quoted(name)} is neither an address nor a device of this host",
            "give one of: ip -br address",
        )
    addresses = [address.host(one) for one in device.addresses]
    if not addresses:
        raise UsageError(f"{name} has no IPv4 address", "give another: --underlay IP")
    return fields.parse_underlay(addresses[0])


def note(state: State, _facts: Facts, *, plan: Plan, token: str) -> str:
    """Write down the token of a host that is about to join, unless it has one; what it is.

    So the answer of the registry is known for this host's also where it was lost.
    """
    there = state.overlay
    refuse_another(there, plan)
    if there is not None:
        return there.token
    state.overlays.put(plan.bridge, _overlay(plan, token))
    return token


def forget(state: State, _facts: Facts) -> None:
    """Forget that a host was about to join, which was refused."""
    there = state.overlay
    if there is not None and there.block is None:
        state.overlays.drop(there.bridge)


def join(
    state: State, facts: Facts, *, plan: Plan, record: HostRecord, pool: Pool, roster: Roster
) -> Overlay:
    """Give a bridge the block of a record as its subnet, and lead to the other hosts.

    The bridge is made, or changed as far as nothing is allocated on it. Its MTU is what passes to
    the others. Again with the same arguments everything is looked at, and repaired.
    Raises ConflictError, also where the pool overlaps what this host has elsewhere.
    """
    there = state.overlay
    refuse_another(there, plan)
    if there is not None and there.block not in (None, record.block):
        raise ConflictError(
            f"the block of {there.name} is now {record.block}, and was {there.block}",
            "join again: dnet host leave --force, dnet host join",
        )
    made = _overlay(plan, record.token)._replace(
        pool=pool.subnet,
        block=record.block,
        vni=pool.vni,
        port=pool.port,
        revision=there.revision if there else 0,
    )
    if why := next(pools.objections(pool, _obstacles(state, facts, made)), None):
        raise ConflictError(why, "choose another pool, or remove that")
    if there is None or there.block is None:
        _refuse_taken(facts, made)
    from dnet.network import bridge as bridges  # Loaded by no sync, which is run all the time.

    existing = state.bridges.get(plan.bridge)
    _refuse_unruled(existing, plan)
    options: dict[str, object] = {"firewall": plan.firewall} if plan.firewall else {}
    if existing is None or existing.subnet != record.block:
        low, _ = fields.bounds(record.block)
        first = address.from_int(low + 1, V4)
        options["address"] = f"{first}/{address.prefix_len(record.block)}"
    most = _mtu(facts, made)
    if existing is None or existing.mtu > most:
        options["mtu"] = most
    if there != made:
        if there is not None and there.bridge != made.bridge:
            state.overlays.drop(there.bridge)
        state.overlays.put(made.bridge, made)
    bridges.init(state, facts, name=plan.bridge, options=options)
    _follow(state, facts, made, roster)
    return state.overlays[made.bridge]


def sync(state: State, facts: Facts, *, roster: Roster) -> ConflictError | None:
    """Let the peers be those that a registry says, and no others; why this host is none, if so.

    What is older than what is known counts for nothing. Raises NotFoundError.
    """
    here = own(state)
    if admission.is_older(roster, here.revision):
        state.remark(
            f"{here.registry} has revision {roster.revision}, older than the known "
            f"{here.revision}: it is ignored"
        )
        return None
    _follow(state, facts, here, roster)
    return _objection(facts, here, roster)


def is_unmoved(state: State, facts: Facts) -> bool:
    """Whether what was believed of the hosts would be so again, as far as it is about this one."""
    here = own(state)
    addresses = facts.host_addresses()
    underlays = {row.get("underlay") for row in state.peers.rows.values()}
    return (
        here.underlay in addresses
        and underlays.isdisjoint(addresses)
        and pools.in_the_way(str(here.pool), _obstacles(state, facts, here)) is None
    )


def may_leave(state: State, *, force: bool) -> Overlay:
    """The overlay of a host that may leave: nothing is allocated, unless by `force`.

    Raises ConflictError, NotFoundError.
    """
    from dnet.network import bridge as bridges

    found = state.overlay
    if found is None:
        raise NotFoundError("this host is in no pool", "dnet host join --store URL --pool CIDR")
    bridge = state.bridges.get(found.bridge) if found.block else None
    if bridge is not None and not force and (held := bridges.held(state, bridge)):
        raise ConflictError(
            f"{bridge.name} still has {held} from the block, which other hosts may get",
            "detach them first, or keep them on this host only: dnet host leave --force",
        )
    return found


def leave(state: State, _facts: Facts, *, force: bool = False) -> None:
    """Lead to no other host any more; the bridge stays, with its subnet, on this host alone."""
    found = may_leave(state, force=force)
    for key in list(state.links):
        link = state.links[key]
        if found.device in (link.parent_bridge, link.child_bridge):
            state.links.drop(key)
    for name in list(state.peers):
        state.peers.drop(name)
    state.overlays.drop(found.bridge)


def registry_of(found: Overlay) -> Credentials:
    """What the registry of an overlay asks for."""
    return Credentials(found.ca, found.cert, found.key, found.user)


def _overlay(plan: Plan, token: str) -> Overlay:
    return Overlay(
        bridge=plan.bridge,
        name=plan.name,
        registry=plan.registry,
        token=token,
        underlay=plan.underlay,
        transport=plan.transport,
        **plan.credentials._asdict(),
    )


def refuse_another(there: Overlay | None, plan: Plan) -> None:
    """Raises ConflictError where a host that is in a pool would join otherwise."""
    if there is None:
        return
    for what, has, asked in (
        ("name", there.name, plan.name),
        ("registry", there.registry, plan.registry),
        ("transport", there.transport, plan.transport),
    ):
        if has != asked and (there.block is not None or what == "name"):
            raise ConflictError(
                f"this host is in a pool already, with the {what} {has}",
                "leave it first: dnet host leave",
            )


def refuse_forgotten(there: Overlay | None, roster: Roster) -> None:
    """Raises ConflictError where a host joins again that its registry does not know any more."""
    if there is None or there.block is None or not there.token:
        return
    if there.token in {one.token for one in roster.hosts}:
        return
    if error := admission.standing(roster, _record(there)):
        raise error


def _refuse_unruled(existing: Bridge | None, plan: Plan) -> None:
    if existing is not None and not existing.iptables and plan.transport == VXLAN:
        raise ConflictError(
            f"{existing.name} has no rules; without them, anybody could send into the pool",
            f"dnet bridge init {for_shell(existing.name)} --iptables, or join with "
            "--transport route",
        )


def _refuse_taken(facts: Facts, made: Overlay) -> None:
    """Raises ConflictError where the VXLAN would be in the way of somebody else's."""
    if made.transport != VXLAN:
        return
    if made.bridge == made.device or facts.device(made.device) is not None:
        raise ConflictError(
            f"there is a device {made.device} already, which is not dnet's",
            f"ip link delete dev {made.device}, or make the pool with another --vni",
        )
    if why := facts.why_busy(_ANYWHERE, made.port, made.port, "udp"):
        raise ConflictError(
            f"VXLAN cannot have the UDP port {made.port}, which dnet closes to all but the hosts "
            f"of the pool: {why}",
            "make the pool with another --port: all of its hosts have the same",
        )


def _mtu(facts: Facts, made: Overlay) -> int:
    """What passes to other hosts in one piece."""
    name = facts.host_addresses().get(made.underlay)
    device = facts.device(name) if name else None
    whole = device.mtu if device and name != "lo" else facts.default_mtu()
    return whole - OVERHEAD if made.transport == VXLAN else whole


def _follow(state: State, facts: Facts, here: Overlay, roster: Roster) -> None:
    """Take over what a registry says of the hosts, as far as it is believed."""
    known = {
        one.name: HostRecord(
            one.name, one.underlay or "", one.block, here.transport, "", one.revision
        )
        for one in state.peers.values()
        if one.state == PEER
    }
    itself = _record(here)
    obstacles = list(_obstacles(state, facts, here))
    addresses = facts.host_addresses()
    everybody = frozenset(_of_everybody(facts, addresses.values()))
    place = Here(itself, _pool(here), addresses, obstacles, known, everybody)
    admitted = admission.admit(_alike(roster, here), place)
    for line in admitted.refused:
        state.remark(line)
    wanted = {
        one.name: Peer(one.name, one.block, one.underlay, one.revision) for one in admitted.peers
    }
    wanted |= _bygone(roster, here, wanted)
    for name in [name for name in state.peers if name not in wanted]:
        state.peers.drop(name)
    for name, peer in wanted.items():
        if state.peers.get(name) != peer:
            state.peers.put(name, peer)
    expelled = _objection(facts, here, roster) is not None
    digest = "" if expelled or admitted.refused else roster.digest
    made = here._replace(expelled=expelled, digest=digest)
    if made != here or state.changes():
        state.overlays.put(here.bridge, made._replace(revision=roster.revision))


def _of_everybody(facts: Facts, devices: Iterable[str]) -> Iterator[str]:
    """The addresses by which all are reached who are on a network of this host."""
    for device in filter(None, map(facts.device, dict.fromkeys(devices))):
        for cidr in device.addresses:
            if address.prefix_len(cidr) <= _LONGEST_OF_MANY:
                network = address.subnet(cidr)
                yield from (address.host(network), address.broadcast(cidr))


def _objection(facts: Facts, here: Overlay, roster: Roster) -> ConflictError | None:
    """Why a host is no member, if so: it is not registered as it was, or not where it was."""
    if here.underlay not in facts.host_addresses():
        return ConflictError(
            f"the underlay address {here.underlay} of {here.name} is not an address of this host",
            "if this is the same host and not a copy of it: dnet host join --moved",
        )
    return admission.standing(roster, _record(here))


def _alike(roster: Roster, here: Overlay) -> Roster:
    """Without the hosts that this one cannot reach as they want to be reached."""
    hosts, refused = list[HostRecord](), list(roster.refused)
    for one in roster.hosts:
        if one.state != PEER or one.name == here.name:
            hosts.append(one)
        elif one.transport != here.transport:
            refused.append(
                f"the record of {one.name} is refused: its transport is {one.transport}, but this "
                f"host has {here.transport}"
            )
        elif family.of(one.underlay) is not V4:
            refused.append(
                f"the record of {one.name} is refused: its address {one.underlay} is an IPv6 "
                "address, and dnet connects hosts only by IPv4"
            )
        else:
            hosts.append(one)
    return roster._replace(hosts=tuple(hosts), refused=tuple(refused))


def _bygone(roster: Roster, here: Overlay, peers: dict[str, Peer]) -> Iterator[tuple[str, Peer]]:
    """Those that left or were removed, whose blocks are nobody's by now."""
    taken = {str(here.block), *(one.block for one in peers.values())}
    names = {here.name, *peers}
    for one in roster.hosts:
        is_one = one.state != PEER and pools.misfit(_pool(here), one.block) is None
        if is_one and one.name not in names and one.block not in taken:
            names.add(one.name)
            taken.add(one.block)
            yield one.name, Peer(one.name, one.block, None, one.revision, one.state)


def _record(here: Overlay) -> HostRecord:
    return HostRecord(here.name, here.underlay, str(here.block), here.transport, here.token)


def _pool(here: Overlay) -> Pool:
    prefix = address.prefix_len(str(here.block))
    return Pool(str(here.pool), prefix, here.vni, here.port)


def _obstacles(state: State, facts: Facts, here: Overlay) -> Iterator[Obstacle]:
    """What this host has in a pool that is not of it, in words."""
    ours = {here.bridge, here.device}
    for bridge in state.bridges.values():
        if bridge.name != here.bridge:
            yield Obstacle(bridge.subnet, f"the subnet {bridge.subnet} of {bridge.name}")
    yield Obstacle(f"{here.underlay}/{V4.bits}", f"this host's own address {here.underlay}")
    for route in facts.routes([str(here.pool)], but=POOL_ROUTES):
        if route.device not in ours and _leads(route.subnet):
            from dnet.network import subnets

            yield Obstacle(route.subnet, subnets.described(route))


def _leads(network: str) -> bool:
    """Whether a route is to a network, and not to half of the world."""
    return address.prefix_len(network) >= address.SHORTEST_PREFIX
