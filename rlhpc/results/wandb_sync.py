"""Send the offline runs of a folder: a few at once, the parts of each oldest first, and what is sent is remembered."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from rlhpc.errors import RlhpcError
from rlhpc.results.wandb_links import Links
from rlhpc.results.wandb_program import Ending, Outcome, Program
from rlhpc.results.wandb_runs import OfflineRun


class Sending:
    """Send runs; one object for one start.

    Parameters
    ----------
    program : Program
    links : Links
        What was sent before; grows.
    at_once : int
        How many runs are sent at a time.
    tell : callable
        Takes the outcome of each part, as it comes; one call at a time.
    check : callable
        Raises `RlhpcError` if another start has taken over: nothing is sent then, nor written.

    Attributes
    ----------
    outcomes : list of Outcome
        Of the parts that were tried.
    fault : RlhpcError or None
        Why the rest was not tried: the server does not answer any more.
    """

    def __init__(
        self,
        program: Program,
        links: Links,
        at_once: int,
        tell: Callable[[Outcome], object],
        check: Callable[[], object],
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.fault: RlhpcError | None = None
        self._program = program
        self._links = links
        self._at_once = at_once
        self._tell = tell
        self._check = check
        self._begin, self._stop = threading.Event(), threading.Event()
        self._lock = threading.Lock()

    def send(self, runs: Sequence[OfflineRun], say: Callable[[str], object]) -> None:
        """Send what is to be sent of the runs.

        Parameters
        ----------
        runs : sequence of OfflineRun
        say : callable
            Takes one line for the user who interrupts.

        Raises
        ------
        KeyboardInterrupt
            After what was under way is sent; or at once, after a second one.
        """
        with ThreadPoolExecutor(self._at_once) as pool:
            futures: list[Future[None]] = []
            try:
                futures += [pool.submit(self._send, run) for run in runs]
                self._begin.set()  # not before: nobody would wait for what an interrupt in the line above leaves behind
                wait(futures)
            except KeyboardInterrupt as interrupt:
                self._stop.set()
                self._begin.set()
                say("stopping when the parts that are under way are sent; Ctrl-C again stops at once")
                self._wait_or_kill(futures)
                interrupt.add_note("what was sent is remembered; start again to send the rest")
                raise
        for future in futures:
            future.result()  # a full disk, say

    def _wait_or_kill(self, futures: Sequence[Future[None]]) -> None:
        try:
            wait(futures)
        except KeyboardInterrupt:
            self._program.kill()

    def _send(self, run: OfflineRun) -> None:
        """Send one run, up to a part that fails: what follows it must not come before it."""
        self._begin.wait()
        for part in self._links.to_send(run):
            with self._recording():
                if self._stop.is_set():
                    return
                self._links.reserve([part.run_id])
            outcome = self._program.send(part)
            with self._recording():
                self._keep(outcome)
            if outcome.ending is Ending.FAILED:
                return

    @contextlib.contextmanager
    def _recording(self) -> Iterator[None]:
        """Let one thread at a time write, and none after an error: what would be sent then could not be remembered."""
        with self._lock:
            try:
                self._check()
                yield
            except (OSError, RlhpcError):
                self._stop.set()
                raise

    def _keep(self, outcome: Outcome) -> None:
        """Remember an outcome; after a failure, ask whether the server is there at all, for wandb tries for a long time."""
        self.outcomes.append(outcome)
        self._tell(outcome)
        if outcome.ending is not Ending.FAILED:
            unreadable = outcome.reason if outcome.ending is Ending.UNREADABLE else ""
            self._links.remember(outcome.part, outcome.url, unreadable)
            return
        if not self._stop.is_set():
            try:
                self._program.ask()
            except RlhpcError as error:
                self.fault = error
                self._stop.set()
