"""`dnet-oci-hook`: the hooks createRuntime and poststop of an OCI runtime, such as runc and crun.

https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-hooks. The
container's state is a document on the standard input. What is wished for stands in annotations,
which are input from whoever may start a container: they get what the hook's own arguments allow,
which root alone writes into its file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping

from dnet import STATE_DIR
from dnet.errors import DnetError, UsageError
from dnet.plugins import frame
from dnet.typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar
from dnet.values.jsontext import loads

if TYPE_CHECKING:
    from dnet.network.attachment import Linked
    from dnet.plugins.fields import Fields
    from dnet.transaction.recovery import Settings
    from dnet.values.endpoint import PublishSpec

T = TypeVar("T")

PROGRAM = "dnet-oci-hook"
PREFIX = "io.github.dnet."
KNOWN = ("attach", "publish", "ip", "ip6", "mac", "ifname", "expose", "link", "name")
ALLOWABLE = ("link", "ip", "mac", "host-ip")
UNPRIVILEGED = (1024, 65535)
LOCK_TIMEOUT = 25  # Five seconds less than what the hook's file gives it.
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no")
_MOST_BYTES, _MOST_WORDS = 4096, 100
_STOPPED = "stopped"


class Allowed(NamedTuple):
    """What the hook's own arguments say."""

    bridges: tuple[str, ...] = ()
    ports: tuple[int, int] = UNPRIVILEGED
    extras: frozenset[str] = frozenset()
    state_dir: str = STATE_DIR
    lock_timeout: float = LOCK_TIMEOUT

    def require(self, extra: str, annotation: str) -> None:
        """Raises UsageError for what needs to be allowed, and is not."""
        if extra not in self.extras:
            raise UsageError(
                f"the hook's file does not allow the annotation {PREFIX}{annotation}",
                f"to allow it: add --allow {extra} to the hook's args",
            )


def main() -> NoReturn:
    """Do what an OCI runtime asks for."""
    frame.run(PROGRAM, _work, _refusal)


def _refusal(error: DnetError) -> tuple[None, int]:
    for line in error.lines():
        frame.say(line.replace("dnet:", f"{PROGRAM}:", 1))
    return None, error.status


def _work() -> None:
    from dnet.plugins.fields import Fields

    frame.leave_environment()
    allowed = arguments(sys.argv[1:])
    state = Fields(frame.document(), "the state")
    pid = state.parsed("pid", _pid)
    if state.text("status") == _STOPPED or not pid:
        _detach(allowed, state.needed("id"))
    else:
        _attach(allowed, state, pid)


def _pid(text: str) -> int:
    from dnet.values import names

    return names.whole(text, 0, 1 << 22)


def arguments(words: Iterable[str]) -> Allowed:
    """What the words of the hook's args allow. Raises UsageError."""
    from dnet.values import names

    given, rest = Allowed(), iter(words)
    for word in rest:
        name, sign, value = word.partition("=")
        value = value if sign else next(rest, "")
        match name:
            case "--bridge":
                given = given._replace(bridges=(*given.bridges, names.device(value)))
            case "--ports":
                given = given._replace(ports=names.port_range(value))
            case "--allow":
                given = given._replace(extras=given.extras | _extras(value))
            case "--state-dir" if value.startswith("/"):
                given = given._replace(state_dir=value)
            case "--lock-timeout":
                given = given._replace(lock_timeout=names.whole(value, 0, 86400))
            case _:
                raise UsageError(
                    f"{PROGRAM} has no argument {names.quoted(word)}",
                    "it takes --bridge NAME, --ports LO-HI, --allow link,ip,mac,host-ip, "
                    "--state-dir DIR and --lock-timeout SECONDS",
                )
    return given


def _extras(text: str) -> frozenset[str]:
    from dnet.values import names

    found = frozenset(text.split(","))
    for one in sorted(found - set(ALLOWABLE)):
        raise UsageError(
            f"--allow: {names.quoted(one)} is not one of {', '.join(ALLOWABLE)}", "see its manual"
        )
    return found


def _settings(allowed: Allowed) -> Settings:
    return frame.settings(PROGRAM, allowed.state_dir, allowed.lock_timeout)


# createRuntime


def _attach(allowed: Allowed, state: Fields, pid: int) -> None:
    from dnet.model.entities import Origin
    from dnet.network.attachment import Wiring
    from dnet.network.runtimes import Home
    from dnet.plugins import attachments
    from dnet.plugins.networks import Ips
    from dnet.values import address, address6, names

    annotations = wishes(state.value("annotations"))
    bridge = _bridge(allowed, annotations.get("attach"))
    shared = _shared_namespace(state.text("bundle"))
    if bridge is None or (shared and not _is_asked(annotations)):
        return
    ips = Ips(
        _parsed(annotations, "ip", address.parse), _parsed(annotations, "ip6", address6.parse)
    )
    mac = _parsed(annotations, "mac", address.parse_mac)
    for name, extra in (("ip", "ip"), ("ip6", "ip"), ("mac", "mac"), ("link", "link")):
        if name in annotations:
            allowed.require(extra, name)
    ifname = _parsed(annotations, "ifname", names.device) or "eth0"
    attachments.attach(
        _settings(allowed),
        Origin("oci", bridge, state.needed("id"), ifname, annotations.get("name")),
        Home(bridge),
        Wiring(
            shared or f"/proc/{pid}/ns/net",
            ifname,
            mac,
            _publish(allowed, annotations),
            _links(annotations),
        ),
        ips=ips,
        expose=_words(annotations, "expose", names.port_proto),
    )


