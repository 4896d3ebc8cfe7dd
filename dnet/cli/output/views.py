"""What the commands show of a state: the documented JSON objects, key by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from dnet.model.entities import Bridge, Interface, Link, Mapping, Reservation
from dnet.model.state import State
from dnet.values import address
from dnet.values.endpoint import Endpoint
from dnet.values.family import FAMILIES, V6

View = dict[str, Any]
OF_IPV6 = frozenset({"ipv6", "address6", "subnet6", "gateway6", "range6", "masquerade6"})
OF_IPV6 |= {"binding_ip6", "ip6", "prefix_len6"}


class Seen(Protocol):
    """Whoever knows what of a state is there in the kernel; None where that is not known."""

    def of_bridge(self, bridge: Bridge) -> bool | None:
        """Whether the device of a bridge is there."""

    def of_interface(self, one: Interface) -> bool | None:
        """Whether an interface is plugged in."""


def bridge(one: Bridge, seen: Seen) -> View:
    """A bridge with all its options, and whether it is there."""
    low, high = one.port_range
    return {
        "name": one.name,
        "address": one.address,
        "subnet": one.subnet,
        "gateway": one.gateway,
        "range": one.range,
        "mtu": one.mtu,
        "chain": one.chain,
        "icc": one.icc,
        "masquerade": one.masquerade,
        "ip_forward": one.ip_forward,
        "iptables": one.iptables,
        "direct_access": one.direct_access is not False,
        "isolate": one.isolate,
        "firewalld": one.firewalld,
        "binding_ip": one.binding_ip,
        "port_range": f"{low}-{high}",
        "allocation": one.allocation,
        "adopted": one.adopted,
        "other_ips": list(one.other_ips),
        **_ipv6_of(one),
        "created": one.created,
        "origin": one.origin,
        "present": seen.of_bridge(one),
    }


def _ipv6_of(one: Bridge) -> View:
    """What there is of IPv6, null where there is none."""
    subnet = one.subnet_of(V6)
    return {
        "ipv6": subnet is not None,
        "address6": one.address6,
        "subnet6": subnet.network if subnet else None,
        "gateway6": subnet.gateway if subnet else None,
        "range6": one.range6,
        "masquerade6": subnet.masquerade if subnet else None,
        "binding_ip6": one.binding_ip6 if subnet else None,
    }


def taken_address(ip: str, owner: str | None, bridge_name: str) -> View:
    """An address and whose it is."""
    return {"ip": ip, "owner": owner, "bridge": bridge_name}


def interface(state: State, one: Interface, seen: Seen) -> View:
    """An interface with its published ports, its children, and whether it is plugged in."""
    home = state.bridges[one.bridge]
    targets = state.mappings_by_target
    mapped = (state.mappings[key] for ip in one.addresses for key in targets.keys(ip))
    links = (state.links[key] for key in state.links_by_member.keys(one.id))
    return {
        "id": one.id,
        "bridge": one.bridge,
        "ip": one.ip,
        "prefix_len": address.prefix_len(home.address),
        "mask": str(address.network(home.address).netmask),
        "gateway": home.gateway,
        **_ipv6_in(home, one),
        "mac": one.hardware_address,
        "netns": one.netns,
        "ifname": one.ifname,
        "plugged": seen.of_interface(one),
        "expose": list(one.expose),
        "ports": [published(one) for one in mapped],
        "links": [link.child for link in links if link.parent == one.id],
        "origin": one.origin._asdict() if one.origin else None,
    }


def _ipv6_in(home: Bridge, one: Interface) -> View:
    subnet = home.subnet_of(V6) if one.ip6 else None
    return {
        "ip6": one.ip6,
        "prefix_len6": address.prefix_len(subnet.address) if subnet else None,
        "gateway6": subnet.gateway if subnet else None,
    }


def published(one: Mapping) -> View:
    """A mapping as one of an interface's ports."""
    return {
        **_host_side(one.endpoint),
        "container_port": one.container_port,
        **_container_end(one),
        "proto": one.endpoint.proto,
    }


def reservation(one: Reservation) -> View:
    """A reserved port, with its address of IPv6 where it is reserved there along with it."""
    return port(one.endpoint, one.owner, one.host_ip6)


def port(endpoint: Endpoint, owner: str | None, host_ip6: str | None = None) -> View:
    """A taken port, or range of ports, and whose it is."""
    end = {"port_end": endpoint.end} if endpoint.is_range else {}
    return {
        "host_ip": endpoint.host_ip,
        "port": endpoint.port,
        **end,
        "proto": endpoint.proto,
        "owner": owner,
        "host_ip6": host_ip6,
    }


def mapping(state: State, one: Mapping) -> View:
    """A mapping and whose its container address is."""
    return {
        **_host_side(one.endpoint),
        "container_ip": one.container_ip,
        "container_port": one.container_port,
        **_container_end(one),
        "proto": one.endpoint.proto,
        "owner": state.leases_with(one.bridge, one.container_ip).get(one.container_ip),
        "bridge": one.bridge,
    }


def published_twice(state: State, made: Sequence[Mapping]) -> View:
    """The first mapping, with the addresses of the one that goes with it in IPv6, if any does."""
    first, *others = made
    beside = {
        f"{key}6": value
        for other in others
        for key, value in mapping(state, other).items()
        if key in ("host_ip", "container_ip")
    }
    return mapping(state, first) | beside


def link(state: State, one: Link) -> View:
    """A link with the addresses of both ends; those of IPv6 where it leads there as well."""
    return {
        "parent": one.parent,
        "child": one.child,
        "parent_ip": one.parent_ip,
        "child_ip": one.child_ip,
        "parent_ip6": one.parent_ip6,
        "child_ip6": one.child_ip6,
        "ports": list(one.ports),
        "alias": one.alias,
    }


def ports(state: State, bridge_name: str | None) -> list[View]:
    """Every port that is taken: reserved, mapped, or occupied by a link from the host."""
    return list(taken_ports(state, bridge_name).values())


def taken_ports(state: State, bridge_name: str | None) -> dict[str, View]:
    """The same, by the texts of the endpoints."""
    found: dict[str, View] = {}
    for reserved in state.reservations.values():
        if bridge_name in (None, reserved.bridge):
            found[reserved.key] = reservation(reserved)
    for mapped in state.mappings.values():
        if bridge_name in (None, mapped.bridge):
            owner = state.leases_with(mapped.bridge, mapped.container_ip).get(mapped.container_ip)
            found[mapped.key] = port(mapped.endpoint, owner)
    for endpoint, linked in state.link_endpoints():
        if bridge_name in (None, linked.child_bridge):
            found[str(endpoint)] = port(endpoint, linked.child)
    return found


def _host_side(endpoint: Endpoint) -> View:
    end = {"host_port_end": endpoint.end} if endpoint.is_range else {}
    return {"host_ip": endpoint.host_ip, "host_port": endpoint.port, **end}


def _container_end(one: Mapping) -> View:
    return {"container_port_end": one.container_end} if one.endpoint.is_range else {}


def inventory(state: State, seen: Seen) -> View:
    """Everything there is."""
    return {
        "bridges": [bridge(one, seen) for one in state.bridges.values()],
        "interfaces": [interface(state, one, seen) for one in state.interfaces.values()],
        "addresses": [
            taken_address(ip, owner, name)
            for name in state.bridges
            for of in FAMILIES
            for ip, owner in state.leases(name, of).rows.items()
        ],
        "ports": ports(state, None),
        "mappings": [mapping(state, one) for one in state.mappings.values()],
        "links": [link(state, one) for one in state.links.values()],
    }
