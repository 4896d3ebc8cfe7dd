"""What the commands show of a state: the documented JSON objects, key by key."""

from __future__ import annotations

from collections.abc import Sequence

from dnet.model.entities import Bridge, Interface, Link, Mapping, Reservation
from dnet.model.state import State
from dnet.typing import Any, Protocol
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

    def of_interface(self, interface: Interface) -> bool | None:
        """Whether an interface is plugged in."""


def bridge(bridge: Bridge, seen: Seen) -> View:
    """A bridge with all its options, and whether it is there."""
    low, high = bridge.port_range
    return {
        "name": bridge.name,
        "address": bridge.address,
        "subnet": bridge.subnet,
        "gateway": bridge.gateway,
        "range": bridge.range,
        "mtu": bridge.mtu,
        "chain": bridge.chain,
        "icc": bridge.icc,
        "masquerade": bridge.masquerade,
        "ip_forward": bridge.ip_forward,
        "iptables": bridge.iptables,
        "direct_access": bridge.direct_access is not False,
        "isolate": bridge.isolate,
        "firewalld": bridge.firewalld,
        "binding_ip": bridge.binding_ip,
        "port_range": f"{low}-{high}",
        "allocation": bridge.allocation,
        "adopted": bridge.adopted,
        "other_ips": list(bridge.other_ips),
        **_ipv6_of(bridge),
        "created": bridge.created,
        "origin": bridge.origin,
        "present": seen.of_bridge(bridge),
    }


def _ipv6_of(bridge: Bridge) -> View:
    """What there is of IPv6, null where there is none."""
    subnet = bridge.subnet_of(V6)
    return {
        "ipv6": subnet is not None,
        "address6": bridge.address6,
        "subnet6": subnet.network if subnet else None,
        "gateway6": subnet.gateway if subnet else None,
        "range6": bridge.range6,
        "masquerade6": subnet.masquerade if subnet else None,
        "binding_ip6": bridge.binding_ip6 if subnet else None,
    }


def taken_address(ip: str, owner: str | None, bridge_name: str) -> View:
    """An address and whose it is."""
    return {"ip": ip, "owner": owner, "bridge": bridge_name}


def interface(state: State, interface: Interface, seen: Seen) -> View:
    """An interface with its published ports, its children, and whether it is plugged in."""
    home = state.bridges[interface.bridge]
    targets = state.mappings_by_target
    mapped = (state.mappings[key] for ip in interface.addresses for key in targets.keys(ip))
    links = (state.links[key] for key in state.links_by_member.keys(interface.id))
    return {
        "id": interface.id,
        "bridge": interface.bridge,
        "ip": interface.ip,
        "prefix_len": address.prefix_len(home.address),
        "mask": str(address.network(home.address).netmask),
        "gateway": home.gateway,
        **_ipv6_in(home, interface),
        "mac": interface.hardware_address,
        "netns": interface.netns,
        "ifname": interface.ifname,
        "plugged": seen.of_interface(interface),
        "expose": list(interface.expose),
        "ports": [published(one) for one in mapped],
        "links": [link.child for link in links if link.parent == interface.id],
        "origin": interface.origin._asdict() if interface.origin else None,
        "rate_in": interface.rate_in,
        "rate_out": interface.rate_out,
        "hosts_file": interface.hosts_file,
    }


def _ipv6_in(home: Bridge, interface: Interface) -> View:
    subnet = home.subnet_of(V6) if interface.ip6 else None
    return {
        "ip6": interface.ip6,
        "prefix_len6": address.prefix_len(subnet.address) if subnet else None,
        "gateway6": subnet.gateway if subnet else None,
    }


def published(mapping: Mapping) -> View:
    """A mapping as one of an interface's ports; who may use it, where not everybody may."""
    restriction = {"from": list(mapping.sources)} if mapping.sources else {}
    return {
        **_host_side(mapping.endpoint),
        "container_port": mapping.container_port,
        **_container_end(mapping),
        "proto": mapping.endpoint.proto,
        **restriction,
    }


def reservation(reservation: Reservation) -> View:
    """A reserved port, with its address of IPv6 where it is reserved there along with it."""
    return port(reservation.endpoint, reservation.owner, reservation.host_ip6)


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


def mapping(state: State, mapping: Mapping) -> View:
    """A mapping and whose its container address is."""
    return {
        **_host_side(mapping.endpoint),
        "container_ip": mapping.container_ip,
        "container_port": mapping.container_port,
        **_container_end(mapping),
        "proto": mapping.endpoint.proto,
        "owner": state.leases_with(mapping.bridge, mapping.container_ip).get(mapping.container_ip),
        "bridge": mapping.bridge,
        "from": list(mapping.sources),
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


def link(state: State, link: Link) -> View:
    """A link with the addresses of both ends; those of IPv6 where it leads there as well."""
    return {
        "parent": link.parent,
        "child": link.child,
        "parent_ip": link.parent_ip,
        "child_ip": link.child_ip,
        "parent_ip6": link.parent_ip6,
        "child_ip6": link.child_ip6,
        "ports": list(link.ports),
        "alias": link.alias,
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


def _container_end(mapping: Mapping) -> View:
    return {"container_port_end": mapping.container_end} if mapping.endpoint.is_range else {}


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
