"""Real container runtimes get their network from dnet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnet.store.lock import held
from tests import clients
from tests.host import Host

pytestmark = pytest.mark.runtimes


@pytest.fixture
def folder(host: Host, tmp_path: Path) -> Path:
    """A folder with a network of CNI's."""
    network = {
        "cniVersion": "1.0.0",
        "name": "lab",
        "plugins": [
            {
                "type": "dnet",
                "bridge": "lab0",
                "address": "10.50.0.1/24",
                "stateDir": str(host.state_dir),
                "capabilities": dict.fromkeys(("portMappings", "ips", "mac"), True),
            }
        ],
    }
    (tmp_path / "lab.conflist").write_text(json.dumps(network))
    return tmp_path


_PODMAN = """
cp lab.conflist /etc/cni/net.d/
run="podman run -d --stop-timeout 0"
$run --name web -p 8080:80 lab:1 /bin/httpd -f -h /www >/dev/null
answer http://127.0.0.1:8080/
dnet interface list -q
$run --name other -p 8080:80 lab:1 /bin/sleep 600 2>&1 | grep -o 'belongs to web'
podman rm -f other >/dev/null 2>&1
dnet map remove 8080
dnet map add web 8090:80
answer http://127.0.0.1:8090/
dnet check
podman stop web >/dev/null
podman start web >/dev/null
answer http://127.0.0.1:8080/
kill -9 "$(podman inspect -f '{{.State.Pid}}' web)"
podman wait web
podman rm -f web >/dev/null
$run --name two --ip 10.50.0.9 --mac-address 02:aa:bb:cc:dd:ee lab:1 /bin/sleep 600 >/dev/null
dnet interface show two --format env | grep -e _IP= -e _MAC=
podman rm -f two >/dev/null
dnet bridge list -q
dnet check
"""


def test_podman_by_cni(host: Host, folder: Path) -> None:
    clients.need("podman", "crun", "busybox", "curl")
    assert clients.podman(host, folder, _PODMAN).splitlines() == [
        *("hello", "web", "belongs to web"),
        *("0.0.0.0:8090/tcp", "hello", "hello", "137"),
        *("DNET_IP=10.50.0.9", "DNET_MAC=02:aa:bb:cc:dd:ee"),
    ]


_HOOKS = """
cp lab.conflist /etc/cni/net.d/
dnet bridge init
dnet plugin install --hooks "$LAB/hooks.d" --force >/dev/null
hooked="podman --hooks-dir $LAB/hooks.d"
$hooked run -d --name web --network none --annotation io.github.dnet.attach=1 \\
  --annotation io.github.dnet.publish=8080:80 lab:1 /bin/httpd -f -h /www >/dev/null
answer http://127.0.0.1:8080/
dnet interface list -q --origin oci:dnet0 | wc -l
kill -9 "$(podman inspect -f '{{.State.Pid}}' web)"
podman wait web
for _ in $(seq 100); do [ -n "$(dnet interface list -q)" ] || break; sleep 0.1; done
dnet interface list -q
$hooked run --name no --network none --annotation io.github.dnet.attach=1 \\
  --annotation io.github.dnet.publish=80:80 lab:1 /bin/sleep 0 >/dev/null 2>&1 || echo refused
$hooked rm -f -t 0 web no >/dev/null
dnet check
"""


def test_podman_by_its_hooks(host: Host, folder: Path) -> None:
    clients.need("podman", "crun", "busybox", "curl")
    assert clients.podman(host, folder, _HOOKS).splitlines() == [
        *("hello", "1", "137", "refused"),
    ]


_CTR = """
cp lab.conflist /etc/cni/net.d/10-lab.conflist
ctr() { command ctr -n dnet-lab "$@"; }
ctr run -d --cni --rootfs rootfs web /bin/httpd -f -h /www
dnet interface list -q
answer "http://$(dnet interface show dnet-lab-web --json | jq -r .ip)/"
dnet check
ctr task kill -s KILL web
while ctr task ls | grep -q RUNNING; do sleep 0.1; done
ctr task rm web >/dev/null 2>&1
ctr container rm web
dnet gc --origin cni
dnet bridge list -q
"""


def test_containerd(host: Host, folder: Path) -> None:
    clients.need("containerd", "ctr", "runc", "busybox", "curl", "jq")
    # A container of runc has its name in the cgroups of the whole machine.
    with held("/run/dnet-tests-runc.lock", 300):
        printed = clients.containerd(host, folder, _CTR)
    assert printed.splitlines() == ["dnet-lab-web", "hello", "dnet-lab-web"]
