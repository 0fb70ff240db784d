"""The statistics of scores as data: aggregates, profiles and probabilities of improvement, ready for JSON."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError
from rlhpc.results.normalise import normalise
from rlhpc.results.statistics import LEVEL, Aggregates, Improvement, Profile, aggregate, compare, profile
from rlhpc.search.problem import Problem

Floats = NDArray[np.float64]

THRESHOLDS: Floats = np.linspace(0, 200, 101)  # of the profiles: from the random agent's score to twice the reference's
MAX_ALGOS = 30  # of which all pairs are compared: 435


def statistics_record(seed_scores: Floats, problem: Problem, *, n_draws: int, seed: int) -> dict[str, Any]:
    """Gather the statistics of every algorithm's normalised scores.

    Parameters
    ----------
    seed_scores : array of shape (n_algos, n_seeds, n_envs)
        Raw scores, NaN where missing, in the order of the problem's algorithms and environments.
    problem : Problem
        What names them, and normalises them.
    n_draws : int
        Of the bootstrap; at least 2.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        Ready for JSON: None where a figure is not known. An algorithm without any score has no profile. ``improvement`` holds
        every pair in the problem's order; of more than `MAX_ALGOS` algorithms only neighbours in the order of IQM, the better
        one over the next.

    Raises
    ------
    InputError
        If the shape is not the problem's, a score is too extreme to be normalised, or n_draws or seed is too small.
    """
    expected = f"({len(problem.algos)}, n_seeds, {len(problem.env_ids)})"
    if seed_scores.ndim != 3 or seed_scores.shape[::2] != problem.scores.shape:
        raise InputError(
            f"scores of single seeds have the shape {seed_scores.shape}; the table that was searched needs {expected}."
        )
    with np.errstate(over="ignore"):  # what is infinite is refused by name
        normalised = normalise(seed_scores, problem.random_scores, problem.reference_scores)
    aggregates = aggregate(normalised, problem.algos, seed=seed, n_draws=n_draws)
    profiles = profile(normalised, problem.algos, THRESHOLDS, seed=seed, n_draws=n_draws)
    improvements = compare(normalised, problem.algos, _pairs(aggregates), seed=seed, n_draws=n_draws)
    return {
        "n_draws": n_draws,
        "seed": seed,
        "level": LEVEL,
        "algos": [asdict(one) for one in aggregates],
        "profiles": {"thresholds": THRESHOLDS.tolist(), "algos": {one.algo: _profile(one) for one in profiles}},
        "improvement": [_improvement(one) for one in improvements],
    }


def _pairs(aggregates: Sequence[Aggregates]) -> list[tuple[int, int]]:
    """Choose which algorithms are compared, by their rows."""
    if len(aggregates) <= MAX_ALGOS:
        return list(itertools.combinations(range(len(aggregates)), 2))
    by_iqm = [(-one.iqm.value, row) for row, one in enumerate(aggregates) if one.iqm.value is not None]
    return list(itertools.pairwise(row for _, row in sorted(by_iqm)))


def _profile(one: Profile) -> dict[str, Any]:
    bounds = {name: None if bound is None else bound.tolist() for name, bound in (("low", one.low), ("high", one.high))}
    return {"share": one.share.tolist(), **bounds}


def _improvement(one: Improvement) -> dict[str, Any]:
    """Describe a comparison."""
    estimate = one.probability
    return {
        "algo": one.algo,
        "over": one.over,
        "n_envs": one.n_envs,
        "probability": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "bounds_standard_error": estimate.bounds_standard_error,
    }
