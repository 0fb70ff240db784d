"""Random scores: what the random agent comes to in some environments, played side by side, one trial on each core."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from rlhpc.errors import RlhpcError
from rlhpc.results.scores import standard_error
from rlhpc.training import random_agent
from rlhpc.training.process import libraries_of


@dataclass(frozen=True)
class RandomScore:
    """The random agent's score in an environment.

    Attributes
    ----------
    env_id : str
    score : float
        Mean of all episodes of all trials.
    standard_error : float
        Of that mean.
    n_episodes : int
    """

    env_id: str
    score: float
    standard_error: float
    n_episodes: int


def play(env_ids: Sequence[str], seeds: Sequence[int], n_episodes: int) -> list[RandomScore]:
    """Play every trial of every environment; the scores do not depend on the number of cores.

    Parameters
    ----------
    env_ids : sequence of str
    seeds : sequence of int
        Of the trials.
    n_episodes : int
        Of each trial.

    Raises
    ------
    RlhpcError
        If an environment fails, or gives a score that is not finite.
    """
    episodes = _play_trials(env_ids, seeds, n_episodes)
    return [_summarise(env_id, episodes[env_id]) for env_id in env_ids]


def _play_trials(env_ids: Sequence[str], seeds: Sequence[int], n_episodes: int) -> Mapping[str, Sequence[float]]:
    """Return the scores of the episodes of each environment, in the order of the seeds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(libraries_of(env_ids))
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), mp_context=context) as pool:
        trials = [
            (env_id, pool.submit(random_agent.play_trial, env_id, n_episodes, seed)) for env_id in env_ids for seed in seeds
        ]
        scores: dict[str, list[float]] = {env_id: [] for env_id in env_ids}
        for env_id, trial in tqdm(trials, unit="trial", disable=not sys.stderr.isatty()):
            try:
                scores[env_id] += trial.result()[0]
            except Exception as error:  # an environment may raise anything, or end its process
                raise RlhpcError(f"the random agent failed in '{env_id}': {type(error).__name__}: {error}") from error
            if not np.isfinite(scores[env_id]).all():
                raise RlhpcError(f"'{env_id}' gave a score that is not finite; its rewards are NaN or infinite.")
    return scores


def _summarise(env_id: str, scores: Sequence[float]) -> RandomScore:
    error = standard_error(scores)
    return RandomScore(env_id, float(np.mean(scores)), math.nan if error is None else error, len(scores))
