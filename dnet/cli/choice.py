"""Click's type of what is one of a few words."""

from __future__ import annotations

from functools import partial

import click

from dnet.errors import UsageError
from dnet.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:  # click 8.1 has no type parameter here
    _Choice = click.Choice


class ChoiceType(_Choice):
    """One of a few words, with the one that was perhaps meant in the hint."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The word. Raises UsageError that names the option, if it is one."""
        if value in self.choices:
            return value
        from dnet.values import names, nearby

        where = f"{param.opts[0]}: " if isinstance(param, click.Option) else ""
        raise UsageError(
            f"{where}{names.quoted(value)} is not one of {', '.join(self.choices)}",
            f"{ctx.command_path} --help" if ctx else None,
            partial(nearby.names, value, self.choices),
        )

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Nothing beyond the argument's name, which tells the words. click 8.1 gives no `ctx`."""
        return ""
