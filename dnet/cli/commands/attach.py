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
    help="The network namespace: a path where there is a '/', else a name, else a pid.",
)
@options.bridge
@define.option(
    "--ifname",
    metavar="NAME",
    type=options.DEVICE,
    default="eth0",
    show_default=True,
    help="The interface's name inside.",
)
@define.option(
    "--ip", metavar="ADDR", type=options.ADDRESS, help="This address; else the next one."
)
@define.option(
    "--ip6",
    metavar="ADDR",
    type=options.ADDRESS6,
    help="This IPv6 address; else the one at the same place in its subnet.",
)
@define.option(
    "--mac",
    metavar="MAC",
    type=options.MAC,
    help="This MAC; else one that follows from the address.",
)
@define.option(
    "--expose",
    metavar="PORT/PROTO",
    multiple=True,
    type=options.EXPOSED,
    help="A port that links open when they name none; any number of times.",
)
@define.option(
    "-p",
    "--publish",
    metavar="SPEC",
    multiple=True,
    type=options.PUBLISH,
    help="A port to publish, as in dnet map add; any number of times.",
)
@define.option(
    "--link",
    "links",
    metavar="CHILD[:ALIAS]",
    multiple=True,
    type=options.LINKED,
    help="An interface whose exposed ports to reach; any number of times.",
)
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
    links: tuple[tuple[str, str | None], ...],
    dry_run: bool,
) -> Request:
    """Plug a network namespace into a bridge, and print its address.

    It gets an interface, an address, a route, published ports and links, or nothing at all.
    Again with the same arguments it is plugged in again where it had come loose.
    """
    operation = Operation(
        attachment.attach,
        interface_id=interface_id,
        wiring=attachment.Wiring(netns, ifname, mac, publish, links),
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


def _published(mapping: Mapping) -> str:
    endpoint = mapping.endpoint
    inside = endpoint._replace(port=mapping.container_port, end=mapping.container_end)
    return f"published {endpoint} -> {inside.ports}"


@define.command()
@define.argument("ids", metavar="ID...", nargs=-1, type=options.ID)
@options.origin("What this container runtime asked for, in place of ids; none is no error.")
@options.if_exists
@options.changes
def detach(
    ids: tuple[str, ...], origin: tuple[str, ...] | None, if_exists: bool, dry_run: bool
) -> Request:
    """Unplug interfaces, and release all they had, as dnet interface release does.

    All that are named, or none.
    """
    if bool(ids) == bool(origin):
        raise UsageError("name interfaces, or an --origin", "dnet interface list")
    if origin:
        from dnet.network import runtimes

        return Request(nothing, Operation(runtimes.detach, origin=origin), dry_run)
    operation = Operation(interface.release, ids=ids, if_exists=if_exists)
    return Request(nothing, operation, dry_run)
