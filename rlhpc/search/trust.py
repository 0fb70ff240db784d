"""Trust: how a subset predicts algorithms that had no part in choosing it.

Every algorithm is left out once. The whole search is redone without it, by the same rules, and the subset found then predicts
it. The error over all of them is the honest error of the method; the ranking's own is the smallest of thousands, and so too
small (Varma and Simon, 2006, Bias in error estimation when using cross-validation for model selection).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.evaluation import predict
from rlhpc.search.nested import nest
from rlhpc.search.problem import Problem
from rlhpc.search.regression import relative_errors
from rlhpc.search.settings import Settings
from rlhpc.search.whole import n_to_search, search

Floats = NDArray[np.float64]

MIN_ALGOS = 4  # below, a search without one of them has two algorithms or fewer to choose and check thousands of subsets by
# Sub-sampling a real table of 62 algorithms x 57 environments (k = 3), the claimed error was 190 times too small with 7
# algorithms, 22 times with 10 and 6 times with 15 to 20.
ENOUGH_ALGOS = 10
BELIEVABLE_ALGOS = 30  # with which the claimed error was 1.7 times too small
MAX_REGRESSIONS = 2_000_000_000  # eight seconds on one core; two minutes where gaps are scattered over all environments

Choice = Literal["best", "nested"]
BEST: Choice = "best"  # of all subsets of its size
NESTED: Choice = "nested"  # inside the nested subset of the next larger size

NO_FIGURE = "no trust figure"
DO_NOT_USE = "do not use"
TOO_FEW = "too few algorithms to trust"
BETTER = "better than guessing"

RULE = (
    f"'{NO_FIGURE}' if the search cannot be redone without each algorithm; else '{DO_NOT_USE}' if the honest MSE is not below "
    f"that of guessing the mean of the other algorithms; else '{TOO_FEW}' if fewer than {ENOUGH_ALGOS} could be tested; "
    f"else '{BETTER}'."
)


@dataclass(frozen=True)
class HeldOut:
    """One algorithm, predicted by a subset that was chosen without it.

    Attributes
    ----------
    row : int
        Of the algorithm.
    subset : tuple of int
        Columns of the best subset without it; empty if no subset was searchable.
    cv_mse : float
        What the search without it claimed for that subset; NaN if there is none.
    predicted : float
        Log benchmark score by that subset, fitted to the others; NaN if the algorithm lacks a score on it.
    baseline : float
        The mean of the others' log benchmark scores.
    """

    row: int
    subset: tuple[int, ...]
    cv_mse: float
    predicted: float
    baseline: float


HeldOuts = Mapping[tuple[Choice, int], tuple[HeldOut, ...]]


@dataclass(frozen=True)
class Honest:
    """Errors over the algorithms that could be predicted when held out.

    Attributes
    ----------
    n_predicted : int
    n_closer : int
        How many of these the subsets predicted closer than the mean of the others did.
    mse, baseline_mse : float
        Of log benchmark scores: by the subsets, and by the mean of the others; NaN if none could be predicted.
    mean_relative_error, median_relative_error, baseline_mean_relative_error : float
        Of benchmark scores, in percent; algorithms with a benchmark score of zero have none. NaN if none is left.
    n_distinct_subsets : int
        How many different subsets the searches chose.
    """

    n_predicted: int
    n_closer: int
    mse: float
    mean_relative_error: float
    median_relative_error: float
    baseline_mse: float
    baseline_mean_relative_error: float
    n_distinct_subsets: int


def n_regressions(problem: Problem, settings: Settings) -> int:
    """Count the regressions that redoing the search without each algorithm takes: subsets x folds x algorithms."""
    n_algos, n_subsets = len(problem.algos), n_to_search(problem, settings)
    return n_algos * min(settings.n_folds, n_algos - 1) * n_subsets


def why_no_figure(problem: Problem, settings: Settings, max_regressions: int = MAX_REGRESSIONS) -> str | None:
    """Say in a sentence why the search cannot or should not be redone without each algorithm; None if it can."""
    n_algos, wanted = len(problem.y), n_regressions(problem, settings)
    if n_algos < MIN_ALGOS:
        return f"An honest error needs at least {MIN_ALGOS} algorithms, and there are {n_algos}."
    if settings.n_parameters >= n_algos - 1:
        return (
            f"Without one of the {n_algos} algorithms, {n_algos - 1} are left: "
            f"{settings.n_parameters} parameters would fit them perfectly. Search smaller subsets, or add algorithms."
        )
    if wanted > max_regressions:
        return (
            f"Redoing the search without each of the {n_algos} algorithms takes {wanted:,} regressions, more than the limit "
            f"of {max_regressions:,}; raise it to have them done."
        )
    return None


def hold_out_each(
    problem: Problem, settings: Settings, *, n_threads: int = 1, report: Callable[[int], object] = lambda _: None
) -> HeldOuts:
    """Redo the whole search without each algorithm, and predict it.

    Parameters
    ----------
    problem : Problem
    settings : Settings
        Folds are drawn anew on the algorithms that remain.
    n_threads : int
    report : callable
        Called with the number of subsets done since its last call.

    Returns
    -------
    mapping of (choice, subset size) to tuple of HeldOut, length n_algos
        For `BEST` and `NESTED` subsets of every size up to ``settings.subset_size``.
    """
    held_outs: dict[tuple[Choice, int], list[HeldOut]] = defaultdict(list)
    for row in range(len(problem.algos)):
        others = np.delete(np.arange(len(problem.algos)), row).tolist()
        baseline = float(problem.y[others].mean())
        for key, (subset, error) in _choose(_take(problem, others), settings, n_threads, report).items():
            predicted = float(predict(problem, settings, subset, others)[row]) if subset else np.nan
            held_outs[key].append(HeldOut(row, subset, error, predicted, baseline))
    return {key: tuple(found) for key, found in held_outs.items()}


def _choose(
    problem: Problem, settings: Settings, n_threads: int, report: Callable[[int], object]
) -> dict[tuple[Choice, int], tuple[tuple[int, ...], float]]:
    """Search a problem: the subset of each choice and size with its CV error; an empty one where none is searchable."""
    one = settings if settings.rank_by == "in_sample" else replace(settings, keep=1)  # where `keep` is no part of the rule
    best = search(problem, one, n_threads=n_threads, report=report)
    found: dict[tuple[Choice, int], tuple[tuple[int, ...], float]] = {
        (choice, part.subset_size): ((), np.nan) for part in best for choice in (BEST, NESTED)
    }
    for part in best:
        if len(part.subsets):
            found[BEST, part.subset_size] = tuple(part.subsets[0].tolist()), float(part.cv_mse[0])
    if len(best[0].subsets):  # what is inside a searchable subset is searchable too
        for size in nest(problem, settings, best):
            found[NESTED, size.subset_size] = size.nested, size.nested_cv_mse
    return found


def _take(problem: Problem, rows: Sequence[int]) -> Problem:
    """Return the problem of some of the algorithms."""
    algos = tuple(problem.algos[row] for row in rows)
    return replace(problem, X=problem.X[rows], y=problem.y[rows], scores=problem.scores[rows], algos=algos)


def honest_errors(problem: Problem, held_out: Sequence[HeldOut]) -> Honest:
    """Sum up how the held-out algorithms were predicted."""
    predicted, baseline = (np.array([getattr(one, name) for one in held_out]) for name in ("predicted", "baseline"))
    there = ~np.isnan(predicted)
    y = problem.y[there]
    errors, baseline_errors = np.abs(predicted[there] - y), np.abs(baseline[there] - y)
    relative, baseline_relative = (_known(relative_errors(y, guess[there])) for guess in (predicted, baseline))
    return Honest(
        n_predicted=int(there.sum()),
        n_closer=int(np.count_nonzero(errors < baseline_errors)),
        mse=_mean(errors**2),
        mean_relative_error=_mean(relative),
        median_relative_error=float(np.median(relative)) if len(relative) else np.nan,
        baseline_mse=_mean(baseline_errors**2),
        baseline_mean_relative_error=_mean(baseline_relative),
        n_distinct_subsets=len({one.subset for one in held_out if one.subset}),
    )


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan


def judge(honest: Honest | None) -> str:
    """Return the verdict that `RULE` gives."""
    if honest is None or not honest.n_predicted:
        return NO_FIGURE
    if not honest.mse < honest.baseline_mse:
        return DO_NOT_USE
    return TOO_FEW if honest.n_predicted < ENOUGH_ALGOS else BETTER
