"""The entry point: global options, and the one place where errors become exit statuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from dnet import STATE_DIR, __version__
from dnet.cli.tree import COMMANDS, LazyGroup
from dnet.errors import DnetError, UsageError

if TYPE_CHECKING:
    from dnet.cli.output.document import Document
    from dnet.cli.session import Session

_OPTION, _VARIABLE = "--state-dir", "DNET_STATE_DIR"
_NAMES: dict[ParameterSource | None, str] = {
    ParameterSource.COMMANDLINE: _OPTION,
    ParameterSource.ENVIRONMENT: _VARIABLE,
}
_DONE = "what was asked for is done all the same"

ABOUT = "Docker's original network driver as shell commands."

EXAMPLES = """\
dnet bridge init --no-icc
dnet attach web --netns web -p 8080:80
dnet attach db --netns db --expose 5432
dnet link add web db
dnet show"""


@click.group(cls=LazyGroup, lazy=COMMANDS, help=ABOUT, epilog=EXAMPLES)
@click.option(
    _OPTION,
    metavar="DIR",
    envvar=_VARIABLE,
    show_envvar=True,
    default=STATE_DIR,
    show_default=True,
    help="Where the store is.",
)
@click.option(
    "--lock-timeout",
    metavar="SECONDS",
    envvar="DNET_LOCK_TIMEOUT",
    show_envvar=True,
    default="30",
    show_default=True,
    help="How long to wait for the store, and for iptables.",
)
@click.option("-v", "--verbose", is_flag=True, help="Say each kernel step on stderr.")
@click.version_option(__version__, prog_name="dnet", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context, state_dir: str, lock_timeout: str, verbose: bool) -> None:
    """Take the global options; what follows is the command's own."""
    from dnet.cli.session import Session

    begun: list[Session] = ctx.obj
    named_by = _NAMES.get(ctx.get_parameter_source("state_dir"))
    ctx.obj = Session(state_dir, _seconds(lock_timeout), verbose=verbose, named_by=named_by)
    begun.append(ctx.obj)


@cli.result_callback()
@click.pass_obj
def carry_out(session: Any, /, request: Any, **_: Any) -> tuple[Iterable[str], int]:
    """Run what a command asks for: the text it has to say, and the exit status."""
    document: Document = session.carry_out(request)
    if document.items is None:
        from dnet.cli.output.render import render

        return [render(document, session.form, quiet=session.quiet)], document.status
    from dnet.cli.stream import pieces

    return pieces(document, session.form, quiet=session.quiet), document.status


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
        status = _fail(_known(error, words, begun), words, begun)
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
    try:
        result = cli.main(args=words, prog_name="dnet", standalone_mode=False, obj=begun)
        return result if isinstance(result, tuple) else ((), int(result or 0))
    except click.UsageError as error:
        from dnet.cli.usage import as_usage

        return (), _fail(as_usage(error, cli, words), words, begun)
    except click.ClickException as error:
        return (), _fail(DnetError(error.format_message()), words, begun)
    except (KeyboardInterrupt, click.Abort):
        return (), 130
    except BrokenPipeError:
        raise
    except Exception as error:
        return (), _fail(_known(error, words, begun), words, begun)


def _known(error: Exception, words: list[str], begun: list[Session]) -> DnetError:
    """The error that a user reads for whatever was raised."""
    if isinstance(error, DnetError):
        return error
    from dnet.cli.fault import known

    found = known(error, words)
    return found.advising(f"{_DONE}; {found.hint}") if _has_changed(begun) else found


def _has_changed(begun: list[Session]) -> bool:
    return any(session.has_changed for session in begun)


def _fail(error: DnetError, words: list[str], begun: list[Session]) -> int:
    """Say what went wrong on one line, and what to do about it on another."""
    for session in begun:
        error = session.told(error)
    known = [one.form for one in begun if one.is_form_known]
    if known == ["json"] if known else _looks_like_json(words):
        from dnet.cli.output.render import as_json

        _complain(as_json({"error": error.body()}))
        return error.status
    for line in error.lines():
        _complain(line)
    return error.status


def _complain(line: str) -> None:
    """The exit status says it too where nobody reads this."""
    with suppress(OSError):
        print(line, file=sys.stderr)


def _looks_like_json(words: list[str]) -> bool:
    """Whether JSON was asked for, on a command line that could not be read."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(
        word in ("-j", "-jq", "-qj", "--json", "--format=json")
        or (word, after) == ("--format", "json")
        for word, after in pairs
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text) if text.isascii() else -1
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise UsageError(f"--lock-timeout: '{text}' is not a number of seconds", "give 0 to 86400")
    return seconds
