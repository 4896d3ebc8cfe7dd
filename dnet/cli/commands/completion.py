"""`dnet completion`: the script with which a shell completes commands, options and names."""

from __future__ import annotations

import os

from dnet.cli import define
from dnet.cli.define import Choice
from dnet.cli.output.document import Document
from dnet.cli.session import Request, Session
from dnet.errors import DnetError

SCRIPTS = {"bash": "dnet.bash", "zsh": "_dnet", "fish": "dnet.fish"}
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
_FOLDER = os.path.join(_PACKAGE, "completions")


@define.command()
@define.argument("shell", metavar="bash|zsh|fish", type=Choice(tuple(SCRIPTS)))
def completion(shell: str) -> Request:
    """Print the completion script of a shell.

    To install it for every user:

    \b
    dnet completion bash > /usr/local/share/bash-completion/completions/dnet
    dnet completion zsh  > /usr/local/share/zsh/site-functions/_dnet
    dnet completion fish > /etc/fish/completions/dnet.fish

    For yourself alone:

    \b
    bash  ~/.local/share/bash-completion/completions/dnet
    zsh   _dnet in a folder of your fpath
    fish  ~/.config/fish/completions/dnet.fish

    Make the folder where it is missing. A bash without the package bash-completion reads the
    file by a line in ~/.bashrc, such as: . ~/.dnet.bash. A shell that runs already has to be
    restarted.
    """  # noqa: D301

    def script(_: Session) -> Document:
        path = os.path.join(_FOLDER, SCRIPTS[shell])
        try:
            with open(path, encoding="utf-8") as file:
                return Document(values=tuple(file.read().splitlines()))
        except OSError as error:
            raise DnetError(f"{path}: {error.strerror}") from None

    return Request(run=script)
