"""What is asked of a store, as a value: a function of dnet.network, with its arguments."""

from __future__ import annotations

from collections.abc import Callable

from dnet.typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from dnet.model.state import State
    from dnet.network.facts import Facts

T = TypeVar("T")


class Operation(Generic[T]):
    """A change of a state, which Driver.change carries out and Driver.rehearse only decides.

    `Operation(portmapper.add, target="web", specs=specs)`: what the function takes besides a state
    and the facts about the machine. It raises what the function raises.
    """

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., T], /, **arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    @property
    def name(self) -> str:
        """What is done, such as `portmapper.add`."""
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"

    def __call__(self, state: State, facts: Facts) -> T:
        """Do it to a state, or raise and leave it half done: the driver sees to that."""
        return self.function(state, facts, **self.arguments)

    def __repr__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{self.name}({given})"
