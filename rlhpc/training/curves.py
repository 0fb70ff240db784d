"""Curves: what is recorded while an agent trains, and the rule that stops it at convergence."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback, StopTrainingOnNoModelImprovement
from stable_baselines3.common.vec_env import VecEnv

from rlhpc.files import write_text
from rlhpc.results.store import EVALUATIONS, LEARNING_CURVE
from rlhpc.training.tracking import Tracker


@dataclass
class Curves:
    """What happened along the way.

    Attributes
    ----------
    episodes : list of (int, float, int)
        Training episodes: agent steps so far, true score, length (in frames for Atari games).
    evaluations : list of (int, float)
        Evaluations during the training: agent steps so far, mean score.
    """

    episodes: list[tuple[int, float, int]] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write the curves that are not empty as CSV files."""
        tables = (
            (LEARNING_CURVE, "timesteps,episode_score,episode_length", self.episodes),
            (EVALUATIONS, "timesteps,score", self.evaluations),
        )
        for name, header, rows in tables:
            if rows:
                text = io.StringIO()
                text.write(header + "\n")
                text.writelines(",".join(map(str, row)) + "\n" for row in rows)
                write_text(folder / name, text.getvalue())


class EpisodeRecorder(BaseCallback):
    """Record each training episode, as its Monitor reports it."""

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        self._curves = curves

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self._curves.episodes.append((self.num_timesteps, float(info["episode"]["r"]), int(info["episode"]["l"])))
        return True


class TrackingCallback(BaseCallback):
    """Send the mean score of recent training episodes to a tracker, a hundred times in a training."""

    def __init__(self, tracker: Tracker, total_timesteps: int) -> None:
        super().__init__()
        self._tracker = tracker
        self._every = max(total_timesteps // 100, 1)
        self._next = 0

    def _on_training_start(self) -> None:
        self._next = self._following()  # a continued training logs on where it was

    def _following(self) -> int:
        """Return the next multiple of the interval."""
        return (self.num_timesteps // self._every + 1) * self._every

    def _on_step(self) -> bool:
        recent = self.model.ep_info_buffer
        if self.num_timesteps >= self._next and recent:
            mean = float(np.mean([episode["r"] for episode in recent]))
            self._tracker.log({"train/episode_score": mean}, self.num_timesteps)
            self._next = self._following()
        return True


class _EvaluationRecorder(BaseCallback):
    """Record the evaluation that has just been made; called after the stopping rule, whose answer it passes on."""

    parent: EvalCallback

    def __init__(self, rule: StopTrainingOnNoModelImprovement, curves: Curves) -> None:
        super().__init__()
        self._rule = rule
        self._curves = curves

    def _init_callback(self) -> None:
        self._rule.parent = self.parent
        self._rule.init_callback(self.model)

    def _on_step(self) -> bool:
        self._curves.evaluations.append((self.parent.num_timesteps, self.parent.last_mean_reward))
        return self._rule.on_step()


def convergence(rule: Mapping[str, Any], evaluation_env: VecEnv, curves: Curves, *, n_envs: int) -> EvalCallback:
    """Make the callback that ends a training when its evaluations no longer improve.

    Parameters
    ----------
    rule : mapping
        ``evaluate_every`` (agent steps), ``n_episodes``, ``max_no_improvement`` and ``min_evaluations`` (evaluations).
    evaluation_env : VecEnv
    curves : Curves
        Receives the evaluations.
    n_envs : int
        Parallel environments of the training.
    """
    stop = StopTrainingOnNoModelImprovement(int(rule["max_no_improvement"]), min_evals=int(rule["min_evaluations"]))
    return EvalCallback(
        evaluation_env,
        callback_after_eval=_EvaluationRecorder(stop, curves),
        n_eval_episodes=int(rule["n_episodes"]),
        eval_freq=max(int(rule["evaluate_every"]) // n_envs, 1),  # SB3 counts steps of the vector environment
        deterministic=True,
        verbose=0,
    )
