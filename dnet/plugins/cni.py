"""`dnet-cni`: a plugin of the Container Network Interface, specification 0.3.0 to 1.1.0.

https://github.com/containernetworking/cni/blob/main/SPEC.md. The command and the container stand in
variables of the environment, the network's configuration is a document on the standard input.
What is not needed for VERSION is loaded later: runtimes ask for it ahead of everything.
"""

from __future__ import annotations

import os

from dnet.errors import (
    DnetError,
    LockedError,
    NotFoundError,
    OtherBridgeError,
    StateUnreadableError,
    UsageError,
)
from dnet.plugins import frame
from dnet.plugins.cnierrors import (
    AGAIN,
    BAD_CONFIG,
    BAD_VARIABLE,
    OTHER_VERSION,
    OWN,
    UNAVAILABLE,
    UNDECODABLE,
    UNKNOWN_CONTAINER,
    ProtocolError,
)
from dnet.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dnet.plugins.cniconfig import Config
    from dnet.plugins.fields import Fields
    from dnet.transaction.recovery import Settings

PROGRAM = "dnet-cni"
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
_OLDEST = "0.1.0"  # What a document without a version is of.
_SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}

_NUMBERS: dict[type[DnetError], int] = {
    LockedError: AGAIN,
    StateUnreadableError: UNAVAILABLE,
    frame.DocumentError: UNDECODABLE,
    UsageError: BAD_CONFIG,
    OtherBridgeError: BAD_CONFIG,
}


