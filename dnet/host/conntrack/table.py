"""Deleting connection tracking entries, so that a change of the rules holds for running flows too.

The rules of the nat table see only the first packet of a flow. A UDP client that keeps sending from
one port stays with the translation, or the lack of one, that its entry was made with, for as long
as it sends.

The entries are listed by `conntrack` of conntrack-tools and deleted one by one through netlink:
each `conntrack -D` walks the kernel's whole table, 10 ms and more, where netlink takes the very
entry from its hash chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from dnet.host import process
from dnet.host.conntrack.entry import Entry, parse
from dnet.host.localaddr import LocalAddresses
from dnet.host.system import find_program, read_file
from dnet.plan.flow import LOCAL, Flow, Ports
from dnet.values import family
from dnet.values.address import contains
from dnet.values.family import V4, V6

# Up to so many words are sooner looked for in a line than the line is taken apart.
_FEW = 8
# Of which an entry can be made that needs to know nothing of the one before.
_HELD = ("tcp", "udp")


def delete(flows: Iterable[Flow], warn: Callable[[str], None]) -> list[str]:
    """Delete every entry that agrees with any of `flows`; the entries deleted, one text each.

    Where a flow says so, an entry that translates nothing takes the place of what it deletes.

    Starts `conntrack` once, or not at all when there is no flow or the table is empty. What
    cannot be done is told to `warn` and left: the rules are right already, and an entry that stays
    affects no more than the flow it stands for. An entry that ends by itself meanwhile is no error.

    Raises ValueError for a flow that names neither an address nor a port, before anything is
    deleted: it would stand for everybody's entries.
    """
    wanted = tuple(dict.fromkeys(flows))
    for flow in wanted:
        if not flow.names_something:
            raise ValueError("a flow needs an address or a port")
    if not wanted or _is_table_empty():
        return []
    listing, local = _telling(_listing(wanted, warn), wanted), LocalAddresses()
    matched = list(select(parse(listing), wanted, local))
    if not matched:
        return []
    from dnet.host.conntrack import messages

    held = {
        entry
        for entry in select(matched, [flow for flow in wanted if flow.hold], local)
        if entry.is_aimed_elsewhere and entry.proto in _HELD
    }
    return [str(entry) for entry in messages.destroy(matched, warn, held)]


def _is_table_empty() -> bool:
    try:
        return int(read_file("/proc/sys/net/netfilter/nf_conntrack_count")) == 0
    except OSError:
        return False


def _listing(flows: tuple[Flow, ...], warn: Callable[[str], None]) -> str:
    program = find_program("conntrack")
    if program is None:
        warn("no conntrack command (conntrack-tools): established flows keep their old way")
        return ""
    done = process.run([program, "-L", "-o", "id", *narrow(flows)])
    if done.status:
        reason = done.errors.strip().partition("\n")[0]
        warn(f"conntrack -L failed, established flows keep their old way: {reason}")
        return ""
    return done.output


def narrow(flows: Iterable[Flow]) -> list[str]:
    """The options of `conntrack -L` that all `flows` have in common.

    They only spare the output: what they cannot say, `select` sees to.
    """
    common, *others = ([_family(flow), *_options(flow)] for flow in flows)
    kept = [option for option in common if all(option in other for other in others)]
    # conntrack takes the options of ports only beside a protocol.
    if not any(option == "-p" for option, _ in kept):
        kept = [(option, value) for option, value in kept if "-port-" not in option]
    return [word for option in kept for word in option]


def _family(flow: Flow) -> tuple[str, str]:
    addresses = (flow.orig_dst, flow.orig_src, flow.reply_src, flow.either)
    found = {family.of(one) for one in addresses if one}
    return "-f", (V6 if V6 in found else V4).name


def _options(flow: Flow) -> Iterator[tuple[str, str]]:
    if flow.proto:
        yield "-p", flow.proto
    if flow.orig_src:
        yield "-s", flow.orig_src
    if flow.orig_dst and flow.orig_dst != LOCAL:
        yield "-d", flow.orig_dst
    if flow.reply_src:
        yield "-r", flow.reply_src
    if flow.orig_dports and flow.orig_dports[0] == flow.orig_dports[1]:
        yield "--orig-port-dst", str(flow.orig_dports[0])
    if flow.reply_sports and flow.reply_sports[0] == flow.reply_sports[1]:
        yield "--reply-port-src", str(flow.reply_sports[0])


def _telling(listing: str, flows: tuple[Flow, ...]) -> str:
    """The lines of `listing` that can agree with a flow, as far as that is quick to tell."""
    addresses = {_key(flow) for flow in flows}
    if len(addresses) > _FEW or not all(isinstance(address, str) for address in addresses):
        return listing
    words = [f"={address} " for address in addresses]
    lines = (line for line in listing.splitlines() if any(word in line for word in words))
    return "\n".join(lines)


def select(
    entries: Iterable[Entry], flows: Iterable[Flow], local: LocalAddresses
) -> Iterator[Entry]:
    """Those of `entries` that agree with any of `flows`."""
    wanted = _Index(flows, local)
    return (entry for entry in entries if wanted.means(entry))


class _Index:
    """Flows by the most telling thing they name.

    So that thousands of them cost an entry no more than a few comparisons.
    """

    def __init__(self, flows: Iterable[Flow], local: LocalAddresses) -> None:
        self._local = local
        self._flows: dict[str | int | None, list[tuple[Flow, _Index | None]]] = {}
        for flow in flows:
            spared = _Index(flow.spared, local) if flow.spared else None
            self._flows.setdefault(_key(flow), []).append((flow, spared))

    def means(self, entry: Entry) -> bool:
        """Whether an entry agrees with any of the flows."""
        keys = {None, entry.dport, entry.src, entry.dst, entry.reply_src, entry.reply_dst}
        return any(
            _agrees(entry, flow, self._local) and not (spared and spared.means(entry))
            for key in keys
            for flow, spared in self._flows.get(key, ())
        )


def _key(flow: Flow) -> str | int | None:
    found = (flow.either, flow.reply_src, flow.orig_src, flow.orig_dst)
    address = next((one for one in found if one and one != LOCAL and "/" not in one), None)
    if address is None and flow.orig_dports and flow.orig_dports[0] == flow.orig_dports[1]:
        return flow.orig_dports[0]
    return address


def _agrees(entry: Entry, flow: Flow, local: LocalAddresses) -> bool:
    places = (entry.src, entry.dst, entry.reply_src, entry.reply_dst)
    return (
        flow.proto in (None, entry.proto)
        and (flow.orig_src is None or _is_at(entry.src, flow.orig_src))
        and flow.reply_src in (None, entry.reply_src)
        and (flow.either is None or flow.either in places)
        and _is_within(entry.dport, flow.orig_dports)
        and _is_within(entry.reply_sport, flow.reply_sports)
        and (
            flow.orig_dst is None
            or (flow.orig_dst == LOCAL and entry.dst in local)
            or _is_at(entry.dst, flow.orig_dst)
        )
        and not (flow.direct and (entry.dst != entry.reply_src or _concerns(entry, local)))
    )


def _is_at(ip: str, asked: str) -> bool:
    return contains(asked, ip) if "/" in asked else ip == asked


def _concerns(entry: Entry, local: LocalAddresses) -> bool:
    """Whether the host itself is one of the two."""
    return entry.src in local or entry.dst in local


def _is_within(port: int | None, ports: Ports | None) -> bool:
    return ports is None or (port is not None and ports[0] <= port <= ports[1])
