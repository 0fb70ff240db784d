"""Estimates: how long trainings take, from those that are stored already, else from the thesis' logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from statistics import fmean
from typing import Any

from rlhpc.records import Result, Training
from rlhpc.results.ledger import Ledger, read_alike
from rlhpc.results.store import Store
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
PRIOR_HOURS_OF_RANDOM = 1e-4  # an episode; measured on one core: minutes for 1,000


class Source(StrEnum):
    """Where an estimate comes from, the surest first."""

    MEASURED = "measured"  # the user's own trainings
    OTHER_DEVICE = "other_device"  # they too, but on GPUs where cores are planned, or the other way round
    PRIOR = "prior"  # the thesis' logs
    AS_PPO = "as_ppo"  # the prior of PPO, for want of one of its own


def prior_hours(training: Training) -> float:
    """Return what the priors above say of a training's duration; an unknown kind counts as PPO."""
    if training.hyperparameters.get("class") == RANDOM:
        values = training.hyperparameters
        return PRIOR_HOURS_OF_RANDOM * int(values.get("n_trials", 1)) * int(values.get("n_episodes", 1))
    space = _space(training)
    rate = PRIOR_HOURS_PER_MILLION.get(_kind(training), PRIOR_HOURS_PER_MILLION["PPO", space])
    whole_budget = rate * training.total_timesteps / 1e6
    if training.hyperparameters.get("convergence"):
        return min(PRIOR_HOURS_TO_CONVERGENCE[space], whole_budget)
    return whole_budget


class MeasuredHours:
    """How long a training takes, by stored results, as far as they reach.

    Called with a training, it returns hours: the mean of the same algorithm in the same environment, else in the same benchmark,
    in proportion to the agent steps (to none where the training decides itself when it ends); else `prior_hours`. Results from
    the kind of device that is planned go before those from another.

    Parameters
    ----------
    results : iterable of Result
        Of which an algorithm's name means the same settings.
    device : str
        ``cpu`` or ``cuda``: what the trainings are going to run on.
    """

    def __init__(self, results: Iterable[Result], device: str) -> None:
        found: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for result in results:
            took = (result.train_seconds + result.evaluation_seconds) / 3600
            source = Source.MEASURED if result.device.get("type", device) == device else Source.OTHER_DEVICE
            for likeness in _likenesses(result.training):
                found[(source, *likeness)].append(took / _steps(result.training))
        self._rates: Mapping[tuple[str, ...], float] = {key: fmean(rates) for key, rates in found.items()}

    def __call__(self, training: Training) -> float:
        """Return hours."""
        _, rate = self._find(training)
        return prior_hours(training) if rate is None else rate * _steps(training)

    def source(self, training: Training) -> Source:
        """Say where the estimate of a training comes from."""
        source, _ = self._find(training)
        return source

    def _find(self, training: Training) -> tuple[Source, float | None]:
        """Return the hours that a step takes by the user's own results, None without any."""
        for source in (Source.MEASURED, Source.OTHER_DEVICE):
            for likeness in _likenesses(training):
                if (rate := self._rates.get((source, *likeness))) is not None:
                    return source, rate
        return (Source.PRIOR if _has_prior(training) else Source.AS_PPO), None


def measured_hours(store: Store, found: Ledger, device: str) -> MeasuredHours:
    """Return an estimator that goes by a grid's own results, and by those of other launches in its folder that are like them.

    Parameters
    ----------
    store : Store
    found : Ledger
        Of the grid.
    device : str
        ``cpu`` or ``cuda``: what the trainings are going to run on.
    """
    return MeasuredHours([*found.results, *read_alike(store, found)], device)


def _has_prior(training: Training) -> bool:
    """Tell whether the logs know trainings of this kind; of those that decide themselves when they end, they knew PPO."""
    values = training.hyperparameters
    known = values.get("class") == "PPO" if values.get("convergence") else _kind(training) in PRIOR_HOURS_PER_MILLION
    return known or values.get("class") == RANDOM


def _kind(training: Training) -> tuple[str, str]:
    return str(training.hyperparameters.get("class")), _space(training)


def _space(training: Training) -> str:
    return "Discrete" if training.action_space == "Discrete" else "Continuous"


def _likenesses(training: Training) -> tuple[tuple[str, ...], ...]:
    """Return what trainings of like duration share, the closest likeness first."""
    return ((training.benchmark, training.env_id, training.algo), (training.benchmark, training.algo))


def _steps(training: Training) -> float:
    """Return what a duration is in proportion to."""
    decides_itself: Any = training.hyperparameters.get("convergence")
    return float(training.total_timesteps) if training.total_timesteps and not decides_itself else 1.0
