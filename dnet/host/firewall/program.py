"""The programs of firewalls: started, waited for, and what they say told in an error."""

from __future__ import annotations

from collections.abc import Sequence

from dnet.errors import KernelError, RulesRefusedError, out_of_files
from dnet.host import privilege, process, system
from dnet.values.family import V4, V6

# The tables of iptables-legacy that somebody has used.
LEGACY_TABLES = {V4: "/proc/self/net/ip_tables_names", V6: "/proc/self/net/ip6_tables_names"}
_AS_ROOT = " (you must be root)"


def run(words: Sequence[str], hint: str, text: str, wait: float, inherit: tuple[int, ...]) -> str:
    """What a program prints, with `text` on its standard input; see dnet.host.process.

    Raises KernelError with a hint where it is not there, RulesRefusedError where it fails.
    """
    program = found(words[0], hint)
    try:
        done = process.run([program, *words[1:]], text, wait, inherit)
    except OSError as error:
        refused = KernelError(f"{program} cannot be started: {error.strerror}")
        raise out_of_files(error) or refused from None
    if done.status == 0:
        return done.output
    said = f"{words[0]} refused: {_telling(done.errors) or f'status {done.status}'}"
    if not privilege.has(privilege.NET_ADMIN):
        raise privilege.denied(said, privilege.NET_ADMIN)
    raise RulesRefusedError(said)


def found(name: str, hint: str) -> str:
    """The path of a program. Raises KernelError with a hint where it is not there."""
    program = system.find_program(name)
    if program is None:
        raise KernelError(f"{name} not found", hint)
    return program


def _telling(errors: str) -> str:
    """What went wrong, without the version in front, and without advice: dnet has its own."""
    lines = [line.strip() for line in errors.replace(_AS_ROOT, "").splitlines() if line.strip()]
    telling = [line for line in lines if "Try `" not in line and not line.startswith("#")]
    return " ".join(telling[:2])
