"""The golden listings of rules: their files, and the commands that each is taken after."""

from __future__ import annotations

from pathlib import Path

GOLDEN = Path(__file__).with_name("golden")
DOCKER0 = ("bridge", "init", "docker0", "--chain", "DOCKER", "--address", "172.17.42.1/16")
NO_ICC = (*DOCKER0, "--no-icc")
SECOND = ("bridge", "init", "br1", "--chain", "BR1", "--address", "10.5.0.1/24")

DUAL = (*DOCKER0, "--address6", "fd00:17::1/64")

HOSTS = "file:///etc/dnet/hosts"
"""Stands for a file with this host and two others."""
POOL = ("host", "join", "one", "--store", HOSTS, "--pool", "172.16.0.0/12", "--block", "16")
DOCKER0_OF_POOL = (*POOL, "--bridge", "docker0")
BY_ROUTES = (*DOCKER0_OF_POOL, "--transport", "route")

WEB = ("interface", "allocate", "web", "--bridge", "docker0", "--expose", "80/tcp")
DB = ("interface", "allocate", "db", "--bridge", "docker0", "--expose", "5432/tcp")
FAR = ("interface", "allocate", "far", "--bridge", "br1", "--expose", "80/tcp")
MAPPED = ("map", "add", "web", "8080:80")
# With a range more than a single chain holds, and from two blocks of ports.
MANY = range(8192 - 64, 8192 + 64)

# Name of the golden file: the commands after which the listing is taken.
LISTINGS: dict[str, list[tuple[str, ...]]] = {
    "bridge-init": [("bridge", "init")],
    "bridge-init-docker0": [DOCKER0],
    "no-icc": [NO_ICC],
    "no-masquerade": [(*DOCKER0, "--no-masquerade")],
    "no-direct-access": [(*DOCKER0, "--no-direct-access")],
    "two-bridges": [DOCKER0, SECOND],
    "two-bridges-one-chain": [("bridge", "init"), ("bridge", "init", "dnet1")],
    "two-bridges-open": [(*DOCKER0, "--no-isolate"), (*SECOND, "--no-isolate")],
    "mapping": [DOCKER0, WEB, MAPPED],
    "mapping-no-icc": [NO_ICC, WEB, MAPPED],
    "mapping-no-masquerade": [(*DOCKER0, "--no-masquerade"), WEB, MAPPED],
    "mapping-of-an-address": [DOCKER0, WEB, ("map", "add", "web", "10.99.0.1:53:53/udp")],
    "mapping-for-some": [DOCKER0, WEB, (*MAPPED, "--from", "10.0.0.0/8", "--from", "192.0.2.7")],
    "mapping-of-the-loopback": [DOCKER0, WEB, ("map", "add", "web", "127.0.0.1:8080:80")],
    "mapping-range": [DOCKER0, WEB, ("map", "add", "web", "9100-9109:8000-8009/udp")],
    "mappings": [
        *(DOCKER0, WEB, DB, MAPPED, ("map", "add", "web", "8081:80")),
        ("map", "add", "db", "5432:5432", "9000-9009:9000-9009"),
    ],
    "mappings-of-two-bridges": [DOCKER0, SECOND, WEB, FAR, MAPPED, ("map", "add", "far", "81:80")],
    "link": [NO_ICC, WEB, DB, ("link", "add", "web", "db")],
    "link-from-the-host": [NO_ICC, DB, ("link", "add", "host", "db")],
    "many-mappings": [
        *(DOCKER0, WEB, ("map", "add", "web", "9100-9109:8000-8009/udp")),
        ("map", "add", "web", "8400-8500:8400-8500"),
        ("map", "add", "web", *(f"{port}:80" for port in MANY)),
    ],
    "ipv6": [DUAL],
    "ipv6-no-icc": [(*DUAL, "--no-icc")],
    "ipv6-mapping": [DUAL, WEB, MAPPED],
    "ipv6-everything": [
        (*DUAL, "--no-icc", "--no-direct-access"),
        (*SECOND, "--address6", "2001:db8:5::1/64"),
        *(WEB, DB, FAR, MAPPED, ("map", "add", "web", "[::1]:8081:81")),
        ("map", "add", "db", "9000-9009:9000-9009/udp", "9100-9101:9000-9001"),
        *(("link", "add", "web", "db"), ("link", "add", "host", "db")),
    ],
    "pool": [DOCKER0_OF_POOL],
    "pool-no-icc": [DOCKER0_OF_POOL, ("bridge", "init", "docker0", "--no-icc")],
    "pool-by-routes": [BY_ROUTES],
    "everything": [
        *(NO_ICC, SECOND, WEB, DB, FAR, MAPPED),
        *(("link", "add", "web", "db"), ("link", "add", "host", "db")),
    ],
}

# What there is of nftables alone.
ONLY_OF_NFTABLES: dict[str, list[tuple[str, ...]]] = {
    "mapping-counted": [DOCKER0, WEB, MAPPED, ("map", "stats", "--start")],
}

# Those that are taken of nftables as well, whose table is the same but for its elements, and for
# the half of IPv6.
OF_NFTABLES = (
    *("bridge-init-docker0", "no-icc", "no-masquerade", "no-direct-access"),
    *("mapping", "mapping-of-an-address", "mapping-for-some", "mapping-range", "mappings"),
    *("link", "link-from-the-host", "two-bridges", "two-bridges-open", "everything"),
    *("ipv6", "ipv6-everything", "pool", "pool-no-icc", "pool-by-routes"),
    *ONLY_OF_NFTABLES,
)
