"""How a program runs that a container runtime calls: one document in, one out, and nothing else.

What the caller's shell has set does not steer it: what it needs to know is in the document.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from dnet.errors import DnetError, UsageError, interrupted, on_one_line
from dnet.typing import TYPE_CHECKING, Any, NoReturn
from dnet.values.jsontext import dumps, loads

if TYPE_CHECKING:
    from dnet.host.callers import Callers
    from dnet.transaction.recovery import Settings

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK, _MOST = 1 << 16, 1 << 24


class DocumentError(UsageError):
    """What is on the standard input is no JSON document."""


Refusal = Callable[[DnetError], tuple[Any, int]]
"""What is said of an error, as a document or nothing, and the exit status."""


def run(program: str, work: Callable[[], Any], refusal: Refusal) -> NoReturn:
    """Do the work, answer with the document it gives, and end the process.

    All that anything else writes to the standard output goes to stderr.
    """
    gc.disable()
    output = _taken_output()
    try:
        document, status = work(), 0
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        ended = interrupted(error)
        document, status = refusal(_known(error, program, ended))
        status = ended or status
    if document is not None and not _write(output, document):
        status = status or 1
    os._exit(status)


def leave_environment() -> None:
    """Let nothing of the caller's environment reach dnet, nor the programs it starts."""
    os.environ.clear()
    os.environ.update(PATH=PATH, LANG="C.UTF-8")


def document() -> Any:
    """The JSON document on the standard input. Raises DocumentError."""
    data = b""
    with suppress(OSError):
        while len(data) < _MOST and (part := os.read(0, _CHUNK)):
            data += part
    try:
        return loads(data.decode(errors="surrogateescape"))
    except RecursionError:
        raise DocumentError("the document on the standard input is nested too deeply") from None
    except ValueError as error:
        raise DocumentError(f"the standard input is not a JSON document: {error}") from None


def settings(
    program: str, state_dir: str, lock_timeout: float, callers: Callers | None = None
) -> Settings:
    """What a driver needs to know."""
    from dnet.host.signals import end_by_exception
    from dnet.transaction.recovery import Settings

    return Settings(
        state_dir,
        lock_timeout,
        warn=lambda line: say(f"{program}: warning: {line}"),
        begin=end_by_exception,
        callers=callers,
    )


def say(line: str) -> None:
    """A line on stderr; that nobody reads it is no reason to stop."""
    with suppress(OSError):
        os.write(2, f"{on_one_line(line)}\n".encode(errors="backslashreplace"))


def _taken_output() -> int | None:
    """A descriptor of the standard output that nobody else has; None where it is closed."""
    try:
        output = os.dup(1)
    except OSError:
        return None
    with suppress(OSError):
        os.dup2(2, 1)
    return output


def _write(output: int | None, document: Any) -> bool:
    data = f"{dumps(document)}\n".encode()
    try:
        while data and output is not None:
            data = data[os.write(output, data) :]
    except OSError:
        return False
    return output is not None


def _known(error: BaseException, program: str, ended: int) -> DnetError:
    """The error to answer with; `ended` is the exit status of a signal that raised it, else 0."""
    if isinstance(error, DnetError):
        return error
    if ended or not isinstance(error, Exception):
        return DnetError(f"{program} was interrupted; nothing was changed")
    from dnet.transaction.fault import known

    return known(error, [f"({program})", *sys.argv[1:]])
