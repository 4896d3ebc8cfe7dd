"""The options that commands have in common, and the types of what is typed."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from dnet.cli import define
from dnet.cli.define import Checked, Choice, F, Wanted
from dnet.errors import UsageError
from dnet.model.entities import MTUS
from dnet.values import address, endpoint, linkends, names, origins


def _mapping(text: str) -> endpoint.EndpointQuery:
    try:
        return endpoint.parse_endpoint(text)
    except UsageError as error:
        if not _is_id(text) or address.is_localhost(text):
            raise
        every = f"every mapping of an id: dnet map remove --all {text}"
        raise UsageError(str(error), every) from None


def _is_id(text: str) -> bool:
    """Whether it is an interface's id, and not a port that was mistyped."""
    try:
        return names.interface_id(text)[0].isalpha()
    except UsageError:
        return False


def _spec(text: str) -> endpoint.PublishSpec:
    try:
        return endpoint.parse_publish(text)
    except UsageError as error:
        if not text[:1].isalpha() or address.is_localhost(text.partition(":")[0]):
            raise
        first = "the target comes first: dnet map add TARGET SPEC..."
        raise UsageError(str(error), first) from None


def _reserved(text: str) -> tuple[int, int]:
    ports, _, proto = text.partition("/")
    if proto.lower() in names.PROTOCOLS:
        names.port_range(ports)
        hint = f"--port {ports} --proto {proto.lower()}"
        raise UsageError(f"{names.quoted(text)} is not a port number", hint)
    return names.port_range(text)


def _rates() -> ModuleType:
    from dnet.values import rates

    return rates


def _ipv6() -> ModuleType:
    from dnet.values import address6

    return address6


def _sources() -> ModuleType:
    from dnet.values import sources

    return sources


ID = Checked("id", names.interface_id, ("<id>",))
NEW_ID = Checked("id", names.interface_id)
PARENT = Checked(
    "parent",
    lambda text: text if text == names.HOST else names.interface_id(text),
    ("<id>", "host"),
)
LINKED_PARENT = Checked(
    "parent",
    lambda text: text if text == names.HOST else linkends.parse(text),
    ("<id>", "host"),
)
LINKED_CHILD = Checked("id", linkends.parse, ("<id>",))
LINK = Checked("link", str, ("<parent>", "<link>"))
LINK_CHILD = Checked("child", linkends.parse, ("<child>",))
LINK_PARENT = Checked("parent", PARENT.check, ("<parent>",))
TARGET = Checked("target", str, ("<id>", "<address>"))
BRIDGE = Checked("bridge", names.device, ("<bridge>",))
DEVICE = Checked("device", names.device)
NETNS = Checked("netns", names.namespace, ("<netns>",))
CHAIN = Checked("chain", names.chain)
ADDRESS = Checked("address", lambda text: address.parse(text, f"--ip6 {text}"))
ADDRESS6 = Checked("address", lambda text: _ipv6().parse(text))
ANY_ADDRESS = Checked("address", address.parse_any)
TAKEN_ADDRESS = Checked("address", address.parse_any, ("<address>",))
HOST_IP = Checked("ip", address.parse_host_ip)
CIDR = Checked("cidr", address.parse_cidr)
CIDR6 = Checked("cidr", lambda text: _ipv6().parse_cidr(text))
PROTO = Checked("proto", names.protocol, tuple(names.PROTOCOLS))
PORTS = Checked("port", names.port_range)
RESERVED = Checked("port", _reserved)
EXPOSED = Checked("port/proto", names.port_proto)
MAPPING = Checked("endpoint", _mapping, ("<mapping>",))
TAKEN_PORT = Checked("endpoint", str, ("<mapping>", "<port>", "<id>"))
RESERVED_PORT = Checked("endpoint", endpoint.parse_endpoint, ("<port>",))
PUBLISH = Checked("spec", endpoint.parse_publish)
SPEC = Checked("spec", _spec)
FILE = Checked("file", str, ("<file>",))
RATE = Checked("rate", lambda text: _rates().parse_or_none(text), ("none",))
KEPT_FILE = Checked("path", names.file_path, ("<file>",))
ORIGIN = Checked("origin", origins.parse, ("cni", "netavark", "oci"))
MAC = Checked("mac", address.parse_mac)
SOURCE = Checked("cidr", lambda text: _sources().parse(text), ("any",))
LINKED = Checked("link", names.child_alias, ("<id>",))
COUNT = Checked("n", lambda text: names.whole(text, 1, 1 << 24))
MTU = Checked("n", lambda text: names.whole(text, MTUS[0], MTUS[-1]))


