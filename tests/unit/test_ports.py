"""Host ports: who has one, which are free, and whose turn it is."""

from __future__ import annotations

from functools import partial

import pytest

from dnet.errors import (
    ConflictError,
    DnetError,
    ExhaustedError,
    NotFoundError,
    PortInUseError,
    UsageError,
)
from dnet.model.ports import Holder, find_holder
from dnet.model.state import State
from dnet.network import bridge, interface, link, portallocator, portmapper
from dnet.values.endpoint import Endpoint
from tests.unit.facts import FACTS, FakeFacts, make_bridge, queries, snapshot, specs, with_bridge

ANY, LOCAL, ONE, OTHER = "0.0.0.0", "127.0.0.1", "192.0.2.1", "192.0.2.2"


def reserve(
    state: State, text: str, *, owner: str | None = None, facts: FakeFacts = FACTS
) -> list[int]:
    """`[IP:]PORT[-END][/PROTO]`, reserved as one port or as one of a range."""
    (query,) = queries(text)
    made = portallocator.allocate(
        state,
        facts,
        host_ip=query.host_ip,
        proto=query.proto,
        ports=(query.port, query.end),
        owner=owner,
    )
    return [one.endpoint.port for one in made]


def dynamic(
    state: State,
    count: int = 1,
    *,
    proto: str = "tcp",
    facts: FakeFacts = FACTS,
    host_ip: str = ANY,
) -> list[int]:
    made = portallocator.allocate(state, facts, proto=proto, count=count, host_ip=host_ip)
    return [one.endpoint.port for one in made]


def publish(state: State, *texts: str, target: str = "web") -> list[str]:
    if target not in state.interfaces:
        interface.allocate(state, FACTS, interface_id=target)
    made = portmapper.add(state, FACTS, target=target, specs=specs(*texts))
    return [one.key for one in made]


def release(state: State, *texts: str, if_exists: bool = False) -> None:
    portallocator.release(state, FACTS, queries=queries(*texts), if_exists=if_exists)


# Who is in whose way


@pytest.mark.parametrize(
    ("first", "second", "in_the_way"),
    [
        (f"{ANY}:80", f"{ANY}:80", True),
        (f"{ANY}:80", f"{ONE}:80", True),
        (f"{ONE}:80", f"{ANY}:80", True),
        (f"{ONE}:80", f"{ONE}:80", True),
        (f"{ONE}:80", f"{OTHER}:80", False),
        (f"{ANY}:80", f"{ANY}:81", False),
        (f"{ANY}:80/tcp", f"{ANY}:80/udp", False),
        (f"{ANY}:80/sctp", f"{ONE}:80/sctp", True),
    ],
)
@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_wildcard_and_each_address_exclude_each_other(
    first: str, second: str, in_the_way: bool, as_mapping: bool
) -> None:
    state = with_bridge()
    if as_mapping:
        publish(state, first.replace("/", ":80/") if "/" in first else f"{first}:80")
    else:
        reserve(state, first)
    if in_the_way:
        with pytest.raises(PortInUseError):
            reserve(state, second)
    else:
        reserve(state, second)


@pytest.mark.parametrize(
    ("range_", "single", "in_the_way"),
    [
        ("8000-8009:8000-8009", "8000", True),
        ("8000-8009:8000-8009", "8009", True),
        ("8000-8009:8000-8009", "7999", False),
        ("8000-8009:8000-8009", "8010", False),
        ("8000-8009:8000-8009", "8005/udp", False),
        (f"{ONE}:8000-8009:8000-8009", f"{OTHER}:8005", False),
        (f"{ONE}:8000-8009:8000-8009", f"{ANY}:8005", True),
        ("8000-8009:8000-8009", f"{ONE}:8005", True),
        ("250-1030:250-1030", "255", True),
        ("250-1030:250-1030", "256", True),
        ("250-1030:250-1030", "777", True),
        ("250-1030:250-1030", "1024", True),
        ("250-1030:250-1030", "249", False),
        ("250-1030:250-1030", "1031", False),
        ("1-65535:1-65535", "65535", True),
        ("1-65535:1-65535", "1", True),
    ],
)
def test_ranges_against_single_ports(range_: str, single: str, in_the_way: bool) -> None:
    inside, outside = with_bridge(), with_bridge()
    publish(inside, range_)
    reserve(outside, single)
    if in_the_way:
        with pytest.raises(PortInUseError):
            reserve(inside, single)
        with pytest.raises(PortInUseError):
            publish(outside, range_)
    else:
        reserve(inside, single)
        publish(outside, range_)


