"""`dnet attach` and `dnet detach`: a container online in one command."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.commands.interface import allocated
from dnet.cli.output.document import Document
from dnet.cli.session import Request, nothing
from dnet.errors import UsageError
from dnet.model.entities import Interface, Mapping
from dnet.model.state import State
from dnet.network import attachment, interface
from dnet.transaction.operation import Operation
from dnet.typing import Any
from dnet.values.endpoint import PublishSpec

EXAMPLES = """\
dnet attach web --netns web -p 8080:80 --link db
dnet attach db --netns /run/netns/db --expose 5432"""


@define.command(epilog=EXAMPLES, instead=["-p"])
@define.argument("interface_id", metavar="ID", type=options.ID)
@define.option(
    "--netns",
    metavar="NAME|PATH|PID",
    type=options.NETNS,
    required=True,
    help="Network namespace: a path (with a '/'), a name, or a pid.",
)
@options.bridge
@define.option(
    "--ifname",
    metavar="NAME",
    type=options.DEVICE,
    default="eth0",
    show_default=True,
    help="Name of the interface inside the namespace.",
)
@options.addresses
@define.option(
    "--mac",
    metavar="MAC",
    type=options.MAC,
    help="MAC address (default: derived from the address).",
)
@options.expose
@define.option(
    "-p",
    "--publish",
    metavar="SPEC",
    multiple=True,
    type=options.PUBLISH,
    help="Publish a port, as dnet map add does; repeatable.",
)
@options.sources
@define.option(
    "--link",
    "links",
    metavar="CHILD[:ALIAS]",
    multiple=True,
    type=options.LINKED,
    help="Open the way to the exposed ports of this interface; repeatable.",
)
@define.option(
    "--rate-in",
    metavar="RATE",
    type=options.RATE,
    help="Limit the rate to the container, such as 8mbit; none removes the limit.",
)
@define.option(
    "--rate-out",
    metavar="RATE",
    type=options.RATE,
    help="Limit the rate from the container; none removes the limit.",
)
@define.option(
    "--hosts-file",
    metavar="PATH",
    type=options.KEPT_FILE,
    help="Keep a block of /etc/hosts lines in this file for the hosts it may reach.",
)
@define.option("--no-hosts-file", is_flag=True, help="Stop keeping the hosts file.")
@options.changes
def attach(
    interface_id: str,
    netns: str,
    bridge: str | None,
    ifname: str,
    ip: str | None,
    ip6: str | None,
    mac: str | None,
    expose: tuple[str, ...],
    publish: tuple[PublishSpec, ...],
    networks: tuple[str, ...],
    links: tuple[tuple[str, str | None], ...],
    dry_run: bool,
    **given: Any,
) -> Request:
    """Plug a network namespace into a bridge, and print its address.

    It gets an interface, an address, a route, published ports and links, or nothing at all.
    Repeat with the same arguments to reconnect it if it was disconnected.
    """
    sources = options.given_sources(networks)
    if sources is not None and not publish:
        raise UsageError("--from applies only to published ports", "publish a port: -p SPEC")
    operation = Operation(
        attachment.attach,
        interface_id=interface_id,
        wiring=attachment.Wiring(
            netns, ifname, mac, publish, links, sources, given=_fields(**given)
        ),
        bridge=bridge,
        ip=ip,
        ip6=ip6,
        expose=expose,
    )

    def show(state: State, made: Interface) -> Document:
        chosen = attachment.chosen(state, made, publish)
        notes = (f"{_published(mapping)} of {made.id}" for mapping in chosen)
        return allocated(state, made)._replace(notes=tuple(notes))

    return Request(show, operation, dry_run)


def _fields(
    hosts_file: str | None, no_hosts_file: bool, **rates: str | None
) -> dict[str, str | None]:
    """What is to be of an attachment from now on; what is not given stays. Raises UsageError."""
    if hosts_file and no_hosts_file:
        raise UsageError("--hosts-file and --no-hosts-file exclude each other", "leave one out")
    given = {name: None if rate == "none" else rate for name, rate in rates.items() if rate}
    return given | ({"hosts_file": hosts_file} if hosts_file or no_hosts_file else {})


def _published(mapping: Mapping) -> str:
    endpoint = mapping.endpoint
    inside = endpoint._replace(port=mapping.container_port, end=mapping.container_end)
    return f"published {endpoint} -> {inside.ports}"


@define.command()
@define.argument("ids", metavar="ID...", nargs=-1, type=options.ID)
@options.origin(
    "Detach what this container runtime asked for, instead of IDs; none is not an error."
)
@options.if_exists
@options.changes
def detach(
    ids: tuple[str, ...], origin: tuple[str, ...] | None, if_exists: bool, dry_run: bool
) -> Request:
    """Unplug interfaces, and release all they have, as dnet interface release does.

    All of them, or none.
    """
    if bool(ids) == bool(origin):
        raise UsageError("name interfaces, or an --origin", "dnet interface list")
    if origin:
        from dnet.network import runtimes

        return Request(nothing, Operation(runtimes.detach, origin=origin), dry_run)
    operation = Operation(interface.release, ids=ids, if_exists=if_exists)
    return Request(nothing, operation, dry_run)
