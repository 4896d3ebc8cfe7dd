"""The units for systemd: what it thinks of them, and the commands they run."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests import units


def test_systemd_has_nothing_to_say_about_them() -> None:
    """With `dnet` in the folder where an installation puts it, over the machine's own."""
    script = """
        mount -t tmpfs tmpfs /usr/local/bin
        ln -s "$0" /usr/local/bin/dnet
        ln -s /bin/true /usr/local/bin/firewall-cmd
        exec systemd-analyze --man=no verify "$@"
    """
    dnet = Path(sys.executable).with_name("dnet")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, str(dnet), *map(str, units.ALL)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {unit.name for unit in units.ALL} == {"dnet-restore.service", "dnet-firewalld.service"}


def test_a_reload_of_firewalld_is_heard(tmp_path: Path) -> None:
    """With the command line of the unit, on a bus of the test's own where somebody says so."""
    bus = f"unix:path={tmp_path}/bus"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text('#!/bin/sh\necho "$@"\n')
    systemctl.chmod(0o755)
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    words = shlex.split(units.value("dnet-firewalld.service", "ExecStart").replace("$$", "$"))
    daemon = ["dbus-daemon", "--session", "--nofork", "--print-address", f"--address={bus}"]
    emit = ["busctl", f"--address={bus}", "emit", "/org/fedoraproject/FirewallD1"]
    with subprocess.Popen(daemon, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        server.stdout.readline()  # It listens.
        with subprocess.Popen(
            words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as listener:
            assert listener.stdout is not None
            assert listener.stderr is not None
            assert "Monitoring" in listener.stderr.readline()
            for signal in ("PanicModeEnabled", "Reloaded"):
                subprocess.run([*emit, "org.fedoraproject.FirewallD1", signal], check=True)
            heard = listener.stdout.readline()
            server.terminate()
            assert listener.communicate()[0] == ""
    assert heard == "--no-block reload-or-restart dnet-restore.service\n"
