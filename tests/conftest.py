"""Fixtures of the whole suite, the rule that real tests run, and a limit for each."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import settings
from pytest_timeout import Settings

from tests import lab as labs
from tests import processes
from tests.cases import Stage
from tests.host import Host
from tests.lab import Lab

# A property is true or not, however slow the machine: no deadline for a single example.
# Under nohup(1) every dnet that a test starts would ignore it, as it should.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
settings.register_profile("dnet", deadline=None)
settings.load_profile("dnet")

# A shell's background job ignores Ctrl-C, and so would every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_REAL = Path(__file__).with_name("real")
_STAGED = ("nft", labs.NFTABLES)
_BY_TURNS = {
    "variant": labs.VARIANTS,
    "every": labs.EVERY,
    "stage": _STAGED,
    "machine": labs.VARIANTS,
    "town": ("iptables", "nftables"),
}
"""The fixtures that are of each firewall in turn."""
_HALVED = ("case", "observed")
"""Of these every other one is tried where each firewall has its turn."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    passed_over = {item for item in items if not _is_wanted(item)}
    config.hook.pytest_deselected(items=[item for item in items if item in passed_over])
    items[:] = [item for item in items if item not in passed_over]
    reason = labs.why_not_here()
    for item in items:
        if _REAL in item.path.parents:
            item.add_marker("real")
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"needs a real kernel as root: {reason}"))


def _is_wanted(item: pytest.Item) -> bool:
    """Whether a test is tried in this run, as scripts/test asks for it.

    Those of container runtimes only where they are asked for: a run without is whole without them.
    """
    environment = os.environ
    if "runtimes" in item.keywords and environment.get("DNET_REQUIRE_REAL"):
        return "DNET_REQUIRE_RUNTIMES" in environment
    return not environment.get("DNET_BY_TURNS") or _has_its_turn(item)


def _has_its_turn(item: pytest.Item) -> bool:
    """Whether a test is tried in short with the firewall that it is for: each is with one of them.

    Which one follows from its name, so that it is the same in every run.
    """
    params = getattr(getattr(item, "callspec", None), "params", {})
    others = sorted(f"{k}={v}" for k, v in params.items() if k not in _BY_TURNS)
    turn = crc32(f"{item.nodeid.partition('[')[0]} {others}".encode())
    turns = ((params[name], there) for name, there in _BY_TURNS.items() if name in params)
    halves = (crc32(f"{params[name]}".encode()) for name in _HALVED if name in params)
    return all(there[turn % len(there)] == has for has, there in turns) and all(
        half & 1 for half in halves
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With DNET_REQUIRE_REAL, a test on a real kernel that is skipped is one that failed.

    One of a container runtime's is with DNET_REQUIRE_RUNTIMES.
    """
    report = yield
    needs = "RUNTIMES" if "runtimes" in item.keywords else "REAL"
    if report.skipped and "real" in item.keywords and os.environ.get(f"DNET_REQUIRE_{needs}"):
        assert isinstance(report.longrepr, tuple)
        report.outcome, report.longrepr = "failed", report.longrepr[2]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A limit of its own for a teardown, which that of a test that failed does not reach.

    What hangs here takes its process along: the fixtures that are left could hang as well.
    """
    processes.let_go_on()
    config, hook = item.config, item.ihook
    seconds = float(config.getoption("timeout") or config.getini("timeout"))
    limit = Settings(seconds, "thread", func_only=False, disable_debugger_detection=False)
    hook.pytest_timeout_cancel_timer(item=item)
    hook.pytest_timeout_set_timer(item=item, settings=limit)
    try:
        yield
    finally:
        hook.pytest_timeout_cancel_timer(item=item)


@pytest.fixture(scope="session")
def variant_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one folder a variant that works here, for the head of PATH."""
    labs.sweep()
    parent = tmp_path_factory.mktemp("iptables")
    for variant in labs.EVERY:
        if labs.why_no_variant(variant) is None:
            labs.make_variant_folder(parent, variant)
    return parent


def _need(variant: str, variant_folders: Path) -> None:
    if not (variant_folders / variant).exists():
        pytest.skip(str(labs.why_no_variant(variant)))


@pytest.fixture
def lab(tmp_path: Path, variant_folders: Path) -> Iterator[Lab]:
    """A lab of the test's own, with iptables on nftables."""
    _need("nft", variant_folders)
    with labs.opened(tmp_path, variant_folders, "nft") as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, variant_folders: Path) -> Iterator[Lab]:
    """A lab that the tests of a module share, for what changes nothing."""
    _need("nft", variant_folders)
    folder = tmp_path_factory.mktemp("lab")
    with labs.opened(folder, variant_folders, "nft") as opened:
        yield opened


@pytest.fixture(params=labs.VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Each iptables variant in turn."""
    return str(request.param)


@pytest.fixture
def both(variant: str, tmp_path: Path, variant_folders: Path) -> Iterator[Lab]:
    """A lab of the test's own, once with each iptables variant."""
    _need(variant, variant_folders)
    with labs.opened(tmp_path, variant_folders, variant) as opened:
        yield opened


@pytest.fixture(params=labs.EVERY)
def every(request: pytest.FixtureRequest, tmp_path: Path, variant_folders: Path) -> Iterator[Lab]:
    """A lab of the test's own, once with each iptables variant and once with nftables."""
    _need(request.param, variant_folders)
    with labs.opened(tmp_path, variant_folders, request.param) as opened:
        yield opened


@pytest.fixture
def nftables(tmp_path: Path, variant_folders: Path) -> Iterator[Lab]:
    """A lab of the test's own, with nftables."""
    _need(labs.NFTABLES, variant_folders)
    with labs.opened(tmp_path, variant_folders, labs.NFTABLES) as opened:
        yield opened


@pytest.fixture
def host(lab: Lab) -> Host:
    """A fresh machine, without a bridge."""
    return lab.host()


@pytest.fixture(scope="module", params=_STAGED)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, variant_folders: Path
) -> Iterator[Stage]:
    """Where the commands of a module are tried: with iptables on nftables, and with nftables."""
    _need(request.param, variant_folders)
    stage = Stage(tmp_path_factory.mktemp("stage"), variant_folders, request.param)
    yield stage
    stage.close()
