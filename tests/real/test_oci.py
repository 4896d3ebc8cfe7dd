"""What the hooks of OCI runtimes do: createRuntime and poststop, by the container's state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import namespaces
from tests.host import Host, Refusal
from tests.lab import Lab
from tests.node import Completed, Node
from tests.runtimes import HOOK, PREFIX


@dataclass
class Runtime:
    """An OCI runtime on a host, as far as a hook hears of it; `args` are those of its file."""

    host: Host
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    bundle: str | None = None

    def state(self, container: str, status: str, pid: int | None, **wishes: str) -> dict[str, Any]:
        """The document, with annotations of dnet's and of others."""
        annotations = {f"{PREFIX}{key}": value for key, value in wishes.items()}
        return {
            "ociVersion": "1.0.2",
            "id": container,
            "status": status,
            **({} if pid is None else {"pid": pid}),
            **({"bundle": self.bundle} if self.bundle else {}),
            "annotations": {"org.example.other": "1", **annotations},
        }

    def hook(self, state: Any) -> Completed:
        args = ["--state-dir", str(self.host.state_dir), *self.args]
        text = state if isinstance(state, str) else json.dumps(state)
        return self.host.program(HOOK, *args, stdin=text, env=self.env)

    def create(self, pid: int, container: str = "web", **wishes: str) -> None:
        self._done(self.state(container, "creating", pid, **wishes))

    def stop(self, container: str = "web", pid: int | None = None) -> None:
        self._done(self.state(container, "stopped", pid))

    def _done(self, state: Any) -> None:
        done = self.hook(state)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def refused(self, state: Any) -> Refusal:
        done = self.hook(state)
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert lines[0].startswith(f"{HOOK}: error: "), done
        assert all(line.startswith(f"{HOOK}: hint: ") for line in lines[1:]), done
        return Refusal(done.returncode, None, lines[0], lines[1] if lines[1:] else None)


@pytest.fixture
def runtime(host: Host) -> Runtime:
    host.ok("bridge", "init")
    return Runtime(host)


@pytest.fixture
def web(lab: Lab) -> Node:
    return lab.node()


@pytest.fixture
def pid(web: Node) -> Iterator[int]:
    """The first process of a container."""
    with web.started("sleep", "600") as process:
        yield process.pid
        process.kill()


def test_a_port_that_is_left_open_is_one_of_those_allowed(runtime: Runtime, pid: int) -> None:
    runtime.args = ["--ports", "8000-8001"]
    refusal = runtime.refused(runtime.state("web", "creating", pid, publish="80-81"))
    assert "8000 to 8001" in refusal.message
    for _ in range(2):
        runtime.create(pid, publish="80 81")
        assert runtime.host.keys("map", "list") == ["0.0.0.0:8000/tcp", "0.0.0.0:8001/tcp"]


@pytest.mark.parametrize("stopped", [None, 0])
def test_a_container_is_online_and_gone_again(
    runtime: Runtime, web: Node, lab: Lab, stopped: int | None
) -> None:
    with web.started("sleep", "600") as process:
        wishes = {"publish": "8080:80 5000-5009:6000-6009/udp", "expose": "5432", "name": "shop"}
        runtime.create(process.pid, **wishes)
        web.listen("tcp", 80, "web")
        lab.outside(runtime.host).reaches("web", "tcp", "10.99.0.1", 8080)
        process.kill()
    one = runtime.host.json("interface", "show", "shop")
    assert one["origin"] == {
        "by": "oci",
        "network": "dnet0",
        "container": "web",
        "ifname": "eth0",
        "name": "shop",
    }
    assert one["expose"] == ["5432/tcp"]
    for _ in range(2):
        runtime.stop(pid=stopped)
    assert runtime.host.keys("interface", "list") == []
    assert runtime.host.keys("bridge", "list") == ["dnet0"]
    runtime.host.quiet("check")


def test_stopped_without_a_store(host: Host) -> None:
    Runtime(host).stop("never")
    assert not host.state_dir.exists()


