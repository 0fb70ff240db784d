"""Reporting: how far a training is, written down now and then for those who look while it runs."""

from __future__ import annotations

import contextlib
import platform
import time
from collections import deque
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback

from rlhpc.clock import utc_now
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.results.holder import this_job
from rlhpc.results.progress import Phase, Progress
from rlhpc.training import places

FIRST_SECONDS = 2.0  # the first reports come sooner, each after twice the time, so that a speed is seen soon after a launch
WINDOW_SECONDS = 300.0  # over which speed is told: long enough for several rollouts and their updates
_MARK_SECONDS = 1.0  # between two rollouts from which speed is told; an off-policy algorithm begins thousands in a second


class Reporter:
    """Report how far one attempt is; never fail, and take part in nothing.

    Parameters
    ----------
    training : Training
    folder : Path
        The training's folder. What an earlier attempt reported is removed: it would be taken for this one's.
    attempt : int
    interval_seconds : float
        Between two reports, but for the first ones.
    """

    def __init__(self, training: Training, folder: Path, attempt: int, interval_seconds: float) -> None:
        self._training = training
        self._folder = folder
        self._attempt = attempt
        self._started_at = utc_now()
        self._phase: Phase | None = None
        self._interval_seconds = interval_seconds
        self._pause = min(FIRST_SECONDS, interval_seconds)
        self._next_at = time.monotonic()
        self._marks: deque[tuple[float, int]] = deque()  # seconds and agent steps where rollouts began
        progress.remove(folder)

    def mark(self, timesteps: int) -> None:
        """Note that a rollout begins. Speed is told from one to another: within one, updates would be left out."""
        now = time.monotonic()
        if not self._marks or now - self._marks[-1][0] >= _MARK_SECONDS:
            self._marks.append((now, timesteps))
            while len(self._marks) > 2 and self._marks[1][0] <= now - WINDOW_SECONDS:
                self._marks.popleft()

    def report(self, phase: Phase, timesteps: int) -> None:
        """Write down how far the training is, if it is time to, or if it enters another phase."""
        now = time.monotonic()
        if now < self._next_at and phase is self._phase:
            return
        self._next_at = now + self._pause
        self._pause = min(2 * self._pause, self._interval_seconds)
        self._phase = phase
        # nothing depends on it; whether the disk is full is found out where results are written
        with contextlib.suppress(OSError):
            progress.write(self._folder, self._progress(phase, timesteps))

    def _progress(self, phase: Phase, timesteps: int) -> Progress:
        return Progress(
            attempt=self._attempt,
            timesteps=timesteps,
            total_timesteps=self._training.total_timesteps,
            may_end_early=bool(self._training.hyperparameters.get("convergence")),
            phase=phase,
            steps_per_second=self._steps_per_second(),
            at=utc_now(),
            started_at=self._started_at,
            gpu=places.own_gpus(),
            host=platform.node(),
            job=this_job(),
        )

    def _steps_per_second(self) -> float | None:
        if len(self._marks) < 2:
            return None
        (began_at, before), (ended_at, after) = self._marks[0], self._marks[-1]
        return round((after - before) / (ended_at - began_at), 2)


class ReportingCallback(BaseCallback):
    """Report how far an agent's learning is; belongs to one attempt, and is not saved with it.

    Parameters
    ----------
    reporter : Reporter
    """

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def _on_rollout_start(self) -> None:
        self._reporter.mark(self.model.num_timesteps)  # its own are those of before the last update of SB3's
        self._reporter.report(Phase.LEARNING, self.model.num_timesteps)

    def _on_step(self) -> bool:
        self._reporter.report(Phase.LEARNING, self.num_timesteps)
        return True
