"""`dnet plugin`: what makes container runtimes get their network from dnet."""

from __future__ import annotations

import os

from dnet import STATE_DIR
from dnet.cli import define, options
from dnet.cli.define import Choice
from dnet.cli.output.document import Document
from dnet.cli.session import Request, Session
from dnet.errors import ConflictError, UsageError
from dnet.model.entities import DEFAULT_BRIDGE
from dnet.typing import Any, NamedTuple
from dnet.values.names import for_shell

DRIVER = "dnet"
HOOK_FILE = "50-dnet.json"
USUAL = "/opt/cni/bin or /usr/lib/cni, /usr/lib/netavark, /etc/containers/oci/hooks.d"
# Where podman looks of itself; its packages on Debian name none of them.
_NETAVARK_FOLDERS = (
    *("/usr/local/libexec/netavark", "/usr/libexec/netavark"),
    *("/usr/local/lib/netavark", "/usr/lib/netavark"),
)
_HOOK_SECONDS = 30


class Piece(NamedTuple):
    """What is put somewhere: a link to a program, or with a text a file that names it."""

    program: str
    path: str
    text: str | None = None

    @property
    def shown(self) -> str:
        """The command that would do it."""
        path = for_shell(self.path)
        if self.text is None:
            return f"ln -s {for_shell(self.program)} {path}"
        return f"dnet plugin config oci > {path}"


@define.group(unsaid=["config", "install"])
def plugin() -> None:
    """Let container runtimes get their network from dnet."""


@plugin.command(instead=["--cni"])
@define.option("--cni", metavar="DIR", type=options.FILE, help="Folder for CNI plugins.")
@define.option(
    "--netavark", metavar="DIR", type=options.FILE, help="Folder for podman's network drivers."
)
@define.option("--hooks", metavar="DIR", type=options.FILE, help="Folder for podman's hooks.")
@define.option(
    "--force",
    is_flag=True,
    help="Replace other programs, and use folders that users other than root can write to.",
)
@options.changes
def install(
    cni: str | None, netavark: str | None, hooks: str | None, force: bool, dry_run: bool
) -> Request:
    """Link the programs to where container runtimes look for them.

    Creates missing folders. Repeating it changes nothing; removing the links undoes it.
    """

    def carry_out(session: Session) -> Document:
        pieces = list(_pieces(session, cni, netavark, hooks))
        if not pieces:
            raise UsageError("name a folder: --cni, --netavark or --hooks", f"usual ones: {USUAL}")
        if not dry_run:
            _install(pieces, force=force)
        data = [{"program": one.program, "path": one.path} for one in pieces]
        return Document(data, tuple(one.shown if dry_run else one.path for one in pieces))

    return Request(run=carry_out, many=True)


def _pieces(session: Session, cni: str | None, netavark: str | None, hooks: str | None) -> Any:
    from dnet.host import programs

    for folder, name in ((cni, "dnet-cni"), (netavark, "dnet-netavark")):
        if folder is not None:
            yield Piece(programs.find(name), os.path.join(os.path.abspath(folder), DRIVER))
    if hooks is not None:
        path = os.path.join(os.path.abspath(hooks), HOOK_FILE)
        text = _as_text(_hook(session, DEFAULT_BRIDGE))
        yield Piece(programs.find("dnet-oci-hook"), path, text)


def _install(pieces: list[Piece], *, force: bool) -> None:
    from dnet.host import programs

    if not force:
        for one in pieces:
            programs.refuse_open(one.program)
            programs.refuse_open(os.path.dirname(one.path))
            _refuse_another(one)
    for one in pieces:
        if one.text is None:
            programs.link(one.program, one.path)
        else:
            programs.write(one.path, one.text)


def _refuse_another(piece: Piece) -> None:
    """Raises ConflictError for what somebody else put there, or has changed since."""
    from dnet.host import programs

    if not os.path.lexists(piece.path):
        return
    if piece.text is not None:
        is_ours = programs.has_text(piece.path, piece.text)
    else:
        is_ours = programs.is_link_to(piece.path, os.path.basename(piece.program))
    if not is_ours:
        raise ConflictError(
            f"{piece.path} already exists and is a different file", "move it away, or: --force"
        )


@plugin.command(instead=["cni", "netavark", "oci"])
@define.argument("kind", metavar="cni|netavark|oci", type=Choice(("cni", "netavark", "oci")))
@define.option(
    "--bridge", metavar="NAME", type=options.BRIDGE, help="The bridge.  [default: dnet0]"
)
@options.output
def config(kind: str, bridge: str | None) -> Request:
    """Print a configuration file.

    \b
    cni       a network, for /etc/cni/net.d
    netavark  for /etc/containers/containers.conf.d
    oci       a hook, for /etc/containers/oci/hooks.d
    """  # noqa: D301
    name = bridge or DEFAULT_BRIDGE

    def printed(session: Session) -> Document:
        if kind == "netavark":
            return Document({"netavark_plugin_dirs": _NETAVARK_FOLDERS}, _netavark(session, name))
        found = _network(session, name) if kind == "cni" else _hook(session, name)
        return Document(found, tuple(_as_text(found).splitlines()))

    return Request(run=printed)


def _as_text(document: Any) -> str:
    import json

    return json.dumps(document, indent=2) + "\n"


def _network(session: Session, bridge: str) -> dict[str, Any]:
    own: dict[str, Any] = {"type": DRIVER, "bridge": bridge}
    if session.state_dir != STATE_DIR:
        own["stateDir"] = os.path.abspath(session.state_dir)
    own["capabilities"] = dict.fromkeys(("portMappings", "ips", "mac", "dns"), True)
    return {"cniVersion": "1.0.0", "name": DRIVER, "plugins": [own]}


def _netavark(session: Session, bridge: str) -> tuple[str, ...]:
    store = ""
    if session.state_dir != STATE_DIR:
        store = f" --opt state_dir={for_shell(os.path.abspath(session.state_dir))}"
    return (
        "# Then: podman network create --driver dnet "
        f"--interface-name {for_shell(bridge)}{store} {DRIVER}",
        "[network]",
        'network_backend = "netavark"',
        "netavark_plugin_dirs = [",
        *(f'  "{folder}",' for folder in _NETAVARK_FOLDERS),
        "]",
    )


def _hook(session: Session, bridge: str) -> dict[str, Any]:
    from dnet.host import programs

    args = ["dnet-oci-hook", "--bridge", bridge, "--ports", "1024-65535"]
    if session.state_dir != STATE_DIR:
        args += ["--state-dir", os.path.abspath(session.state_dir)]
    return {
        "version": "1.0.0",
        "hook": {
            "path": programs.find("dnet-oci-hook"),
            "args": args,
            "env": [],
            "timeout": _HOOK_SECONDS,
        },
        "when": {"annotations": {r"^io\.github\.dnet\.attach$": ".+"}},
        "stages": ["createRuntime", "poststop"],
    }
