"""What all tests share: the root, a full disk, no failure that waits for a program, no silent skips where they are forbidden."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import submitit  # noqa: F401  # first: its import closes the handlers that other packages have added, and absl's closes its stream

ROOT = Path(__file__).resolve().parents[1]
ABSENT = "absent: "  # begins the reason of a skip that this machine cannot help
# But these begin one of a lane that is installed where skips are forbidden: nothing excuses it.
INSTALLED = tuple(f"{ABSENT}{what}" for what in ("Slurm", "Apptainer", "Chromium", "mmdebstrap", "shellcheck"))

# Four lanes of tests share a machine: how long an example takes says nothing.
hypothesis.settings.register_profile("rlhpc", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("rlhpc")


def pytest_configure() -> None:
    """Let what tests start hear the signals that we may have been started to ignore, by nohup or in the background of a script.

    Handlers that do nothing are as good for us, and are not inherited.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is taken down, as on Ctrl-C


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(autouse=True, scope="session")
def no_failure_waits_for_what_it_has_started() -> Iterator[None]:
    """Kill what a test started by `with subprocess.Popen(...)` and fails within: its end would be waited for, maybe for ever."""
    leave = subprocess.Popen.__exit__

    def kill_and_leave(process: subprocess.Popen, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            process.kill()
        try:
            leave(process, kind, *rest)
        except BaseException:  # the test has taken too long
            process.kill()
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "__exit__", kill_and_leave)
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of six megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"absent: the right to mount ({mounted.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def fill() -> Callable[[Path], None]:
    """Leave no byte of a disk free, by a file that is called filler."""

    def fill(disk: Path) -> None:
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)

    return fill


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where RLHPC_FORBID_SKIPS is set and a test was skipped for a reason that could be mended."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("RLHPC_FORBID_SKIPS") or reporter is None:
        return
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in reporter.stats.get("skipped", [])]
    forbidden = [reason for reason in reasons if not reason.startswith(ABSENT) or reason.startswith(INSTALLED)]
    if forbidden:
        reporter.write_line(f"{len(forbidden)} tests were skipped and must not be: {sorted(set(forbidden))}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def torch_of_a_gpu():
    """Return the text of a stand-in for torch that computes on a GPU, and names those that it sees; for machines without one."""
    return """\
import os
class Sum:
    def __add__(self, other): return self
    def sum(self): return self
    def item(self): return 4.0
def ones(n, device): return Sum()
class cuda:
    def get_device_name(index): return "GPU " + os.environ.get("CUDA_VISIBLE_DEVICES", "of the test")
"""