class Call:
    """What the environment says: the command, and the container."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.command = environment.get("CNI_COMMAND", "")

    def needed(self, name: str) -> str:
        """A variable that has to be there. Raises ProtocolError."""
        found = self._environment.get(name, "")
        if not found:
            raise ProtocolError(BAD_VARIABLE, f"{name} is missing")
        return found

    def arguments(self) -> dict[str, str]:
        """CNI_ARGS: `KEY=VALUE;…`. Raises ProtocolError."""
        found = {}
        for pair in filter(None, self._environment.get("CNI_ARGS", "").split(";")):
            key, sign, value = pair.partition("=")
            if not sign:
                raise ProtocolError(BAD_VARIABLE, f"CNI_ARGS: {pair!r} is not KEY=VALUE")
            found[key.lower()] = value
        return found


_version = VERSIONS[-1]
"""What an answer is of, an error as well: the newest until the document has said another one."""


def main() -> NoReturn:
    """Do what a container runtime asks for."""
    frame.run(PROGRAM, _work, _refusal)


def _work() -> Any:
    call = Call(dict(os.environ))
    frame.leave_environment()
    if not call.command:
        raise ProtocolError(
            BAD_VARIABLE,
            f"CNI_COMMAND is missing: {PROGRAM} is called by a container runtime",
            "dnet plugin config cni",
        )
    document = frame.document()
    version = _take_version(document, call.command)
    if call.command == "VERSION":
        return {"cniVersion": version, "supportedVersions": list(VERSIONS)}
    from dnet.plugins.cniconfig import Config
    from dnet.plugins.fields import Fields

    config = Config(Fields(document, ""), version)
    work = {"ADD": _add, "DEL": _delete, "CHECK": _check, "GC": _collect, "STATUS": _status}
    return work[call.command](call, config)


def _take_version(document: Any, command: str) -> str:
    """The version that the answer is of. Raises ProtocolError for one that is not spoken here."""
    global _version
    members = document.items() if isinstance(document, dict) else ()
    asked = next((value for key, value in members if key.lower() == "cniversion"), _OLDEST)
    if command == "VERSION":
        return str(asked)
    if asked not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise ProtocolError(OTHER_VERSION, f"cniVersion {asked!r} is not one of {known}")
    _version = asked
    if command not in ("ADD", "DEL", *_SINCE):
        raise ProtocolError(BAD_VARIABLE, f"CNI_COMMAND: {command!r} is not a CNI command")
    if VERSIONS.index(asked) < VERSIONS.index(_SINCE.get(command, VERSIONS[0])):
        raise ProtocolError(OTHER_VERSION, f"there is no {command} in version {asked}")
    return str(asked)


def _refusal(error: DnetError) -> tuple[Any, int]:
    told = {"cniVersion": _version, "code": _number(error), "msg": str(error)}
    hint = error.hint
    return (told | {"details": hint} if hint else told), 1


def _number(error: DnetError) -> int:
    if isinstance(error, ProtocolError):
        return error.number
    found = (number for kind, number in _NUMBERS.items() if isinstance(error, kind))
    return next(found, OWN + error.status)


def _container(call: Call) -> str:
    from dnet.plugins.cniconfig import is_container_id

    found = call.needed("CNI_CONTAINERID")
    if not is_container_id(found):
        raise ProtocolError(
            BAD_VARIABLE, f"CNI_CONTAINERID: {found[:60]!r} is not the id of a container"
        )
    return found


def _ifname(call: Call) -> str:
    from dnet.values import names

    try:
        return names.device(call.needed("CNI_IFNAME"))
    except ProtocolError:
        raise
    except UsageError as error:
        raise ProtocolError(BAD_VARIABLE, f"CNI_IFNAME: {error}", error.hint) from None


def _key(call: Call, config: Config) -> tuple[str, str, str, str]:
    return "cni", config.name, _container(call), _ifname(call)


def _settings(config: Config) -> Settings:
    place = config.place
    return frame.settings(PROGRAM, place.state_dir, place.lock_timeout)


# ADD


def _add(call: Call, config: Config) -> Any:
    from dnet.model.entities import Origin
    from dnet.network.attachment import Wiring
    from dnet.network.runtimes import Home
    from dnet.plugins import attachments, cniresult

    key, netns, arguments = _key(call, config), call.needed("CNI_NETNS"), call.arguments()
    if config.given.value("prevResult") is not None:
        raise ProtocolError(BAD_CONFIG, "dnet must be the first plugin of a network")
    wishes = config.wishes(arguments)
    try:
        made, bridge = attachments.attach(
            _settings(config),
            Origin(*key, arguments.get("k8s_pod_name") or None),
            Home(*config.bridge),
            Wiring(netns, key[3], wishes.mac, wishes.publish),
            ips=wishes.ips,
        )
    except (NotFoundError, UsageError):
        _blame_namespace(netns)
        raise
    return cniresult.result(config.version, made, bridge, netns, config.dns)


def _blame_namespace(netns: str) -> None:
    """Raises ProtocolError where a call failed for its network namespace."""
    from dnet.transaction.presence import machine
    from dnet.values import names

    try:
        machine().namespace(names.namespace(netns))
    except NotFoundError as error:
        raise ProtocolError(UNKNOWN_CONTAINER, str(error), error.hint) from None
    except UsageError as error:
        raise ProtocolError(BAD_VARIABLE, f"CNI_NETNS: {error}", error.hint) from None


# DEL


def _delete(call: Call, config: Config) -> None:
    """Whatever of it is there: no namespace is needed for it, nor a bridge."""
    from dnet.plugins import attachments

    attachments.detach(config.place.state_dir, lambda: _settings(config), _key(call, config))


# CHECK


def _check(call: Call, config: Config) -> None:
    """Raises DnetError where the attachment is not as ADD left it."""
    from dnet.model import find
    from dnet.plugins import cniresult
    from dnet.store.folder import Store
    from dnet.transaction.maintenance import Maintenance

    key, netns = _key(call, config), call.needed("CNI_NETNS")
    if config.given.value("prevResult") is None:
        raise ProtocolError(BAD_CONFIG, "prevResult is missing")
    state = Store(config.place.state_dir).load()
    found = find.by_origin(state, key)
    if not found:
        raise NotFoundError(f"there is no attachment of {key[2]} to {config.name} as {key[3]}")
    one = found[0]
    wrong = list(cniresult.differences(config.given.part("prevResult"), one, netns))
    wrong += Maintenance(_settings(config)).check(only=one.id)
    if wrong:
        raise DnetError("; ".join(wrong), "dnet restore")


# GC


def _collect(_call: Call, config: Config) -> None:
    from dnet.plugins import attachments

    valid = {_attachment(one) for one in config.valid_attachments()}
    for one in attachments.collect(_settings(config), ("cni", config.name), valid):
        frame.say(
            f"{PROGRAM}: warning: {one.id} is not a valid attachment, but is kept: a process is "
            f"in {one.netns}"
        )


def _attachment(given: Fields) -> tuple[str, str]:
    return given.needed("containerID"), given.needed("ifname")


# STATUS


def _status(_call: Call, config: Config) -> None:
    """Raises DnetError where an ADD would be refused, whatever the container."""
    from dnet.plugins import cnistatus

    if why := cnistatus.unavailable(config, lambda: _settings(config)):
        raise ProtocolError(UNAVAILABLE, *why)
