"""A pool's hosts as keys and values of a store, and what a host that joins or goes changes there.

Below a prefix: `pool` is what all share, `hosts/NAME` a host's record, and `blocks/10.244.1.0-24`
who has that block: its name, or `left:` or `retired:` and the name of who had it. A record counts
where both of its keys say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dnet.errors import ConflictError, NotFoundError, StoreUnreachableError, UsageError
from dnet.hosts import fields, pools
from dnet.hosts.record import LEFT, PEER, REMOVED, Claim, HostRecord, Pool, Roster, Standing
from dnet.typing import NamedTuple
from dnet.values import jsontext
from dnet.values.names import quoted

POOL, HOSTS, BLOCKS = "pool", "hosts/", "blocks/"
SCHEMA = 1

_AT_ONCE, _WIDER = 8, 16
_MOST_TRIES = 4  # By then all blocks of the largest pool are drawn from.

_STANDINGS: Mapping[str, Standing] = {"left": LEFT, "retired": REMOVED}
_WORDS = {standing: word for word, standing in _STANDINGS.items()}


class Entry(NamedTuple):
    """A key's value, and the revision at which it was written."""

    value: str
    revision: int


class View(NamedTuple):
    """All keys below the prefix, as they were at one revision of the store."""

    revision: int
    entries: Mapping[str, Entry]

    def seen(self, *keys: str) -> dict[str, int]:
        """The revisions of some keys, 0 of those that are not there."""
        return {key: self.entries[key].revision if key in self.entries else 0 for key in keys}

    def after(self, write: Write, revision: int) -> View:
        """The keys as they are once something has been written, at a later revision."""
        kept = {key: entry for key, entry in self.entries.items() if key not in write.delete}
        put = {key: Entry(value, revision) for key, value in write.put.items()}
        return View(revision, kept | put)


class Write(NamedTuple):
    """What is put and deleted, all or nothing, where no key of `seen` has changed."""

    seen: Mapping[str, int]
    put: Mapping[str, str]
    delete: tuple[str, ...] = ()


def roster(view: View) -> Roster:
    """What the keys say; what cannot be read of it is refused, and the rest holds.

    Raises StoreUnreachableError where it is not known which pool they are about.
    """
    refused: list[str] = []
    holders = dict(_holders(view, refused))
    hosts = [
        host
        for key, entry in view.entries.items()
        if (host := _host(key, entry, holders, refused)) is not None
    ]
    freed = (one for one in holders.values() if one.state != PEER)
    for key in view.entries:
        if key != POOL and not key.startswith((HOSTS, BLOCKS)):
            refused.append(f"the key {quoted(key)} is not one of dnet's")
    return Roster(view.revision, _pool(view), (*hosts, *freed), tuple(refused))


