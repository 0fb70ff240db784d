"""The state of one training: judged from the facts of its folder and its place in Slurm's queue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from rlhpc.cluster.queue import QueuedElement, array_of, explain
from rlhpc.results.progress import Phase, Progress
from rlhpc.results.unfinished import has_given_up
from rlhpc.status.facts import Facts
from rlhpc.words import count, duration

# Its supervisor lives, but it tells nothing new, as when its environment hangs: longer than updates and evaluations usually take.
NO_NEWS_SECONDS = 600.0


class State(StrEnum):
    """What becomes of a training."""

    DONE = "done"
    RUNNING = "running"
    SILENT = "silent"  # a supervisor took it, and has given no sign of life for longer than any that lives
    WAITING = "waiting"
    STOPPED = "stopped"
    FAILED = "failed"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Queue:
    """What Slurm and the submissions tell of a grid.

    Attributes
    ----------
    places : mapping of str to QueuedElement
        Of the trainings that wait or run.
    submitted_at : mapping of str to str
        When each training that ever was submitted was so last; ISO 8601, UTC.
    running_jobs : set of str
        Slurm's ids of our elements that run.
    job_ids : set of str
        Slurm's ids of all of our submissions, arrays or plain jobs, whether they are in the queue or not.
    fault : str
        Why Slurm does not tell; blank if it does, or was not asked because nothing was submitted.
    age_seconds : float or None
        Of Slurm's answer; None if it was not asked.
    """

    places: Mapping[str, QueuedElement] = field(default_factory=dict)
    submitted_at: Mapping[str, str] = field(default_factory=dict)
    running_jobs: frozenset[str] = frozenset()
    job_ids: frozenset[str] = frozenset()
    fault: str = ""
    age_seconds: float | None = None

    def is_ours(self, job: str) -> bool:
        """Tell whether a job, or an element of an array, is of one of our submissions."""
        return array_of(job) in self.job_ids

    def has_ended(self, job: str) -> bool:
        """Tell whether a job is one of ours and does not run any more; false where that is not known."""
        return self.is_ours(job) and job not in self.running_jobs and not self.fault and self.age_seconds is not None


@dataclass(frozen=True)
class Failure:
    """Why a training failed.

    Attributes
    ----------
    reason, remedy : str
    n_attempts : int
        That failed by its own fault.
    traceback : str
    log : str
        Path of what it printed.
    at, host : str
    """

    reason: str
    remedy: str
    n_attempts: int
    traceback: str
    log: str
    at: str
    host: str


@dataclass(frozen=True)
class TrainingStatus:
    """The state of one training.

    Attributes
    ----------
    name : str
    state : State
    reason : str
        Why, in words; blank where there is nothing to say.
    folder : Path
    progress : Progress or None
        Of the attempt that runs, or of the last one.
    timesteps : int or None
        Agent steps made, and not lost.
    percent : float or None
        Of the budget.
    steps_per_second : float or None
        If it runs.
    ends_at : datetime or None
        When a running one is expected to have learned; UTC. Where a rule may end it before: at the latest.
    job : str
        The Slurm job in which it runs or waits; blank outside Slurm.
    starts_at : str
        When Slurm expects a waiting job to start, in its words; blank where it does not tell.
    failure : Failure or None
    slow : str
        Why it is worth a look though it runs; blank if it is not.
    """

    name: str
    state: State
    reason: str
    folder: Path
    progress: Progress | None = None
    timesteps: int | None = None
    percent: float | None = None
    steps_per_second: float | None = None
    ends_at: dt.datetime | None = None
    job: str = ""
    starts_at: str = ""
    failure: Failure | None = None
    slow: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """Its benchmark and its algorithm."""
        benchmark, *_, algo, _ = self.name.split("/")
        return benchmark, algo

    @property
    def env_id(self) -> str:
        """Its environment."""
        return "/".join(self.name.split("/")[1:-2])


def judge(facts: Facts, queue: Queue, now: dt.datetime, file_system_now: float, others: str = "") -> TrainingStatus:
    """Judge the state of a training.

    Parameters
    ----------
    facts : Facts
    queue : Queue
    now : datetime
        UTC.
    file_system_now : float
        As `rlhpc.status.clock` tells.
    others : str
        A launch outside of our submissions that lives, and may have this training in its hands; blank if there is none.
    """
    if facts.damage:
        return TrainingStatus(facts.name, State.DAMAGED, facts.damage, facts.folder)
    if facts.is_stored:
        return TrainingStatus(facts.name, State.DONE, "", facts.folder)
    if facts.is_held(file_system_now):
        return _running(facts, now, file_system_now)
    if facts.holder is not None and not queue.has_ended(facts.holder.job):
        quiet = facts.quiet_seconds(file_system_now)
        return _silent(facts, quiet, is_running=facts.holder.job in queue.running_jobs)
    return _at_rest(facts, queue, others)


def _running(facts: Facts, now: dt.datetime, file_system_now: float) -> TrainingStatus:
    """Describe a training that a living supervisor works on."""
    told, holder = facts.progress, facts.holder
    job = holder.job if holder else ""
    if told is None:  # what an earlier attempt has told is removed by the next one as it begins
        return TrainingStatus(facts.name, State.RUNNING, "starting", facts.folder, timesteps=facts.checkpoint, job=job)
    unheard = file_system_now - facts.progress_at if facts.progress_at is not None else 0.0
    return TrainingStatus(
        facts.name,
        State.RUNNING,
        "evaluating" if told.phase is Phase.EVALUATING else "",
        facts.folder,
        told,
        told.timesteps,
        told.percent,
        told.steps_per_second if told.phase is Phase.LEARNING else None,
        _ends_at(told, now),
        job,
        slow=f"no news for {duration(unheard)}" if unheard > NO_NEWS_SECONDS else "",
    )


def _ends_at(told: Progress, now: dt.datetime) -> dt.datetime | None:
    """Expect that the rest is learned at the speed of the last minutes."""
    if told.phase is not Phase.LEARNING or not told.steps_per_second or not told.total_timesteps:
        return None
    try:
        left = dt.timedelta(seconds=max(told.total_timesteps - told.timesteps, 0) / told.steps_per_second)
        return max(dt.datetime.fromisoformat(told.at).astimezone(dt.UTC) + left, now)
    except (ValueError, OverflowError):  # edited, or never
        return None


def _silent(facts: Facts, quiet_seconds: float | None, *, is_running: bool) -> TrainingStatus:
    """Describe a training whose supervisor does not tell whether it lives."""
    since = "no sign of life" if quiet_seconds is None else f"no sign of life for {duration(quiet_seconds)}"
    job = facts.holder.job if facts.holder else ""
    slurm = f"Slurm says that its job runs: look at it, or scancel {job}" if is_running else "if it has ended, launch again"
    reason = f"{since} from {facts.holder}; {slurm}"
    return TrainingStatus(facts.name, State.SILENT, reason, facts.folder, facts.progress, *_kept(facts), job=job)


def _at_rest(facts: Facts, queue: Queue, others: str) -> TrainingStatus:
    """Describe a training without a result that nobody works on."""
    element = queue.places.get(facts.name)
    submitted_at = queue.submitted_at.get(facts.name, "")
    state, failure = State.WAITING, None
    if has_given_up(facts.attempts, since=submitted_at if element else ""):
        failure = _failure(facts.attempts)
        state, reason = State.FAILED, failure.reason
    elif element is not None:
        reason = _why_queued(element)
    else:
        reason = _remedy(queue, others, was_submitted=bool(submitted_at))
        if facts.has_begun:
            state, reason = State.STOPPED, f"{_how_stopped(facts)}; {reason}"
    return TrainingStatus(
        facts.name,
        state,
        reason,
        facts.folder,
        facts.progress,
        *_kept(facts),
        job=element.job_id if element else "",
        starts_at=element.starts_at if element and element.is_waiting else "",
        failure=failure,
    )


def _kept(facts: Facts) -> tuple[int | None, float | None]:
    """Return the agent steps that are not lost, whatever became of its supervisor, and their share of the budget, in percent."""
    total = facts.progress.total_timesteps if facts.progress else 0
    return facts.checkpoint, min(100 * (facts.checkpoint or 0) / total, 100.0) if total else None


def _why_queued(element: QueuedElement) -> str:
    """Say why a training does not run whose element is in the queue."""
    if element.is_waiting:
        return explain(element.reason)
    if element.is_running:
        return "waiting for a place on the node"
    return f"the job is {element.state.lower().replace('_', ' ')}"


def _how_stopped(facts: Facts) -> str:
    """Say how a training that has begun ended, if there is more to say than that it stopped, and from where it goes on."""
    goes_on = "to go on from a checkpoint" if facts.checkpoint is not None else "no checkpoint is there, to begin anew"
    last = facts.attempts[-1] if facts.attempts else {}
    return "; ".join([*([] if last.get("kind", "stopped") == "stopped" else [str(last["reason"])]), goes_on])


def _remedy(queue: Queue, others: str, *, was_submitted: bool) -> str:
    """Say what is to be done about a training that is not in the queue, or not known to be."""
    if queue.fault and was_submitted:
        return "in the queue or not, Slurm does not tell"
    if others:
        return f"waiting for its turn in the launch that is at work ({others}); should that end without it, launch again"
    if was_submitted:
        return "no longer in the queue: launch again"
    return "not submitted: launch again" if queue.submitted_at else "no launch is at work on it: launch again"


def _failure(attempts: Sequence[Mapping[str, Any]]) -> Failure:
    """Say why a training failed, as its last attempt recorded it."""
    last = attempts[-1]
    n_failed = sum(not attempt.get("forgiven") for attempt in attempts)
    texts = {name: str(last.get(name) or "") for name in ("remedy", "traceback", "log", "at", "host")}
    return Failure(reason=f"{last['reason']} ({count(n_failed, 'attempt')})", n_attempts=n_failed, **texts)
