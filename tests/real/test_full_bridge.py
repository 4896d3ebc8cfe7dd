"""The kernel gives a bridge 1,023 ports: who comes then is refused, before anything is done."""

from __future__ import annotations

import pytest

from tests.contract import STATUS
from tests.host import Host
from tests.lab import Lab

FULL = "dnet0 has 1,023 ports, the most the kernel allows for a bridge"
PAIRS = 510


@pytest.fixture
def host(lab: Lab) -> Host:
    """A machine with a bridge that has room for three more."""
    host = lab.host()
    host.ok("bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    host.ip(
        *(f"link add a{one} type veth peer name b{one}" for one in range(PAIRS)),
        *(f"link set {end}{one} master dnet0" for one in range(PAIRS) for end in "ab"),
    )
    return host


def attach(name: str, node: str) -> str:
    return f"attach {name} --netns {node} --ifname {name}"


def test_a_batch_keeps_what_went_and_names_the_rest(lab: Lab, host: Host) -> None:
    node = lab.node().netns
    before = host.everything()
    lines = "\n".join(attach(name, node) for name in "vwxyz")
    done = host.dnet("batch", stdin=lines)
    assert (done.returncode, done.stdout) == (STATUS["exhausted"], "")
    assert done.stderr.startswith(f"dnet: error: line 4: {attach('y', node)}: {FULL}\n")
    assert host.everything() == before
    done = host.dnet("batch", "--keep-going", stdin=lines)
    assert done.returncode == STATUS["exhausted"]
    errors = [line for line in done.stderr.splitlines() if "error: " in line]
    refused = {4: attach("y", node), 5: attach("z", node)}
    assert errors == [f"dnet: error: line {n}: {line}: {FULL}" for n, line in refused.items()]
    assert host.keys("interface", "list") == ["v", "w", "x"]
    assert host.fails(5, *attach("y", node).split(), code="exhausted").message == FULL
    # Who goes makes room, in the same batch too.
    assert host.ok("batch", stdin=f"detach v\n{attach('y', node)}\n") == "172.17.0.5"
    host.quiet("check")


def test_what_the_kernel_refuses_is_said_in_the_same_words(lab: Lab, host: Host) -> None:
    node = lab.node()
    for name in "xyz":
        host.ok(*attach(name, node.netns).split())
    # It is not known beforehand that an attachment needs a port which is asked for once more.
    node.ip("link delete z")
    host.ip("link add tap0 master dnet0 type veth")
    before = host.store()
    assert host.fails(5, *attach("z", node.netns).split(), code="exhausted").message == FULL
    assert host.store() == before
    host.ip("link delete tap0")
    host.ok(*attach("z", node.netns).split())
    host.quiet("check")
