"""What a network namespace looks like, in a form that two moments can be compared in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# One process for everything that is compared. Sysctls of every device, because a guard that
# stays behind on a bridge is as wrong as a rule that does.
COMMAND = r"""
iptables-save; ip6tables-save | sed 's/^[*]/&ip6 /'
echo '=== nft'; nft --numeric-priority list ruleset inet 2>/dev/null
echo '=== addr'; ip -d -j addr
echo '=== route'; ip -4 -o route show table all
ip -4 -o neigh show nud permanent | sed 's/^/neighbour /'
ip -o link show type vxlan | sed 's/^[0-9]*: //; s/:.*//' | while read -r device; do
  bridge fdb show dev "$device" | sed "s/^/forwarding $device /"
  ip -o -d link show dev "$device" | grep -o 'vxlan .* nolearning'
done
echo '=== sysctl'
cd /proc/sys/net/ipv4 && grep -sH '' ip_forward ip_local_reserved_ports conf/*/route_localnet \
    conf/*/proxy_arp_pvlan neigh/*/proxy_delay \
    conf/*/rp_filter ../bridge/bridge-nf-call-iptables ../bridge/bridge-nf-call-ip6tables \
    ../ipv6/conf/*/proxy_ndp ../ipv6/neigh/*/proxy_delay | sed 's/:/ /'
"""

# What the kernel makes up for each device, and where it forwards.
_OF_LINK = re.compile(r"fe80:|ff00::/8|^anycast")
_BUILT_IN_EMPTY = re.compile(r":\S+ ACCEPT\Z")


def firewall(saved: str) -> list[str]:
    """The lines of `iptables-save`, also of IPv6, without comments, counters and untouched tables.

    A table that was only looked at exists afterwards, with built-in chains and nothing in them;
    here it equals one that was never there. Tables are sorted: their order is that of creation.
    """
    tables: dict[str, list[str]] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line
            tables[table] = []
        elif line and not line.startswith("#") and line != "COMMIT":
            tables[table].append(re.sub(r" \[\d+:\d+\]\Z", "", line))
    return [
        f"{name} {line}"
        for name, lines in sorted(tables.items())
        if not all(_BUILT_IN_EMPTY.match(line) for line in lines)
        for line in lines
    ]


def nftables(listed: str) -> list[str]:
    """The lines of `nft list ruleset`, each behind what it is in, sorted where there is no order.

    Elements have none in a hash; chains and sets stand as they were made.
    """
    found: dict[str, list[str]] = {}
    table = block = ""
    for line in sorted_elements(listed).splitlines():
        if line.startswith("table "):
            table = block = line.removesuffix(" {")
        elif line.endswith(" {"):
            block = f"{table} {line.strip().removesuffix(' {')}"
        elif line == "\t}":
            block = table
        found.setdefault(f"nft {block}", []).append(line.strip())
    return [f"{name}: {line}" for name, lines in sorted(found.items()) for line in lines if line]


def sorted_elements(listed: str) -> str:
    """What nft lists with the elements of each set on one line, sorted."""
    return re.sub(r"elements = \{ (.*) \}", _sorted, re.sub(r",\n\s+", ", ", listed))


def _sorted(elements: re.Match[str]) -> str:
    return f"elements = {{ {', '.join(sorted(elements[1].split(', ')))} }}"


def _device(link: dict[str, Any]) -> str:
    addresses = sorted(
        f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["family"] == "inet"
    )
    facts = [link["address"], f"mtu {link['mtu']}", f"master {link.get('master')}", *addresses]
    up = "up" if "UP" in link["flags"] else "down"
    port = link.get("linkinfo", {}).get("info_slave_data", {})
    apart = ["isolated"] if port.get("isolated") else []
    return " ".join(["device", link["ifname"], up, *facts, *apart])


def parse(output: str) -> str:
    """The comparable text of what COMMAND printed: rules, devices, IPv4 routes, sysctls."""
    saved, nft, addresses, routes, sysctls = re.split(r"=== (?:nft|addr|route|sysctl)\n", output)
    lines = [*firewall(saved), *nftables(nft)]
    lines += sorted(_device(link) for link in json.loads(addresses))
    # Whether a device has carrier is the other end's affair.
    lines += sorted(
        f"route {line.replace(' linkdown', '')}".rstrip() for line in routes.splitlines()
    )
    lines += sorted(f"sysctl {line}" for line in sysctls.splitlines())
    return "\n".join(lines) + "\n"


IPV6 = ("address show scope global", "route show table all")


def ipv6(output: str) -> str:
    """Addresses and routes beyond a link, comparable, of what `ip -6 -o` printed to IPV6."""
    lines = (re.sub(r"^\d+: | linkdown", "", line) for line in output.splitlines())
    return "".join(
        f"ipv6 {' '.join(line.split())}\n" for line in sorted(lines) if not _OF_LINK.search(line)
    )


def folder(path: Path) -> dict[str, str]:
    """Name and contents of every file in a state folder, but for the lock, which holds nothing.

    A folder with the lock alone equals none: taking it is how a command begins.
    """
    return {
        str(file.relative_to(path)): (
            file.read_text(errors="surrogateescape") if file.is_file() else "not a plain file"
        )
        for file in sorted(path.rglob("*"))
        if file.name != "lock"
    }
