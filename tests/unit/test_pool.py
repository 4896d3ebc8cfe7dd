"""The pool of several hosts: its blocks, its keys and lines, and who is believed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from itertools import combinations, count
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dnet.errors import ConflictError, DnetError, ExhaustedError, NotFoundError, UsageError
from dnet.hosts import admission, entries, fields, lines, place, pools
from dnet.hosts.admission import Here
from dnet.hosts.entries import Entry, View, Write
from dnet.hosts.pools import Obstacle
from dnet.hosts.record import LEFT, PEER, REMOVED, Claim, HostRecord, Pool, Roster, Standing, Wanted
from dnet.values import address
from tests.unit.facts import STABLE

POOL = Pool("10.244.0.0/16", 24, 4242, 4789)
SMALL = Pool("10.244.0.0/22", 24, 4242, 4789)  # Four blocks.


def token(number: int) -> str:
    return fields.token(number)


def claim(number: int, **more: Any) -> Claim:
    made = Claim(f"h{number}", f"192.0.2.{number}", "vxlan", token(number), Wanted(*SMALL))
    return made._replace(**more)


def peer(
    name: str, block: str, underlay: str, revision: int = 1, state: Standing = PEER
) -> HostRecord:
    return HostRecord(name, underlay, block, "vxlan", token(revision), revision, state)


def refusing(call: object, *arguments: object) -> bool:
    assert callable(call)
    try:
        call(*arguments)
    except UsageError:
        return True
    return False


# --- what a record says --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (
            fields.parse_underlay,
            ["10.0.0.1", "192.0.2.7", "169.254.1.1", "2001:db8::1", "fd00::1"],
            [
                *("", "0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255"),
                *("240.0.0.1", "10.0.0.01", "10.0.0", "10.0.0.256", "\u0661.0.0.1", "1.1.1.\u00b2"),
                *("::", "::1", "fe80::1", "ff02::1", "::ffff:10.0.0.1", "fe80::1%eth0"),
                *("10.0.0.1/24", "host", "1.1.1.1111"),
            ],
        ),
        (
            fields.parse_block,
            ["10.244.1.0/24", "10.0.0.0/8", "192.0.2.4/30"],
            [
                *("", "10.244.1.0", "10.244.1.1/24", "10.244.1.0/33", "10.244.1.0/024"),
                *("0.0.0.0/0", "10.244.1.0/-1", "fd00::/64", "10.244.01.0/24", "999.0.0.0/8"),
                "10.0.0.0/8\n",
            ],
        ),
        (
            fields.parse_name,
            ["a", "node-1.example", "7", "A" * 63],
            ["", "-a", "a b", "a/b", "a:b", "10.0.0.1", "A" * 64, "é", "a\n", "fe80::1"],
        ),
        (fields.parse_transport, ["vxlan", "route"], ["", "VXLAN", "wireguard"]),
        (fields.parse_token, [token(0), token(2**128 - 1)], ["", "0", "G" * 32, token(0) + "0"]),
    ],
)
def test_only_what_a_host_can_be_is_taken(parse: object, good: list[str], bad: list[str]) -> None:
    assert [one for one in good if refusing(parse, one)] == []
    assert [one for one in bad if not refusing(parse, one)] == []


@given(st.text(max_size=40) | st.from_regex(r"[0-9.]{1,20}", fullmatch=True))
@STABLE
def test_an_address_is_read_by_hand_as_the_library_reads_it(text: str) -> None:
    import ipaddress

    try:
        expected: int | None = int(ipaddress.IPv4Address(text))
    except ValueError:
        expected = None
    assert fields.v4(text) == expected


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///etc/dnet/hosts", "file:///etc/dnet/hosts"),
        ("etcd://h1:2379,10.0.0.2/dnet/v1/x", "etcd://h1:2379,10.0.0.2:2379/dnet/v1/x"),
        ("etcds://[2001:DB8::1]:7/x/", "etcds://[2001:db8::1]:7/x"),
        ("etcd://h1:1,h1:1/x", "etcd://h1:1/x"),
    ],
)
def test_a_url_names_a_file_or_endpoints_and_a_prefix(url: str, shown: str) -> None:
    assert str(place.parse(url)) == shown


@pytest.mark.parametrize(
    "url",
    [
        *("", "etcd", "http://h:1/x", "file://hosts", "file:///", "file:///etc/", "file:///a\nb"),
        *("etcd://h:1", "etcd://h:1/", "etcd:///x", "etcd://h:0/x", "etcd://h:99999/x"),
        *("etcd://h:1,/x", "etcd://h:1/x?a=b", "etcd://h:1/x#y", "etcd://h:1/x y", "etcd://-/x"),
        *("etcd://h:1/x\r\nHost: y", "etcd://h\r\n:1/x", "etcd://[::1:1/x", "etcd://1.2.3:1/x"),
        "etcd://" + ",".join(f"h{number}:1" for number in range(17)) + "/x",
    ],
)
def test_a_url_that_names_neither_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        place.parse(url)


@pytest.mark.parametrize(
    "url", ["etcd://u:secret@h:1/x", "u:secret@h", "etcd://h/x/u:secret@y", "u:secret@etcd://h/x"]
)
def test_no_message_shows_a_password_of_a_url(url: str) -> None:
    with pytest.raises(UsageError) as error:
        place.parse(url)
    assert "secret" not in f"{error.value}{error.value.hint}"


# --- the pool ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pool",
    [
        Pool("10.244.0.0/16", 16, 1, 1),
        Pool("10.244.0.0/16", 31, 1, 1),
        Pool("10.0.0.0/8", 25, 1, 1),
        Pool("10.244.0.0/30", 31, 1, 1),
        Pool("10.244.1.0/16", 24, 1, 1),
        Pool("127.0.0.0/8", 16, 1, 1),
        Pool("224.0.0.0/8", 16, 1, 1),
        Pool("10.0.0.0/7", 16, 1, 1),
        Pool("fd00::/48", 64, 1, 1),
        Pool("10.244.0.0/16", 24, 0, 1),
        Pool("10.244.0.0/16", 24, 1 << 24, 1),
        Pool("10.244.0.0/16", 24, 1, 0),
        Pool("10.244.0.0/16", 24, 1, 65536),
    ],
)
def test_what_could_be_no_pool_is_refused(pool: Pool) -> None:
    with pytest.raises(UsageError):
        pools.checked(pool)


def test_the_first_host_decides_and_the_others_agree() -> None:
    assert pools.founded(Wanted("10.244.0.0/16")) == POOL
    assert pools.agreed(POOL, Wanted()) == pools.agreed(POOL, Wanted(*POOL)) == POOL
    for other in (Wanted("10.245.0.0/16"), Wanted(block_prefix=25), Wanted(vni=1), Wanted(port=1)):
        with pytest.raises(ConflictError):
            pools.agreed(POOL, other)
    with pytest.raises(UsageError):
        pools.founded(Wanted())


def test_the_networks_of_a_host_that_the_pool_would_hide_are_told() -> None:
    there = [Obstacle("10.244.7.0/24", "the route 10.244.7.0/24 dev eth0")]
    others = [Obstacle("10.245.0.0/16", "another"), Obstacle("fd00::/8", "one of IPv6")]
    (said,) = pools.objections(POOL, [*there, *others])
    assert "dev eth0" in said


HELD = st.dictionaries(
    st.sampled_from(list(pools.blocks(SMALL))),
    st.tuples(st.sampled_from([PEER, LEFT, REMOVED]), st.integers(1, 9)),
)


@given(HELD, st.integers(1, 64), st.integers(0, 2**128))
@STABLE
def test_a_block_nobody_had_goes_first_then_one_that_was_left_then_one_that_was_taken_away(
    drawn: dict[str, tuple[Standing, int]], among: int, lot: int
) -> None:
    held = {
        block: peer("x", block, "", revision, state) for block, (state, revision) in drawn.items()
    }
    rank = {PEER: 0, LEFT: 1, REMOVED: 2}
    free = [one for one in pools.blocks(SMALL) if held.get(one) is None or drawn[one][0] != PEER]
    if not free:
        with pytest.raises(ExhaustedError):
            pools.choose(SMALL, held, among, lot)
        return
    order = [(rank[drawn[one][0]], drawn[one][1]) if one in drawn else (0, 0) for one in free]
    chosen = pools.choose(SMALL, held, among, lot)
    assert order[free.index(chosen)] == min(order)
    if among == 1 and min(order) == (0, 0):
        assert chosen == free[order.index((0, 0))]


def test_what_is_no_block_of_the_pool_is_never_handed_out() -> None:
    blocks = [*pools.blocks(SMALL)]
    taken = {one: peer("x", one, "") for one in blocks}
    odd = {one: peer("y", one, "", 1, LEFT) for one in ("10.0.0.0/24", "10.244.0.0/25")}
    with pytest.raises(ExhaustedError):
        pools.choose(SMALL, {**taken, **odd})


# --- keys and values -----------------------------------------------------------------------


class Store:
    """What etcd does, as a plain model: keys, one revision, and writes that compare."""

    def __init__(self) -> None:
        self.view = View(1, {})

    def apply(self, write: Write) -> bool:
        if write.seen != self.view.seen(*write.seen):
            return False
        self.view = self.view.after(write, self.view.revision + 1)
        return True


def settled(store: Store, decide: object, view: View | None = None) -> object:
    """What a command comes to that looks, decides and writes until it is done."""
    assert callable(decide)
    for tries in count():
        found = decide(view or store.view, tries)
        if not isinstance(found, Write):
            return found
        store.apply(found)
        view = None
    raise AssertionError


class Pools(RuleBasedStateMachine):
    """Hosts that join, leave and are removed, each by what it saw some time ago."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.past = [self.store.view]

    def seen(self, back: int) -> View:
        return self.past[-1 - min(back, len(self.past) - 1)]

    def run(self, decide: object, back: int = 0) -> object:
        try:
            return settled(self.store, decide, self.seen(back))
        finally:
            self.past.append(self.store.view)

    @rule(number=st.integers(1, 6), back=st.integers(0, 3))
    def join(self, number: int, back: int) -> None:
        before = [one for one in entries.roster(self.store.view).hosts if one.token]
        name = f"h{number}"
        try:
            found = self.run(lambda v, tries: entries.joining(v, claim(number), tries), back)
        except ExhaustedError:
            assert back or len(before) == 4
            return
        assert isinstance(found, HostRecord)
        if not back:
            there = entries.roster(self.store.view)
            assert found in there.hosts
            assert [one for one in before if one.name == name] in ([], [found])

    @rule(number=st.integers(1, 6), back=st.integers(0, 3))
    def leave(self, number: int, back: int) -> None:
        name = f"h{number}"
        self.run(lambda view, _: entries.leaving(view, name, token(number)), back)

    @rule(number=st.integers(1, 6))
    def remove(self, number: int) -> None:
        with suppress(NotFoundError):
            self.run(lambda view, tries: tries or entries.removing(view, f"h{number}"))

    @invariant()
    def no_block_is_two_hosts_and_no_host_has_two_blocks(self) -> None:
        there = entries.roster(self.store.view)
        assert there.refused == ()
        peers = [one for one in there.hosts if one.state == PEER]
        assert len({one.block for one in peers}) == len(peers)
        assert len({one.name for one in peers}) == len(peers)
        assert len({one.block for one in there.hosts}) == len(there.hosts)
        holders = [key for key in self.store.view.entries if key.startswith(entries.BLOCKS)]
        assert len(holders) == len(there.hosts)


