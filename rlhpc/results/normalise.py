"""Scores -> normalised scores -> benchmark scores; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Statistic = Callable[[Floats, Floats], float]  # of values and weights, both of shape (n,)

RULES = {
    "normalisation": "100 * (score - random) / (reference - random), of the mean score over seeds",
    "log": "log10(1 + max(0, normalised))",
    "target": "log of the weighted median normalised score, over the environments that an algorithm has a score for; every "
    "benchmark has the same total weight; the lower median; with equal weights the plain median",
}
MAX_FINITE = 1e300  # of scores and normalised scores, so that sums of them stay finite
HALF = 0.5 * (1 - 1e-12)  # a cumulative weight of exactly half may be summed to a little less


def normalise(scores: Floats, random_scores: Floats, reference_scores: Floats) -> Floats:
    """Scale scores so that the random agent has 0 and the reference 100.

    Parameters
    ----------
    scores : array of shape (..., n_envs)
    random_scores, reference_scores : array of shape (n_envs,), or of one environment the numbers
    """
    normalised: Floats = 100.0 * (scores - random_scores) / (reference_scores - random_scores)
    return normalised


def log_score(normalised: Floats) -> Floats:
    """Return log10(1 + max(0, normalised)) of every element; NaN stays NaN."""
    logs: Floats = np.log10(1.0 + np.maximum(0.0, normalised))
    return logs


def env_weights(benchmarks: Sequence[str]) -> Floats:
    """Weigh environments so that every benchmark has the same total weight.

    Parameters
    ----------
    benchmarks : sequence of str, length n_envs
        The benchmark of each environment.

    Returns
    -------
    array of shape (n_envs,)
        Sums to 1; equal to the bit within a benchmark, and between benchmarks of equal size.
    """
    weights: Floats = row_weights(np.ones((1, len(benchmarks)), dtype=np.bool_), benchmarks)[0]
    return weights


def row_weights(present: Bools, benchmarks: Sequence[str]) -> Floats:
    """Weigh, for each algorithm, the environments that it has a score for as `env_weights` does.

    Parameters
    ----------
    present : array of shape (n_algos, n_envs)
        Whether there is a score.
    benchmarks : sequence of str, length n_envs

    Returns
    -------
    array of shape (n_algos, n_envs)
        0 where there is none.
    """
    numbers: dict[str, int] = {}
    of_env = np.array([numbers.setdefault(name, len(numbers)) for name in benchmarks])
    sizes = present @ np.eye(len(numbers))[of_env]  # (n_algos, n_benchmarks): the environments that each algorithm has
    totals = (sizes > 0).sum(axis=1)[:, np.newaxis] * sizes
    weights: Floats = np.divide(1.0, totals[:, of_env], out=np.zeros(present.shape), where=present)
    return weights


def weighted_mean(values: Floats, weights: Floats) -> float:
    """Return the mean of values of shape (n,) by weights of shape (n,)."""
    return float(values @ weights / weights.sum())


def weighted_median(values: Floats, weights: Floats) -> float:
    """Return the weighted median of values of shape (n,) by weights of shape (n,), as `weighted_medians` defines it."""
    return float(weighted_medians(values[np.newaxis], weights[np.newaxis])[0])


def weighted_medians(values: Floats, weights: Floats) -> Floats:
    """Return the lower weighted median of every row; with equal weights the plain median, which averages the middle two.

    Parameters
    ----------
    values : array of shape (n_rows, n)
        Finite, or NaN where missing; at least one in each row.
    weights : array of shape (n_rows, n)
        Positive, and 0 where a value is missing.

    Returns
    -------
    array of shape (n_rows,)
        The first value, in increasing order, at which the cumulative weight reaches half.
    """
    rows, order = np.arange(len(values)), np.argsort(values, axis=1, kind="stable")  # what is missing comes last
    ordered = values[rows[:, np.newaxis], order]
    cumulative = weights[rows[:, np.newaxis], order].cumsum(axis=1)
    lower = ordered[rows, (cumulative >= HALF * cumulative[:, -1:]).argmax(axis=1)]
    present = weights > 0
    unequal = (present & (weights != weights.max(axis=1, keepdims=True))).any(axis=1)
    n_values = present.sum(axis=1)
    plain = (ordered[rows, (n_values - 1) // 2] + ordered[rows, n_values // 2]) / 2
    medians: Floats = np.where(unequal, lower, plain)
    return medians


def benchmark_scores(normalised: Floats, benchmarks: Sequence[str], statistic: Statistic | None = None) -> Floats:
    """Summarise each algorithm over the environments that it has scores for.

    Parameters
    ----------
    normalised : array of shape (n_algos, n_envs)
        NaN where missing; at least one score in each row.
    benchmarks : sequence of str, length n_envs
        Weights are those of `env_weights`, among the environments with a score.
    statistic : callable, optional
        Of one algorithm; by default the weighted median, which is taken of all at once.

    Returns
    -------
    array of shape (n_algos,)
    """
    present = ~np.isnan(normalised)
    weights = row_weights(present, benchmarks)
    if statistic is None:
        return weighted_medians(normalised, weights)
    rows = zip(normalised, weights, present, strict=True)
    return np.array([statistic(values[has], weighed[has]) for values, weighed, has in rows])
