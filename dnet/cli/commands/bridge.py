"""`dnet bridge`: set up, show and remove bridges."""

from __future__ import annotations

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
from dnet.typing import Any
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
    help="Bridge address, such as 172.17.42.1/16 (default: the first free one of 12 candidates).",
)
@define.option(
    "--range",
    metavar="CIDR",
    help="Part of the subnet to take addresses from (default: all of it).",
)
@define.option(
    "--mtu",
    metavar="N",
    type=options.MTU,
    help="MTU (default: that of the default route's device).",
)
@define.option(
    "--chain",
    metavar="NAME",
    type=options.CHAIN,
    help="Chain for the bridge's mappings in the nat table.  [default: DNET]",
)
@define.option(
    "--icc/--no-icc",
    default=None,
    help="Let the bridge's containers reach one another.  [default: icc]",
)
@define.option(
    "--masquerade/--no-masquerade",
    default=None,
    help="Let containers reach other networks under the host's address.  [default: masquerade]",
)
@define.option(
    "--ip-forward/--no-ip-forward",
    default=None,
    help="Switch IP forwarding on.  [default: ip-forward]",
)
@define.option(
    "--firewall",
    type=Choice(("auto", *FIREWALLS)),
    envvar="DNET_FIREWALL",
    show_envvar=True,
    help="Firewall for the rules of all bridges; the first bridge decides.  [default: auto]",
)
@define.option(
    "--iptables/--no-iptables",
    " /--no-firewall",
    default=None,
    help="Make firewall rules for the bridge.  [default: iptables]",
)
@define.option(
    "--isolate/--no-isolate",
    default=None,
    help="Keep containers of other bridges out.  [default: isolate]",
)
@define.option(
    "--direct-access/--no-direct-access",
    default=None,
    help="Let other networks reach the containers' own addresses.  [default: direct-access]",
)
@define.option(
    "--firewalld/--no-firewalld",
    default=None,
    help="Put the bridge into firewalld's zone trusted while firewalld runs.  [default: firewalld]",
)
@define.option(
    "--ipv6/--no-ipv6", default=None, help="Give the bridge IPv6 as well.  [default: no-ipv6]"
)
@define.option(
    "--address6",
    metavar="CIDR",
    type=options.CIDR6,
    help="Bridge address of IPv6, such as 2001:db8::1/64 (default: in a unique local /64).",
)
@define.option(
    "--range6",
    metavar="CIDR",
    help="Part of the subnet to take IPv6 addresses from (default: its first /112).",
)
@define.option(
    "--masquerade6/--no-masquerade6",
    default=None,
    help="Same as --masquerade, for IPv6.  [default: that of unique local addresses]",
)
@define.option(
    "--binding-ip",
    "binding_ips",
    metavar="IP",
    multiple=True,
    type=options.HOST_IP,
    help="Host address to publish ports on, once per family.  [default: 0.0.0.0 and ::]",
)
@define.option(
    "--port-range",
    metavar="LO-HI",
    type=options.PORTS,
    help="Range to choose host ports from when none is given.  [default: 49153-65535]",
)
@define.option(
    "--allocation",
    type=Choice((ROUND_ROBIN, REUSE)),
    help="round-robin: reuse a released address as late as possible; reuse: as soon as possible.  "
    "[default: round-robin]",
)
@options.changes
def init(name: str, binding_ips: tuple[str, ...], dry_run: bool, **given: Any) -> Request:
    """Set up a bridge, or change the given options of one.

    Creates the device NAME, or adopts it if it exists with that address, and inserts the rules
    its containers need.
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

    Without NAME, the only bridge, or dnet0.
    """

    def shown(state: State, _: Any) -> Document:
        item = views.bridge(find.bridge(state, name), Presence(state))
        return Document(item, brief=frozenset() if item["ipv6"] else views.OF_IPV6)

    return Request(shown)


@bridge.command()
@define.argument("name", type=options.BRIDGE)
@define.option("--force", is_flag=True, help="First release everything allocated on the bridge.")
@options.if_exists
@options.changes
def remove(name: str, force: bool, if_exists: bool, dry_run: bool) -> Request:
    """Remove a bridge with its rules and its device.

    A device that existed before dnet is kept.
    """
    operation = Operation(operations.remove, name=name, force=force, if_exists=if_exists)
    return Request(nothing, operation, dry_run)