@pytest.mark.parametrize(
    ("other", "in_the_way"),
    [
        ("8009-8012:8009-8012", True),
        ("7990-8000:7990-8000", True),
        ("8003-8004:8003-8004", True),
        ("7000-9000:7000-9000", True),
        ("8010-8019:8010-8019", False),
        ("7990-7999:7990-7999", False),
        ("8000-8009:8000-8009/udp", False),
    ],
)
def test_ranges_against_ranges(other: str, in_the_way: bool) -> None:
    state = with_bridge()
    publish(state, "8000-8009:8000-8009")
    if in_the_way:
        with pytest.raises(PortInUseError):
            publish(state, other, target="db")
    else:
        publish(state, other, target="db")


def test_a_link_from_the_host_has_its_ports_at_the_loopback_address() -> None:
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="db", expose=["5432/tcp"])
    link.add(state, FACTS, parent="host", child="db")
    for text in (f"{LOCAL}:5432", f"{ANY}:5432"):
        with pytest.raises(PortInUseError, match="belongs to the link host:db"):
            reserve(state, text)
        with pytest.raises(PortInUseError):
            publish(state, f"{text}:80")
    reserve(state, f"{ONE}:5432")
    reserve(state, f"{ANY}:5432/udp")


@pytest.mark.parametrize("text", [f"{LOCAL}:5432", f"{ANY}:5432"])
def test_a_link_from_the_host_needs_its_ports_free(text: str) -> None:
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="db", expose=["5432/tcp"])
    reserve(state, text)
    with pytest.raises(PortInUseError, match="reserved"):
        link.add(state, FACTS, parent="host", child="db")
    release(state, text)
    with pytest.raises(PortInUseError, match="listens"):
        link.add(state, FakeFacts(busy=[(LOCAL, 5432, "tcp")]), parent="host", child="db")
    link.add(state, FACTS, parent="host", child="db")


def test_the_holder_is_named() -> None:
    state = with_bridge()
    publish(state, "8080:80")
    with pytest.raises(PortInUseError) as error:
        publish(state, "8080:80", target="db")
    assert str(error.value) == "port 8080/tcp on 0.0.0.0 belongs to web (172.17.0.2:80)"
    assert error.value.hint == "dnet map list web"
    with pytest.raises(PortInUseError, match=r"^ports 8079-8080/tcp on \S+ belong to web \("):
        publish(state, "8079-8080:1-2", target="db")
    publish(state, "8000-8009:7000-7009/udp")
    with pytest.raises(PortInUseError, match=r"^port 8005/udp .* web \(172.17.0.2:7000-7009\)$"):
        publish(state, "8005:80/udp", target="db")
    reserve(state, "90", owner="db")
    with pytest.raises(PortInUseError, match="is reserved for db"):
        publish(state, "90:80")


# Own reservations


def test_a_mapping_may_use_what_its_own_interface_reserved() -> None:
    state = with_bridge()
    reserve(state, "8080", owner="web")
    reserve(state, f"{ONE}:9090", owner="web")
    assert publish(state, "8080:80", "9090:90") == ["0.0.0.0:8080/tcp", "0.0.0.0:9090/tcp"]
    with pytest.raises(PortInUseError):
        reserve(state, "8080", owner="web")
    interface.release(state, FACTS, ids=["web"])
    assert not state.reservations


