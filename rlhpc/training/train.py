"""One training: learn, evaluate, and hand back what is to be stored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from stable_baselines3.common.logger import Logger, configure

from rlhpc import container
from rlhpc.clock import utc_now
from rlhpc.records import Result, Training
from rlhpc.results.progress import Phase
from rlhpc.training import learner, machine, memory, random_agent
from rlhpc.training.algos import RANDOM
from rlhpc.training.curves import Curves, TrackingCallback
from rlhpc.training.reporting import Reporter, ReportingCallback
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import Tracker


@dataclass
class _Run:
    """What a training leaves behind, whichever kind it is."""

    episode_scores: tuple[float, ...]
    timesteps: int
    train_seconds: float
    evaluation_seconds: float
    started_at: str
    resumes: tuple[Mapping[str, Any], ...]
    device: str = "cpu"
    converged: bool | None = None
    policy_sha256: str = ""
    curves: Curves = field(default_factory=Curves)


def train(
    training: Training, folder: Path, settings: TrainSettings, attempt: int = 1, saver: Saver | None = None
) -> tuple[Result, Curves]:
    """Carry out one training, from its last checkpoint if it has one.

    Parameters
    ----------
    training : Training
    folder : Path
        Where checkpoints, event files and offline runs go.
    settings : TrainSettings
    attempt : int
        1 for the first.
    saver : Saver, optional
        By which the training can be told to stop.

    Returns
    -------
    result : Result
    curves : Curves
        Training episodes and evaluations along the way.

    Raises
    ------
    Stopped
        If it was told to stop; it is saved.
    """
    # Packed trainings share the cores; with the threads that torch and OpenCV take by themselves they are 5 to 12 times slower.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    memory.keep_what_is_freed()
    saver = saver or Saver(training, folder, settings, attempt, print)
    tracker = None if settings.wandb.mode == "disabled" else Tracker(training, settings.wandb, settings.group, folder)
    score, was_stopped = None, False
    reporter = Reporter(training, folder, attempt, settings.report_seconds)
    try:
        if training.hyperparameters["class"] == RANDOM:
            run = _play_random(training, saver, reporter)
        else:
            run = _learn(training, folder, settings, saver, reporter, tracker)
        score = float(np.mean(run.episode_scores))
        if not np.isfinite(score):
            raise ValueError(f"the score is not finite; '{training.env_id}' pays NaN or infinite rewards")
    except Stopped:
        was_stopped = True
        raise
    finally:
        if tracker is not None:
            tracker.finish(score, was_stopped=was_stopped)
    result = Result(
        training=training,
        score=score,
        episode_scores=run.episode_scores,
        timesteps=run.timesteps,
        train_seconds=run.train_seconds,
        evaluation_seconds=run.evaluation_seconds,
        started_at=run.started_at,
        finished_at=utc_now(),
        attempt=attempt,
        converged=run.converged,
        device=machine.device(run.device),
        versions=machine.versions(),
        container=container.describe(),
        wandb=tracker.record if tracker is not None else {"mode": "disabled"},
        policy_sha256=run.policy_sha256,
        resumes=run.resumes,
    )
    return result, run.curves


def _play_random(training: Training, saver: Saver, reporter: Reporter) -> _Run:
    """Play the random agent."""
    trials = saver.resume() or random_agent.Trials(utc_now())

    def at_boundary(trials: random_agent.Trials) -> None:
        saver.at_boundary(trials)
        reporter.mark(trials.timesteps)
        reporter.report(Phase.EVALUATING, trials.timesteps)

    random_agent.play(trials, training, at_boundary)
    return _Run(
        tuple(trials.scores),
        trials.timesteps,
        train_seconds=0.0,
        evaluation_seconds=trials.seconds,
        started_at=trials.started_at,
        resumes=tuple(trials.resumes),
    )


def _learn(  # noqa: PLR0913, PLR0917  # what `train` has
    training: Training, folder: Path, settings: TrainSettings, saver: Saver, reporter: Reporter, tracker: Tracker | None
) -> _Run:
    """Train an agent and evaluate it."""
    device = machine.device_kind(settings.device)
    agent = saver.resume() or learner.begin(training, device, utc_now())
    writes_events = settings.tensorboard and not agent.learned
    agent.model.set_logger(configure(str(folder / "tensorboard"), ["tensorboard"]) if writes_events else Logger(None, []))
    if not agent.learned:
        tracking = [] if tracker is None else [TrackingCallback(tracker, training.total_timesteps)]
        learner.learn(agent, training.total_timesteps, saver, [ReportingCallback(reporter), *tracking])
    started = time.monotonic()
    evaluated = partial(reporter.report, Phase.EVALUATING, agent.timesteps)
    evaluated()
    scores = learner.evaluate(agent, training, evaluated)
    learner.close(agent)
    return _Run(
        episode_scores=scores,
        timesteps=agent.timesteps,
        train_seconds=agent.train_seconds,
        evaluation_seconds=time.monotonic() - started,
        started_at=agent.started_at,
        resumes=tuple(agent.resumes),
        device=device,
        converged=agent.timesteps < training.total_timesteps if training.hyperparameters.get("convergence") else None,
        policy_sha256=learner.policy_digest(agent),
        curves=agent.curves,
    )