def wishes(annotations: object) -> dict[str, str]:
    """The annotations under our prefix, without it.

    Raises UsageError for an unknown one, as a mistyped `publish` must not publish nothing, and for
    a value that is no text or too long.
    """
    from dnet.values import names

    if annotations is not None and not isinstance(annotations, Mapping):
        raise UsageError("'annotations' of the state is not a JSON object")
    found = {}
    for key, value in (annotations or {}).items():
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        if name not in KNOWN:
            known = ", ".join(KNOWN)
            raise UsageError(
                f"unknown annotation {names.quoted(key)}", f"known ones after {PREFIX}: {known}"
            )
        if not isinstance(value, str) or len(value.encode(errors="replace")) > _MOST_BYTES:
            raise UsageError(f"the annotation {key} is not a text of at most {_MOST_BYTES} bytes")
        found[name] = value
    return found


def _bridge(allowed: Allowed, asked: str | None) -> str | None:
    """The bridge that is meant, None where none is wanted. Raises UsageError."""
    from dnet.model.entities import DEFAULT_BRIDGE
    from dnet.values import names

    bridges = allowed.bridges or (DEFAULT_BRIDGE,)
    if asked is None or asked.lower() in _YES:
        return bridges[0]
    if asked.lower() in _NO:
        return None
    if asked not in bridges:
        raise UsageError(
            f"the hook's file does not allow the bridge {names.quoted(asked)}",
            f"to allow it: add --bridge {names.for_shell(asked)} to the hook's args",
        )
    return asked


def _is_asked(annotations: Mapping[str, str]) -> bool:
    """Whether a namespace that is there already is to be attached. Raises UsageError."""
    if "attach" not in annotations and annotations:
        raise UsageError(
            "the container uses an existing network namespace",
            f"to attach it: {PREFIX}attach=1",
        )
    return "attach" in annotations


def _shared_namespace(bundle: str | None) -> str | None:
    """The path of the network namespace that a container is put into, where it has none of its own.

    Where the configuration cannot be read, it has one.
    """
    from dnet.host.system import read_file

    try:
        spec = loads(read_file(f"{bundle}/config.json").decode()) if bundle else {}
        found = spec["linux"]["namespaces"]
        return next((one.get("path") for one in found if one["type"] == "network"), None) or None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _parsed(annotations: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T | None:
    if name not in annotations:
        return None
    try:
        return parse(annotations[name])
    except UsageError as error:
        raise error.with_message(f"{PREFIX}{name}: {error}") from None


def _words(annotations: Mapping[str, str], name: str, parse: Callable[[str], T]) -> list[T]:
    words = annotations.get(name, "").split()
    if len(words) > _MOST_WORDS:
        raise UsageError(f"the annotation {PREFIX}{name} has more than {_MOST_WORDS} words")
    return [_parsed({name: word}, name, parse) for word in words]  # type: ignore[misc]


def _publish(allowed: Allowed, annotations: Mapping[str, str]) -> list[PublishSpec]:
    from dnet.values.endpoint import parse_publish

    specs = _words(annotations, "publish", parse_publish)
    for one in specs:
        if one.host_ip is not None:
            allowed.require("host-ip", "publish")
        low, high = allowed.ports
        end = one.host_end if one.host_end is not None else one.host_port
        if one.host_port and not (low <= one.host_port and (end or 0) <= high):
            raise UsageError(
                f"the hook's file allows host ports from {low} to {high}, not {one}",
                "to allow it: change --ports LO-HI in the hook's args",
            )
    return [_chosen_within(allowed, one) if one.host_port is None else one for one in specs]


def _chosen_within(allowed: Allowed, spec: PublishSpec) -> PublishSpec:
    """A spec that leaves the host port open, for one of those allowed. Raises UsageError."""
    low, high = allowed.ports
    if allowed.ports == UNPRIVILEGED:
        return spec
    if spec.is_range:
        raise UsageError(
            f"the hook's file allows host ports from {low} to {high}, but {spec} gives none",
            "give the host ports: PORT-END:PORT-END",
        )
    return spec._replace(host_port=low, host_end=high)


def _links(annotations: Mapping[str, str]) -> list[Linked]:
    from dnet.values import names

    return _words(annotations, "link", names.child_alias)


# poststop


def _detach(allowed: Allowed, container: str) -> None:
    from dnet.plugins import attachments

    attachments.forget(allowed.state_dir, lambda: _settings(allowed), container)
