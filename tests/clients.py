"""Real container runtimes on a host of a test: podman, buildah, and containerd's ctr.

They run in the host's network namespace, with mounts and processes of their own, so that nothing of
the machine's own containers is seen or touched. One shell script is one such session. podman 5
runs in a folder with Debian 13, where dnet is laid out as in the package.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.host import Host
from tests.session import MOUNT_CGROUPS

PODMAN5 = "podman5"
"""Stands for the podman of Debian 13 among the names of programs."""
_NEWER = Path(os.environ.get("DNET_RUNTIMES") or "/var/cache/dnet-runtimes") / "trixie"
_CHECKOUT = Path(__file__).parents[1]
# Commands of busybox that the containers, and the checks in them, are made of.
_APPLETS = ("sh", "sleep", "httpd", "ip")
_ALONE = (
    *("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"),
)
_ANSWER = """
answer() { curl -s --noproxy '*' --retry 30 --retry-delay 1 --retry-connrefused --max-time 5 "$1"; }
"""
_CGROUPS = rf"""
mkdir /run/cgroup; mount --rbind /sys/fs/cgroup /run/cgroup
booted=$(mountpoint -q /sys/fs/cgroup && echo 1 || true)
mount -t sysfs sysfs /sys
if [ "$CGROUPS$booted" = own1 ]; then mount --rbind /run/cgroup /sys/fs/cgroup
elif [ "$CGROUPS" = own ]; then
  {MOUNT_CGROUPS}
else mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
"""
_MAKE_CGROUP = rf"""
set -e
mount -t tmpfs tmpfs /run
{_CGROUPS}
place=/sys/fs/cgroup
[ -e $place/cgroup.procs ] || place=$place/devices  # Those of version 1, where runc has one each.
mkdir "$place/dnet-tests.$$"
rmdir "$place/dnet-tests.$$"
"""
_ENTER = rf"""
set -e
mount -t tmpfs tmpfs /run; mkdir -p /run/netns /run/lock
for folder in /var/lib/{{cni,containers,containerd}} /etc/{{cni,containers}} /opt/cni; do
  mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"
done
mkdir -p /etc/cni/net.d /opt/cni/bin
{_CGROUPS}
cd "$LAB"
{_ANSWER}
dnet() {{ "$DNET" --state-dir "$STATE" "$@"; }}
"""
_STORAGE = r"""
cat >/etc/containers/storage.conf <<END
[storage]
driver="vfs"
runroot="/run/containers/storage"
graphroot="/var/lib/containers/storage"
END
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
"""
_PODMAN = rf"""{_STORAGE}
cat >/etc/containers/containers.conf <<END
[network]
network_backend="cni"
cni_plugin_dirs=["$PLUGINS"]
default_network="lab"
[engine]
cgroup_manager="cgroupfs"
events_logger="file"
runtime="crun"
[containers]
cgroups="disabled"
default_sysctls=[]
END
podman import -q rootfs.tar lab:1 >/dev/null 2>&1
"""
WORLD = rf"""
set -e
for folder in /etc/cni /etc/containers /opt /run/containers /run/libpod /run/crun; do
  mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"
done
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
{_STORAGE}
printf '[engine]\nruntime="crun"\ncgroup_manager="cgroupfs"\n[containers]\ncgroups="disabled"\n' \
  >/etc/containers/containers.conf
podman import -q rootfs.tar lab:1 2>/dev/null
set +e
"""
"""Shell code with which podman is alone in a mount namespace, with an image `lab:1`."""
NEWER = rf"""
set -e
{_STORAGE}
printf '%s\n' '[engine]' 'runtime="crun"' 'cgroup_manager="cgroupfs"' 'events_logger="file"' \
  '[containers]' 'cgroups="disabled"' 'default_sysctls=[]' >/etc/containers/containers.conf
