"""Scores of single trainings, and which of them belong together."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

RANDOM_ALGO = "random"  # the algorithm whose scores are normalised to 0
REFERENCE_ALGO = "ppo_converged"  # the algorithm whose scores are normalised to 100
BASELINES = (RANDOM_ALGO, REFERENCE_ALGO)  # which are not compared themselves

Cell = tuple[str, str, str]  # benchmark, env_id, algo
SAME = ("total_timesteps", "hyperparameters_hash")  # of all trainings that are averaged


@dataclass(frozen=True)
class Score:
    """The score of one training.

    Attributes
    ----------
    env_id, algo, seed
        What identifies it.
    score : float
        NaN where missing.
    benchmark, action_space : str
        Blank where unknown.
    random_score, reference_score : float
        Those of its environment, where its table holds them; NaN where not.
    total_timesteps, hyperparameters_hash : str
        What must be the same for all seeds of an algorithm; blank where unknown.
    """

    env_id: str
    algo: str
    seed: int
    score: float
    benchmark: str = ""
    action_space: str = ""
    random_score: float = math.nan
    reference_score: float = math.nan
    total_timesteps: str = ""
    hyperparameters_hash: str = ""

    @property
    def cell(self) -> Cell:
        """What its seeds are averaged in: benchmark, environment, algorithm."""
        return (self.benchmark, self.env_id, self.algo)


def by_cell(scores: Iterable[Score]) -> dict[Cell, list[Score]]:
    """Group scores by benchmark, environment and algorithm, in the order of these; within a group in the order of seeds."""
    groups: dict[Cell, list[Score]] = defaultdict(list)
    for score in sorted(scores, key=lambda score: (score.cell, score.seed)):
        groups[score.cell].append(score)
    return dict(groups)


def mixed_cells(scores: Iterable[Score]) -> dict[Cell, str]:
    """Find the groups whose trainings differ in budget or hyperparameters, and say in what; they are never averaged."""
    found = {}
    for cell, group in by_cell(scores).items():
        differences = [_difference(group, key) for key in SAME]
        if any(differences):
            found[cell] = ", ".join(filter(None, differences))
    return found


def unequal_budgets(scores: Iterable[Score]) -> dict[tuple[str, str], str]:
    """Find the environments on which the algorithms to compare were not all trained equally long, and say how long.

    Returns
    -------
    mapping of (benchmark, env_id) to str
        Without the random agent and the reference, whose budgets are others, and what has no budget.
    """
    found: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for score in scores:
        if score.algo not in BASELINES and score.total_timesteps.isdecimal():
            found[score.benchmark, score.env_id][int(score.total_timesteps)].add(score.algo)
    return {
        where: " and ".join(f"{steps:,} ({', '.join(sorted(algos))})" for steps, algos in sorted(by_steps.items()))
        for where, by_steps in found.items()
        if len(by_steps) > 1
    }


def _difference(group: Sequence[Score], key: str) -> str:
    """Say which seeds have which value of an attribute; blank where all have the same."""
    seeds = defaultdict(list)
    for score in group:
        seeds[getattr(score, key)].append(str(score.seed))
    if len(seeds) == 1:
        return ""
    parts = (f"{value or 'blank'} (seed {' '.join(holders)})" for value, holders in seeds.items())
    return f"{key} {' and '.join(parts)}"


def mean(values: Sequence[float]) -> float:
    """Return the mean of scores; their sum is rounded once, so the order of seeds cannot change a bit."""
    return math.fsum(values) / len(values)


def standard_error(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (ddof 1) over the root of the number of values; None for fewer than 2."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
