"""What is read of routing tables, rules, addresses and ports is what `ip` shows of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dnet.host import bridgeports, fib, localaddr, netns, nlsocket, routes
from dnet.host.localaddr import LocalAddresses
from dnet.network.facts import Route
from dnet.values.family import V4, V6
from tests.host import Host
from tests.lab import Lab

PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
OF_LOOPBACK = ((0x7F000000, 8), "lo"), ((0x7F000001, 32), "lo")


@pytest.fixture(params=["strict", "as before Linux 4.20"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> Host:
    """A machine with a wire; its kernel narrows its answers down, or does not."""
    if request.param != "strict":
        monkeypatch.setattr(nlsocket, "_STRICT", 999)
    host = lab.host()
    lab.outside(host)
    return host


@pytest.fixture
def inside(host: Host) -> Iterator[None]:
    """The test itself is in the machine's namespace."""
    with open(host.path) as file, netns.inside(file.fileno()):
        yield


def there(*subnets: str) -> set[Route]:
    return set(fib.overlapping(subnets or PRIVATE)) - OF_THE_WIRE


OF_THE_WIRE = {
    Route("10.99.0.0/24", "eth0"),
    Route("10.99.0.1/32", "eth0", "local", 255),
}


@pytest.mark.usefixtures("inside")
def test_the_routes_of_the_main_table(host: Host) -> None:
    assert set(fib.overlapping(PRIVATE)) == OF_THE_WIRE
    host.ip(
        "route add default via 10.99.0.2",
        "route add 0.0.0.0/1 via 10.99.0.2",
        "route add 128.0.0.0/1 via 10.99.0.2",
        "route add 172.16.3.0/24 nexthop via 10.99.0.2 nexthop via 10.99.0.3",
        "route add blackhole 192.168.0.0/16",
        "route add unreachable 192.168.1.0/24",
        "route add prohibit 192.168.2.0/24",
        "route add throw 192.168.3.0/24",
        "route add multicast 192.168.4.0/24 dev eth0",
        "route add 198.51.100.0/24 via 10.99.0.2",
    )
    assert there() == {
        Route("0.0.0.0/0", "eth0"),
        Route("0.0.0.0/1", "eth0"),
        Route("128.0.0.0/1", "eth0"),
        Route("172.16.3.0/24"),
        Route("192.168.0.0/16", None, "blackhole"),
        Route("192.168.1.0/24", None, "unreachable"),
        Route("192.168.2.0/24", None, "prohibit"),
    }
    assert there("172.17.0.0/16") == {Route("0.0.0.0/0", "eth0"), Route("128.0.0.0/1", "eth0")}


@pytest.mark.usefixtures("inside")
def test_tables_count_that_rules_lead_to(host: Host) -> None:
    for table in (52, 51820, 7, 8):
        host.ip(f"route add 172.{16 + table % 16}.0.0/16 via 10.99.0.2 table {table}")
        host.ip(f"route add default via 10.99.0.2 table {table}")
    host.ip(
        "rule add lookup 52 pref 5270",
        "rule add not fwmark 0xca6c lookup 51820",
        "rule add to 172.30.0.0/24 lookup 7",
        "rule add to 172.23.5.0/24 lookup 7",
        "rule add to 10.3.0.0/16 prohibit",
        "rule add from 10.4.0.0/16 blackhole",
        "rule add lookup 9999",
    )
    assert there() == {
        Route("172.20.0.0/16", "eth0", table=52),
        Route("0.0.0.0/0", "eth0", table=52),
        Route("172.28.0.0/16", "eth0", table=51820),
        Route("0.0.0.0/0", "eth0", table=51820),
        # What a rule for a destination leads to a default route, and to a part of a network.
        Route("172.30.0.0/24", "eth0", table=7),
        Route("172.23.5.0/24", "eth0", table=7),
        Route("10.3.0.0/16", None, "prohibit", None),
        Route("0.0.0.0/0", None, "blackhole", None),
    }


@pytest.mark.usefixtures("inside")
def test_a_rule_for_vrfs_leads_to_whichever_table(host: Host) -> None:
    host.ip("route add 172.20.0.0/16 via 10.99.0.2 table 77")
    assert there() == set()
    host.ip("rule add l3mdev pref 1000")
    assert there() == {Route("172.20.0.0/16", "eth0", table=77)}


@pytest.mark.usefixtures("inside")
def test_gateways_are_those_of_every_route(host: Host) -> None:
    host.ip(
        "route add default via 10.99.0.2",
        "route add 198.51.100.0/24 nexthop via 10.99.0.3 nexthop via 10.99.0.4",
        "route add 203.0.113.0/24 via 192.0.2.1 dev eth0 onlink",
        "route add 203.0.113.128/25 via 10.99.0.5 dev lo onlink",
        "nexthop add id 7 via 10.99.0.6 dev eth0",
        "route add 192.0.2.128/25 nhid 7",
        "route add default via 10.99.0.7 table 52",
        "route add default via 10.99.0.8 table 53",
        "rule add from 10.99.0.1 lookup 52",
    )
    assert fib.gateways("10.99.0.0/24") == {f"10.99.0.{n}" for n in range(2, 8)}
    assert fib.gateways("10.99.0.4/30") == {f"10.99.0.{n}" for n in range(4, 8)}
    assert fib.gateways("192.0.2.0/24") == {"192.0.2.1"}
    assert fib.gateways("10.0.0.0/24") == set()


