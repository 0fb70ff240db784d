"""The random agent: the score that is normalised to 0."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from rlhpc.records import Training
from rlhpc.training.envs import make_vec


@dataclass
class Trials:
    """What a random agent has played so far; what its checkpoint holds.

    Attributes
    ----------
    started_at : str
        ISO 8601, UTC.
    scores : list of float
        True, unclipped score of each episode.
    timesteps : int
        Agent steps made.
    n_done : int
        Trials that have ended.
    seconds : float
    learned : bool
        As of a `Learner`; always False.
    resumes : list of mapping
        As in `Result`.
    """

    started_at: str = ""
    scores: list[float] = field(default_factory=list)
    timesteps: int = 0
    n_done: int = 0
    seconds: float = 0.0
    resumes: list[Mapping[str, Any]] = field(default_factory=list)
    learned: bool = False  # there is nothing to learn


def play(trials: Trials, training: Training, at_boundary: Callable[[Trials], None]) -> None:
    """Let seeded uniform actions play whole episodes.

    Parameters
    ----------
    trials : Trials
        Receives the scores; those that it holds are not played again.
    training : Training
        Its hyperparameters hold ``n_trials``, the times that environment and actions are seeded anew, and ``n_episodes`` of each.
    at_boundary : callable
        Called before each trial.
    """
    n_trials, n_episodes = (int(training.hyperparameters[name]) for name in ("n_trials", "n_episodes"))
    for trial_seed in trial_seeds(training.seed, n_trials)[trials.n_done :]:
        at_boundary(trials)
        started = time.monotonic()
        scores, timesteps = play_trial(training.env_id, n_episodes, trial_seed)
        trials.scores += scores
        trials.timesteps += timesteps
        trials.n_done += 1
        trials.seconds += time.monotonic() - started


def trial_seeds(seed: int, n_trials: int) -> list[int]:
    """Draw the seed of each trial; far apart whatever the seed, so that trials of neighbouring seeds share no episode."""
    return [int(drawn) % 2**31 for drawn in np.random.SeedSequence(seed).generate_state(n_trials)]


def play_trial(env_id: str, n_episodes: int, trial_seed: int) -> tuple[list[float], int]:
    """Play one trial; return the score of each episode, and the agent steps made."""
    env = make_vec(env_id, {}, n_envs=1, seed=trial_seed, training=False)
    env.action_space.seed(trial_seed)
    try:
        return _play_episodes(env, n_episodes)
    finally:
        env.close()


def _play_episodes(env: VecEnv, n_episodes: int) -> tuple[list[float], int]:
    """Play until `n_episodes` whole games have ended; a lost life of an Atari game is no end."""
    scores: list[float] = []
    timesteps = 0
    env.reset()
    while len(scores) < n_episodes:
        _, _, _, infos = env.step(np.array([env.action_space.sample()]))
        timesteps += 1
        episode: Mapping[str, Any] | None = infos[0].get("episode")
        if episode is not None:
            scores.append(float(episode["r"]))
    return scores, timesteps
