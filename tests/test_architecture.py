"""Each folder says what may be imported there, and what may be touched; nothing runs back up.

    cli → transaction → store, host → plan → firewall, network → model → values → errors → typing

Read from the source text of every module, so that an import inside a function counts too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

PACKAGE = Path(__file__).parents[1] / "dnet"

# The rooms, from the ground up: each may import from itself and from those below its own floor.
FLOORS = (
    {"typing"},
    {"errors"},
    {"values"},
    {"hosts"},
    {"model"},
    {"firewall", "network"},
    {"plan", "probe"},
    {"host", "registry"},
    {"store"},  # Beside host, of which it asks who holds its lock.
    {"transaction"},
    {"cli", "plugins", "__main__"},
)
PURE = set().union(*FLOORS[1 : FLOORS.index({"host", "registry"})])

# A pure part takes values and gives values: no clock, file, environment, process or socket.
EFFECTS = {
    *("click", "rich"),
    *("asyncio", "concurrent", "ctypes", "datetime", "fcntl", "getpass", "glob", "http", "io"),
    *("locale", "logging", "multiprocessing", "os", "pathlib", "platform", "random", "secrets"),
    *("select", "selectors", "shutil", "signal", "socket", "sqlite3", "subprocess", "sys"),
    *("tempfile", "threading", "time", "urllib", "uuid", "warnings"),
}
EFFECTFUL_CALLS = {"open", "print", "input", "exec", "eval", "__import__", "breakpoint"}

# What draws, and is itself imported only where it is used.
DRAWS = "dnet.cli.output.terminal"

# What takes a good part of the time that a bare interpreter takes to start, or several times that.
HEAVY = {"netaddr", "rich", "socket", "subprocess", "typing"}


@dataclass(frozen=True)
class Import:
    """One imported module, with where it stands."""

    name: str
    line: int
    in_function: bool

    @property
    def top(self) -> str:
        return self.name.partition(".")[0]


@cache
def modules() -> list[str]:
    """The dotted names of every module of the package."""
    return sorted(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    )


def source(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def room(module: str) -> str:
    """The folder that a module is in, or the module itself where it is in none."""
    return module.split(".")[1] if "." in module else ""


def floor(module: str) -> int:
    """How far from the ground it is; the package itself holds nothing but its version."""
    return next((at for at, rooms in enumerate(FLOORS) if room(module) in rooms), -1)


def _for_types_only(node: ast.AST) -> TypeGuard[ast.If]:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _walk(node: ast.AST, in_function: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node that runs, with whether it stands inside a function."""
    for child in ast.iter_child_nodes(node):
        if _for_types_only(child):
            for other in child.orelse:
                yield other, in_function
                yield from _walk(other, in_function)
            continue
        inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield child, inside
        yield from _walk(child, inside)


def imports(module: str) -> list[Import]:
    nodes = _walk(ast.parse(source(module).read_text()))
    return [
        Import(name, node.lineno, inside)
        for node, inside in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _named(node)
    ]


def _named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules that a statement names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    assert node.level == 0, f"line {node.lineno} has a relative import"
    assert node.module is not None
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        yield whole if whole in modules() else node.module


def test_the_rooms_are_there() -> None:
    assert {room(module) for module in modules()} - {""} == set().union(*FLOORS)


@pytest.mark.parametrize("module", modules())
def test_nothing_imports_upwards(module: str) -> None:
    for imported in imports(module):
        if imported.top == "dnet" and room(imported.name) != room(module):
            place = f"{module}:{imported.line} imports {imported.name}"
            assert floor(imported.name) < floor(module) or room(module) == "__main__", place


def test_no_circle_is_closed_not_even_for_types() -> None:
    graph = {module: set(_of_types_as_well(module)) - {module} for module in modules()}
    TopologicalSorter(graph).prepare()  # CycleError


def _of_types_as_well(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source(module).read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name for name in _named(node) if name in modules())


@pytest.mark.parametrize("name", sorted(path.name for path in PACKAGE.rglob("__init__.py")))
def test_a_folder_s_own_file_only_says_what_it_is(name: str) -> None:
    for path in PACKAGE.glob(f"*/**/{name}"):
        (docstring,) = ast.parse(path.read_text()).body
        assert isinstance(docstring, ast.Expr), path


@pytest.mark.parametrize("module", [name for name in modules() if room(name) in PURE])
def test_a_pure_part_has_no_effects(module: str) -> None:
    for imported in imports(module):
        assert imported.top not in EFFECTS, f"{module}:{imported.line} imports {imported.name}"
    for node, _ in _walk(ast.parse(source(module).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in EFFECTFUL_CALLS, f"{module}:{node.lineno}: {node.func.id}()"


@pytest.mark.parametrize("module", modules())
def test_what_touches_the_machine_is_imported_by_the_host_s_room_alone(module: str) -> None:
    for imported in imports(module):
        place = f"{module}:{imported.line} imports {imported.name}"
        if imported.top == "subprocess":
            assert room(module) == "host", place
        if imported.top == "click":
            assert room(module) == "cli", place
        if imported.top == "rich":
            assert room(module) == "cli", place


@pytest.mark.parametrize("module", modules())
def test_what_is_slow_to_import_is_imported_only_where_it_is_used(module: str) -> None:
    for imported in imports(module):
        if imported.name == DRAWS or (imported.top in HEAVY and module != DRAWS):
            assert imported.in_function, f"{module}:{imported.line} imports {imported.name}"
