"""Real Slurm clusters for tests: one that is shared, and special ones for the length of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cluster import Cluster, MissingProgramsError, missing_packages, require_programs

HERE = Path(__file__).parent
ABSENT = "absent: "  # as in ../conftest.py


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slurm)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it loudly where tests were left out because this machine has no Slurm."""
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "slurm" in report.keywords]
    if skipped and (packages := missing_packages(accounting=True)):
        text = f"{len(skipped)} tests on a real Slurm were LEFT OUT; they need: apt-get install {' '.join(packages)}"
        terminalreporter.write_line(text, yellow=True, bold=True)


def need(accounting: bool = False) -> None:
    """Skip where this machine lacks Slurm's programs."""
    try:
        require_programs(accounting)
    except MissingProgramsError as error:
        pytest.skip(f"{ABSENT}{error}")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes of two GPUs, without accounting; shared by all tests, which leave it as they find it."""
    need()
    with Cluster() as shared:
        yield shared


@pytest.fixture
def make_cluster() -> Iterator[Callable[..., Cluster]]:
    """Start clusters of special settings; they are stopped when the test ends."""
    started: list[Cluster] = []

    def make(**settings: object) -> Cluster:
        need(accounting=bool(settings.get("accounting")))
        started.append(Cluster(**settings))
        return started[-1].start()

    yield make
    for special in started:
        special.stop()
