"""The names that a shell completes are those of the store and of the machine, at any time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dnet.cli.output import views
from dnet.cli.output.document import endpoint_text, ports_text
from dnet.store.folder import Store
from dnet.transaction.presence import Presence
from tests import shells
from tests.host import Host
from tests.lab import Lab
from tests.test_completion import FOLDER, INSERT_ALL, INSERT_ALL_BY_ZSH, ZSH_SETUP, inserted

INIT = "bridge init dnet0 --address 172.17.42.1/16"
# One of every kind of change; NETNS is a namespace.
CHANGES = (
    INIT,
    "interface allocate web --expose 80/tcp",
    "interface allocate db --expose 80/tcp",
    "map add web 8080:80 9000-9009:90-99/udp",
    "ip request --owner web --count 2",
    "map add 172.17.0.4 81:81",
    "port allocate --port 7000",
    "link add web db",
    "link add host db",
    "attach new --netns NETNS -p 8443:443 --link web:www",
    "bridge init dnet0 --no-icc",
    "link remove web:db",
    "map remove 8080 81",
    "ip release 172.17.0.4",
    "port release 7000",
    "detach new",
    "interface release db",
    "bridge init br1 --address 10.5.0.1/24",
    "bridge remove dnet0 --force",
)


def names(host: Host) -> list[str]:
    """The lines of the file, in order."""
    return sorted((host.state_dir / "names").read_text().splitlines())


def listed(host: Host) -> list[str]:
    """The lines there are to be, by what dnet shows."""
    state = Store(str(host.state_dir)).load()
    shown = views.inventory(state, Presence(state))
    plugged = {one["ip"] for one in shown["interfaces"]}
    mapped = {endpoint_text(one) for one in shown["mappings"]}
    linked = {
        f"127.0.0.1:{port}"
        for one in shown["links"]
        if one["parent"] == "host"
        for port in one["ports"]
    }
    ports = {f"{one['host_ip']}:{ports_text(one, 'port')}/{one['proto']}" for one in shown["ports"]}
    return sorted(
        [f"bridge {one['name']}" for one in shown["bridges"]]
        + [f"id {one['id']}" for one in shown["interfaces"]]
        + [f"address {one['ip']}" for one in shown["addresses"] if one["ip"] not in plugged]
        + [f"mapping {one}" for one in mapped]
        + [f"port {one}" for one in ports - mapped - linked]
        + [f"link {one['parent']}:{one['child']}" for one in shown["links"]]
    )


def test_they_are_right_after_every_change(lab: Lab, host: Host) -> None:
    node = lab.node()
    for line in CHANGES:
        host.ok(*line.replace("NETNS", node.netns).split())
        assert names(host) == listed(host), line
    host.ok("batch", stdin="ip request\ninterface allocate one\nmap add one 80\n")
    assert names(host) == listed(host) != []
    host.ok("reset", "--yes")
    assert not (host.state_dir / "names").exists()


def test_restore_makes_them_right_whatever_became_of_them(host: Host) -> None:
    host.ok(*INIT.split())
    host.ok("ip", "request")
    path = host.state_dir / "names"
    path.write_text("bridge of-old\n")
    host.quiet("restore")
    assert names(host) == listed(host) == ["address 172.17.0.2", "bridge dnet0"]
    # The way back to the state before, as the hint of a damaged store has it.
    (host.state_dir / "state.json.prev").replace(host.state_dir / "state.json")
    host.quiet("restore")
    assert names(host) == listed(host) == ["bridge dnet0"]


def test_a_namespace_of_the_machine_is_completed(lab: Lab, tmp_path: Path) -> None:
    lab.node()
    node = lab.node()
    path = str(Path("/run/netns") / node.netns)
    typed = f"attach web --netns {node.netns[:-1]}"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    script = f". {FOLDER / 'dnet.bash'}"
    with shells.opened(["bash", "--norc", "--noprofile", "-i"], tmp_path, env, script) as bash:
        assert node.netns in inserted(bash, f"dnet {typed}", INSERT_ALL)
        assert path in inserted(bash, f"dnet attach web --netns {path[:-1]}", INSERT_ALL)
    with shells.opened(["zsh", "-f", "-i"], tmp_path, env, *ZSH_SETUP) as zsh:
        assert node.netns in inserted(zsh, f"dnet {typed}", INSERT_ALL_BY_ZSH)
        assert path in inserted(zsh, f"dnet attach web --netns {path[:-1]}", INSERT_ALL_BY_ZSH)
    asked = f"source {FOLDER / 'dnet.fish'}; complete -C 'dnet {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "--command", asked], env=env, capture_output=True, check=True
    )
    assert node.netns in done.stdout.decode().split()
