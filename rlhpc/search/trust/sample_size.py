"""Sample size: how wrong claimed errors are with fewer algorithms, and how many it would take."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rlhpc.search.evaluation import predict
from rlhpc.search.trust.held_out import Honest
from rlhpc.search.trust.redone import Redone
from rlhpc.search.trust.replicates import Given, Kind
from rlhpc.search.trust.verdict import BELIEVABLE_ALGOS, ENOUGH_ALGOS, NEGLIGIBLE, OPTIMISM

DIGITS = 6  # of a number of algorithms, before it is rounded up
MOST_EXTRAPOLATED = 10  # times the algorithms there are; beyond, a line through a few points says nothing


@dataclass(frozen=True)
class Point:
    """Errors of searches on parts of the algorithms; each part's subset predicts the algorithms outside it.

    Attributes
    ----------
    n_algos, n_draws : int
        Algorithms in a part, and parts.
    claimed_mse, honest_mse, guess_mse : float
        Means over parts: the claimed CV error, that of predicting the others, and that of guessing them by the mean of the part.
    honest_standard_error : float
        Of `honest_mse`, over parts; NaN for a single one.
    """

    n_algos: int
    n_draws: int
    claimed_mse: float
    honest_mse: float
    honest_standard_error: float
    guess_mse: float


@dataclass(frozen=True)
class SampleSize:
    """How errors change with the number of algorithms.

    Attributes
    ----------
    points : tuple of Point
        In increasing number of algorithms; empty if there were too few to search parts.
    needed : int or None
        The number from which the claimed error is at most `OPTIMISM` times too small, at least `ENOUGH_ALGOS`; None if it cannot
        be told.
    extrapolated : bool
        Whether it lies beyond the points, on the line through their errors.
    """

    points: tuple[Point, ...]
    needed: int | None
    extrapolated: bool = False


def sample_size(given: Given, every: Sequence[Redone], honest: Honest | None, claimed: float) -> SampleSize:
    """Sum up the searches on parts of the algorithms, and those without each.

    Parameters
    ----------
    given : Given
    every : sequence of Redone
    honest : Honest or None
        Of all algorithms; the last point, if there are others.
    claimed : float
    """
    parts = defaultdict(list)
    for one in every:
        if one.replicate.kind is Kind.PART and one.best.subset:
            parts[len(given.rows(one.replicate))].append(_errors(given, one))
    points = [point for n_algos, errors in sorted(parts.items()) if (point := _point(n_algos, np.array(errors))) is not None]
    if points and honest is not None and honest.n_predicted:
        left = [len(given.rows(one.replicate)) for one in every if one.replicate.kind is Kind.WITHOUT]
        error = math.nan  # the algorithms left out share all others: no error over parts
        points.append(Point(min(left), len(left), claimed, honest.mse, error, honest.baseline_mse))
    return SampleSize(tuple(points), *_needed(points, len(given.problem.y)))


def _errors(given: Given, one: Redone) -> tuple[float, float, float]:
    """Return the claimed error of a part, and those of predicting and of guessing the algorithms outside it."""
    problem, rows = given.problem, given.rows(one.replicate)
    predicted = predict(problem, given.settings, one.best.subset, rows.tolist())
    outside = np.setdiff1d(np.flatnonzero(~np.isnan(predicted)), rows)
    if not len(outside):
        return one.best.cv_mse, math.nan, math.nan
    y, guess = problem.y[outside], problem.y[rows].mean()
    return one.best.cv_mse, float(np.mean((predicted[outside] - y) ** 2)), float(np.mean((guess - y) ** 2))


def _point(n_algos: int, errors: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Point | None:
    """Average the errors of parts of one size, shape (n_draws, 3); None if none of them could predict anything."""
    errors = errors[~np.isnan(errors[:, 1])]
    n_draws = len(errors)
    if not n_draws:
        return None
    claimed, honest, guess = errors.mean(axis=0).tolist()
    spread = float(errors[:, 1].std(ddof=1)) / math.sqrt(n_draws) if n_draws > 1 else math.nan
    return Point(n_algos, n_draws, claimed, honest, spread, guess)


def _needed(points: Sequence[Point], n_algos: int) -> tuple[int | None, bool]:
    """Return from how many algorithms on a claimed error is believable, and whether that is extrapolated.

    The first point from which on all are; else where the line of log(optimism - 1) against log(algorithms), by least squares,
    would reach that, if that is more than there are. Without points, what a real table needed (`BELIEVABLE_ALGOS`), if that
    is more.
    """
    if not points:
        return (BELIEVABLE_ALGOS if n_algos < BELIEVABLE_ALGOS else None), False
    believable = [point.honest_mse <= max(OPTIMISM * point.claimed_mse, NEGLIGIBLE * point.guess_mse) for point in points]
    if believable[-1]:
        first = len(points) - believable[::-1].index(False) if False in believable else 0
        return max(points[first].n_algos, ENOUGH_ALGOS), False
    known = [point for point in points if point.claimed_mse > 0 and point.honest_mse > point.claimed_mse]
    if len(known) < 2:
        return None, False
    x = np.log([point.n_algos for point in known])
    slope, level = np.polyfit(x, np.log([point.honest_mse / point.claimed_mse - 1 for point in known]), 1)
    reached = (math.log(OPTIMISM - 1) - level) / slope if slope < 0 else math.inf
    if not math.log(n_algos) < reached <= math.log(MOST_EXTRAPOLATED * n_algos):  # also where the line denies the last points
        return None, False
    return max(math.ceil(round(math.exp(reached), DIGITS)), ENOUGH_ALGOS), True
