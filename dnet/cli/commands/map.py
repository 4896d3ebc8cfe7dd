"""`dnet map`: publish ports of containers on the host."""

from __future__ import annotations

from collections.abc import Iterator

from dnet.cli import define, options
from dnet.cli.output import views
from dnet.cli.output.document import (
    NOTHING,
    Column,
    Document,
    Item,
    column,
    container_text,
    endpoint_text,
)
from dnet.cli.session import Request, Session, nothing
from dnet.errors import UsageError
from dnet.model import find
from dnet.model.entities import NFTABLES, Mapping
from dnet.model.state import State
from dnet.network import portmapper
from dnet.transaction.operation import Operation
from dnet.typing import TYPE_CHECKING, Any
from dnet.values.endpoint import EndpointQuery, PublishSpec

if TYPE_CHECKING:
    from dnet.host.firewall.counters import Passed
    from dnet.transaction.statistics import Figures

COLUMNS = (
    Column("HOST", endpoint_text),
    Column("CONTAINER", container_text),
    column("owner", folds=True),
    column("bridge"),
)

_FROM = column("from", folds=True)

EXAMPLES = """\
dnet map add web 8080:80
dnet map add web 80
dnet map add db 3306:3306 --from 10.0.0.0/8
dnet map add web 127.0.0.1::9000 7000-7009:7000-7009/udp"""


@define.group(unsaid=["add"])
def map() -> None:  # noqa: A001 - the command's name
    """Publish ports of containers on the host."""


@map.command(epilog=EXAMPLES)
@define.argument("target", type=options.TARGET)
@define.argument("specs", metavar="SPEC...", nargs=-1, required=True, type=options.SPEC)
@options.sources
@options.changes
def add(
    target: str, specs: tuple[PublishSpec, ...], networks: tuple[str, ...], dry_run: bool
) -> Request:
    """Publish ports of TARGET, and print the host endpoints.

    TARGET is an interface's id or a taken address. SPEC is
    [HOST_IP:][HOST_PORT[-END]:]PORT[-END][/PROTO], such as 8080:80. Without HOST_IP a TARGET with
    IPv6 is published in both families, on 0.0.0.0 and [::]. Again with --from, others may use what
    is there; without it, those who might.
    """

    def show(state: State, made: list[Mapping]) -> Document:
        def items() -> Any:
            found = [views.mapping(state, one) for one in made]
            return found if len(made) > 1 or len(specs) > 1 else found[0]

        return Document(
            items,
            values=tuple(one.key for one in made),
            variables=lambda: views.published_twice(state, made),
        )

    sources = options.given_sources(networks)
    operation = Operation(portmapper.add, target=target, specs=specs, sources=sources)
    return Request(show, operation, dry_run, many=dry_run or len(specs) > 1)


@map.command()
@define.argument("endpoints", metavar="[ENDPOINT]...", nargs=-1, type=options.MAPPING)
@define.option(
    "--all",
    "target",
    metavar="TARGET",
    type=options.TARGET,
    help="Remove every mapping of TARGET.",
)
@options.if_exists
@options.changes
def remove(
    endpoints: tuple[EndpointQuery, ...], target: str | None, if_exists: bool, dry_run: bool
) -> Request:
    """Remove mappings: all that are named, or none.

    ENDPOINT is [HOST_IP:]PORT[-END][/PROTO]. Name endpoints, or a TARGET with --all.
    """
    if bool(endpoints) == (target is not None):
        raise UsageError(
            "name the endpoints to remove, or a target with --all", "dnet map list shows them"
        )
    operation = (
        Operation(portmapper.remove, queries=endpoints, if_exists=if_exists)
        if target is None
        else Operation(portmapper.remove_all, target=target, if_exists=if_exists)
    )
    return Request(nothing, operation, dry_run)


@map.command("list")
@define.argument("target", required=False, type=options.TARGET)
@options.listed_bridge
@options.lists
def list_(target: str | None, bridge: str | None) -> Request:
    """List the mappings, of one target or of all."""

    def show(state: State, _: Any) -> Document:
        if bridge is not None:
            find.bridge(state, bridge)
        keys = list(state.mappings)
        if target is not None:
            targets, whom = state.mappings_by_target, portmapper.resolve(state, target)
            keys = [key for ip in whom.addresses for key in targets.keys(ip)]
        found = (state.mappings[key] for key in keys)
        items = [views.mapping(state, one) for one in found if bridge in (None, one.bridge)]
        columns = (*COLUMNS, _FROM) if any(item["from"] for item in items) else COLUMNS
        return Document(items, columns=columns, key=endpoint_text)

    return Request(show)


_STATS = (
    *COLUMNS[:3],
    column("connections"),
)
_COUNTED = tuple(column(f"{what}_{way}") for way in ("in", "out") for what in ("packets", "bytes"))
_UNCOUNTED = "packets and bytes are not counted; to count from now on: dnet map stats --start"


@map.command(epilog="dnet map stats")
@define.argument("target", required=False, type=options.TARGET)
@define.option("--watch", is_flag=True, help="Update the figures every second.")
@define.option(
    "--start/--stop",
    "counts",
    default=None,
    help="Count packets and bytes from now on, or stop and forget them; with nftables.",
)
@options.dry_run
@options.quiet
@options.figures
def stats(target: str | None, watch: bool, counts: bool | None, dry_run: bool) -> Request:
    """Show the connections of mappings, and what passes through them.

    In is to the container, out from it. Packets and bytes are counted after --start.
    """
    if counts is not None:
        if target is not None or watch:
            raise UsageError("--start and --stop apply to all mappings and print nothing")
        from dnet.network import firewalls

        return Request(nothing, Operation(firewalls.count, on=counts), dry_run)
    if dry_run:
        raise UsageError("--dry-run needs --start or --stop")

    def run(session: Session) -> Document:
        from dnet.transaction.statistics import Statistics

        statistics = Statistics(session.settings())
        if not watch:
            return _figures(*statistics.read(target))
        if session.form == "prometheus":
            raise UsageError("--watch shows text or JSON", "use --format json")
        from dnet.cli.watching import watch as watching

        watching(session, lambda: _figures(*statistics.read(target)))
        return NOTHING

    return Request(run=run, many=True)


def _figures(state: State, found: list[Figures]) -> Document:
    items = [
        {
            **views.mapping(state, one.mapping),
            "connections": one.connections,
            **_passed(one.passed),
        }
        for one in found
    ]
    could = state.firewall == NFTABLES and not state.counts
    return Document(
        items,
        columns=(*_STATS, *_COUNTED) if state.counts else _STATS,
        key=endpoint_text,
        forms={"prometheus": lambda: _exposed(items)},
        notes=(_UNCOUNTED,) if could and items else (),
    )


def _passed(passed: Passed | None) -> Item:
    """What was counted each way, null where nothing was."""
    there, back = passed or ((None, None), (None, None))
    names = ("packets_in", "bytes_in", "packets_out", "bytes_out")
    return dict(zip(names, (*there, *back), strict=True))


def _exposed(items: list[Item]) -> Iterator[str]:
    from dnet.cli.output import prometheus

    return prometheus.lines(items)
