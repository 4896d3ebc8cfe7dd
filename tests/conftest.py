"""Fixtures of the whole suite, and the rule that real tests run or say why they do not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import lab as labs
from tests.cases import Stage
from tests.host import Host
from tests.lab import Lab

# A property is true or not, however slow the machine: no deadline for a single example.
settings.register_profile("dnet", deadline=None)
settings.load_profile("dnet")

# A shell's background job ignores Ctrl-C, and so would every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

_REAL = Path(__file__).with_name("real")
_outcomes = {"run": 0, "skipped": 0}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = labs.why_not_here()
    for item in items:
        if _REAL in item.path.parents:
            item.add_marker("real")
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"needs a real kernel as root: {reason}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "real" in report.keywords:
        if report.skipped:
            _outcomes["skipped"] += 1
        elif report.when == "call":
            _outcomes["run"] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("DNET_REQUIRE_REAL") and _outcomes["skipped"] and not _outcomes["run"]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("DNET_REQUIRE_REAL") and _outcomes["skipped"] and not _outcomes["run"]:
        terminalreporter.write_line(
            "error: every test on a real kernel was skipped: nothing was proved", red=True
        )


@pytest.fixture(scope="session")
def variant_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one folder a variant that works here, for the head of PATH."""
    labs.sweep()
    parent = tmp_path_factory.mktemp("iptables")
    for variant in labs.VARIANTS:
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


@pytest.fixture
def host(lab: Lab) -> Host:
    """A fresh machine, without a bridge."""
    return lab.host()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, variant_folders: Path) -> Iterator[Stage]:
    """Where the commands of a module are tried, with iptables on nftables."""
    _need("nft", variant_folders)
    stage = Stage(tmp_path_factory.mktemp("stage"), variant_folders, "nft")
    yield stage
    stage.close()
