"""How a command is defined: in Click's words, which are kept until somebody reads them.

Click takes longer to load than dnet needs for a command. A line in the plain way is read by what
stands here (dnet.cli.plain); for help, completion, mistakes and every other line Click's own
command is made of it (dnet.cli.tree). These are no named tuples, which take ten times as long to
define.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from dnet import STATE_DIR
from dnet.typing import Any, Protocol, TypeVar


class Wanted(Protocol):
    """How output is wanted, as a line says; see dnet.cli.session.Session."""

    form: str
    is_form_known: bool
    quiet: bool


F = TypeVar("F", bound=Callable[..., Any])
Check = Callable[[str], Any]
Note = Callable[[Wanted, Any], None]

ABOUT = "Docker's original network driver as shell commands."
EXAMPLES = """\
dnet bridge init --no-icc
dnet attach web --netns web -p 8080:80
dnet attach db --netns db --expose 5432
dnet link add web db
dnet show"""
COMMANDS = {
    "bridge": ("dnet.cli.commands.bridge", "Set up, show and remove bridges."),
    "firewall": (
        "dnet.cli.commands.firewall",
        "Show and change the firewall that dnet's rules are in.",
    ),
    "ip": ("dnet.cli.commands.ip", "Allocate and release addresses."),
    "interface": (
        "dnet.cli.commands.interface",
        "Allocate addresses under an id, and release them.",
    ),
    "port": ("dnet.cli.commands.port", "Reserve ports of the host."),
    "map": ("dnet.cli.commands.map", "Publish ports of containers on the host."),
    "link": ("dnet.cli.commands.link", "Open ports of one container to another."),
    "host": ("dnet.cli.commands.host", "Share a pool of addresses with other hosts."),
    "attach": ("dnet.cli.commands.attach", "Plug a network namespace into a bridge."),
    "detach": ("dnet.cli.commands.attach", "Unplug interfaces, and release all they had."),
    "batch": ("dnet.cli.commands.batch", "Run many commands as one transaction."),
    "show": ("dnet.cli.commands.show", "Show the whole picture."),
    "check": ("dnet.cli.commands.maintain", "Compare the kernel with the store."),
    "probe": ("dnet.cli.commands.probe", "Find out why a published port does not answer."),
    "restore": ("dnet.cli.commands.maintain", "Make the kernel match the store."),
    "gc": ("dnet.cli.commands.maintain", "Release what belongs to namespaces that are gone."),
    "reset": ("dnet.cli.commands.maintain", "Remove everything dnet made, then the store."),
    "plugin": ("dnet.cli.commands.plugin", "Let container runtimes get their network from dnet."),
    "completion": ("dnet.cli.commands.completion", "Print the completion script of a shell."),
}
"""Every command and group of the top, with the module that has it, and what it is for."""


class Checked:
    """A value that a pure function checks and brings into its canonical form.

    `completes` is what a shell offers for it: words, and in <> kinds of names, which
    generate/grammar.py lists. The function raises UsageError.
    """

    __slots__ = ("check", "completes", "name")

    def __init__(self, name: str, check: Check, completes: tuple[str, ...] = ()) -> None:
        self.name = name
        self.check = check
        self.completes = completes


class Choice:
    """One of a few words."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words


class Parameter:
    """An option or an argument, as click.option or click.argument would be told.

    A `note` says by the value how output is wanted; the command is not given it.
    """

    __slots__ = ("is_argument", "names", "note", "settings")

    def __init__(
        self,
        names: tuple[str, ...],
        settings: dict[str, Any],
        *,
        is_argument: bool = False,
        note: Note | None = None,
    ) -> None:
        self.names = names
        self.settings = settings
        self.is_argument = is_argument
        self.note = note


STATE_DIR_OPTION, STATE_DIR_VARIABLE = "--state-dir", "DNET_STATE_DIR"
GLOBAL = (
    Parameter(
        (STATE_DIR_OPTION,),
        {
            "metavar": "DIR",
            "envvar": STATE_DIR_VARIABLE,
            "show_envvar": True,
            "default": STATE_DIR,
            "show_default": True,
            "help": "Folder of the store.",
        },
    ),
    Parameter(
        ("--lock-timeout",),
        {
            "metavar": "SECONDS",
            "envvar": "DNET_LOCK_TIMEOUT",
            "show_envvar": True,
            "default": "30",
            "show_default": True,
            "help": "How long to wait for the store's lock, and for that of iptables.",
        },
    ),
    Parameter(
        ("-v", "--verbose"),
        {"is_flag": True, "help": "Print each kernel change to stderr."},
    ),
)
"""What stands ahead of every command."""


class Command:
    """A command: its function returns a Request, and its docstring is the help."""

    __slots__ = ("callback", "name", "parameters", "settings")

    def __init__(
        self,
        name: str,
        callback: Callable[..., Any],
        parameters: tuple[Parameter, ...],
        settings: dict[str, Any],
    ) -> None:
        self.name = name
        self.callback = callback
        self.parameters = parameters
        self.settings = settings


class Group:
    """A command that is nothing without one of its sub-commands."""

    __slots__ = ("callback", "commands", "name", "settings")

    def __init__(self, callback: Callable[..., Any], settings: dict[str, Any]) -> None:
        self.name = callback.__name__
        self.callback = callback
        self.settings = settings
        self.commands: dict[str, Command] = {}

    def command(self, name: str = "", **settings: Any) -> Callable[[Callable[..., Any]], Command]:
        """Define a sub-command, by its function's name or another one."""

        def defined(callback: Callable[..., Any]) -> Command:
            made = command(name, **settings)(callback)
            self.commands[made.name] = made
            return made

        return defined


def command(name: str = "", **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Define a command; `settings` are for dnet.cli.tree.Command."""

    def defined(callback: Callable[..., Any]) -> Command:
        parameters = tuple(reversed(vars(callback).get("parameters", ())))
        return Command(name or callback.__name__, callback, parameters, settings)

    return defined


def group(**settings: Any) -> Callable[[Callable[..., Any]], Group]:
    """Define a group; `settings` are for dnet.cli.tree.Group."""
    return lambda callback: Group(callback, settings)


def argument(*names: str, **settings: Any) -> Callable[[F], F]:
    """Define an argument of the command below."""
    return _parameter(Parameter(names, settings, is_argument=True))


def option(*names: str, note: Note | None = None, **settings: Any) -> Callable[[F], F]:
    """Define an option of the command below."""
    return _parameter(Parameter(names, settings, note=note))


def _parameter(parameter: Parameter) -> Callable[[F], F]:
    def defined(callback: F) -> F:
        vars(callback).setdefault("parameters", []).append(parameter)
        return callback

    return defined


@cache
def top(word: str) -> Command | Group | None:
    """The command or group that a command line begins with, from its module."""
    if word not in COMMANDS:
        return None
    found: Command | Group = getattr(import_module(COMMANDS[word][0]), word)
    return found