podman import -q rootfs.tar lab:1 >/dev/null
set +e
"""
"""The same for podman 5, inside of its folder."""
_CONTAINERD_FILE = r"""
mkdir -p /run/containerd
cat >/run/containerd/config.toml <<END
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [$without "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
address = "/run/containerd/containerd.sock"
END
"""
_START_CONTAINERD = r"""
containerd -c /run/containerd/config.toml >/run/containerd/log 2>&1 &
for _ in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done
"""
_CONTAINERD = f"without='\"io.containerd.grpc.v1.cri\",'{_CONTAINERD_FILE}{_START_CONTAINERD}"
# A kubelet's calls are gRPC's: each a message behind a byte and its length, over HTTP/2.
_CRI = rf"""
without=
{_CONTAINERD_FILE}
cat >>/run/containerd/config.toml <<END
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/lab:1"
stream_server_address = "127.0.0.1"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$PLUGINS"
END
ln -s /usr/lib/cni/loopback "$PLUGINS/"
{_START_CONTAINERD}
ctr -n k8s.io images import image.tar >/dev/null
call() {{
  curl -s --http2-prior-knowledge --unix-socket /run/containerd/containerd.sock \
    -H 'Content-Type: application/grpc' -H 'TE: trailers' --data-binary @- \
    "http://localhost/runtime.v1.RuntimeService/$1" | tail -c +6
}}
"""
CONTAINERD_WORLD = rf"""
set -e
for folder in /etc/cni /opt /run/containerd; do
  mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"
done
{_CONTAINERD}
set +e
"""
"""Shell code with which containerd runs in a mount namespace of its own."""
SYSTEMD_WORLD = r"""
set -e
dnet=$(command -v dnet)
for folder in /etc/systemd/system /run/systemd /usr/local/bin; do
  mkdir -p "$folder"; mount -t tmpfs tmpfs "$folder"
done
mkdir -p /srv /var/lib/upper /var/lib/work
mount -t overlay -o lowerdir=/srv,upperdir=/var/lib/upper,workdir=/var/lib/work overlay /srv
ln -s "$dnet" /usr/local/bin/dnet
mkdir /run/systemd/system
ln -s /etc/systemd/system /run/systemd/user
export XDG_RUNTIME_DIR=/run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cgroup=/sys/fs/cgroup/dnet-test.$(readlink /proc/self/ns/pid | tr -dc 0-9)
mkdir "$cgroup"
systemctl() { command systemctl --user "$@"; }
trap 'systemctl exit; wait; find "$cgroup" -depth -type d -exec rmdir {} +' EXIT
sh -c 'echo $$ >"$0/cgroup.procs" && exec /lib/systemd/systemd --user' "$cgroup" &
until systemctl is-system-running >/dev/null 2>&1; do sleep 0.1; done
set +e
"""
"""Shell code with which a systemd runs in a mount namespace: root's own one as a user."""


def is_here(program: str) -> bool:
    """Whether a program can be run on this machine."""
    return _NEWER.is_dir() if program == PODMAN5 else shutil.which(program) is not None


def need(*programs: str) -> None:
    """Skip a test where a program is not here, or could not run."""
    missing = [name for name in programs if not is_here(name)]
    if missing:
        pytest.skip(f"scripts/setup --runtimes installs: {' '.join(missing)}")
    if "runc" in programs and (why := _why_no_cgroups()):
        pytest.skip(f"runc can make no cgroup in this container or on this machine: {why}")


@cache
def _why_no_cgroups() -> str | None:
    """What hinders a cgroup from being made, None where nothing does."""
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-c", _MAKE_CGROUP],
        env={**os.environ, "CGROUPS": "own"},
        capture_output=True,
        text=True,
        check=False,
    )
    return tried.stderr.strip() or None


def make_image(folder: Path, text: str = "hello") -> None:
    """An archive with a web server that says a text."""
    root = folder / "rootfs"
    for name in ("bin", "etc", "www", "proc", "dev", "sys", "tmp", "run"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin" / "busybox")
    for name in _APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "www" / "index.html").write_text(f"{text}\n")
    subprocess.run(["tar", "-C", root, "-cf", folder / "rootfs.tar", "."], check=True)


