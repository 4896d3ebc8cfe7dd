"""firewalld on a machine of a test: the real one, with a bus and a configuration of its own."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import units
from tests.host import Host

NAME = "org.fedoraproject.FirewallD1"
OBJECT = "/org/fedoraproject/FirewallD1"
# A loaded machine may take its time: an answer that comes ends the wait.
_START_SECONDS = 60.0
# What it reads and writes is its own, and gone with its mount namespace.
_APART = """
for folder in /etc/firewalld /run /var/log; do mount -t tmpfs tmpfs $folder; done
mkdir /etc/firewalld/zones /etc/firewalld/policies
echo "FirewallBackend=$0" > /etc/firewalld/firewalld.conf
exec firewalld --nofork --nopid
"""
# `dnet` as the unit calls it, and the call that says it has ended.
_SYSTEMCTL = """#!/bin/sh
case "$*" in *dnet-restore.service) {restore} || exit;; esac
echo "$@"
"""

RESTORED = "--no-block reload-or-restart dnet-restore.service"
BEGUN_ANEW = "--no-block try-restart dnet-firewalld.service"
"""What its unit asks systemd for: after a reload, and when firewalld comes or goes."""


class Firewalld:
    """A bus, and the firewalld on it for as long as it is started."""

    def __init__(self, host: Host, folder: Path, backend: str = "nftables") -> None:
        self.host = host
        self._log = folder / "firewalld.log"
        self._backend = backend
        self._process: subprocess.Popen[bytes] | None = None
        address = f"unix:path={folder}/bus"
        host.env["DBUS_SYSTEM_BUS_ADDRESS"] = address
        # The system's own would try to start polkit for each call.
        words = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address"]
        with open(self._log, "ab") as log:
            self._bus = subprocess.Popen(
                [*words, f"--address={address}"], stdout=subprocess.PIPE, stderr=log
            )
        assert self._bus.stdout is not None
        self._listens = self._bus.stdout
        assert self._listens.readline()

    def close(self) -> None:
        """End it, and its bus."""
        self.stop()
        self._bus.terminate()
        self._bus.wait()
        self._listens.close()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, until it answers."""
        words = ("unshare", "--mount", "sh", "-ec", _APART, self._backend)
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self.host.argv(*words), env=self.host.env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_SECONDS
        while self.host.try_run("firewall-cmd", "--state").returncode:
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()

    def stop(self) -> None:
        """End it as systemd does, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def cmd(self, *words: str) -> str:
        """What firewall-cmd prints."""
        return self.host.run("firewall-cmd", *words).strip()

    def zones(self) -> dict[str, str]:
        """The zone of each device that is in one at run time; firewall-cmd takes its time."""
        place = (NAME, OBJECT, f"{NAME}.zone", "getActiveZones")
        answer = json.loads(self.host.run("busctl", "--system", "--json=short", "call", *place))
        (active,) = answer["data"]
        return {device: zone for zone, has in active.items() for device in has["interfaces"]}

    def feign(self, what: str) -> None:
        """Send a signal like one of firewalld's, from a process that is not firewalld."""
        self.host.run("busctl", "--system", "emit", OBJECT, NAME, what)


@contextmanager
def opened(host: Host, folder: Path, backend: str = "nftables") -> Iterator[Firewalld]:
    """A bus without firewalld yet, and gone with it afterwards."""
    firewalld = Firewalld(host, folder, backend)
    try:
        yield firewalld
    finally:
        firewalld.close()


class Unit:
    """The unit that restores after firewalld: its own command lines, without systemd."""

    def __init__(self, firewalld: Firewalld, folder: Path) -> None:
        systemctl = folder / "systemctl"
        (restore,) = units.commands("dnet-restore.service", "ExecReload")
        systemctl.write_text(_SYSTEMCTL.format(restore=shlex.join(restore)))
        systemctl.chmod(0o755)
        self._firewalld, self._host = firewalld, firewalld.host
        self._env = {**self._host.env, "PATH": f"{folder}:{self._host.env['PATH']}"}
        self._listener: subprocess.Popen[str] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """It listens; with the bus it ends, and has asked for nothing but what was waited for.

        Or because firewalld has ended with it.
        """
        (command,) = units.commands("dnet-firewalld.service", "ExecStart")
        with subprocess.Popen(
            self._host.argv(*command),
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as self._listener:
            try:
                assert self._listener.stderr is not None
                assert "Monitoring" in self._listener.stderr.readline()
                yield
            finally:
                self._firewalld.close()
                rest = self._listener.communicate()[0]
            assert rest.removesuffix(f"{BEGUN_ANEW}\n") == ""

    def follow_up(self) -> None:
        """What it does besides, once it is started."""
        for command in units.commands("dnet-firewalld.service", "ExecStartPost"):
            done = self._host.try_run(*command, env=self._env)
            assert done.returncode == 0, done

    def asked(self) -> str:
        """The next call of systemctl, once what it stands for has ended well."""
        assert self._listener is not None
        assert self._listener.stdout is not None
        return self._listener.stdout.readline().strip()
