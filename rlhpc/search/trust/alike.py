"""Alike: algorithms that are hardly different ones, and targets that a chosen environment is itself."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.problem import Problem

Floats = NDArray[np.float64]

NEAR = 0.1  # of the median distance of two algorithms: below, one is a copy of the other but for noise
EQUAL = 1e-9  # of log scores: a benchmark score that is an environment's own


@dataclass(frozen=True)
class Alike:
    """What makes prediction look easier than it is.

    Attributes
    ----------
    algos : tuple of (int, int, float)
        Pairs of rows, and the root mean square difference of their log scores as a share of the median pair's; the nearest first.
        With one of them left out, the other all but gives its scores away.
    targets : tuple of (int, int)
        Rows and columns of the chosen subset where the target is that environment's own score.
    families : tuple of int, length n_algos
        The first row of those that an algorithm is like, directly or through others; its own if there is none.
    """

    algos: tuple[tuple[int, int, float], ...]
    targets: tuple[tuple[int, int], ...]
    families: tuple[int, ...]


def alike(problem: Problem, subset: Sequence[int]) -> Alike:
    """Find algorithms and targets that are alike.

    Parameters
    ----------
    problem : Problem
    subset : sequence of int
        Columns of the chosen subset.
    """
    pairs = _near_pairs(problem.X)
    return Alike(pairs, _own_scores(problem, subset), _families(pairs, len(problem.y)))


def _families(pairs: Sequence[tuple[int, int, float]], n_algos: int) -> tuple[int, ...]:
    """Return the first row of the connected part that each algorithm is in."""
    first = list(range(n_algos))
    for one, other, _ in pairs:
        old, new = sorted((first[one], first[other]), reverse=True)
        first = [new if family == old else family for family in first]
    return tuple(first)


def _near_pairs(X: Floats) -> tuple[tuple[int, int, float], ...]:
    """Return the pairs of rows that differ by less than `NEAR` of the median distance, over environments that both have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # two algorithms without a common environment have no distance
        squares = np.array([np.nanmean((X - row) ** 2, axis=1) for row in X])
    first, second = np.triu_indices(len(X), 1)
    distances = np.sqrt(squares[first, second])
    known = distances[~np.isnan(distances)]
    if not len(known) or not (median := float(np.median(known))):
        return ()
    near = np.flatnonzero(distances < NEAR * median)
    near = near[np.argsort(distances[near], kind="stable")]
    return tuple((int(first[i]), int(second[i]), float(distances[i]) / median) for i in near)


def _own_scores(problem: Problem, subset: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return rows and columns where the target is the environment's own log score; not where both were below 0 and count as 0."""
    own = (np.abs(problem.X[:, list(subset)] - problem.y[:, None]) <= EQUAL) & (problem.y[:, None] > 0)
    return tuple((int(row), int(subset[place])) for row, place in np.argwhere(own))
