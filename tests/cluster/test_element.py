"""The process that speaks for a supervisor, with real processes; what Slurm and submitit make of it is tested in tests/slurm."""

import os
import signal
import sys
import threading
import time

import pytest

from rlhpc.cluster import element
from rlhpc.cluster.element import Element
from rlhpc.errors import IDLE, STOPPED

# A supervisor that notes its starts and signals, and ends as the text that it reads says.
SUPERVISOR = """
import os, signal, sys, time
def note(word):
    with open(sys.argv[1], "a") as stream:
        print(word, file=stream)
code = int(sys.argv[2])
def hear(signum, _):
    note(signal.Signals(signum).name)
    os._exit(code)
if "deaf" not in sys.argv:
    signal.signal(signal.SIGUSR2, hear)
    signal.signal(signal.SIGTERM, hear)
note("starts " + sys.stdin.read())
if "deaf" not in sys.argv:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2, signal.SIGTERM})
if "dies" in sys.argv:
    os.kill(os.getpid(), signal.SIGKILL)
if "waits" in sys.argv or "deaf" in sys.argv:
    time.sleep(60)
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def own_signals():
    """Leave the handlers of this process as they are."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for signum, handler in before.items():
        signal.signal(signum, handler)


@pytest.fixture
def make(tmp_path):
    """Make an element whose supervisor ends with a code, and behaves as the words say."""

    def make(code, *words, stop_seconds=30.0, life_seconds=0.0, n_idle_lives=0):
        command = (sys.executable, "-c", SUPERVISOR, str(tmp_path / "notes"), str(code), *words)
        return Element(command, "the work", stop_seconds, life_seconds, n_idle_lives)

    return make


@pytest.fixture
def notes(tmp_path):
    """Return what the supervisors have noted so far."""
    return lambda: (tmp_path / "notes").read_text().splitlines() if (tmp_path / "notes").exists() else []


def started(notes):
    """Wait until a supervisor has started."""
    deadline = time.monotonic() + 120
    while not notes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, STOPPED, IDLE])
def test_what_is_done_or_in_the_hands_of_others_ends_well(make, notes, code):
    assert make(code)() is None
    assert notes() == ["starts the work"]


@pytest.mark.parametrize("code", [1, 2])
def test_what_failed_ends_with_its_code(make, code):
    with pytest.raises(SystemExit) as ended:
        make(code)()
    assert ended.value.code == code


def test_a_supervisor_that_is_killed_is_started_again_a_bounded_number_of_times(make, notes, capfd):
    with pytest.raises(SystemExit) as ended:
        make(0, "dies")()
    assert ended.value.code == 128 + signal.SIGKILL
    assert notes() == ["starts the work"] * 3
    assert capfd.readouterr().out.count("it is started again") == 2


def test_sigterm_is_handed_on_and_the_element_waits_to_be_killed(make, notes, monkeypatch):
    monkeypatch.setattr(element, "SECONDS_TO_BE_KILLED", 0.3)
    wanted = make(STOPPED, "waits")
    threading.Thread(target=lambda: (started(notes), os.kill(os.getpid(), signal.SIGTERM))).start()
    began = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        wanted()
    assert ended.value.code == 128 + signal.SIGTERM
    assert notes() == ["starts the work", "SIGTERM"]
    assert time.monotonic() - began >= 0.3


class Interrupted(BaseException):
    pass


def interrupted(wanted, notes):
    """Run an element until its supervisor has started, and let a signal's handler call `checkpoint`, as submitit's does."""
    returned = []

    def handle(*_):
        returned.append(wanted.checkpoint())
        raise Interrupted

    signal.signal(signal.SIGUSR2, handle)
    threading.Thread(target=lambda: (started(notes), os.kill(os.getpid(), signal.SIGUSR2))).start()
    try:
        with pytest.raises(Interrupted):
            wanted()
    finally:
        wanted._supervisor.wait()
    return returned[0]


def test_a_warning_has_all_saved_and_the_element_continued(make, notes):
    submission = interrupted(make(STOPPED, "waits"), notes)
    assert notes() == ["starts the work", "SIGUSR2"]
    assert (submission.function.command, submission.function.work) == (make(STOPPED, "waits").command, "the work")
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN  # a second warning disturbs nothing


def test_a_supervisor_that_does_not_leave_in_time_is_killed_and_the_element_continued(make, notes):
    began = time.monotonic()
    assert interrupted(make(STOPPED, "deaf", stop_seconds=0.5), notes) is not None
    assert 0.5 <= time.monotonic() - began < 20


@pytest.mark.parametrize("code", [0, 1])
def test_where_all_was_done_at_that_moment_nothing_is_requeued(make, notes, code):
    with pytest.raises(SystemExit) as ended:
        interrupted(make(code, "waits"), notes)
    assert ended.value.code == code


@pytest.mark.parametrize(
    ("code", "life_seconds", "before", "after"),
    [(IDLE, 0.0, 0, 1), (IDLE, 0.0, 1, 2), (IDLE, 0.0, 2, None), (IDLE, 3600.0, 2, 2), (STOPPED, 0.0, 2, 0)],
)
def test_an_element_that_saves_nothing_in_three_time_limits_is_not_requeued_for_ever(
    make, notes, capfd, code, life_seconds, before, after
):
    submission = interrupted(make(code, "waits", life_seconds=life_seconds, n_idle_lives=before), notes)
    assert (submission and submission.function.n_idle_lives) == after
    assert ("longer slurm.timeout_min" in capfd.readouterr().out) == (after is None)


def test_a_signal_in_the_moment_of_a_start_waits_until_the_supervisor_can_hear_it(make, notes):
    wanted = make(STOPPED, "waits")
    signal.signal(signal.SIGTERM, wanted._hand_on)
    threading.Timer(0.0, lambda: (until_there_is(wanted), wanted._hand_on(signal.SIGTERM, None))).start()
    assert wanted._carry_out() == STOPPED  # and not killed by it
    assert notes() == ["starts the work", "SIGTERM"]


def until_there_is(wanted):
    while wanted._supervisor is None:
        time.sleep(0.001)