TestPools = Pools.TestCase
TestPools.settings = settings(STABLE, max_examples=40, stateful_step_count=25)


def joined(store: Store, wanted: Claim) -> HostRecord:
    found = settled(store, lambda view, tries: entries.joining(view, wanted, tries))
    assert isinstance(found, HostRecord)
    return found


def test_what_a_host_has_registered_is_found_by_its_token() -> None:
    store = Store()
    first = joined(store, claim(1))
    assert joined(store, claim(1)) == first
    assert joined(store, claim(1, pool=Wanted())) == first
    assert store.view.revision == first.revision


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (claim(1, underlay="192.0.2.9"), "has joined from 192.0.2.1"),
        (claim(1, transport="route"), "with the transport vxlan"),
        (claim(1, name="copy"), "has joined as h1"),
        (claim(1, name="copy", underlay="192.0.2.9", moved=True), "has joined as h1"),
        (claim(2, name="h1"), "another host h1"),
        (claim(2, underlay="192.0.2.1"), "has the address 192.0.2.1"),
        (claim(2, pool=Wanted("10.245.0.0/16")), "the pool is 10.244.0.0/22"),
    ],
)
def test_what_another_host_has_is_refused(second: Claim, said: str) -> None:
    store = Store()
    joined(store, claim(1))
    before = store.view
    with pytest.raises(ConflictError, match=said):
        joined(store, second)
    assert store.view == before


