"""What stands in for container runtimes: the documents they send, what they make of the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.host import Host
from tests.node import Completed

NETAVARK = "dnet-netavark"
HOOK = "dnet-oci-hook"
PREFIX = "io.github.dnet."
ID = "8f3c" * 16


def one_document(done: Completed) -> Any:
    """The one document that a program says, if it says anything."""
    assert done.stdout.count("\n") == bool(done.stdout), done
    return json.loads(done.stdout) if done.stdout else None


@dataclass
class Podman:
    """podman 5 on a host, as far as a network driver hears of it.

    Attributes:
        options: those of `podman network create --opt`, for every network.
        env: what its shell has set.
    """

    host: Host
    options: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = {"state_dir": str(self.host.state_dir), **self.options}

    def call(self, verb: str, document: Any = None, netns: str | None = None) -> Completed:
        """A finished call, whatever became of it."""
        text = document if isinstance(document, str) else json.dumps(document)
        words = [verb] if netns is None else [verb, netns]
        return self.host.program(NETAVARK, *words, stdin=text, env=self.env)

    def asked(self, name: str = "lab", **more: Any) -> dict[str, Any]:
        """The document that `podman network create` hands over."""
        return {
            "name": name,
            "id": f"{name}-id",
            "driver": "dnet",
            "created": "2026-01-01T00:00:00Z",
            "ipv6_enabled": False,
            "internal": False,
            "dns_enabled": True,
            "options": dict(self.options),
            "ipam_options": {},
            **more,
        }

    def network(self, name: str = "lab", **more: Any) -> Any:
        """A network that was created."""
        done = self.call("create", self.asked(name, **more))
        assert done.returncode == 0, done
        return one_document(done)

    def request(
        self,
        network: Any,
        container: str = ID,
        name: str | None = "web",
        ifname: str = "eth0",
        ports: Sequence[Mapping[str, Any]] = (),
        **wishes: Any,
    ) -> Any:
        """The document of setup and teardown."""
        return {
            "container_id": container,
            "container_name": name,
            "network": network,
            "network_options": {"aliases": [name], "interface_name": ifname, **wishes},
            "port_mappings": [
                {"host_ip": "", "protocol": "tcp", "range": 1, **port} for port in ports
            ]
            or None,
        }

    def setup(self, request: Any, netns: str) -> Any:
        """What a container got on a network."""
        done = self.call("setup", request, netns)
        assert (done.returncode, done.stderr) == (0, ""), done
        return one_document(done)

    def teardown(self, request: Any, netns: str) -> None:
        """Take a container off a network."""
        done = self.call("teardown", request, netns)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def refused(self, verb: str, document: Any, netns: str | None = None) -> str:
        """Why a call was refused."""
        done = self.call(verb, document, netns)
        assert done.returncode == 1, done
        told = one_document(done)
        assert told.keys() == {"error"}, done
        return str(told["error"])
