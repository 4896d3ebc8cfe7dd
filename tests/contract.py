"""The tables of the command contract that more than one test compares with."""

from __future__ import annotations

# Code in JSON: exit status.
STATUS = {
    "failed": 1,
    "drift": 1,
    "usage": 2,
    "not-found": 3,
    "conflict": 4,
    "address-in-use": 4,
    "port-in-use": 4,
    "exhausted": 5,
    "permission": 6,
    "locked": 7,
    "store-unreachable": 7,
    "state-unreadable": 8,
    "kernel": 9,
}

# What check says on stderr behind its findings, where anything is published.
PROBE = "dnet: to test whether published ports answer: dnet probe\n"

# What the JSON of each kind holds at least: keys are added, never renamed.
KEYS = {
    "bridge": frozenset(
        {"name", "address", "subnet", "gateway", "range", "mtu", "chain", "icc", "masquerade"}
        | {"ip_forward", "iptables", "isolate", "binding_ip", "port_range", "allocation"}
        | {"created", "ipv6", "address6", "subnet6", "gateway6", "range6", "masquerade6"}
        | {"binding_ip6"}
    ),
    "ip": frozenset({"ip", "owner", "bridge"}),
    "interface": frozenset(
        {"id", "bridge", "ip", "prefix_len", "mask", "gateway", "mac", "netns", "ifname"}
        | {"expose", "ports", "links", "ip6", "prefix_len6", "gateway6"}
    ),
    "port": frozenset({"host_ip", "port", "proto", "owner", "host_ip6"}),
    "map": frozenset(
        {"host_ip", "host_port", "container_ip", "container_port", "proto", "owner", "bridge"}
        | {"from"}
    ),
    "link": frozenset(
        {"parent", "child", "parent_ip", "child_ip", "parent_ip6", "child_ip6", "ports", "alias"}
    ),
}