def test_a_mapping_may_not_use_what_others_reserved() -> None:
    state = with_bridge()
    reserve(state, "8080", owner="db")
    reserve(state, "9090")
    for text in ("8080:80", "9090:80", "8079-8081:1-3"):
        with pytest.raises(PortInUseError):
            publish(state, text)


def test_what_is_reserved_does_not_come_by_itself_even_to_its_owner() -> None:
    state = with_bridge()
    reserve(state, "49153", owner="web")
    assert publish(state, "80") == ["0.0.0.0:49154/tcp"]


# What processes of the host keep


def test_a_given_port_that_is_busy_is_refused_with_the_reason() -> None:
    facts = FakeFacts(busy=[(ANY, 8080, "tcp")])
    state = with_bridge()
    with pytest.raises(PortInUseError, match=r"port 8080/tcp on 0\.0\.0\.0 is not free: a process"):
        reserve(state, "8080", facts=facts)
    reserve(state, "8080/udp", facts=facts)
    interface.allocate(state, FACTS, interface_id="web")
    for text in ("8080:80", f"{ONE}:8080:80", "8079-8081:1-3"):
        with pytest.raises(PortInUseError):
            portmapper.add(state, facts, target="web", specs=specs(text))


def test_busy_ports_are_skipped() -> None:
    facts = FakeFacts(busy=[(ANY, 49153, "tcp"), (ONE, 49155, "tcp"), (ANY, 49154, "udp")])
    state = with_bridge()
    assert dynamic(state, 3, facts=facts) == [49154, 49156, 49157]
    assert dynamic(state, 1, facts=facts, host_ip=OTHER) == [49158]
    assert dynamic(state, 2, facts=facts, proto="udp") == [49153, 49155]


def test_an_existing_mapping_is_confirmed_though_a_process_listens_by_now() -> None:
    state = with_bridge()
    made = publish(state, "8080:80")
    facts = FakeFacts(busy=[(ANY, 8080, "tcp")])
    again = portmapper.add(state, facts, target="web", specs=specs("8080:80"))
    assert [one.key for one in again] == made


# Whose turn it is


def test_the_cursor_goes_on_and_wraps_for_each_protocol() -> None:
    state = with_bridge(port_range=(50000, 50003))
    assert dynamic(state, 3) == [50000, 50001, 50002]
    release(state, "50000", "50001", "50002")
    assert dynamic(state, 2) == [50003, 50000]
    assert dynamic(state, 2, proto="udp") == [50000, 50001]
    assert dynamic(state) == [50001]
    assert dynamic(state, proto="sctp") == [50000]


def test_the_cursor_is_a_bridge_s_own_and_the_ports_are_the_host_s() -> None:
    state = with_bridge()
    make_bridge(state, "other", "10.0.0.1/24")
    assert dynamic_of(state, "dnet0") == 49153
    assert dynamic_of(state, "other") == 49154
    assert dynamic_of(state, "dnet0") == 49155
    release(state, "49154")
    assert dynamic_of(state, "dnet0") == 49156


def dynamic_of(state: State, name: str) -> int:
    return portallocator.allocate(state, FACTS, bridge=name)[0].endpoint.port


def test_another_dynamic_range_begins_at_its_start() -> None:
    state = with_bridge()
    assert dynamic(state) == [49153]
    bridge.init(state, FACTS, options={"port_range": (50000, 50001)})
    assert dynamic(state, 2) == [50000, 50001]


def test_a_given_port_does_not_move_the_cursor() -> None:
    state = with_bridge()
    reserve(state, "49200")
    reserve(state, "50000-50009")
    assert dynamic(state) == [49153]


@pytest.mark.parametrize("count", [1, 2, 10])
def test_ports_of_a_range(count: int) -> None:
    state = with_bridge()
    made = portallocator.allocate(state, FACTS, ports=(8000, 8009), count=count)
    assert [one.endpoint.port for one in made] == list(range(8000, 8000 + count))
    assert all(not one.endpoint.is_range for one in made)