def test_a_host_that_has_moved_says_so_and_keeps_its_block() -> None:
    store = Store()
    first = joined(store, claim(1))
    joined(store, claim(2))
    with pytest.raises(ConflictError) as error:
        joined(store, claim(1, underlay="192.0.2.9"))
    assert "--moved" in str(error.value.hint)
    moved = joined(store, claim(1, underlay="192.0.2.9", moved=True))
    assert (moved.block, moved.underlay) == (first.block, "192.0.2.9")
    assert moved.revision > first.revision
    with pytest.raises(ConflictError):
        joined(store, claim(1, underlay="192.0.2.2", moved=True))


def test_a_host_that_was_removed_or_has_left_joins_like_any_other() -> None:
    store = Store()
    joined(store, claim(1))
    settled(store, lambda view, tries: tries or entries.removing(view, "h1"))
    assert joined(store, claim(1)).block == "10.244.1.0/24"
    assert settled(store, lambda view, _: entries.leaving(view, "h1", token(1))) is None
    assert joined(store, claim(2)).block == "10.244.2.0/24"
    assert joined(store, claim(3)).block == "10.244.3.0/24"
    assert joined(store, claim(4)).block == "10.244.1.0/24"  # Left, and so before one removed.
    assert joined(store, claim(5)).block == "10.244.0.0/24"
    with pytest.raises(ExhaustedError):
        joined(store, claim(6))


