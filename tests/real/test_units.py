"""The units for systemd: what it thinks of them."""

from __future__ import annotations

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
    assert {unit.name for unit in units.ALL} == {
        *("dnet-restore.service", "dnet-firewalld.service"),
        *("dnet-host-sync.service", "dnet-host-sync.timer", "dnet-host-watch.service"),
    }