def make_archive(folder: Path) -> None:
    """The same as an archive of Docker's, `image.tar`, with the web server as what is run."""
    layer = folder / "rootfs.tar"
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "config": {"Entrypoint": ["/bin/httpd", "-f", "-h", "/www"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = {"Config": "config.json", "RepoTags": ["lab:1"], "Layers": [layer.name]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").write_text(json.dumps([manifest]))
    parts = ("manifest.json", "config.json", layer.name)
    subprocess.run(["tar", "-C", folder, "-cf", folder / "image.tar", *parts], check=True)


def message(fields: Sequence[tuple[int, int | str | bytes]]) -> bytes:
    """A message as protocol buffers have it, of fields by their numbers."""
    told = b""
    for number, value in fields:
        if isinstance(value, int):
            told += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            told += _varint(number << 3 | 2) + _varint(len(data)) + data
    return told


def _varint(value: int) -> bytes:
    *low, last = [value >> at & 0x7F for at in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(one | 0x80 for one in low), last])


def newer_world(folder: Path) -> str:
    """Shell code that runs what follows it by `bash -c` in a Debian 13 with podman 5 and dnet."""
    root = "/mnt/root"
    return f"""
set -e
mount -t tmpfs tmpfs /mnt; mkdir {root} /mnt/upper /mnt/work
mount -t overlay -o lowerdir={_NEWER},upperdir=/mnt/upper,workdir=/mnt/work overlay {root}
mount -t proc proc {root}/proc; mount --rbind /dev {root}/dev; mount -t sysfs sysfs {root}/sys
mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup; mount -t tmpfs tmpfs {root}/run
mkdir -p {root}/usr/share/dnet/dnet {root}/run/netns {root}{folder}
mount --bind {_CHECKOUT}/dnet {root}/usr/share/dnet/dnet
mount --bind {folder} {root}{folder}
(cd {_CHECKOUT} && {sys.executable} debian/launchers {root})
rm -r {root}/usr/lib/netavark {root}/usr/lib/cni
[ ! -e "$HOME/.curlrc" ] || cp "$HOME/.curlrc" {root}/root/
exec chroot {root} env -i HOME=/root PATH=/usr/sbin:/usr/bin bash -c """


def _session(host: Host, folder: Path, script: str, **env: str) -> str:
    """What a script prints, in which every command has to succeed."""
    plugins = folder / "plugins"
    host.ok("plugin", "install", "--cni", str(plugins), "--force")
    program = host.run("which", "dnet").strip()
    done = host.try_run(
        *(*_ALONE, "bash", "-c", _ENTER + script),
        env={
            "LAB": str(folder),
            "PLUGINS": str(plugins),
            "DNET": program,
            "STATE": str(host.state_dir),
            "CGROUPS": "",
            **env,
        },
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def podman(host: Host, folder: Path, script: str) -> str:
    """The same with podman, whose image `lab:1` has a web server."""
    make_image(folder)
    return _session(host, folder, _PODMAN + script)


def podman5(host: Host, folder: Path, script: str) -> str:
    """The same with podman 5, whose network driver is dnet; the store is in its usual place."""
    make_image(folder)
    code = f"cd {folder}\n{NEWER}set -e\n{_ANSWER}{script}"
    done = host.try_run(*_ALONE, "sh", "-c", newer_world(folder) + shlex.quote(code))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def buildah(host: Host, folder: Path, script: str) -> str:
    """The same with buildah."""
    make_image(folder)
    return _session(host, folder, _PODMAN + script, CGROUPS="own")


def cri(host: Host, folder: Path, script: str, **requests: bytes) -> str:
    """The same with containerd called as a kubelet calls it: `call NAME` has a request on stdin.

    `requests` are messages, each in the file of its name.
    """
    make_image(folder)
    make_archive(folder)
    for name, request in requests.items():
        (folder / name).write_bytes(b"\0" + len(request).to_bytes(4, "big") + request)
    return _session(host, folder, _CRI + script, CGROUPS="own")


def containerd(host: Host, folder: Path, script: str) -> str:
    """The same with containerd running."""
    make_image(folder)
    plugins = 'ln -s "$PLUGINS"/* /opt/cni/bin/\n'
    return _session(host, folder, _CONTAINERD + plugins + script, CGROUPS="own")