def test_nobody_takes_back_what_is_another_host_s() -> None:
    store = Store()
    joined(store, claim(1))
    with pytest.raises(ConflictError):
        entries.leaving(store.view, "h1", token(2))
    with pytest.raises(NotFoundError):
        entries.removing(store.view, "h2")


def test_hosts_that_join_together_need_few_tries() -> None:
    """By one view of a large pool, and each try by what the last one left."""
    store = Store()
    joined(store, claim(200, pool=Wanted(*POOL)))
    waiting = [claim(one, pool=Wanted()) for one in range(1, 101)]
    for rounds in count(1):
        writes = [(one, entries.joining(store.view, one, rounds - 1)) for one in waiting]
        waiting = [one for one, write in writes if not store.apply(write)]  # type: ignore[arg-type]
        if not waiting:
            break
    assert rounds < 8
    assert len({one.block for one in entries.roster(store.view).hosts}) == 101


RECORD = {"underlay": "192.0.2.1", "block": "10.244.0.0/24", "token": token(1)}
RECORD["transport"] = "vxlan"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hosts/h1", "{"),
        ("hosts/h1", "[]"),
        ("hosts/h1", "[" * 100_000),
        ("hosts/h1", json.dumps({**RECORD, "block": "10.244.1.0/24"})),
        ("hosts/h1", json.dumps({**RECORD, "block": 7})),
        ("hosts/h1", json.dumps({**RECORD, "underlay": "127.0.0.1"})),
        ("hosts/h1", json.dumps({**RECORD, "token": ""})),
        ("hosts/h1", json.dumps({**RECORD, "transport": "pigeon"})),
        ("hosts/h2", json.dumps(RECORD)),
        ("hosts/10.0.0.1", json.dumps(RECORD)),
        ("hosts/a\nb", json.dumps(RECORD)),
        ("blocks/10.244.0.0-24", "left:h1"),
        ("blocks/10.244.0.0-24", "h3"),
        ("blocks/10.244.0.0-24", "gone:h1"),
        ("blocks/10.244.9.0", "h1"),
        ("blocks/10.244.2.0-24", "gone:h1"),
        ("other", "x"),
    ],
)
def test_a_key_that_says_what_cannot_be_is_told_and_the_others_hold(key: str, value: str) -> None:
    store = Store()
    joined(store, claim(1))
    second = joined(store, claim(2))
    bad = View(9, {**store.view.entries, key: Entry(value, 9)})
    there = entries.roster(bad)
    assert second in there.hosts or key == "hosts/h2"
    assert len(there.refused) in (1, 2)
    assert not any("\n" in one for one in there.refused)
    taken = {one.block for one in there.hosts if one.state == PEER}
    if key != "blocks/10.244.0.0-24":
        assert joined_by(bad, claim(3)) not in {*taken, "10.244.0.0/24", key[7:].replace("-", "/")}


