"""The element of an array: the process that Slurm starts on a node, and that starts the node's supervisor and speaks for it.

The supervisor is a command of its own, which may as well be one inside an image: this process knows nothing of trainings.
It hands on the signals of Slurm, waits until all is saved, and has Slurm requeue the element.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission

from rlhpc.errors import IDLE, STOPPED

_TERMINATED = 128 + signal.SIGTERM  # what a shell reports
_TO_BE_CONTINUED = (STOPPED, IDLE)
_MAX_IDLE_LIVES = 3
_MAX_STARTS = 3  # of a supervisor that is killed, in one life of an element
_POLL_SECONDS = 0.2
SECONDS_TO_BE_KILLED = 600.0  # after SIGTERM: KillWait, or the GraceTime of a partition; if nothing comes, it was sent by hand
_WARNINGS = (signal.SIGUSR1, signal.SIGUSR2)  # submitit turns one of them, as the site says, into a call of `checkpoint`
_LEFTOVERS = "*.save_tmp"


class Element:
    """Carry out one node's share of trainings.

    Parameters
    ----------
    command : sequence of str
        Starts the supervisor. Exit codes: 0 all is stored, `STOPPED` it is to be continued, `IDLE` likewise, and nothing was
        saved or stored, others: something failed.
    work : str
        What it is to carry out; it reads this from standard input.
    stop_seconds : float
        Within which it leaves when told to stop.
    life_seconds : float
        From one start to the time limit.
    n_idle_lives : int
        Lives in a row, of about that length, of which nothing has come.
    """

    def __init__(
        self, command: Sequence[str], work: str, stop_seconds: float, life_seconds: float, n_idle_lives: int = 0
    ) -> None:
        self.command = tuple(command)
        self.work = work
        self.stop_seconds = stop_seconds
        self.life_seconds = life_seconds
        self.n_idle_lives = n_idle_lives
        self._started = 0.0  # of time.monotonic
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._ended_with: int | None = None
        self._is_told = False

    def __call__(self) -> None:
        """Start the supervisor and wait for its end; start it again if it is killed."""
        signal.signal(signal.SIGTERM, self._hand_on)
        self._started = time.monotonic()
        _remove_leftovers()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WARNINGS)  # kept back until there was somebody to hear them
        code = self._carry_out()
        for _ in range(_MAX_STARTS - 1):
            if code >= 0 or self._is_told:
                break
            print(f"the supervisor was killed by signal {-code}; it is started again, and goes on from what is saved", flush=True)
            code = self._carry_out()
        if self._is_told and code in _TO_BE_CONTINUED:
            # Of a job that ends by itself while it is preempted, Slurm thinks that it is done; it requeues one that it kills.
            time.sleep(SECONDS_TO_BE_KILLED)
            sys.exit(_TERMINATED)
        if code and code not in _TO_BE_CONTINUED:  # to be continued without having been told: others have the rest in hand
            sys.exit(code if code > 0 else 128 - code)

    def checkpoint(self) -> DelayedSubmission | None:
        """Have everything saved, and return what is to be done when the element is requeued; submitit calls this on a signal.

        None, and so no requeueing, if that would go on for ever: one time limit after the other, and nothing saved.
        """
        for signum in _WARNINGS:
            signal.signal(signum, signal.SIG_IGN)  # a second one must not interrupt this
        self._tell(signal.SIGUSR2)
        deadline = time.monotonic() + self.stop_seconds
        while (code := self._code()) is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if code is None:  # what it started ends with it, and goes on from the last checkpoints
            self._tell(signal.SIGKILL)
        elif code >= 0 and code not in _TO_BE_CONTINUED:  # all was done just now: there is nothing to be requeued for
            sys.exit(code)
        _remove_leftovers()
        is_long = time.monotonic() - self._started > self.life_seconds / 2  # one that was preempted soon proves nothing
        n_idle_lives = self.n_idle_lives + is_long if code == IDLE else 0
        if n_idle_lives >= _MAX_IDLE_LIVES:
            print(
                f"nothing was saved in {n_idle_lives} time limits in a row, so that this would go on for ever: the element is not"
                " requeued. Launch again with a longer slurm.timeout_min, longer than the longest rollout takes.",
                flush=True,
            )
            return None
        return DelayedSubmission(Element(self.command, self.work, self.stop_seconds, self.life_seconds, n_idle_lives))

    def _carry_out(self) -> int:
        """Run the supervisor; return its exit code, negative for a signal."""
        print(f"starts {shlex.join(self.command)}", flush=True)
        self._supervisor = self._ended_with = None
        with tempfile.TemporaryFile() as work:
            work.write(self.work.encode())
            work.seek(0)
            # Signals wait until it is ready to hear them: before, they would kill it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, *_WARNINGS})
            try:
                self._supervisor = subprocess.Popen(self.command, stdin=work)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._is_told:  # a signal that came while there was nobody to tell; the mask is this thread's alone
            self._tell(signal.SIGTERM)
        while (code := self._code()) is None:
            time.sleep(_POLL_SECONDS)
        self._ended_with = code  # from here on the kernel cannot be asked any more
        self._supervisor.wait()
        return code

    def _code(self) -> int | None:
        """Return the supervisor's exit code, None while it runs.

        Asks the kernel itself: Popen's own methods share a lock, which a signal handler would wait for in vain if it has
        interrupted the one that holds it.
        """
        if self._supervisor is None:
            return STOPPED  # it has not been started yet
        if self._ended_with is not None:
            return self._ended_with
        ended = os.waitid(os.P_PID, self._supervisor.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    def _hand_on(self, signum: int, _frame: FrameType | None) -> None:
        """Tell the supervisor that Slurm is about to kill."""
        self._is_told = True
        self._tell(signum)

    def _tell(self, signum: int) -> None:
        if self._supervisor is not None and self._code() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._supervisor.pid, signum)


def _remove_leftovers() -> None:
    """Remove what submitit was writing for this element when it was killed; it would refuse to write it again."""
    with contextlib.suppress(RuntimeError, AttributeError):  # not started by submitit: a test
        environment = JobEnvironment()
        folder = Path(environment.paths.folder)
        for path in folder.glob(f"{environment.job_id}_{_LEFTOVERS}"):
            path.unlink(missing_ok=True)
