"""The manual pages: as they are made, complete, and well-formed; and the help they are made from.

What their examples show is held by tests/real/test_manual_examples.py.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import click
import pytest

from dnet.cli.batch.lines import EXCLUDED
from dnet.cli.output import views
from dnet.cli.tree import CONTEXT
from dnet.network import interface, ipallocator, link, portallocator, portmapper, subnets
from dnet.transaction.presence import Presence
from generate import manual, mdoc, usage
from generate.tree import ROOT, Node, walk
from tests import pages, session
from tests.unit.facts import FACTS, specs, with_bridge

MAN = manual.SOURCES.parent
NODES = list(walk())
COMMANDS = [node for node in NODES if not node.children]
# What mandoc says of pages that are not installed where the tests run.
ALLOWED = re.compile(r"STYLE: referenced manual not found: Xr [\w-]+ \d(?: \(\d+ times\))?\Z")

every = pytest.mark.parametrize("node", NODES, ids=lambda node: " ".join(("dnet", *node.path)))


def called(node: Node) -> str:
    return " ".join(("dnet", *node.path))


def source_of(node: Node) -> manual.Source:
    """The source of the page that tells of a command."""
    found = [one for one in manual.sources() if node.path in [told.path for told in one.nodes]]
    assert found, f"no page tells of {called(node)}: write man/src/dnet-{node.path[0]}.8"
    assert len(found) == 1, f"several pages tell of {called(node)}"
    return found[0]


def part_of(node: Node) -> str:
    """What the page's source says between a command's heading and the next one."""
    text = source_of(node).file.read_text()
    begin = f'.\\" @command {" ".join(node.path)}'.rstrip() + "\n"
    return re.split(r'^\.\\" @command|^\.S[hs] ', text.partition(begin)[2], flags=re.M)[0]


# --- the pages --------------------------------------------------------------------------------


def test_the_pages_are_as_scripts_generate_writes_them() -> None:
    made = manual.make()
    there = {f"man/{file.name}": file.read_text() for file in MAN.glob("*.[1-9]")}
    differing = sorted(name for name in made | there if made.get(name) != there.get(name))
    assert differing == [], "run scripts/generate; what is left over was made from no source"


def test_every_command_is_told_of() -> None:
    untold = {called(node) for node in COMMANDS} - {
        called(node) for source in manual.sources() for node in source.nodes
    }
    assert untold == set(), "write its page, or a part of one, in man/src"


def test_mandoc_finds_nothing_to_complain_about() -> None:
    # A page that only leads to another one by `.so`, which mandoc calls fragile, is none of these.
    files = [source.file.name for source in manual.sources()]
    tree = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "style", *files],
        cwd=MAN,
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in tree.stdout.splitlines() if not ALLOWED.search(line)]
    assert complaints == []
    assert tree.returncode < 2, tree.stderr


def test_every_page_that_is_referred_to_is_there() -> None:
    texts = "".join(file.read_text() for file in MAN.glob("*.[1-9]"))
    named = {f"{name}.{section}" for name, section in re.findall(r"\.Xr (dnet\S*) (\d)", texts)}
    assert named - {file.name for file in MAN.glob("*.[1-9]")} == set()


def test_a_page_is_found_under_each_of_its_names(tmp_path: Path) -> None:
    for file in MAN.glob("*.[1-9]"):
        folder = tmp_path / f"man{file.suffix[1:]}"
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder)
    for node in ROOT.children:
        name = f"dnet-{node.path[0]}"
        page = subprocess.run(
            ["mman", "-M", str(tmp_path), "-T", "ascii", name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"{name}" in re.sub(r".\x08", "", page.stdout).partition("SYNOPSIS")[0]


def rendered(name: str) -> list[str]:
    """The lines of a page on a terminal of 80 columns."""
    page = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=80", name],
        cwd=MAN,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r".\x08", "", page.stdout).splitlines()


@pytest.mark.parametrize("file", pages.FILES, ids=lambda file: file.name)
def test_a_page_fits_a_terminal_and_shows_its_examples_as_they_are(file: Path) -> None:
    lines = rendered(file.name)
    assert [line for line in lines if len(line) > 80] == []
    there = {line.strip() for line in lines}
    shown = [line for one in pages.examples(file) for line in one.shown.splitlines()]
    whole = [line.strip() for line in shown if len(list(mdoc.folded(line))) == 1]
    assert [line for line in whole if line not in there] == []


@pytest.mark.parametrize("file", pages.FILES, ids=lambda file: file.name)
def test_a_command_can_be_copied_since_it_is_not_folded(file: Path) -> None:
    typed = [line for one in pages.examples(file) for line in session.commands(one.shown)]
    assert [line for line in typed if list(mdoc.folded(f"$ {line}"))[1:]] == []


# --- what they tell of ------------------------------------------------------------------------


@every
def test_every_command_and_option_has_help(node: Node) -> None:
    assert usage.summary(node), f"{called(node)} has no help"
    without = [option.opts[-1] for option in node.options if not option.help]
    assert without == [], f"{called(node)} has options without help"


def words_of(argument: click.Argument) -> list[str]:
    """What a page has to tell of an argument: its name, or what it may be."""
    if isinstance(argument.type, click.Choice):
        return list(argument.type.choices)
    return [usage.name_of(argument)]


@pytest.mark.parametrize("node", COMMANDS, ids=called)
def test_every_argument_is_told_of(node: Node) -> None:
    told = re.findall(r"^\.It (?:Ar|Cm) (\S+)", part_of(node), re.MULTILINE)
    assert {word for one in node.arguments for word in words_of(one)} <= set(told)


@pytest.mark.parametrize("node", COMMANDS, ids=called)
def test_every_command_has_an_example(node: Node) -> None:
    calls = [tuple(words) for words in pages.shown_calls(source_of(node).file)]
    assert any(words[: len(node.path)] == node.path for words in calls), called(node)


def test_every_variable_is_told_of() -> None:
    text = (manual.SOURCES / "dnet.8").read_text()
    variables = {str(one.envvar) for node in NODES for one in node.options if one.envvar}
    assert variables
    assert variables <= set(re.findall(r"^\.It Ev (\S+)", text, re.MULTILINE))


def test_every_address_that_a_bridge_may_choose_is_told() -> None:
    text = (manual.SOURCES / "dnet-bridge.8").read_text()
    assert [one for one in subnets.CANDIDATES if not re.search(rf"\b{one}[,.]", text)] == []


def test_what_cannot_be_part_of_a_batch_is_told() -> None:
    text = (manual.SOURCES / "dnet-batch.8").read_text()
    assert set(EXCLUDED) <= set(re.findall(r"^\.Cm (\w+)", text, re.MULTILINE))


def test_every_key_of_the_output_is_told_of() -> None:
    state = with_bridge()
    for name in ("web", "db"):
        interface.allocate(state, FACTS, interface_id=name, expose=["80/tcp"])
    portmapper.add(state, FACTS, target="web", specs=specs("8080:80", "90-91:90-91"))
    portallocator.allocate(state, FACTS)
    link.add(state, FACTS, parent="web", child="db")
    ipallocator.request(state, FACTS, ip="172.17.0.9")
    inventory = views.inventory(state, Presence(state))
    told = {
        "bridges": "dnet-bridge.8",
        "interfaces": "dnet-interface.8",
        "addresses": "dnet-ip.8",
        "ports": "dnet-port.8",
        "mappings": "dnet-map.8",
        "links": "dnet-link.8",
    }
    assert inventory.keys() == told.keys() == keys_told_of("dnet-show.8") & told.keys()
    for kind, page in told.items():
        keys = {key for item in inventory[kind] for key in item}
        assert keys <= keys_told_of(page), page
    published = {key for item in inventory["interfaces"] for port in item["ports"] for key in port}
    assert published <= keys_told_of("dnet-interface.8")


def keys_told_of(page: str) -> set[str]:
    lines = re.findall(r"^(?:\.It )?\.?Va (.*)", (manual.SOURCES / page).read_text(), re.MULTILINE)
    return set(re.findall(r"\w+", " ".join(lines)))


# --- the help ---------------------------------------------------------------------------------


def help_at_80(node: Node) -> list[str]:
    # A command keeps the help option that it was first asked for: with another one's names, the
    # tests after this one would have other commands than a user.
    with click.Context(ROOT.command, info_name="dnet", terminal_width=80, **CONTEXT) as context:
        for number, name in enumerate(node.path, 1):
            command = next(one for one in NODES if one.path == node.path[:number]).command
            context = click.Context(command, parent=context, info_name=name)
        return context.get_help().splitlines()


@every
def test_a_help_is_whole_and_fits_a_terminal(node: Node) -> None:
    lines = help_at_80(node)
    assert [line for line in lines if len(line) > 80] == []
    cut = [line for line in lines[1:] if line.endswith("...")]
    assert cut == [], "the first sentence is too long for the table of commands"


@every
def test_a_help_names_a_page_that_there_is(node: Node) -> None:
    found = re.fullmatch(r"See (\S+)\((\d)\)\.", help_at_80(node)[-1])
    assert found
    assert (MAN / f"{found[1]}.{found[2]}").is_file()


@every
def test_the_examples_of_a_help_are_among_those_that_are_run(node: Node) -> None:
    lines: Iterable[str] = (node.command.epilog or "").splitlines()
    if lines:
        shown = [" ".join(words) for words in pages.shown_calls(source_of(node).file)]
        assert {line.removeprefix("dnet ") for line in lines} <= set(shown)