def test_all_or_none() -> None:
    state = with_bridge()
    reserve(state, "8005")
    before = snapshot(state)
    with pytest.raises(ExhaustedError, match="fewer than 10 free tcp ports are left in 8000-8009"):
        portallocator.allocate(state, FACTS, ports=(8000, 8009), count=10)
    with pytest.raises(ExhaustedError):
        portallocator.allocate(state, FACTS, count=16384)
    assert snapshot(state) == before


def test_a_range_that_is_full_is_exhausted_and_not_in_use() -> None:
    state = with_bridge()
    portallocator.allocate(state, FACTS, ports=(8000, 8001), count=2)
    with pytest.raises(ExhaustedError, match="no free tcp port is left in 8000-8001"):
        reserve(state, "8000-8001")


def test_several_ports_out_of_one_make_no_sense() -> None:
    with pytest.raises(UsageError, match="--count 2 needs a range of ports"):
        portallocator.allocate(with_bridge(), FACTS, ports=(8000, 8000), count=2)


def test_the_binding_address_is_the_default() -> None:
    state = with_bridge(binding_ip=ONE)
    assert portallocator.allocate(state, FACTS)[0].key == f"{ONE}:49153/tcp"
    assert publish(state, "8080:80", "80") == [f"{ONE}:8080/tcp", f"{ONE}:49154/tcp"]


# Runs


def test_a_run_of_ports_lies_together() -> None:
    state = with_bridge(port_range=(50000, 50019))
    reserve(state, "50003")
    assert publish(state, "7000-7004") == ["0.0.0.0:50004-50008/tcp"]
    assert publish(state, "7000-7004") == ["0.0.0.0:50009-50013/tcp"]
    assert publish(state, "7000-7004") == ["0.0.0.0:50014-50018/tcp"]
    with pytest.raises(ExhaustedError, match="no free tcp port run of 5 is left in 50000-50019"):
        publish(state, "7000-7004")
    assert publish(state, "7000-7002") == ["0.0.0.0:50000-50002/tcp"]


def test_a_run_may_lie_across_where_the_cursor_stands() -> None:
    state = with_bridge(port_range=(50000, 50009))
    assert dynamic(state, 5) == [50000, 50001, 50002, 50003, 50004]
    release(state, "50003", "50004")
    reserve(state, "50007")
    assert publish(state, "7000-7003") == ["0.0.0.0:50003-50006/tcp"]


def test_a_run_moves_the_cursor_to_its_end() -> None:
    state = with_bridge(port_range=(50000, 50009))
    publish(state, "7000-7003")
    portmapper.remove(state, FACTS, queries=queries("50000-50003"))
    assert dynamic(state) == [50004]


def test_a_run_does_not_reach_out_of_the_dynamic_range() -> None:
    state = with_bridge(port_range=(65533, 65535))
    with pytest.raises(ExhaustedError):
        publish(state, "7000-7003")
    assert publish(state, "7000-7002") == ["0.0.0.0:65533-65535/tcp"]


def test_many_runs_at_once_do_not_meet() -> None:
    state = with_bridge(port_range=(50000, 50009))
    dynamic(state, 4)
    release(state, "50000", "50001", "50002", "50003")
    home = state.bridges["dnet0"]
    runs = portallocator.choose(state, FACTS, home, ANY, "tcp", count=3, length=3)
    assert runs == [50004, 50007, 50000]


# What an endpoint as typed means

KEYS = [
    "0.0.0.0:80/tcp",
    f"{ONE}:81/tcp",
    f"{ONE}:82/tcp",
    f"{OTHER}:82/tcp",
    "0.0.0.0:8000-8009/udp",
    f"{ONE}:180/tcp",
]


def meant(typed: str, keys: list[str] = KEYS) -> list[str]:
    return portallocator.match(with_bridge(), queries(typed)[0], keys, lambda *_: True)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("80", "0.0.0.0:80/tcp"),
        ("0.0.0.0:80", "0.0.0.0:80/tcp"),
        ("80/udp", None),
        (f"{ONE}:80", None),
        ("81", f"{ONE}:81/tcp"),
        ("0.0.0.0:81", None),
        (f"{ONE}:81", f"{ONE}:81/tcp"),
        (f"{ONE}:82", f"{ONE}:82/tcp"),
        ("8000-8009/udp", "0.0.0.0:8000-8009/udp"),
        ("8000/udp", None),
        ("8009/udp", None),
        ("8000-8009", None),
    ],
)
def test_what_an_endpoint_means(typed: str, key: str | None) -> None:
    assert meant(typed) == ([] if key is None else [key])


