"""What is built, and what an installation of it has where."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

import pytest

from dnet import __version__
from tests.lab import Lab

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")

# Where it goes below the prefix, and where it is in the checkout.
DATA = {
    "lib/systemd/system": "systemd/*",
    "share/bash-completion/completions": "completions/*.bash",
    "share/fish/vendor_completions.d": "completions/*.fish",
    "share/man/man7": "man/*.7",
    "share/man/man8": "man/*.8",
    "share/zsh/site-functions": "completions/_*",
}


def run(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, folder / "checkout", symlinks=True, ignore=LEFT_OUT)
    run(sys.executable, "-m", "build", "--no-isolation", "-o", folder, folder / "checkout")
    return folder


@pytest.fixture(scope="module")
def prefix(built: Path) -> Path:
    """A fresh environment with the wheel in it, and with the libraries of this one."""
    prefix = built / "prefix"
    run(sys.executable, "-m", "venv", "--without-pip", prefix)
    own = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    Path(own, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", prefix / "bin/python")
    (wheel,) = built.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--no-compile", "--ignore-installed", wheel)
    return prefix


def test_the_source_distribution_is_the_whole_checkout(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {member.name.partition("/")[2] for member in tar if member.isfile()}
    tracked = run("git", "-c", "safe.directory=*", "-C", ROOT, "ls-files").splitlines()
    wanted = {name for name in tracked if not name.startswith(".")}
    links = {name for name in wanted if (ROOT / name).is_symlink()}  # There are files at their end.
    assert wanted - links - packed == set()
    assert archive.name == f"dnet-{__version__}.tar.gz"


def test_every_file_is_where_it_is_looked_for(prefix: Path) -> None:
    for there, here in DATA.items():
        names = {path.name for path in ROOT.glob(here)}
        assert names, here
        assert {path.name for path in (prefix / there).iterdir()} == names, there


def test_the_installed_command_works(prefix: Path, lab: Lab) -> None:
    """All of its own, and of its libraries too: nothing of the checkout is in reach."""
    host, dnet = lab.host(), str(prefix / "bin/dnet")
    assert host.run(dnet, "--version") == f"dnet {__version__}\n"
    host.run(dnet, "bridge", "init", "dnet0", "--address", "172.17.42.1/16")
    assert host.run(dnet, "attach", "web", "--netns", lab.node().netns) == "172.17.0.2\n"
    host.run(dnet, "check")
    for shell, name in (("bash", "dnet.bash"), ("zsh", "_dnet"), ("fish", "dnet.fish")):
        assert host.run(dnet, "completion", shell) == (ROOT / "completions" / name).read_text()
    where = run(prefix / "bin/python", "-I", "-c", "import dnet; print(dnet.__file__)")
    assert Path(where).is_relative_to(prefix)
