"""What stands in for libcni: a list of plugins called in turn, their results handed on and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.host import Call, Host
from tests.node import Completed
from tests.runtimes import one_document

CNI = "dnet-cni"
ID = "0123456789abcdef" * 4
VERSION = "1.1.0"


@dataclass
class Attachment:
    """A container on a network, as a runtime knows it."""

    container: str = ID
    netns: str = ""
    ifname: str = "eth0"
    args: str = ""
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    def environment(self, command: str) -> dict[str, str]:
        return {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.container,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": self.args,
            "CNI_PATH": "/nonexistent",
        }


@dataclass
class Network:
    """A network whose first plugin is dnet.

    Attributes:
        plugin: the configuration of dnet's part, beside its type and the store.
        behind: those of the plugins that follow it, of which the type is the path.
        cache: the result of each attachment, as libcni keeps it in files.
        env: what the shell of the runtime has set.
    """

    host: Host
    plugin: dict[str, Any] = field(default_factory=dict)
    name: str = "lab"
    version: str = VERSION
    behind: Sequence[Mapping[str, Any]] = ()
    cache: dict[tuple[str, str], Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def config(self, to: Attachment | None = None, **more: Any) -> dict[str, Any]:
        """The document that a plugin is given."""
        own = {"type": "dnet", "stateDir": str(self.host.state_dir), **self.plugin}
        wanted = _wanted(own, to.capabilities) if to else {}
        return {"cniVersion": self.version, "name": self.name, **own, **wanted, **more}

    def call(
        self,
        command: str,
        to: Attachment,
        document: Any = None,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """A finished call of dnet's plugin, whatever became of it."""
        text = document if isinstance(document, str) else json.dumps(document or self.config(to))
        environment = {**self.env, **to.environment(command), **(env or {})}
        return self.host.program(CNI, stdin=text, env=environment)

    def calls(
        self, command: str, attachments: Sequence[Attachment], at_once: int
    ) -> list[Completed]:
        """The same for many, as many as that at a time."""
        calls = [
            Call((), json.dumps(self.config(one)), one.environment(command)) for one in attachments
        ]
        return self.host.programs(CNI, calls, at_once)

    def add(self, to: Attachment) -> Any:
        """The result of the whole chain."""
        done = self.call("ADD", to)
        assert (done.returncode, done.stderr) == (0, ""), done
        result = one_document(done)
        for plugin in self.behind:
            result = self._next(plugin, "ADD", to, result)
        self.cache[to.container, to.ifname] = result
        return result

    def delete(self, to: Attachment) -> None:
        """Take a container off the network, with its result as far as it is known."""
        result = self.cache.get((to.container, to.ifname))
        for plugin in reversed(self.behind):
            self._next(plugin, "DEL", to, result)
        more = {"prevResult": result} if result else {}
        self.silent("DEL", to, self.config(to, **more))
        self.cache.pop((to.container, to.ifname), None)

    def check(self, to: Attachment) -> Completed:
        """What became of a CHECK with the result of ADD; those behind have nothing to say."""
        result = self.cache[to.container, to.ifname]
        for plugin in self.behind:
            self._next(plugin, "CHECK", to, result)
        return self.call("CHECK", to, self.config(to, prevResult=result))

    def silent(self, command: str, to: Attachment, document: Any = None) -> None:
        """A call that succeeds and says nothing."""
        done = self.call(command, to, document)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def refused(self, command: str, to: Attachment, document: Any = None) -> tuple[int, str]:
        """The number and the text of an error, whose form is checked here."""
        return read_error(self.call(command, to, document))

    def _next(self, plugin: Mapping[str, Any], command: str, to: Attachment, result: Any) -> Any:
        path = plugin["type"]
        config = {**plugin, "cniVersion": self.version, "name": self.name, "prevResult": result}
        config["type"] = path.rpartition("/")[2]
        config |= _wanted({"capabilities": {}, **plugin}, to.capabilities)
        done = self.host.try_run(path, stdin=json.dumps(config), env=to.environment(command))
        assert done.returncode == 0, done
        return json.loads(done.stdout) if done.stdout else None


def _wanted(plugin: Mapping[str, Any], capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """What a plugin is told of what the runtime wants: that for which it has the capability.

    One whose configuration says nothing of them has all.
    """
    has = plugin.get("capabilities", capabilities)
    found = {name: value for name, value in capabilities.items() if has.get(name)}
    return {"runtimeConfig": found} if found else {}


def read_error(done: Completed) -> tuple[int, str]:
    """The number and the text of an error in the specification's form."""
    assert done.returncode == 1, done
    told = one_document(done)
    assert {"cniVersion", "code", "msg"} <= told.keys() <= {"cniVersion", "code", "msg", "details"}
    assert (type(told["code"]), type(told["msg"])) == (int, str)
    return told["code"], told["msg"]