def test_the_one_on_the_wildcard_is_meant_before_others() -> None:
    # Both at once are possible where a mapping uses what its own interface reserved.
    assert meant("80", [f"{ONE}:80/tcp", "0.0.0.0:80/tcp"]) == ["0.0.0.0:80/tcp"]


def test_an_endpoint_that_could_mean_several_is_refused_with_their_names() -> None:
    with pytest.raises(UsageError) as error:
        meant("82")
    assert error.value.hint == f"name one: {ONE}:82/tcp, {OTHER}:82/tcp"


@pytest.mark.parametrize(
    ("keys", "together", "apart"),
    [
        (["0.0.0.0", "[::]"], ["0.0.0.0", "[::]"], ["0.0.0.0"]),
        (["[::]", "0.0.0.0"], ["0.0.0.0", "[::]"], ["0.0.0.0"]),
        (["0.0.0.0", "[::1]"], ["0.0.0.0", "[::1]"], ["0.0.0.0"]),
        ([ONE, "[::1]"], [ONE, "[::1]"], None),
        (["0.0.0.0", "[::1]", "[::2]"], ["0.0.0.0"], ["0.0.0.0"]),
        (["0.0.0.0", "[::1]", "[::]"], ["0.0.0.0", "[::]"], ["0.0.0.0"]),
        ([ONE, OTHER, "[::1]"], None, None),
        (["[::1]", "[::2]"], None, None),
        (["[::1]"], ["[::1]"], ["[::1]"]),
        ([ONE], [ONE], [ONE]),
    ],
)
def test_an_endpoint_without_an_address_means_both_families_where_they_belong_together(
    keys: list[str], together: list[str] | None, apart: list[str] | None
) -> None:
    every = [f"{ip}:80/tcp" for ip in keys]
    state = with_bridge(address6="fd00:1::1/64")
    for belong, expected in ((True, together), (False, apart)):
        asked = state, queries("80")[0], every, partial(lambda answer, *_: answer, belong)
        if expected is None:
            with pytest.raises(UsageError):
                portallocator.match(*asked)
        else:
            assert portallocator.match(*asked) == [f"{ip}:80/tcp" for ip in expected]


# Releasing


def test_release_gives_back_all_or_none() -> None:
    state = with_bridge()
    dynamic(state, 3)
    before = snapshot(state)
    with pytest.raises(NotFoundError, match="port 50000/tcp is not reserved"):
        release(state, "49153", "49154", "50000")
    assert snapshot(state) == before
    release(state, "49153", "49155", "49153")
    assert list(state.reservations) == ["0.0.0.0:49154/tcp"]
    release(state, "49153", "49154", if_exists=True)
    assert not state.reservations


def test_releasing_a_port_of_one_address_leaves_the_others() -> None:
    state = with_bridge()
    for text in (f"{ONE}:80", f"{OTHER}:80", f"{ONE}:80/udp"):
        reserve(state, text)
    release(state, f"{ONE}:80")
    assert list(state.reservations) == [f"{OTHER}:80/tcp", f"{ONE}:80/udp"]


@pytest.mark.parametrize("if_exists", [False, True])
@pytest.mark.parametrize(
    ("held", "typed"),
    [
        ("8080:80", "8080"),
        ("8080:80", "0.0.0.0:8080"),
        ("8080:80", f"{ONE}:8080"),
        (f"{ONE}:8080:80", "8080"),
        (f"{ONE}:8080:80", f"{ONE}:8080"),
        ("8080-8089:80-89", "8080-8089"),
        ("8080-8089:80-89", "8085"),
    ],
)
def test_what_a_mapping_holds_is_not_released_as_a_port(
    held: str, typed: str, if_exists: bool
) -> None:
    state = with_bridge()
    (key,) = publish(state, held)
    with pytest.raises(ConflictError, match="belongs to the mapping") as error:
        release(state, typed, if_exists=if_exists)
    assert error.value.hint == f"dnet map remove {key}"