def joined_by(view: View, wanted: Claim) -> str:
    found = entries.joining(view, wanted)
    assert isinstance(found, Write)
    return str(json.loads(found.put[f"hosts/{wanted.name}"])["block"])


@pytest.mark.parametrize(
    "value",
    [
        *("", "{}", "[]", '{"pool": "10.244.0.0/16", "block": 24, "vni": 1, "port": 1}'),
        '{"pool": "10.244.0.0/16", "block": 24, "vni": 1, "port": 1, "schema": 2}',
        '{"pool": "10.244.0.0/16", "block": true, "vni": 1, "port": 1, "schema": 1}',
        '{"pool": "10.244.0.0/16", "block": 99, "vni": 1, "port": 1, "schema": 1}',
    ],
)
def test_without_a_pool_that_can_be_read_nothing_holds(value: str) -> None:
    with pytest.raises(DnetError, match="pool cannot be read") as error:
        entries.roster(View(1, {"pool": Entry(value, 1)}))
    assert error.value.status == 7


# --- a file --------------------------------------------------------------------------------


def test_a_file_s_lines_are_hosts_and_the_others_are_told() -> None:
    there = lines.roster(
        "\ufeff# hosts\n\nh1 192.0.2.1 10.244.0.0/24\n"
        "h2  2001:db8::2\t10.244.1.0/24 route # a comment\nh1 192.0.2.3 10.244.3.0/24\n"
        "h4 192.0.2.4\nh5 127.0.0.1 10.244.5.0/24\n"
        "h6 192.0.2.6 10.244.6.0/24 x y\nh7 192.0.2.7 10.244.7.1/24\n\udcff 1 2\n"
    )
    assert there.hosts == (
        HostRecord("h1", "192.0.2.1", "10.244.0.0/24", "vxlan"),
        HostRecord("h2", "2001:db8::2", "10.244.1.0/24", "route"),
    )
    said = [one.partition(" is refused: ") for one in there.refused]
    assert [where for where, _, _ in said] == [f"line {one}" for one in range(5, 11)]
    assert (there.revision, there.pool) == (0, None)


# --- who is believed -----------------------------------------------------------------------

