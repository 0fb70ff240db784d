"""Held out: how algorithms are predicted that had no part in choosing the subset.

Every algorithm, or every part of them, is left out once. The whole search is redone without it, by the same rules, and the subset
found then predicts it. The error over all of them is the honest error of the method; the ranking's own is the smallest of
thousands, and so too small (Varma and Simon, 2006, Bias in error estimation when using cross-validation for model selection).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.evaluation import predict
from rlhpc.search.problem import Problem
from rlhpc.search.regression import relative_errors
from rlhpc.search.settings import Settings
from rlhpc.search.trust.plan import Plan
from rlhpc.search.trust.redone import Choice, Redone, redo
from rlhpc.search.trust.replicates import Given, Kind

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeldOut:
    """One algorithm, predicted by a subset that was chosen without it.

    Attributes
    ----------
    row : int
        Of the algorithm.
    held_with : tuple of int
        Rows that were held out with it, itself among them.
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
    held_with: tuple[int, ...]
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
    r2 : float
        1 - squared errors / squares about the mean of these algorithms; below 0 if worse than that mean. NaN if they do not vary.
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
    r2: float
    n_distinct_subsets: int


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
    """
    given = Given(problem, settings, Plan())
    replicates = [one for one in given.replicates if one.kind is Kind.WITHOUT]
    return held_outs(given, redo(given, replicates, n_threads=n_threads, report=report))


def held_outs(given: Given, every: Sequence[Redone]) -> HeldOuts:
    """Predict every algorithm by the search that was redone without it.

    Parameters
    ----------
    given : Given
    every : sequence of Redone
        With all of `Kind.WITHOUT`.

    Returns
    -------
    mapping of (choice, subset size) to tuple of HeldOut, length n_algos
        For the best and the nested subset of every size up to ``settings.subset_size``.
    """
    problem = given.problem
    found: dict[tuple[Choice, int], dict[int, HeldOut]] = defaultdict(dict)
    for one in every:
        if one.replicate.kind is not Kind.WITHOUT:
            continue
        others = given.rows(one.replicate).tolist()
        baseline = float(problem.y[others].mean())
        for chosen in one.chosen:
            nothing = np.full(len(problem.y), np.nan)
            predicted = predict(problem, given.settings, chosen.subset, others) if chosen.subset else nothing
            out = tuple(np.delete(np.arange(len(problem.y)), others).tolist())
            for row in out:
                held_out = HeldOut(row, out, chosen.subset, chosen.cv_mse, float(predicted[row]), baseline)
                found[chosen.choice, chosen.subset_size][row] = held_out
    return {key: tuple(rows[row] for row in sorted(rows)) for key, rows in found.items()}


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
        r2=1.0 - _mean(errors**2) / float(y.var()) if len(y) and y.var() > 0 else np.nan,
        n_distinct_subsets=len({one.subset for one in held_out if one.subset}),
    )


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else np.nan
