"""`attach --hosts-file`: a file on the host that goes on telling a container whom it may reach."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.host import Host
from tests.lab import Lab

FOREIGN = "127.0.0.1 localhost\n# mine\n10.9.9.9 other"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that only root can write to, all the way."""
    made = Path(tempfile.mkdtemp(prefix="dnet-test-", dir="/var/lib"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def file(folder: Path) -> Path:
    """A hosts file that somebody has written."""
    path = folder / "hosts"
    path.write_text(FOREIGN)
    return path


@pytest.fixture
def br0(lab: Lab) -> Host:
    """A machine with a bridge whose containers reach one another by links alone."""
    host = lab.host()
    host.ok("bridge", "init", "br0", "--address", "172.17.42.1/16", "--no-icc")
    return host


def kept(file: Path | str) -> tuple[str, str]:
    return "--hosts-file", str(file)


def block(file: Path, owner: str = "web") -> list[str] | None:
    """What dnet tells an interface, None for nothing."""
    lines = file.read_text().splitlines()
    begin, end = f"# dnet: names of {owner}", f"# dnet: end of {owner}"
    if begin not in lines:
        assert end not in lines
        return None
    return lines[lines.index(begin) + 1 : lines.index(end)]


def test_every_change_that_concerns_it(lab: Lab, br0: Host, file: Path) -> None:
    web, db = lab.node(), lab.node()
    inode = file.stat().st_ino
    br0.ok("attach", "web", "--netns", web.netns, *kept(file))
    own = ["172.17.0.2 web"]
    assert block(file) == own
    br0.ok("attach", "db", "--netns", db.netns, "--expose", "5432")
    assert block(file) == own
    br0.quiet("link", "add", "web", "db", "--alias", "store")
    assert block(file) == [*own, "172.17.0.3 db store"]
    assert br0.ok("show", "web", "--format", "hosts").splitlines()[2:] == block(file)
    br0.quiet("link", "remove", "web", "db")
    assert block(file) == own
    br0.quiet("bridge", "init", "br0", "--icc")
    assert block(file) == [*own, "172.17.0.3 db"]
    br0.quiet("bridge", "init", "br0", "--address6", "fd00:6::1/64")
    br0.ok("attach", "web", "--netns", web.netns)
    br0.ok("ip", "request", "--owner", "router")
    assert block(file) == [*own, "172.17.0.3 db", "172.17.0.4 router", "fd00:6::2 web"]
    br0.quiet("detach", "db")
    assert block(file) == [*own, "172.17.0.4 router", "fd00:6::2 web"]
    br0.quiet("check")
    assert br0.json("interface", "show", "web")["hosts_file"] == str(file)
    br0.quiet("detach", "web")
    assert file.read_text() == f"{FOREIGN}\n"
    assert file.stat().st_ino == inode


def test_given_again_it_moves_and_goes(lab: Lab, br0: Host, file: Path, folder: Path) -> None:
    other = folder / "other"
    other.write_text("")
    again = ("attach", "web", "--netns", lab.node().netns)
    br0.ok(*again, *kept(file))
    br0.ok(*again, *kept(other))
    assert (block(file), block(other)) == (None, ["172.17.0.2 web"])
    br0.ok(*again)
    assert block(other) == ["172.17.0.2 web"]
    br0.fails(2, *again, "--no-hosts-file", *kept(file), code="usage")
    br0.ok(*again, "--no-hosts-file")
    assert other.read_text() == ""
    assert br0.json("interface", "show", "web")["hosts_file"] is None
    assert '"schema": 1,' in (br0.state_dir / "state.json").read_text()


def test_two_containers_share_a_file_and_a_reset_leaves_the_rest(
    lab: Lab, br0: Host, file: Path
) -> None:
    for name in ("web", "db"):
        br0.ok("attach", name, "--netns", lab.node().netns, *kept(file))
    assert (block(file, "web"), block(file, "db")) == (["172.17.0.2 web"], ["172.17.0.3 db"])
    br0.ok("reset", "--yes")
    assert file.read_text() == f"{FOREIGN}\n"


def spoil(folder: Path, file: Path, how: str) -> Path:
    """The path of a file that cannot be kept."""
    outside = folder / "outside"
    match how:
        case "a symbolic link":
            (folder / "link").symlink_to(file)
            return folder / "link"
        case "a symbolic link on the way":
            (folder / "way").symlink_to(folder)
            return folder / "way" / "hosts"
        case "a second name":
            (folder / "second").hardlink_to(file)
            return file
        case "a pipe":
            os.mkfifo(folder / "pipe")
            return folder / "pipe"
        case "a folder":
            outside.mkdir()
            return outside
        case "a folder of everybody's":
            outside.mkdir()
            outside.chmod(0o777)
            (outside / "hosts").touch()
            return outside / "hosts"
        case "a folder of another's":
            outside.mkdir()
            os.chown(outside, 1, 0)
            (outside / "hosts").touch()
            return outside / "hosts"
        case "too large":
            os.truncate(file, 1 << 21)
            return file
    return folder / "missing"


@pytest.mark.parametrize(
    "how",
    [
        *("a symbolic link", "a symbolic link on the way", "a second name", "a pipe", "a folder"),
        *("a folder of everybody's", "a folder of another's", "too large", "missing"),
    ],
)
def test_what_cannot_be_kept_is_refused(br0: Host, file: Path, folder: Path, how: str) -> None:
    path = spoil(folder, file, how)
    before, text = br0.everything(), file.read_text()
    refusal = br0.fails(2, "attach", "web", "--netns", "nowhere", *kept(path), code="usage")
    assert refusal.message.startswith("--hosts-file: ")
    assert refusal.hint is not None
    assert (br0.everything(), file.read_text()) == (before, text)


@pytest.mark.parametrize("path", ["hosts", "/etc/", "/etc/../etc/hosts", "/etc/ho\nsts", ""])
def test_what_is_no_path_is_refused(br0: Host, path: str) -> None:
    br0.fails(2, "attach", "web", "--netns", "nowhere", *kept(path), code="usage")


def test_a_file_that_cannot_be_written_later_fails_nothing(
    lab: Lab, br0: Host, file: Path, folder: Path
) -> None:
    br0.ok("attach", "web", "--netns", lab.node().netns, *kept(file))
    victim = folder / "victim"
    file.rename(victim)
    file.symlink_to(victim)
    before = victim.read_text()
    done = br0.dnet("ip", "request", "--owner", "web")
    assert (done.returncode, done.stdout) == (0, "172.17.0.3\n")
    assert done.stderr.startswith("dnet: warning: the hosts file of web is not updated: ")
    assert victim.read_text() == before
    assert br0.dnet("check").returncode == 1
    done = br0.dnet("restore")
    assert (done.returncode, victim.read_text()) == (0, before)
    assert done.stderr.startswith("dnet: warning: the hosts file of web is not updated: ")
    file.unlink()
    victim.rename(file)
    told = br0.dnet("check")
    assert told.stdout == f"{file} does not tell whom web may reach\n"
    done = br0.dnet("restore")
    assert done.stderr == f"dnet: repaired: {file} does not tell whom web may reach\n"
    assert block(file) == ["172.17.0.2 web", "172.17.0.3 web"]
    br0.quiet("check")


DAMAGE: dict[str, Callable[[str], str]] = {
    "emptied": lambda _: "",
    "a line more": lambda text: text.replace("172.17.0.2", "10.0.0.1 evil\n172.17.0.2"),
    "without its end": lambda text: text.replace("# dnet: end of web\n", ""),
    "twice": lambda text: text + text,
    "the end first": lambda text: "# dnet: end of web\n" + text,
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_block_that_was_edited_is_mended(lab: Lab, br0: Host, file: Path, how: str) -> None:
    netns = lab.node().netns
    br0.ok("attach", "web", "--netns", netns, *kept(file))
    file.write_text(DAMAGE[how](file.read_text()))
    assert br0.dnet("check").returncode == 1
    br0.ok("attach", "web", "--netns", netns)
    br0.quiet("check")
    lines = file.read_text().splitlines()
    assert lines.count("# dnet: names of web") == lines.count("# dnet: end of web") == 1


def test_killed_between_the_commit_and_the_file(
    lab: Lab, br0: Host, file: Path, tmp_path: Path
) -> None:
    br0.ok("attach", "web", "--netns", lab.node().netns, *kept(file))
    request = ("ip", "request", "--owner", "web")
    br0.dnet(*request, env={"DNET_POINT_LOG": str(tmp_path / "points")})
    last = len((tmp_path / "points").read_text().splitlines())
    done = br0.dnet(*request, env={"DNET_POINT_AT": str(last), "DNET_POINT_DO": "kill"})
    assert done.returncode == -9
    assert br0.dnet("check").stdout == f"{file} does not tell whom web may reach\n"
    br0.ok("restore")
    assert block(file) == [f"172.17.0.{last} web" for last in (2, 3, 4)]


def test_many_at_once(lab: Lab, br0: Host, folder: Path) -> None:
    br0.ok("bridge", "init", "br0", "--icc")
    names = [f"c{number}" for number in range(8)]
    lines = []
    for name in names:
        (folder / name).touch()
        path = str(folder / name)
        lines.append(["attach", name, "--netns", lab.node().netns, "--hosts-file", path])
    assert all(done.returncode == 0 for done in br0.dnets(lines, at_once=8))
    br0.quiet("check")
    for name in names:
        assert {line.split()[1] for line in block(folder / name, name) or []} == set(names)


def test_a_dry_run_tells_of_the_file_and_leaves_it(lab: Lab, br0: Host, file: Path) -> None:
    words = ("attach", "web", "--netns", lab.node().netns, *kept(file), "--dry-run")
    assert f"# {file} tells whom web may reach" in br0.ok(*words).splitlines()
    assert file.read_text() == FOREIGN


def test_the_file_of_a_named_namespace_is_what_resolves_there(lab: Lab, br0: Host) -> None:
    web, db = lab.node(), lab.node()
    folder = Path("/etc/netns") / web.netns
    folder.mkdir(parents=True)
    try:
        (folder / "hosts").write_text("127.0.0.1 localhost\n")
        br0.ok("attach", "web", "--netns", web.netns, *kept(folder / "hosts"))
        seen = f"ip netns exec {web.netns} getent -s files hosts db || echo nobody"
        assert br0.try_run("sh", "-c", seen).stdout == "nobody\n"
        br0.ok("attach", "db", "--netns", db.netns, "--expose", "5432")
        br0.ok("link", "add", "web", "db")
        assert br0.try_run("sh", "-c", seen).stdout.split() == ["172.17.0.3", "db"]
    finally:
        shutil.rmtree(folder)
