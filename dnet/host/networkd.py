"""What systemd-networkd makes of router advertisements, by what it tells of a device.

It takes them in the kernel's place, whose `accept_ra` it sets to 0, but, as soon as the host
forwards, only where it is told to: IPv6AcceptRA in systemd.network(5). Until its next start it
goes on as it began.
"""

from __future__ import annotations

import re

from dnet.host import system

_LINKS = "/run/systemd/netif/links"
_ACCEPTS = re.compile(r"^\s*IPv6AcceptRA\s*=\s*(?:yes|true|on|1|y|t)\s*$", re.I | re.M)
_OF_LINK = re.compile(r"^(\w+)=(.*)$", re.M)


def forgetting(ifindex: int) -> str | None:
    """The file by which a device is configured, where that does not say to take them.

    None where systemd-networkd does not have it.
    """
    known = dict(_OF_LINK.findall(_text(f"{_LINKS}/{ifindex}")))
    file = known.get("NETWORK_FILE")
    if not file or known.get("ADMIN_STATE") not in ("configured", "configuring"):
        return None
    files = [file, *known.get("NETWORK_FILE_DROPINS", "").split()]
    return None if any(_ACCEPTS.search(_text(one)) for one in files) else str(file)


def _text(path: str) -> str:
    try:
        return system.read_file(path).decode(errors="replace")
    except OSError:
        return ""