def joining(view: View, claim: Claim, tries: int = 0) -> HostRecord | Write:
    """The record that a host has there, or what makes one; `tries` have failed for others' joining.

    Raises ConflictError, ExhaustedError, UsageError, StoreUnreachableError.
    """
    there = roster(view)
    pool = pools.founded(claim.pool) if there.pool is None else there.pool
    pools.agreed(pool, claim.pool)
    peers = [host for host in there.hosts if host.state == PEER]
    for host in peers:
        _refuse_other(host, claim)
    own = next((host for host in peers if host.token == claim.token), None)
    if own is not None:
        return own if _is_unchanged(own, claim) else _moving(view, own, claim)
    host_key = f"{HOSTS}{claim.name}"
    if host_key in view.entries:
        raise ConflictError(
            f"the record of {claim.name} exists, but cannot be read",
            f"take another name, or run on any host: dnet host remove {claim.name} --yes",
        )
    # In a large pool others may well join at this moment.
    among = max(1, len(peers) // _AT_ONCE) * _WIDER ** min(tries, _MOST_TRIES)
    block = pools.choose(pool, _held(view), among, int(claim.token, 16))
    block_key = _block_key(block)
    put = {host_key: _record(claim, block), block_key: claim.name}
    if there.pool is None:
        put[POOL] = _pool_text(pool)
    return Write(view.seen(POOL, host_key, block_key), put)


def leaving(view: View, name: str, token: str) -> Write | None:
    """What takes a host's own record away; None where there is none.

    Raises ConflictError where another host has the name by now.
    """
    fields_there = _read(view.entries.get(f"{HOSTS}{name}"))
    if fields_there is None:
        return None
    if fields_there.get("token") != token:
        raise ConflictError(
            f"{name} is now another host, at {quoted(str(fields_there.get('underlay')))}",
            "to leave without the registry: dnet host leave --force",
        )
    return _going(view, name, LEFT)


def removing(view: View, name: str) -> Write:
    """What takes a host out. Raises NotFoundError."""
    if f"{HOSTS}{name}" not in view.entries and not _blocks_of(view, name):
        raise NotFoundError(f"no host {quoted(name)} is registered", "see dnet host list")
    return _going(view, name, REMOVED)


def _refuse_other(host: HostRecord, claim: Claim) -> None:
    """Raises ConflictError where a host that is there has what another one claims."""
    if host.token == claim.token:
        if host.name != claim.name:
            raise ConflictError(
                f"this host has joined as {host.name}",
                f"join as {host.name}; if it is a copy of that host, remove its state folder first",
            )
    elif host.name == claim.name:
        raise ConflictError(
            f"there is another host {host.name}, at {host.underlay}",
            "take another name; or, if that one no longer exists, run on any host: "
            f"dnet host remove {host.name} --yes",
        )
    elif host.underlay == claim.underlay:
        raise ConflictError(
            f"the host {host.name} has the address {host.underlay}",
            "give another --underlay; or, if that one no longer exists, run on any host: "
            f"dnet host remove {host.name} --yes",
        )


def _is_unchanged(own: HostRecord, claim: Claim) -> bool:
    """Whether a host has joined as it would again. Raises ConflictError where it may not differ."""
    if (own.underlay, own.transport) == (claim.underlay, claim.transport):
        return True
    if claim.moved:
        return False
    if own.underlay != claim.underlay:
        raise ConflictError(
            f"{own.name} has joined from {own.underlay}, but this host has {claim.underlay}",
            "if this is the same host and not a copy of it: dnet host join --moved",
        )
    raise ConflictError(
        f"{own.name} has joined with the transport {own.transport}",
        "to change it: dnet host join --moved",
    )


def _moving(view: View, own: HostRecord, claim: Claim) -> Write:
    key = f"{HOSTS}{own.name}"
    return Write(view.seen(key), {key: _record(claim, own.block)})


def _going(view: View, name: str, standing: Standing) -> Write:
    """A host's record deleted, and what blocks it has freed."""
    key, freed = f"{HOSTS}{name}", f"{_WORDS[standing]}:{name}"
    own = _blocks_of(view, name)
    return Write(view.seen(key, *own), dict.fromkeys(own, freed), (key,))


def _blocks_of(view: View, name: str) -> list[str]:
    entries = view.entries.items()
    return [key for key, entry in entries if key.startswith(BLOCKS) and entry.value == name]


def _pool(view: View) -> Pool | None:
    entry = view.entries.get(POOL)
    if entry is None:
        return None
    read = _read(entry) or {}
    numbers = [read.get(key) for key in ("block", "vni", "port", "schema")]
    try:
        if not all(type(number) is int for number in numbers):
            raise UsageError("it is not a record of dnet's")
        block, vni, port, schema = (int(str(number)) for number in numbers)
        if schema > SCHEMA:
            raise UsageError("a newer dnet has made it")
        return pools.checked(Pool(str(read.get("pool")), block, vni, port))
    except UsageError as error:
        raise StoreUnreachableError(f"the store's pool cannot be read: {error}") from None


def _holders(view: View, refused: list[str]) -> Iterator[tuple[str, HostRecord]]:
    """Who has, or had, each block: a record without an address."""
    for key, (value, revision) in view.entries.items():
        if not key.startswith(BLOCKS):
            continue
        try:
            block = fields.parse_block(key.removeprefix(BLOCKS).replace("-", "/"))
            word, colon, name = value.rpartition(":")
            if colon and word not in _STANDINGS:
                raise UsageError(f"{quoted(value)} is nobody's")
            name = fields.parse_name(name)
        except UsageError as error:
            refused.append(f"the key {quoted(key)} is refused: {error}")
            continue
        state = _STANDINGS[word] if colon else PEER
        yield block, HostRecord(name, "", block, "vxlan", "", revision, state)


def _held(view: View) -> dict[str, HostRecord]:
    """The blocks that somebody has or had: by their keys, and by whatever a record says."""
    keys = (key.removeprefix(BLOCKS) for key in view.entries if key.startswith(BLOCKS))
    unread = (key.replace("-", "/") for key in keys)
    held = {block: HostRecord("", "", block, "vxlan") for block in unread} | dict(
        _holders(view, [])
    )
    for key, entry in view.entries.items():
        if key.startswith(HOSTS):
            block = str((_read(entry) or {}).get("block"))
            held[block] = HostRecord(key.removeprefix(HOSTS), "", block, "vxlan")
    return held


def _host(
    key: str, entry: Entry, holders: Mapping[str, HostRecord], refused: list[str]
) -> HostRecord | None:
    """The record under a key; None, with a sentence for people, where there is none."""
    if not key.startswith(HOSTS):
        return None
    name = key.removeprefix(HOSTS)
    try:
        fields.parse_name(name)
        read = _read(entry)
        if read is None:
            raise UsageError("it is not a record of dnet's")
        block = fields.parse_block(str(read.get("block")))
        if holders.get(block, (None,))[0] != name or holders[block].state != PEER:
            raise UsageError(f"the block {block} is not registered as its own")
        return HostRecord(
            name,
            fields.parse_underlay(str(read.get("underlay"))),
            block,
            fields.parse_transport(str(read.get("transport"))),
            fields.parse_token(str(read.get("token"))),
            entry.revision,
        )
    except UsageError as error:
        refused.append(f"the record of {quoted(name)} is refused: {error}")
        return None


def _read(entry: Entry | None) -> dict[str, object] | None:
    """The members of a JSON object; None where there is none."""
    try:
        found = jsontext.loads(entry.value) if entry else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _block_key(block: str) -> str:
    return f"{BLOCKS}{block.replace('/', '-')}"


def _record(claim: Claim, block: str) -> str:
    return jsontext.dumps(
        {
            "underlay": claim.underlay,
            "block": block,
            "token": claim.token,
            "transport": claim.transport,
        }
    )


def _pool_text(pool: Pool) -> str:
    return jsontext.dumps(
        {
            "pool": pool.subnet,
            "block": pool.block_prefix,
            "vni": pool.vni,
            "port": pool.port,
            "schema": SCHEMA,
        }
    )
