"""Sessions that a document shows: typed in as they stand, to see what comes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from tests.host import Host

MOUNT_CGROUPS = (
    "for one in $(cut -d: -f2 /proc/self/cgroup); do place=/sys/fs/cgroup/${one#name=}; "
    "mountpoint -q /sys/fs/cgroup || mount -t tmpfs tmpfs /sys/fs/cgroup || exit; "
    'mkdir "$place" && mount -t cgroup -o "$one" cgroup "$place" || exit; done; '
    "mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit"
)
"""Shell code that mounts cgroups, which runc needs, where nobody has: in a chroot."""
# Names of namespaces and of runc's containers are nobody else's either, nor is a store in its
# usual place: whatever a session starts may have lost the variable that says where its own one is.
WORLD = (
    "mkdir -p /run/runc && for own in /run/netns /run/runc /var/lib; do "
    "mount -t tmpfs -o mode=755 tmpfs $own || exit; done; mountpoint -q /sys/fs/cgroup || "
    f"{{ {MOUNT_CGROUPS}; }}; exec bash -c "
)
_COMMAND = re.compile(r"^\$ (.*(?:\n> .*)*)", re.MULTILINE)
_END = "\x1e"


def commands(session: str) -> list[str]:
    """The commands of a session; a line after `> ` goes on with the one above."""
    return [command.replace("\n> ", "\n") for command in _COMMAND.findall(session)]


def typed(command: str) -> str:
    """Shell code that prints a command, and what comes of it."""
    shown = f"$ {command}".replace("\n", "\n> ")
    return f"printf '%s\\n' {shlex.quote(shown)}\n{command}\n"


def hidden(line: str) -> str:
    """Shell code of a command that the document does not show, and of which only errors show."""
    return f"{{ {line}; }} >/dev/null\n"


def type_in(session: str) -> str:
    """Shell code that prints a session anew."""
    return "".join(map(typed, commands(session)))


def play(host: Host, folder: Path, sessions: Iterable[str], world: str = WORLD) -> list[str]:
    """What each of several pieces of shell code prints, on either stream, in one shell.

    `world` is shell code that runs what follows it.
    """
    ended = f"printf '{_END}'\n"
    code = f"cd {folder} && exec 2>&1\n{ended.join((*sessions, ''))}"
    # With a process namespace of its own, no server that a session starts outlives it.
    alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    done = host.try_run(*alone, "sh", "-c", world + shlex.quote(code))
    *printed, _ = (done.stdout or _END).split(_END)
    assert not done.stderr, done.stderr
    return printed
