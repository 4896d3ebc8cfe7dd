"""`dnet bridge`: set up, show and remove bridges."""

from __future__ import annotations

from typing import Any

from dnet.cli import define, options
from dnet.cli.define import Choice
from dnet.cli.output import views
from dnet.cli.output.document import Column, Document, column, missing
from dnet.cli.session import Request, nothing
from dnet.model import find
from dnet.model.entities import DEFAULT_BRIDGE, FIREWALLS, REUSE, ROUND_ROBIN
from dnet.model.state import State
from dnet.network import bridge as operations
from dnet.transaction.operation import Operation
from dnet.transaction.presence import Presence
from dnet.values import family
from dnet.values.family import V6

COLUMNS = (
    Column("NAME", lambda item: item["name"], problem_of=missing),
    column("address"),
    column("chain"),
    column("icc"),
    column("masquerade"),
    column("binding_ip"),
    column("mtu"),
)

EXAMPLES = """\
dnet bridge init
dnet bridge init lab0 --address 10.9.0.1/24 --no-icc"""


@define.group(unsaid=["show", "init"])
def bridge() -> None:
    """Set up, show and remove bridges."""


@bridge.command(epilog=EXAMPLES, instead=["--address"])
@define.argument("name", type=options.BRIDGE, default=DEFAULT_BRIDGE)
@define.option(
    "--address",
    "--ip",
    metavar="CIDR",
    type=options.CIDR,
    help="Its own address, such as 172.17.42.1/16; else the first of twelve that is free.",
)
@define.option(
    "--range",
    metavar="CIDR",
    help="The part of the subnet that addresses are taken from; else all of it.",
)
@define.option(
    "--mtu", metavar="N", type=options.MTU, help="The MTU; else that of the default route's device."
)
@define.option(
    "--chain",
    metavar="NAME",
    type=options.CHAIN,
    help="The chain of its mappings in the nat table.  [default: DNET]",
)
@define.option(
    "--icc/--no-icc", default=None, help="Whether containers reach one another.  [default: icc]"
)
@define.option(
    "--masquerade/--no-masquerade",
    default=None,
    help="Whether they reach other networks under the host's address.  [default: masquerade]",
)
@define.option(
    "--ip-forward/--no-ip-forward",
    default=None,
    help="Whether to switch IP forwarding on.  [default: ip-forward]",
)
@define.option(
    "--firewall",
    type=Choice(("auto", *FIREWALLS)),
    envvar="DNET_FIREWALL",
    show_envvar=True,
    help="What the rules of all bridges are made with; the first bridge decides.  [default: auto]",
)
@define.option(
    "--iptables/--no-iptables",
    " /--no-firewall",
    default=None,
    help="Whether to make any rule for it.  [default: iptables]",
)
@define.option(
    "--isolate/--no-isolate",
    default=None,
    help="Whether other bridges' containers are kept out.  [default: isolate]",
)
@define.option(
    "--direct-access/--no-direct-access",
    default=None,
    help="Whether other networks reach its containers' own addresses.  [default: direct-access]",
)
@define.option(
    "--firewalld/--no-firewalld",
    default=None,
    help="Whether it is in firewalld's zone trusted while firewalld runs.  [default: firewalld]",
)
@define.option(
    "--ipv6/--no-ipv6", default=None, help="Whether it has IPv6 as well.  [default: no-ipv6]"
)
@define.option(
    "--address6",
    metavar="CIDR",
    type=options.CIDR6,
    help="Its own IPv6 address, such as 2001:db8::1/64; else of a unique local /64.",
)
@define.option(
    "--range6",
    metavar="CIDR",
    help="The part of the subnet that IPv6 addresses are taken from; else its first /112.",
)
@define.option(
    "--masquerade6/--no-masquerade6",
    default=None,
    help="The same as --masquerade for IPv6.  [default: that of unique local addresses]",
)
@define.option(
    "--binding-ip",
    "binding_ips",
    metavar="IP",
    multiple=True,
    type=options.HOST_IP,
    help="The host address of published ports, once a family.  [default: 0.0.0.0 and ::]",
)
@define.option(
    "--port-range",
    metavar="LO-HI",
    type=options.PORTS,
    help="The host ports that are chosen from where none is named.  [default: 49153-65535]",
)
@define.option(
    "--allocation",
    type=Choice((ROUND_ROBIN, REUSE)),
    help="Which address is next: each rests as long as possible, or released ones first.  "
    "[default: round-robin]",
)
@options.changes
def init(name: str, binding_ips: tuple[str, ...], dry_run: bool, **given: Any) -> Request:
    """Set up a bridge, or change the given options of one.

    The device NAME is made, or adopted where it exists with that address, and the rules are
    inserted that its containers need.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    chosen |= {"binding_ip6" if family.of(ip) is V6 else "binding_ip": ip for ip in binding_ips}
    return Request(
        lambda state, made: Document(lambda: views.bridge(made, Presence(state)), values=()),
        Operation(operations.init, name=name, options=chosen),
        dry_run,
    )


@bridge.command("list", instead=["dnet bridge show {}"])
@options.lists
def list_() -> Request:
    """List the bridges."""

    def show(state: State, _: Any) -> Document:
        seen = Presence(state)
        items = [views.bridge(one, seen) for one in state.bridges.values()]
        return Document(items, columns=COLUMNS, key=lambda item: str(item["name"]))

    return Request(show)


@bridge.command()
@define.argument("name", type=options.BRIDGE, required=False)
@options.output
def show(name: str | None) -> Request:
    """Show a bridge with all its options.

    Without NAME it is the only bridge there is, else dnet0.
    """

    def shown(state: State, _: Any) -> Document:
        item = views.bridge(find.bridge(state, name), Presence(state))
        return Document(item, brief=frozenset() if item["ipv6"] else views.OF_IPV6)

    return Request(shown)


@bridge.command()
@define.argument("name", type=options.BRIDGE)
@define.option("--force", is_flag=True, help="Release everything that is allocated on it first.")
@options.if_exists
@options.changes
def remove(name: str, force: bool, if_exists: bool, dry_run: bool) -> Request:
    """Remove a bridge with its rules and its device.

    A device that was there before dnet stays.
    """
    operation = Operation(operations.remove, name=name, force=force, if_exists=if_exists)
    return Request(nothing, operation, dry_run)
