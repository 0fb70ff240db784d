"""The thesis' case study: what each algorithm scores on the subset, beside what it scores on the full benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.results.normalise import Statistic, benchmark_scores, normalise, weighted_mean, weighted_median
from rlhpc.search.evaluation import predict
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings

Floats = NDArray[np.float64]

STATISTICS: Mapping[str, Statistic] = {
    "mean": lambda values, _: float(values.mean()),
    "median": lambda values, _: float(np.median(values)),
    "weighted mean": weighted_mean,
    "weighted median": weighted_median,
}


@dataclass(frozen=True, eq=False)
class CaseStudy:
    """Summaries of every algorithm's normalised scores.

    Attributes
    ----------
    full, subset : mapping of str to array of shape (n_algos,)
        For each of `STATISTICS`, over the environments of the benchmark and of the subset that the algorithm has scores for;
        each benchmark of equal total weight among them. NaN for an algorithm without any score there.
    y, fitted : array of shape (n_algos,)
        Log benchmark score, and what the subset's regression on all algorithms makes of it; NaN for an algorithm without
        every score of the subset.
    """

    full: Mapping[str, Floats]
    subset: Mapping[str, Floats]
    y: Floats
    fitted: Floats


def case_study(problem: Problem, settings: Settings, subset: Sequence[int]) -> CaseStudy:
    """Summarise every algorithm on a subset and on the full benchmark.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    subset : sequence of int
        Columns of the subset.
    """
    fitted = predict(problem, settings, subset)
    everything = np.flatnonzero(problem.in_target).tolist()
    return CaseStudy(_summarise(problem, everything), _summarise(problem, subset), problem.y, fitted)


def to_score(y: Floats) -> Floats:
    """Return the benchmark scores, 10**y - 1, of log benchmark scores."""
    with np.errstate(over="ignore"):  # a prediction beyond 10**308 is infinite
        scores: Floats = 10.0**y - 1.0
    return scores


def _summarise(problem: Problem, columns: Sequence[int]) -> dict[str, Floats]:
    """Apply every statistic to some environments."""
    benchmarks = [problem.benchmarks[column] for column in columns]
    normalised = normalise(problem.scores, problem.random_scores, problem.reference_scores)[:, list(columns)]
    scored = ~np.isnan(normalised).all(axis=1)
    summaries = {name: np.full(len(normalised), np.nan) for name in STATISTICS}
    for name, statistic in STATISTICS.items():
        summaries[name][scored] = benchmark_scores(normalised[scored], benchmarks, statistic)
    return summaries