OWN = peer("me", "10.244.0.0/24", "192.0.2.1")
HERE = Here(OWN, POOL, ("192.0.2.1", "192.0.2.200"), (), {})
OBSTACLES = (
    Obstacle("10.244.128.0/18", "the route 10.244.128.0/18 dev tun0"),
    Obstacle("10.244.9.9/32", "the address 10.244.9.9 of eth0"),
    Obstacle("fd00::/8", "one of IPv6"),
)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (peer("x", "10.245.0.0/24", "192.0.2.2", 2), "is not in the pool"),
        (peer("x", "10.244.1.0/25", "192.0.2.2", 2), "is not a /24"),
        (peer("x", "10.244.0.0/24", "192.0.2.2", 2), "is that of me"),
        (peer("x", "10.244.3.0/24", "192.0.2.2", 5), "is that of first"),
        (peer("x", "10.244.4.0/24", "192.0.2.3", 5), "address 192.0.2.3 is that of first"),
        (peer("x", "10.244.4.0/24", "192.0.2.1", 2), "this host's own"),
        (peer("x", "10.244.4.0/24", "192.0.2.200", 2), "this host's own"),
        (peer("x", "10.244.4.0/24", "10.244.7.1", 2), "is inside the pool"),
        (peer("x", "10.244.4.0/24", "192.0.2.2", 1), "is a copy of this host"),
        (peer("x", "10.244.130.0/24", "192.0.2.2", 2), "dev tun0"),
        (peer("x", "10.244.9.0/24", "192.0.2.2", 2), "the address 10.244.9.9 of eth0"),
        (peer("old", "10.244.4.0/24", "192.0.2.2", 2), "older than what is known"),
    ],
)
def test_a_record_that_cannot_be_a_peer_is_told_and_the_others_hold(
    record: HostRecord, said: str
) -> None:
    first, last = (
        peer("first", "10.244.3.0/24", "192.0.2.3", 3),
        peer("z", "10.244.5.0/24", "fd::1"),
    )
    last = last._replace(revision=7, token=token(7))
    known = {"old": record._replace(revision=4)} if record.name == "old" else {}
    here = HERE._replace(obstacles=OBSTACLES, known=known)
    found = admission.admit(Roster(9, POOL, (OWN, record, last, first), ("as read",)), here)
    assert found.peers == (first, last)
    assert found.refused[0] == "as read"
    (told,) = found.refused[1:]
    assert said in told
    assert told.startswith(f"the record of {record.name} is refused")


NUMBERS = st.integers(0, 5)
RECORDS = st.lists(
    st.builds(
        peer,
        st.sampled_from(["me", "a", "b", "c", "d", "e"]),
        st.sampled_from(["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24", "10.244.128.0/24"])
        | st.sampled_from(["10.244.1.0/25", "10.245.0.0/24"]),
        st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "10.244.1.1"]),
        st.integers(1, 9),
        st.sampled_from([PEER, PEER, PEER, LEFT, REMOVED]),
    ),
    unique_by=lambda one: one.name,
)


@given(RECORDS, st.permutations(range(6)))
@STABLE
def test_peers_are_in_nobody_s_way_and_no_record_takes_another_s_place(
    records: list[HostRecord], order: Iterable[int]
) -> None:
    assume(len({one.revision for one in records}) == len(records))
    here = HERE._replace(obstacles=OBSTACLES)
    found = admission.admit(Roster(9, POOL, tuple(records)), here)
    for one, other in combinations([OWN, *found.peers], 2):
        assert not address.overlap(one.block, other.block)
        assert one.underlay != other.underlay
        assert one.name != other.name
    for one in found.peers:
        assert address.overlap(one.block, POOL.subnet)
        assert one.underlay not in here.addresses
        assert not any(address.overlap(one.block, there.network) for there in OBSTACLES)
    others = [one for one in records if one.state == PEER and one.name != "me"]
    assert len(found.peers) + len(found.refused) == len(others)
    # What is refused takes nothing from the others, and their order in the answer is nothing.
    kept = admission.admit(Roster(9, POOL, found.peers), here)
    assert (kept.peers, kept.refused) == (found.peers, ())
    shuffled = [records[at] for at in order if at < len(records)]
    assert admission.admit(Roster(9, POOL, tuple(shuffled)), here).peers == found.peers


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ((), "removed from the pool"),
        ((OWN._replace(state=REMOVED),), "removed from the pool"),
        ((OWN._replace(token=token(8)),), "another host has joined as me"),
        ((OWN._replace(block="10.244.8.0/24"),), "the block of me is now 10.244.8.0/24"),
        ((OWN._replace(underlay="192.0.2.8"),), "has moved to 192.0.2.8"),
    ],
)
def test_a_host_that_is_no_member_any_more_says_why(
    there: tuple[HostRecord, ...], said: str
) -> None:
    error = admission.standing(Roster(9, POOL, there), OWN)
    assert isinstance(error, ConflictError)
    assert said in str(error)


def test_a_member_is_one_and_an_older_registry_is_known() -> None:
    assert admission.standing(Roster(9, POOL, (OWN._replace(revision=9),)), OWN) is None
    assert admission.is_older(Roster(8, POOL, ()), 9)
    assert not admission.is_older(Roster(9, POOL, ()), 9)
