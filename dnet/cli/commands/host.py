"""`dnet host`: several hosts with one pool of addresses."""

from __future__ import annotations

from dnet.cli import define, options
from dnet.cli.define import Checked, Choice, F
from dnet.cli.output.document import NOTHING, Document, column
from dnet.cli.session import Request, Session, steps
from dnet.errors import NotFoundError, UsageError
from dnet.model.entities import FIREWALLS
from dnet.model.state import State
from dnet.typing import TYPE_CHECKING, Any
from dnet.values import names

if TYPE_CHECKING:
    from dnet.transaction.hosting import Hosting

EXAMPLES = """\
dnet host join one --store file:///srv/hosts --pool 10.244.0.0/16
dnet host sync
dnet host list"""

_COLUMNS = (
    column("name"),
    column("underlay"),
    column("block"),
    column("transport"),
    column("revision"),
    column("state"),
)


def _name(text: str) -> str:
    from dnet.hosts import fields

    return fields.parse_name(text)


def _network(text: str) -> str:
    from dnet.hosts import fields

    return fields.parse_block(text)


def _number(lowest: int, highest: int) -> Checked:
    return Checked("n", lambda text: names.whole(text, lowest, highest))


_HOST = Checked("host", _name)
_POOL = Checked("cidr", _network)
_PREFIX = Checked("prefix", lambda text: names.whole(text.removeprefix("/"), 8, 30))
_FILE = Checked("file", str, ("<file>",))


@define.group(unsaid=["list", "join"])
def host() -> None:
    """Share a pool of addresses with other hosts, whose containers then reach one another."""


def _secrets(command: F) -> F:
    """Files with what the registry asks for."""
    for name, what in (
        ("--user", "File with USER:PASSWORD for the registry, of mode 0600."),
        ("--key", "Key of that certificate, a file of mode 0600."),
        ("--cert", "Client certificate of this host."),
        ("--ca", "CA certificates to verify the registry with (default: the system's)."),
    ):
        command = define.option(name, metavar="FILE", type=_FILE, default="", help=what)(command)
    return command


@host.command(epilog=EXAMPLES)
@define.argument("name", type=_HOST, required=False)
@define.option(
    "--store",
    metavar="URL",
    envvar="DNET_STORE",
    show_envvar=True,
    help="Registry of the hosts: file:///PATH, etcd://HOST:PORT[,…]/PREFIX, or etcds://….",
)
@define.option(
    "--pool", metavar="CIDR", type=_POOL, help="Pool that all hosts share, such as 10.244.0.0/16."
)
@define.option(
    "--block",
    metavar="PREFIX",
    type=_PREFIX,
    help="Prefix length of each host's block.  [default: 24]",
)
@define.option(
    "--underlay",
    metavar="IP|DEV",
    help="Address other hosts reach this one at (default: that of the default route's device).",
)
@define.option(
    "--transport",
    type=Choice(("vxlan", "route")),
    help="Transport to other hosts: VXLAN, or routes on one shared network.  [default: vxlan]",
)
@define.option(
    "--vni",
    metavar="N",
    type=_number(1, (1 << 24) - 1),
    help="VXLAN network identifier (VNI).  [default: 4242]",
)
@define.option(
    "--port", metavar="N", type=_number(1, 65535), help="UDP port of the VXLAN.  [default: 4789]"
)
@options.bridge
@define.option(
    "--firewall",
    type=Choice(("auto", *FIREWALLS)),
    envvar="DNET_FIREWALL",
    show_envvar=True,
    help="Firewall for the rules, if the bridge is the first one.  [default: auto]",
)
@_secrets
@define.option("--moved", is_flag=True, help="Register a new underlay address for this host.")
@options.changes
def join(
    name: str | None,
    store: str | None,
    pool: str | None,
    block: int | None,
    dry_run: bool,
    **given: Any,
) -> Request:
    """Get a block of a pool for this host, and print it.

    The bridge has it as its subnet, and its containers reach those of the other hosts. NAME is
    the host's own where it is not given, or the one under which it has joined.
    """

    def run(session: Session) -> Document:
        from dnet.hosts.record import Credentials, Wanted
        from dnet.transaction.hosting import Joining

        secrets = Credentials(*(given[key] for key in Credentials._fields))
        asked = Joining(
            name=name,
            store=store,
            bridge=given["bridge"],
            underlay=given["underlay"],
            transport=given["transport"],
            wanted=Wanted(pool, block, given["vni"], given["port"]),
            credentials=secrets,
            moved=given["moved"],
            firewall=given["firewall"],
        )
        outcome = _hosting(session).join(asked, dry_run=dry_run)
        if dry_run:
            return steps(outcome.plan, outcome.changes)
        item = _listed(outcome.state)[0]
        return Document(item, values=(item["block"],), status=outcome.status)

    return Request(run=run)


