"""The entry point, and the one place where errors become exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from dnet import __version__
from dnet.errors import DnetError, interrupted
from dnet.typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from dnet.cli.session import Request, Session

_DONE = "the command itself succeeded"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run dnet, and end the process with the documented exit status.

    With `arguments` given in place of the process's own, by SystemExit.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    status = 0
    begun: list[Session] = []
    try:
        texts, status = _run(words, begun)
        # Written here: within Click's main, Click has its own idea of a reader that went away.
        for text in texts:
            from dnet.cli.output.render import write

            write(text)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        _discard_output()  # The reader has what it wanted.
    except OSError as error:
        unwritten = DnetError(
            f"cannot write the output: {error.strerror}", _DONE if _has_changed(begun) else None
        )
        status = status or _fail(unwritten, words, begun)
        _discard_output()
    except Exception as error:
        status = _refused(error, words, begun)
    if arguments is None:
        # Taking the interpreter apart would last half as long as starting it.
        os._exit(status)
    sys.exit(status)


def _open_closed_streams() -> None:
    """Who closed a stream does not want what goes there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _discard_output() -> None:
    """Let nothing be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str], begun: list[Session]) -> tuple[Iterable[str], int]:
    """The text that a command has to say, and the exit status; its session goes into `begun`."""
    if words == ["--version"]:
        print(f"dnet {__version__}")
        return (), 0
    try:
        request = _plainly(words, begun)
        return _carry_out(begun[0], request) if request else _by_click(words, begun)
    except KeyboardInterrupt:
        return (), 130
    except BrokenPipeError:
        raise
    except Exception as error:
        return (), _refused(error, words, begun)


def _plainly(words: list[str], begun: list[Session]) -> Request | None:
    """What is asked for, where the line is in the plain way."""
    from dnet.cli import plain
    from dnet.cli.define import GLOBAL, STATE_DIR_OPTION, STATE_DIR_VARIABLE

    own = plain.Parser(GLOBAL)
    at = own.leading(words)
    found, read = plain.find(words[at:]), own.read(words[:at])
    if found is None or read is None:
        return None
    from dnet.cli.session import Session

    named_by = STATE_DIR_VARIABLE if os.environ.get(STATE_DIR_VARIABLE) else None
    session = Session.of(read[0], STATE_DIR_OPTION if STATE_DIR_OPTION in words[:at] else named_by)
    begun.append(session)
    command, rest = found
    request = plain.request(command, plain.Parser(command.parameters), rest, session)
    if request is None:
        begun.clear()
    return request


def _by_click(words: list[str], begun: list[Session]) -> tuple[Iterable[str], int]:
    """The same as Click reads it, which has more to say of what is wrong."""
    import click

    from dnet.cli.tree import root

    dnet = root()
    try:
        found = dnet.main(args=words, prog_name="dnet", standalone_mode=False, obj=begun)
    except click.UsageError as error:
        from dnet.cli.usage import as_usage

        raise as_usage(error, dnet, words) from None
    except click.ClickException as error:
        raise DnetError(error.format_message()) from None
    except click.Abort:
        return (), 130
    if isinstance(found, int):  # It was help that was asked for.
        return (), found
    return _carry_out(begun[0], found)


def _carry_out(session: Session, request: Request) -> tuple[Iterable[str], int]:
    """Run what is asked for: the text it has to say, and the exit status."""
    document = session.carry_out(request)
    if document.items is None:
        from dnet.cli.output.render import render

        text = render(document, session.form, quiet=session.quiet)
        return _ended(text, session, document.last), document.status
    from dnet.cli.stream import pieces

    return pieces(document, session.form, quiet=session.quiet), document.status


def _ended(text: str, session: Session, last: Iterable[str]) -> Iterator[str]:
    """A text to write, and what is told once it is written."""
    yield text
    if last:
        sys.stdout.flush()
        for line in last:
            session.tell(line)


def _refused(error: Exception, words: list[str], begun: list[Session]) -> int:
    """Say what an error tells, unless a signal asked for it; the exit status."""
    return interrupted(error) or _fail(_known(error, words, begun), words, begun)


def _known(error: Exception, words: list[str], begun: list[Session]) -> DnetError:
    """The error that a user reads for whatever was raised."""
    if isinstance(error, DnetError):
        return error
    from dnet.transaction.fault import known

    found = known(error, words)
    return found.with_hint(f"{_DONE}; {found.hint}") if _has_changed(begun) else found


def _has_changed(begun: list[Session]) -> bool:
    return any(session.has_changed for session in begun)


def _fail(error: DnetError, words: list[str], begun: list[Session]) -> int:
    """Say what went wrong on one line, and what to do about it on another."""
    for session in begun:
        error = session.with_store(error)
    known = [one.form for one in begun if one.is_form_known]
    if known == ["json"] if known else _looks_like_json(words):
        from dnet.cli.output.render import as_json

        _complain(as_json({"error": error.body()}))
        return error.status
    _complain("\n".join(error.lines()))
    return error.status


def _complain(text: str) -> None:
    """All at once, for others may write there too. The exit status says it where nobody reads."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")


def _looks_like_json(words: list[str]) -> bool:
    """Whether JSON was asked for, on a command line that could not be read."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(
        word in ("-j", "-jq", "-qj", "--json", "--format=json")
        or (word, after) == ("--format", "json")
        for word, after in pairs
    )
