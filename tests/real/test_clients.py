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


_PODMAN5 = """
dnet plugin install --netavark /usr/lib/netavark >/dev/null
mkdir /etc/containers/containers.conf.d
dnet plugin config netavark >/etc/containers/containers.conf.d/dnet.conf
podman network create --driver dnet --interface-name lab0 --subnet 10.50.0.0/24 lab
podman network create --driver dnet --ipv6 more >/dev/null
run="podman run -d --stop-timeout 0"
serve="lab:1 /bin/httpd -f -h /www"

echo "# ports, an address"
$run --name web --network lab:ip=10.50.0.9,mac=02:aa:bb:cc:dd:ee -p 8080:80 \\
  -p 127.0.0.1:9090:80 -p 9000-9099:7000-7099/udp $serve >/dev/null
answer http://127.0.0.1:8080/
answer http://127.0.0.1:9090/
dnet map list -q | sort  # podman has them in any order.
podman inspect web | jq -c '.[0].NetworkSettings.Networks.lab | [.IPAddress, .MacAddress]'

echo "# another has the port"
python3 -c 'import signal, socket; s = socket.create_server(("", 8081)); signal.pause()' &
until ss -Hltn sport = 8081 | grep -q .; do sleep 0.1; done
$run --name no --network lab -p 8080:80 $serve 2>&1 | grep -c 'address already in use'
podman rm -f no >/dev/null
$run --name no --network lab -p 8081:80 $serve 2>&1 | grep -c 'address already in use'
podman rm -f no >/dev/null
kill $!

echo "# another port while it runs"
dnet map remove 127.0.0.1:9090
dnet map add web 8090:80
answer http://127.0.0.1:8090/
dnet check

echo "# off its only network, and on it again"
podman network disconnect lab web
dnet bridge list -q
podman network connect lab web
answer http://127.0.0.1:8080/

echo "# off one of two"
podman network connect more web
podman network disconnect lab web
answer http://127.0.0.1:8080/
answer http://[::1]:8080/
podman network connect lab web
podman exec web ip -o link | grep -c eth
dnet check

echo "# stopped, killed"
podman stop web >/dev/null
podman start web >/dev/null
answer http://127.0.0.1:8080/
kill -9 "$(podman inspect -f '{{.State.Pid}}' web)"
podman wait web
podman rm -f web >/dev/null
dnet bridge list -q
dnet map list -q

echo "# without its bridge, nor its store"
$run --name web --network lab -p 8080:80 $serve >/dev/null
ip link delete lab0
$run --name two --network lab -p 8082:80 $serve >/dev/null
answer http://127.0.0.1:8082/
dnet reset --yes
$run --name three --network lab -p 8083:80 $serve >/dev/null
answer http://127.0.0.1:8083/
podman rm -f web two three >/dev/null
dnet check
"""


def test_podman_5_by_netavark(host: Host, folder: Path) -> None:
    clients.need(clients.PODMAN5, "busybox")
    assert clients.podman5(host, folder, _PODMAN5).splitlines() == [
        *("lab", "# ports, an address", "hello", "hello"),
        *("0.0.0.0:8080/tcp", "0.0.0.0:9000-9099/udp", "127.0.0.1:9090/tcp"),
        '["10.50.0.9","02:aa:bb:cc:dd:ee"]',
        *("# another has the port", "1", "1"),
        *("# another port while it runs", "0.0.0.0:8090/tcp", "hello"),
        *("# off its only network, and on it again", "hello"),
        *("# off one of two", "hello", "hello", "2"),
        *("# stopped, killed", "hello", "137"),
        *("# without its bridge, nor its store", "hello", "hello"),
    ]


_BUILDAH = """
cp lab.conflist /etc/cni/net.d/
one=$(buildah from lab:1)
run() { buildah run --runtime runc "$@"; }
run "$one" /bin/ip -4 -o addr show eth0 | grep -o '10[.]50[.]0[.][0-9]*/24'
run "$one" /bin/sh -c 'ip route | grep -c default'
run --network none "$one" /bin/sh -c 'ip -o link | grep -c eth0' || true
run "$one" /bin/false 2>/dev/null || echo failed
dnet bridge list -q
dnet check
"""


def test_buildah(host: Host, folder: Path) -> None:
    clients.need("buildah", "podman", "runc", "busybox")
    # A container of runc has its name in the cgroups of the whole machine.
    with held("/run/dnet-tests-runc.lock", 300):
        printed = clients.buildah(host, folder, _BUILDAH)
    assert printed.splitlines() == ["10.50.0.2/24", "1", "0", "failed"]


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


_CRI = """
cp lab.conflist /etc/cni/net.d/10-lab.conflist
id=$(call RunPodSandbox <run | grep -ao '[0-9a-f]\\{64\\}')
answer http://127.0.0.1:8080/
dnet interface list -q
dnet map list -q
dnet check
same=$(printf '\\0\\0\\0\\0\\102\\12\\100%s' "$id" | base64 -w 0)
for name in StopPodSandbox StopPodSandbox RemovePodSandbox; do
  base64 -d <<<"$same" | call $name
done
dnet bridge list -q
dnet check
"""


def test_a_kubelet_s_calls(host: Host, folder: Path) -> None:
    """https://github.com/kubernetes/cri-api/blob/v0.25.0/pkg/apis/runtime/v1/api.proto."""
    clients.need("containerd", "ctr", "runc", "busybox", "curl")
    metadata = clients.message([(1, "web"), (2, "some-uid"), (3, "default"), (4, 1)])
    port = clients.message([(2, 80), (3, 8080)])
    pod = clients.message([(1, metadata), (5, port), (8, b"")])
    with held("/run/dnet-tests-runc.lock", 300):
        printed = clients.cri(host, folder, _CRI, run=clients.message([(1, pod)]))
    assert printed.splitlines() == ["hello", "web", "0.0.0.0:8080/tcp"]