@host.command()
@options.changes
def sync(dry_run: bool) -> Request:
    """Read the registry, and reach the hosts in it and no others.

    A host that is not registered any more is told so: it attaches nothing new.
    """

    def run(session: Session) -> Document:
        outcome = _hosting(session).sync(dry_run=dry_run)
        if dry_run:
            return steps(outcome.plan, outcome.changes)
        return NOTHING._replace(status=outcome.status)

    return Request(run=run)


@host.command()
@options.output
def watch() -> Request:
    """Do the same at every change, as long as the registry can be reached.

    For a service that starts it again: a file tells of no change.
    """

    def run(session: Session) -> Document:
        import gc

        gc.enable()  # Unlike other commands, this one may live for months.
        _hosting(session).watch(session.tell)
        return NOTHING

    return Request(run=run)


@host.command("list")
@options.lists
def list_() -> Request:
    """List the hosts of the pool as they are known here, this one first."""

    def show(state: State, _: Any) -> Document:
        return Document(_listed(state), columns=_COLUMNS, key=lambda item: str(item["name"]))

    return Request(show)


@host.command()
@define.argument("name", type=_HOST, required=False)
@options.output
def show(name: str | None) -> Request:
    """Show a host as it is known here.

    Without NAME it is this one, with its pool.
    """

    def shown(state: State, _: Any) -> Document:
        from dnet.network import overlay

        found = _listed(state)
        if name is None or (found and found[0]["name"] == name):
            own = overlay.own(state)
            more = {"pool": own.pool, "bridge": own.bridge, "vni": own.vni, "port": own.port}
            return Document(found[0] | more | {"store": own.registry})
        for item in found:
            if item["name"] == name:
                return Document(item)
        raise NotFoundError(f"no host {name} is known here", "dnet host list; dnet host sync")

    return Request(shown)


@host.command()
@define.option(
    "--force",
    is_flag=True,
    help="Leave even if addresses are allocated or the registry cannot be reached.",
)
@options.changes
def leave(force: bool, dry_run: bool) -> Request:
    """Release this host's block. The bridge stays, for this host alone."""

    def run(session: Session) -> Document:
        outcome = _hosting(session).leave(force=force, dry_run=dry_run)
        if dry_run:
            return steps(outcome.plan, outcome.changes)
        return NOTHING._replace(status=outcome.status)

    return Request(run=run)


@host.command()
@define.argument("name", type=_HOST)
@define.option("--yes", is_flag=True, help="Confirm that the host no longer exists.")
@options.output
def remove(name: str, yes: bool) -> Request:
    """Remove a host that no longer exists from the pool.

    Should it be alive after all, it attaches nothing new, and no other host reaches it.
    """
    if not yes:
        raise UsageError(
            f"dnet cannot know whether {name} still exists; its containers will no longer be "
            "reachable",
            f"dnet host remove {names.for_shell(name)} --yes",
        )

    def run(session: Session) -> Document:
        _hosting(session).remove(name)
        return NOTHING

    return Request(run=run)


def _hosting(session: Session) -> Hosting:
    from dnet.transaction.hosting import Hosting

    return Hosting(session.settings())


def _listed(state: State) -> list[dict[str, Any]]:
    """The hosts of the pool, this one first; the documented JSON objects."""
    own = state.overlay
    if own is None or own.block is None:
        return []
    first = {
        "name": own.name,
        "underlay": own.underlay,
        "block": own.block,
        "transport": own.transport,
        "revision": own.revision,
        "state": "removed" if own.expelled else "self",
    }
    return [
        first,
        *(
            {
                "name": one.name,
                "underlay": one.underlay,
                "block": one.block,
                "transport": own.transport if one.underlay else None,
                "revision": one.revision,
                "state": one.state,
            }
            for one in state.peers.values()
        ),
    ]