def bridge(command: F) -> F:
    """--bridge, for what is made or listed."""
    return define.option(
        "--bridge",
        metavar="NAME",
        type=BRIDGE,
        envvar="DNET_BRIDGE",
        show_envvar=True,
        help="Bridge to use (default: the only one, or dnet0).",
    )(command)


def listed_bridge(command: F) -> F:
    """--bridge, for lists, which show every bridge without it."""
    return define.option(
        "--bridge",
        metavar="NAME",
        type=BRIDGE,
        help="List only this bridge's (default: every bridge's).",
    )(command)


def addresses(command: F) -> F:
    """--ip and --ip6, for an interface that is made."""
    command = define.option(
        "--ip6",
        metavar="ADDR",
        type=ADDRESS6,
        help="Take this IPv6 address (default: the one at the same offset in its subnet).",
    )(command)
    return define.option(
        "--ip",
        metavar="ADDR",
        type=ADDRESS,
        help="Take this address (default: the next free one).",
    )(command)


def expose(command: F) -> F:
    """--expose, for an interface that is made."""
    return define.option(
        "--expose",
        metavar="PORT/PROTO",
        multiple=True,
        type=EXPOSED,
        help="Port that links open if they name none; repeatable.",
    )(command)


def origin(help_text: str) -> Callable[[F], F]:
    """--origin, for what container runtimes asked for."""
    return define.option(
        "--origin",
        metavar="BY[:NETWORK[/CONTAINER[/IFNAME]]]",
        type=ORIGIN,
        help=help_text,
    )


def sources(command: F) -> F:
    """--from, for what is published."""
    return define.option(
        "--from",
        "networks",
        metavar="CIDR",
        multiple=True,
        type=SOURCE,
        help="Let in only this network and the host; repeatable. 'any' lets everybody in.",
    )(command)


def given_sources(networks: tuple[str, ...]) -> tuple[str, ...] | None:
    """What --from asks for, None where it is not given. Raises UsageError."""
    return tuple(_sources().given(networks)) if networks else None


def if_exists(command: F) -> F:
    """--if-exists, for what is removed."""
    return define.option("--if-exists", is_flag=True, help="Do not fail if it does not exist.")(
        command
    )


def dry_run(command: F) -> F:
    """--dry-run, for what changes something."""
    return define.option(
        "--dry-run", is_flag=True, help="Print each kernel change without making it."
    )(command)


def output(command: F) -> F:
    """--format and --json, for everything; noted in the session at once, for errors too."""
    help_text = "Output format: text, json, or env for the shell's eval (default: text)."
    return _formats(command, ("text", "json", "env"), help_text)


def picture(command: F) -> F:
    """--format and --json, for the whole picture."""
    help_text = (
        "Output as text (the default), json, dot for Graphviz, hosts as in /etc/hosts, or batch to "
        "recreate it elsewhere."
    )
    return _formats(command, ("text", "json", "dot", "hosts", "batch"), help_text)


def figures(command: F) -> F:
    """--format and --json, for what is measured."""
    help_text = "Output format: text, json, or prometheus for its textfile collector."
    return _formats(command, ("text", "json", "prometheus"), help_text)


def _formats(command: F, forms: tuple[str, ...], help_text: str) -> F:
    command = define.option(
        "--format", "form", type=Choice(forms), note=_note_form, help=help_text
    )(command)
    return define.option(
        "-j",
        "--json",
        is_flag=True,
        note=_note_json,
        help="Same as --format json.",
    )(command)


def quiet(command: F) -> F:
    """--quiet, for lists."""
    return define.option(
        "-q",
        "--quiet",
        is_flag=True,
        note=_note_quiet,
        help="Print only the keys, one per line.",
    )(command)


def changes(command: F) -> F:
    """What every command that changes something has."""
    return dry_run(output(command))


def lists(command: F) -> F:
    """What every list has."""
    return quiet(output(command))


def _note_form(wanted: Wanted, value: str | None) -> None:
    wanted.is_form_known = True
    if value:
        wanted.form = value


def _note_json(wanted: Wanted, value: bool) -> None:
    _note_form(wanted, "json" if value else None)


def _note_quiet(wanted: Wanted, value: bool) -> None:
    wanted.quiet = value