@pytest.mark.usefixtures("inside")
def test_what_the_host_takes_for_itself(host: Host) -> None:
    host.ip(
        "link add down0 type veth peer name down1",
        "address add 10.1.0.1/24 dev down0",
        "address add 10.99.0.9/24 dev eth0",
        "address add 10.2.0.7/32 dev lo",
        "route add local 10.3.0.0/29 dev lo",
        "route add local 10.8.0.0/15 dev lo",
        "route add local 0.0.0.0/0 dev lo table 100",  # As for a transparent proxy.
        "rule add fwmark 1 lookup 100",
    )
    assert set(OF_LOOPBACK) <= set(fib.to_host())
    local = LocalAddresses()
    assert local.within("10.0.0.0/8") == {
        "10.1.0.1": "down0",
        "10.99.0.1": "eth0",
        "10.99.0.9": "eth0",
        "10.2.0.7": "lo",
        **{f"10.3.0.{n}": "lo" for n in range(8)},
    }
    assert local.within("10.99.0.8/29") == {"10.99.0.9": "eth0"}
    assert local.within("10.3.0.4/30") == {f"10.3.0.{n}": "lo" for n in range(4, 8)}
    assert local.within("10.9.0.0/30") == {f"10.9.0.{n}": "lo" for n in range(4)}
    for ip, is_local in {"10.3.0.5": True, "10.9.7.7": True, "10.4.0.1": False}.items():
        assert (ip in local) is is_local


@pytest.mark.usefixtures("inside")
def test_where_it_leads_to_by_default(host: Host) -> None:
    assert (routes.default_device(), routes.default_devices()) == (None, [])
    host.ip(
        "route add 0.0.0.0/1 via 10.99.0.2",
        "route add 198.51.100.0/24 via 10.99.0.2",
        "route add default via 10.99.0.2 table 100",
    )
    assert (routes.default_device(), routes.default_devices()) == (None, [])
    host.ip("route add unreachable default metric 7")
    assert (routes.default_device(), routes.default_devices()) == ("*", [])
    host.ip("route add default metric 1 nexthop via 10.99.0.2 nexthop via 10.99.0.3")
    assert (routes.default_device(), routes.default_devices()) == ("eth0", ["eth0"])


@pytest.mark.usefixtures("inside")
def test_where_ipv6_leads_to_by_default(host: Host) -> None:
    host.ip("address add 2001:db8::1/64 dev eth0 nodad", "route add 2001:db8:1::/48 dev eth0")
    assert list(fib.defaults(V6)) == []
    host.ip("route add default via 2001:db8::2")
    assert list(fib.defaults(V6)) == ["eth0"]
    host.run("ip", "-6", "route", "add", "unreachable", "default", "metric", "1")
    assert set(fib.defaults(V6)) == {None, "eth0"}


@pytest.mark.usefixtures("inside")
def test_which_device_has_an_address_that_is_good_beyond_the_link(host: Host) -> None:
    host.ip("link add a0 up type veth peer name a1", "link set a1 up")
    assert not localaddr.has_global("a0", V4)
    host.ip("address add 10.1.0.1/24 dev a0", "address add 2001:db8::1/64 dev a1 nodad")
    host.ip("address add fe80::7/64 dev a0 nodad", "address add 10.1.0.2/24 dev a1 scope link")
    assert [localaddr.has_global(name, V4) for name in ("a0", "a1", "gone")] == [True, False, False]
    assert [localaddr.has_global(name, V6) for name in ("a0", "a1", "lo")] == [False, True, False]


@pytest.mark.usefixtures("inside")
def test_the_ports_of_a_bridge(host: Host) -> None:
    assert bridgeports.names("br0") == frozenset()
    host.ip("link add br0 type bridge", "link add br1 type bridge")
    pairs = range(200)
    host.ip(*(f"link add a{one} master br0 type veth peer name b{one}" for one in pairs))
    host.ip("link set b0 master br0", "link set b1 master br1")
    assert bridgeports.names("br0") == {"b0", *(f"a{one}" for one in pairs)}
    assert bridgeports.names("br1") == {"b1"}


@pytest.mark.usefixtures("inside")
def test_more_routes_than_fit_into_one_answer(host: Host) -> None:
    many = [f"10.{n // 256}.{n % 256}.0/24" for n in range(3000)]
    host.ip(*(f"route add {one} via 10.99.0.2" for one in many))
    assert {one.subnet for one in there("10.0.0.0/12")} == set(many)
    assert fib.gateways("10.99.0.0/24") == {"10.99.0.2"}
    assert fib.devices() == ["eth0"]
