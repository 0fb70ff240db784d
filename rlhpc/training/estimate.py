"""Estimates: how long trainings take, from those that are stored already, else from the thesis' logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import Any

from rlhpc.records import Result, Training
from rlhpc.training.algos import RANDOM

Hours = Callable[[Training], float]

# Hours of one training packed with 11 others on an A100-40GB, per million agent steps, from the medians and budgets of the
# thesis' own logs: (algorithm's class, action space) -> hours. PPO on Atari: 0.62 h for 8 x 100,000 steps; PPO, A2C on
# DMC: 16.0 h and 6.7 h for 8 x 1,000,000; TRPO on DMC: 4.3 h for 2 x 1,000,000; RecurrentPPO on DMC: 11.5 h for 1,000,000.
PRIOR_HOURS_PER_MILLION = {
    ("PPO", "Discrete"): 0.78,
    ("PPO", "Continuous"): 2.0,
    ("A2C", "Continuous"): 0.84,
    ("TRPO", "Continuous"): 2.15,
    ("RecurrentPPO", "Continuous"): 11.5,
}
# The same logs: PPO until it no longer improved, whose number of steps is not known beforehand; hours.
PRIOR_HOURS_TO_CONVERGENCE = {"Discrete": 10.6, "Continuous": 20.6}
PRIOR_HOURS_OF_RANDOM = 0.1  # 1,000 episodes; measured on one core: minutes


def prior_hours(training: Training) -> float:
    """Return what the priors above say of a training's duration; an unknown kind counts as PPO."""
    class_name = str(training.hyperparameters.get("class"))
    space = "Discrete" if training.action_space == "Discrete" else "Continuous"
    if class_name == RANDOM:
        return PRIOR_HOURS_OF_RANDOM
    if training.hyperparameters.get("convergence"):
        return PRIOR_HOURS_TO_CONVERGENCE[space]
    rate = PRIOR_HOURS_PER_MILLION.get((class_name, space), PRIOR_HOURS_PER_MILLION["PPO", space])
    return rate * training.total_timesteps / 1e6


def measured_hours(results: Iterable[Result]) -> Hours:
    """Return an estimator that goes by stored results, as far as they reach.

    Parameters
    ----------
    results : iterable of Result
        Of one grid, so that an algorithm's name means the same settings.

    Returns
    -------
    callable
        Training -> hours: the mean of the same algorithm in the same environment, else in the same benchmark, in proportion
        to the agent steps (to none where the training decides itself when it ends); else `prior_hours`.
    """
    found: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for result in results:
        training = result.training
        took = (result.train_seconds + result.evaluation_seconds) / 3600
        for key in _keys(training):
            found[key].append(took / _steps(training))
    means: Mapping[tuple[str, ...], float] = {key: fmean(rates) for key, rates in found.items()}

    def hours(training: Training) -> float:
        rate = next((means[key] for key in _keys(training) if key in means), None)
        return prior_hours(training) if rate is None else rate * _steps(training)

    return hours


def _keys(training: Training) -> tuple[tuple[str, ...], ...]:
    """Return what trainings of like duration share, the closest likeness first."""
    return ((training.benchmark, training.env_id, training.algo), (training.benchmark, training.algo))


def _steps(training: Training) -> float:
    """Return what a duration is in proportion to."""
    decides_itself: Any = training.hyperparameters.get("convergence")
    return float(training.total_timesteps) if training.total_timesteps and not decides_itself else 1.0
