"""The plan of a trust report: what is redone, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError
from rlhpc.search.folds import assign_folds
from rlhpc.search.problem import Problem
from rlhpc.search.settings import MAX_SEED, Settings
from rlhpc.search.whole import n_to_search

Ints = NDArray[np.int64]

MIN_ALGOS = 4  # below, a search without one of them has two algorithms or fewer to choose and check thousands of subsets by
MOST = 100_000  # of anything: a Monte-Carlo error that is small enough for every purpose
MOST_COLUMN_PERMUTATIONS = 1_000  # there are too many to try all, and more than these say little
MIN_TO_SUBSAMPLE = 10  # algorithms, of fewer than which parts say nothing
SUBSAMPLES = (5, 7, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 960)  # algorithms in a part
LARGEST_PART = 0.8  # of the algorithms; the others are predicted
# Subsets of a search -> draws of permutations, pairs, resampled seeds, and of each size of parts: some minutes in all.
DRAWS = (
    (20_000, (5_040, 200, 200, 20)),  # all orders of 7 algorithms, as the thesis had
    (1_000_000, (1_000, 200, 200, 20)),
    (10_000_000, (200, 50, 50, 5)),
)
FEWEST = (40, 20, 20, 3)  # of larger searches
N_FOLD_SEEDS = 20


@dataclass(frozen=True)
class Plan:
    """What is redone, and how often; every replicate takes one search.

    Attributes
    ----------
    n_outer_folds : int
        Parts that are held out one after the other; 0 for every algorithm by itself.
    n_permutations : int
        Orders of the target; all there are, if these are no more. As many tables with every column permuted, at most
        `MOST_COLUMN_PERMUTATIONS`.
    n_fold_seeds : int
        Other folds of the cross-validation, by the seeds after that of the settings.
    n_pairs : int
        Pairs of algorithms left out; all, if there are no more.
    n_resamples : int
        Tables of resampled seeds.
    n_subsamples : int
        Parts of the algorithms of every size.
    seed : int
        What all others of these are drawn with.
    """

    n_outer_folds: int = 0
    n_permutations: int = DRAWS[0][1][0]
    n_fold_seeds: int = N_FOLD_SEEDS
    n_pairs: int = DRAWS[0][1][1]
    n_resamples: int = DRAWS[0][1][2]
    n_subsamples: int = DRAWS[0][1][3]
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no plan.

        Raises
        ------
        InputError
            With every fault.
        """
        if faults := [*self._faults()]:
            raise InputError(*faults)

    def _faults(self) -> Iterator[str]:
        for field in fields(self):
            value, name = getattr(self, field.name), field.name.removeprefix("n_").replace("_", " ")
            if field.name == "seed":
                continue
            if value < 0:
                yield f"{name} {value} is negative: give 0, to leave it out, or more."
            elif value > MOST:
                yield f"{name} {value} is too much: give at most {MOST:,}."
        if self.n_outer_folds == 1:
            yield "1 outer fold would hold out all algorithms: give 0, for each by itself, or at least 2."
        if not 0 <= self.seed <= MAX_SEED:
            yield f"seed {self.seed} is out of range: give 0 to {MAX_SEED}."

    def outer_folds(self, n_algos: int) -> Ints:
        """Return the outer fold of every algorithm, shape (n_algos,)."""
        if not 0 < self.n_outer_folds < n_algos:
            return np.arange(n_algos)
        return assign_folds(n_algos, self.n_outer_folds, self.seed)

    def all_orders(self, n_algos: int) -> bool:
        """Tell whether all orders of a target are tried, so that its p-value is exact."""
        return factorial(n_algos) <= self.n_permutations

    def all_pairs(self, n_algos: int) -> bool:
        """Tell whether all pairs of algorithms are left out."""
        return comb(n_algos, 2) <= self.n_pairs

    def parts(self, n_algos: int, n_parameters: int) -> tuple[int, ...]:
        """Return the sizes of parts of the algorithms that are searched; none if there are too few for that."""
        if n_algos < MIN_TO_SUBSAMPLE or not self.n_subsamples:
            return ()
        return tuple(size for size in SUBSAMPLES if n_parameters + 1 < size <= LARGEST_PART * n_algos)


def make_plan(problem: Problem, settings: Settings, **given: int | None) -> Plan:
    """Plan as much as takes some minutes.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    **given : int or None
        Attributes of `Plan` that are not to be chosen here.

    Raises
    ------
    InputError
        With everything that is wrong with these.
    """
    n_subsets = n_to_search(problem, settings)
    n_draws = next((n_draws for most, n_draws in DRAWS if n_subsets <= most), FEWEST)
    chosen = dict(zip(("n_permutations", "n_pairs", "n_resamples", "n_subsamples"), n_draws, strict=True))
    return Plan(**(chosen | {name: value for name, value in given.items() if value is not None}))


def why_no_figure(problem: Problem, settings: Settings, plan: Plan) -> str | None:
    """Say in a sentence why the search cannot be redone without each algorithm; None if it can."""
    n_algos = len(problem.y)
    if n_algos < MIN_ALGOS:
        return f"An honest error needs at least {MIN_ALGOS} algorithms, and there are {n_algos}."
    n_left = n_algos - int(np.bincount(plan.outer_folds(n_algos)).max())
    if settings.n_parameters >= n_left:
        without = "one" if n_left == n_algos - 1 else str(n_algos - n_left)
        return (
            f"Without {without} of the {n_algos} algorithms, {n_left} are left: "
            f"{settings.n_parameters} parameters would fit them perfectly. Search smaller subsets, or add algorithms."
        )
    return None
