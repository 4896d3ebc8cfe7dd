"""The file of names beside the store: written when there are others, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dnet.errors import DnetError
from dnet.model.state import State
from dnet.network import bridge, interface
from dnet.store import nametext
from dnet.store.folder import Store
from dnet.store.namesfile import NamesFile
from tests.unit.facts import FACTS, with_bridge


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one bridge."""
    store = Store(str(tmp_path))
    store.commit(with_bridge(), journalled=False)
    return store


@pytest.fixture
def names(store: Store) -> Path:
    """The file of that store."""
    return Path(store.names.path)


def changed(store: Store, name: str) -> State:
    """The committed state with one more interface."""
    state = store.load()
    interface.allocate(state, FACTS, interface_id=name)
    return state


def commit(store: Store, name: str) -> str:
    """Add an interface; the names there are to be."""
    state = changed(store, name)
    store.commit(state, journalled=False)
    return nametext.write(state)


def commit_no_name(store: Store) -> str:
    """Change what lies behind a name; the names there are to be."""
    state = store.load()
    bridge.init(state, FACTS, name="dnet0", options={"icc": not state.bridges["dnet0"].icc})
    assert state.changes()
    store.commit(state, journalled=False)
    return nametext.write(state)


def test_everybody_may_read_them(names: Path) -> None:
    assert names.read_text() == "bridge dnet0\n"
    assert stat.S_IMODE(names.stat().st_mode) == 0o644


def test_a_journalled_commit_writes_them_too(store: Store, names: Path) -> None:
    state = changed(store, "web")
    store.write_journal(state)
    store.commit(state, journalled=True)
    assert names.read_text() == nametext.write(state)


def test_they_are_written_only_where_there_are_others(store: Store, names: Path) -> None:
    before = names.stat().st_ino
    commit_no_name(store)
    assert names.stat().st_ino == before
    commit(store, "web")
    assert names.stat().st_ino != before


@pytest.mark.parametrize("point", ["prepare", "publish"])
def test_killed_beside_the_commit(
    store: Store, names: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """Right before it with the names ready, or right after it; the next one makes them right."""
    if point == "prepare":
        store.names.prepare(changed(store, "web"))
    else:
        with monkeypatch.context() as context:
            context.setattr(NamesFile, "publish", lambda _: None)
            commit(store, "web")
    assert names.read_text() == "bridge dnet0\n"
    assert commit_no_name(store) == names.read_text()
    assert sorted(path.name for path in names.parent.iterdir() if "names" in path.name) == ["names"]


@pytest.mark.parametrize("lost", ["missing", "empty"])
def test_the_next_commit_makes_them_anew(store: Store, names: Path, lost: str) -> None:
    expected = commit(store, "web")
    names.unlink() if lost == "missing" else names.write_text("")
    commit_no_name(store)
    assert names.read_text() == expected


@pytest.mark.parametrize("place", ["names", "names.new"])
def test_a_folder_in_their_place_fails_no_commit(store: Store, names: Path, place: str) -> None:
    names.unlink()
    folder = names.with_name(place)
    folder.mkdir()
    commit(store, "web")
    assert "web" in store.load().interfaces
    folder.rmdir()
    assert commit_no_name(store) == names.read_text()


def test_a_commit_that_fails_publishes_nothing(store: Store, names: Path) -> None:
    state = changed(store, "web")
    with pytest.raises(DnetError, match="No such file"):
        store.commit(state, journalled=True)  # There is no journal.
    assert names.read_text() == "bridge dnet0\n"
    assert commit_no_name(store) == names.read_text()


def test_renewed_they_are_right(store: Store, names: Path) -> None:
    expected = commit(store, "web")
    before = names.stat().st_ino
    store.names.renew(store.load())
    assert names.stat().st_ino == before
    names.write_text("bridge of-old\n")
    store.names.renew(store.load())
    assert names.read_text() == expected


def test_erased_with_the_store(store: Store, names: Path) -> None:
    store.names.prepare(changed(store, "web"))
    store.erase()
    assert list(names.parent.iterdir()) == []
