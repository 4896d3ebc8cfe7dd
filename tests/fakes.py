"""Programs of iptables that fail at one call, and do their work at every other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.host import Host

# What each does in place of its work; `hang` stays until it is killed.
FAULTS = {
    "fails": 'echo "iptables-restore: line 2 failed" >&2; exit 1',
    "busy": 'echo "Another app is currently holding the xtables lock." >&2; exit 4',
    "hangs": "exec sleep 1000",
    "killed": "kill -9 $$",
}
_SCRIPT = """#!/bin/sh
count=$(($(cat "{folder}/count" 2>/dev/null || echo 0) + 1))
echo "$count" > "{folder}/count"
if [ "$count" {compare} "{at}" ]; then
  {does}
fi
exec {real} "$@"
"""
_WAITING = """#!/bin/sh
echo $$ > "{folder}/pid"
cat > "{folder}/input"
echo > "{folder}/begun"
read _ < "{folder}/go"
exec {real} "$@" < "{folder}/input"
"""


class Fake:
    """A folder for the head of PATH in which one program of iptables is not itself."""

    def __init__(self, host: Host, folder: Path, program: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._program = folder / program
        self._real = host.run(f"command -v {program}").strip()
        self.env: Mapping[str, str] = {"PATH": f"{folder}:{host.env['PATH']}"}

    def fail(self, does: str, at: int, *, stays: bool = False) -> None:
        """Let the call of that number fail, and all later ones where it stays."""
        (self.folder / "count").unlink(missing_ok=True)
        compare = "-ge" if stays else "="
        self._write(_SCRIPT, at=at, compare=compare, does=FAULTS[does])

    @property
    def calls(self) -> int:
        """How often it was called."""
        count = self.folder / "count"
        return int(count.read_text()) if count.exists() else 0

    def wait(self) -> None:
        """Let it begin its work only once something is written into the FIFO `go`."""
        self._write(_WAITING)

    def _write(self, script: str, **words: object) -> None:
        text = script.format(folder=self.folder, real=self._real, **words)
        self._program.write_text(text)
        self._program.chmod(0o755)