def test_what_allows_more_is_asked_for(runtime: Runtime, pid: int) -> None:
    runtime.args = ["--bridge=dnet0", "--bridge", "two0", "--ports", "80-90"]
    runtime.args += ["--allow", "link,ip,mac,host-ip"]
    runtime.host.ok("bridge", "init", "two0", "--address", "10.60.0.1/24")
    runtime.host.ok("interface", "allocate", "db", "--bridge", "two0", "--expose", "5432")
    runtime.create(
        pid,
        attach="two0",
        publish="127.0.0.1:80:80",
        ip="10.60.0.9",
        mac="02:aa:bb:cc:dd:ee",
        link="db:store",
        ifname="net0",
    )
    one = runtime.host.json("interface", "show", "web")
    assert (one["ip"], one["mac"], one["ifname"]) == ("10.60.0.9", "02:aa:bb:cc:dd:ee", "net0")
    assert (runtime.host.keys("link", "list"), one["links"]) == (["web:db"], ["db"])


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"publsh": "8080:80"}, "unknown annotation 'io.github.dnet.publsh'"),
        ({"publish": "80:80"}, "allows host ports from 1024 to 65535"),
        ({"publish": "1000-1030:80"}, "allows host ports"),
        ({"publish": "65000-65535:1000-1535 1:1"}, "allows host ports"),
        ({"publish": "0.0.0.0:8080:80"}, "does not allow"),
        ({"publish": "x"}, "io.github.dnet.publish: 'x'"),
        ({"publish": " ".join(["8080:80"] * 101)}, "more than 100 words"),
        ({"publish": "8" * 4097}, "at most 4096 bytes"),
        ({"ip": "172.17.0.9"}, "does not allow"),
        ({"ip6": "fd00::9"}, "does not allow"),
        ({"mac": "02:aa:bb:cc:dd:ee"}, "does not allow"),
        ({"link": "db"}, "does not allow"),
        ({"ifname": "a/b"}, "io.github.dnet.ifname"),
        ({"attach": "two0"}, "does not allow the bridge 'two0'"),
        ({"attach": "dnet1"}, "does not allow the bridge"),
        ({"expose": "x"}, "io.github.dnet.expose"),
        ({"": "x"}, "unknown annotation"),
    ],
)
def test_what_is_not_allowed_is_refused(
    runtime: Runtime, pid: int, wishes: dict[str, str], said: str
) -> None:
    before = runtime.host.everything()
    refusal = runtime.refused(runtime.state("web", "creating", pid, **wishes))
    assert (refusal.status, said in refusal.message) == (2, True), refusal
    assert runtime.host.everything() == before


@pytest.mark.parametrize(
    "words",
    [["--allow", "all"], ["--ports", "x"], ["--bridge", "a/b"], ["more"], ["--state-dir", "x"]],
)
def test_bad_arguments_are_refused(runtime: Runtime, pid: int, words: list[str]) -> None:
    runtime.args = words
    assert runtime.refused(runtime.state("web", "creating", pid)).status == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_what_is_no_state_is_refused(runtime: Runtime, text: str) -> None:
    assert runtime.refused(text).status == 2


def test_not_wanted(runtime: Runtime, pid: int) -> None:
    runtime.create(pid, attach="0")
    assert runtime.host.keys("interface", "list") == []


def test_the_host_s_own_namespace_is_refused(runtime: Runtime) -> None:
    with runtime.host.started("sleep", "600") as process:
        state = runtime.state("web", "created", process.pid)
        assert runtime.refused(state).status == 2
        process.kill()


def test_without_a_bridge_it_says_so(host: Host, pid: int) -> None:
    runtime = Runtime(host)
    assert runtime.refused(runtime.state("web", "creating", pid)).status == 3


@pytest.mark.parametrize(
    ("wishes", "is_attached"), [({}, False), ({"attach": "1"}, True), ({"publish": "81:80"}, None)]
)
def test_a_namespace_that_is_there_is_attached_if_asked(
    runtime: Runtime,
    web: Node,
    pid: int,
    tmp_path: Path,
    wishes: dict[str, str],
    is_attached: bool | None,
) -> None:
    spaces = [{"type": "pid"}, {"type": "network", "path": str(web.path)}]
    (tmp_path / "config.json").write_text(json.dumps({"linux": {"namespaces": spaces}}))
    runtime.bundle = str(tmp_path)
    if is_attached is None:
        assert runtime.refused(runtime.state("web", "creating", pid, **wishes)).status == 2
        return
    runtime.create(pid, **wishes)
    assert bool(runtime.host.keys("interface", "list")) == is_attached
    runtime.stop()
    assert runtime.host.keys("interface", "list") == []


def test_another_container_of_that_id_keeps_its_network(
    runtime: Runtime, pid: int, lab: Lab
) -> None:
    runtime.create(pid)
    with lab.node().started("sleep", "600") as other:
        state = runtime.state("web", "creating", other.pid)
        assert runtime.refused(state).status == 4
        other.kill()
    runtime.stop()
    assert runtime.host.keys("interface", "list") == ["web"]


def test_no_environment_at_all(runtime: Runtime, pid: int) -> None:
    program = runtime.host.run("which", HOOK).strip()
    words = ["env", "-i", program, "--state-dir", str(runtime.host.state_dir)]
    done = runtime.host.try_run(*words, stdin=json.dumps(runtime.state("web", "creating", pid)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    runtime.host.quiet("check")


def test_a_hostile_environment_does_not_steer_it(runtime: Runtime, pid: int, lab: Lab) -> None:
    runtime.env = {"DNET_STATE_DIR": str(lab.folder / "x"), "DNET_BRIDGE": "x", "PATH": "/x"}
    runtime.create(pid)
    assert not (lab.folder / "x").exists()


def test_what_was_never_stopped_is_swept(runtime: Runtime, web: Node) -> None:
    with web.started("sleep", "600") as process:
        runtime.create(process.pid)
        process.kill()
    namespaces.remove([web.netns])
    assert runtime.host.ok("gc", "--origin", "oci") == "web"
