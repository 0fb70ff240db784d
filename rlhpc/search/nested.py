"""Smaller subsets: the best inside the best, as the thesis nested them, beside the true best of each size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rlhpc.search.best import Best, subset_errors
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings

Scored = tuple[tuple[int, ...], float]  # a subset's columns, its CV error


@dataclass(frozen=True)
class Size:
    """The two answers to "which subset of this size?".

    Attributes
    ----------
    subset_size : int
    nested, best : tuple of int
        Columns of the best subset inside the nested one of the next larger size, and of the best among all.
    nested_cv_mse, best_cv_mse : float
    """

    subset_size: int
    nested: tuple[int, ...]
    nested_cv_mse: float
    best: tuple[int, ...]
    best_cv_mse: float


def nest(problem: Problem, settings: Settings, best: Sequence[Best]) -> tuple[Size, ...]:
    """Find the nested subset of every size, and set it beside the true best.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    best : sequence of Best
        From `rlhpc.search.merge.merge`: one for each size, the largest first, at least one subset in each.

    Returns
    -------
    tuple of Size
        The largest first, where nested and best are the same.
    """
    firsts = [_first(part) for part in best]
    nested = [firsts[0]]
    for _ in firsts[1:]:
        nested.append(_best_inside(problem, settings, nested[-1][0]))
    return tuple(Size(len(inner[0]), *inner, *first) for inner, first in zip(nested, firsts, strict=True))


def _first(part: Best) -> Scored:
    """Return the best subset of one size."""
    return tuple(part.subsets[0].tolist()), float(part.cv_mse[0])


def _best_inside(problem: Problem, settings: Settings, subset: tuple[int, ...]) -> Scored:
    """Return the best subset with one environment less, none of them forced; of equals, the first in lexicographic order."""
    forced = {column for column in subset if problem.env_ids[column] in settings.forced}
    inside = np.array([shorter for shorter in combinations(subset, len(subset) - 1) if forced <= {*shorter}])
    errors = subset_errors(problem, settings, inside)
    first = int(errors.argmin())
    return tuple(inside[first].tolist()), float(errors[first])