@pytest.mark.parametrize("typed", [f"{ANY}:8080", f"{OTHER}:8080", "8080/udp", "8081"])
def test_a_mapping_elsewhere_has_nothing_to_do_with_it(typed: str) -> None:
    state = with_bridge()
    publish(state, f"{ONE}:8080:80")
    with pytest.raises(NotFoundError):
        release(state, typed)
    release(state, typed, if_exists=True)


@pytest.mark.parametrize("typed", ["5432", f"{LOCAL}:5432"])
def test_what_a_link_holds_is_not_released_as_a_port(typed: str) -> None:
    state = with_bridge()
    interface.allocate(state, FACTS, interface_id="db", expose=["5432/tcp"])
    link.add(state, FACTS, parent="host", child="db")
    with pytest.raises(ConflictError, match="belongs to the link host:db") as error:
        release(state, typed)
    assert error.value.hint == "dnet link remove host:db"


def test_what_is_reserved_and_mapped_by_its_owner_is_released_as_a_port_first() -> None:
    state = with_bridge()
    reserve(state, "8080", owner="web")
    publish(state, "8080:80")
    release(state, "8080")
    assert not state.reservations
    with pytest.raises(ConflictError):
        release(state, "8080")


# Who has a port, asked from outside


def test_find_holder() -> None:
    state = with_bridge()
    reserve(state, "80", owner="web")
    publish(state, "8000-8009:8000-8009/udp")
    port = Endpoint.single(ONE, 80, "tcp")
    assert find_holder(state, port) == Holder("reservation", "0.0.0.0:80/tcp")
    assert find_holder(state, port, owner="web") is None
    inside = Endpoint(ANY, 8009, "udp", 9000)
    assert find_holder(state, inside) == Holder("mapping", "0.0.0.0:8000-8009/udp")
    assert find_holder(state, Endpoint(ANY, 8010, "udp", 9000)) is None


@pytest.mark.parametrize(
    "known", [Endpoint.single("::1", 8080, "tcp"), Endpoint("2001:db8::7", 8000, "tcp", 8999)]
)
def test_an_endpoint_of_ipv6_is_found_by_its_port(known: Endpoint) -> None:
    state = State({"reservations": {str(known): {"bridge": "dnet0"}}})
    asked = Endpoint.single(known.host_ip, 8080, "tcp")
    assert find_holder(state, asked) == Holder("reservation", str(known))
    assert find_holder(state, Endpoint.single(known.host_ip, 8080, "udp")) is None


def test_a_bridge_is_needed() -> None:
    with pytest.raises(NotFoundError):
        portallocator.allocate(State(), FACTS)
    with pytest.raises(DnetError, match="there is no bridge other"):
        portallocator.allocate(with_bridge(), FACTS, bridge="other")


@pytest.mark.parametrize("proto", ["tcp", "udp", "sctp"])
@pytest.mark.parametrize(
    ("busy", "hint"),
    [
        ([ANY], "choose another host port"),
        (["::", ONE], "choose another host port"),
        ([ONE], f"choose another host port, or a HOST_IP other than {ONE}"),
        (
            ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"],
            "choose another host port, or a HOST_IP other than 127.0.0.1, 127.0.0.2, 127.0.0.3, …",
        ),
    ],
)
def test_the_hint_for_a_port_that_processes_have(proto: str, busy: list[str], hint: str) -> None:
    facts = FakeFacts(busy=[(ip, 8080, proto) for ip in busy])
    with pytest.raises(PortInUseError) as caught:
        portallocator.claim(State(), facts, Endpoint.single(ANY, 8080, proto), owner=None)
    assert caught.value.hint == hint
