"""The thesis' evaluation: what a single environment and a chosen subset predict, without searching anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.best import subset_errors
from rlhpc.search.problem import Problem
from rlhpc.search.regression import errors_by, fit
from rlhpc.search.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SingleEnvs:
    """How well each environment alone predicts the benchmark score.

    Attributes
    ----------
    cv_mse : array of shape (n_envs,)
        Infinite for an environment with no more scores than parameters.
    r2 : array of shape (n_envs,)
        In-sample; NaN where the benchmark score does not vary.
    relative_errors : array of shape (n_envs,)
        In-sample mean, in percent of the benchmark score.
    n_algos : array of shape (n_envs,)
        Algorithms with a score.
    """

    cv_mse: Floats
    r2: Floats
    relative_errors: Floats
    n_algos: Ints


@dataclass(frozen=True, eq=False)
class OtherEnvs:
    """How well a subset predicts the log normalised score of every environment outside it.

    Attributes
    ----------
    columns : array of shape (n_others,)
        The environments predicted, in increasing order.
    cv_mse : array of shape (n_others,)
        Infinite where too few algorithms have all scores.
    r2 : array of shape (n_others,)
        In-sample; NaN where the environment is constant or too few algorithms have all scores.
    n_algos : array of shape (n_others,)
        Algorithms with a score on the environment and on the whole subset.
    constant : array of shape (n_others,)
        Whether all of these algorithms, two or more, have the same log score, so that there is nothing to explain.
    """

    columns: Ints
    cv_mse: Floats
    r2: Floats
    n_algos: Ints
    constant: Bools


def evaluate_single_envs(problem: Problem, settings: Settings) -> SingleEnvs:
    """Predict the benchmark score from each environment alone, by the rules of a search."""
    singles = np.arange(problem.X.shape[1])[:, None]
    fitted = fit(problem.X, problem.y, singles, **settings.fitting)
    return SingleEnvs(subset_errors(problem, settings, singles), fitted.r2, fitted.relative_errors, fitted.n_algos)


def evaluate_other_envs(problem: Problem, settings: Settings, subset: Sequence[int]) -> OtherEnvs:
    """Predict every other environment's log normalised score, at its full budget, from a subset, by the rules of a search.

    Parameters
    ----------
    problem : Problem
    settings : Settings
        How to regress.
    subset : sequence of int
        Columns to predict from.
    """
    columns = np.setdiff1d(np.flatnonzero(problem.in_target), subset)  # not themselves stopped early
    rows = [_predict_env(problem.X, settings, subset, target) for target in columns]
    cv_errors, r2, n_algos, constant = zip(*rows, strict=True) if rows else ((), (), (), ())
    return OtherEnvs(
        columns, np.array(cv_errors), np.array(r2), np.array(n_algos, dtype=np.int64), np.array(constant, dtype=bool)
    )


def _predict_env(X: Floats, settings: Settings, subset: Sequence[int], target: int) -> tuple[float, float, int, bool]:
    """Predict one column of X from others: CV error, R2, number of algorithms, whether it is constant."""
    columns = np.array([subset], dtype=np.int64)
    there = ~np.isnan(X[:, target])
    scored, y = np.where(there[:, None], X, np.nan), np.where(there, X[:, target], 0.0)  # every algorithm keeps its fold
    errors = errors_by(settings.rules(len(X)), scored, y, columns)
    fitted = fit(scored, y, columns, **settings.fitting)
    seen = y[~np.isnan(scored[:, subset]).any(axis=1)]
    return float(errors[0]), float(fitted.r2[0]), len(seen), len(seen) > 1 and bool(np.ptp(seen) == 0)


def predict(problem: Problem, settings: Settings, subset: Sequence[int], rows: Sequence[int] | None = None) -> Floats:
    """Fit a subset to some algorithms and predict all of them.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    subset : sequence of int
        Columns to predict from.
    rows : sequence of int, optional
        Algorithms to fit to; all by default.

    Returns
    -------
    array of shape (n_algos,)
        Predicted log benchmark scores; NaN for an algorithm without a score on the whole subset.
    """
    fitted = fit(
        problem.X if rows is None else problem.X[rows],
        problem.y if rows is None else problem.y[rows],
        np.array([subset], dtype=np.int64),
        **settings.fitting,
    )
    predicted: Floats = problem.X[:, subset] @ fitted.coefficients[0] + fitted.intercepts[0]
    return predicted


def guess_mse(y: Floats) -> float:
    """Return the mean squared error of predicting each of y by the mean of the others.

    Parameters
    ----------
    y : array of shape (n_algos,)

    Returns
    -------
    float
        NaN for fewer than two algorithms.
    """
    n_algos = len(y)
    return float(np.mean(((y - y.mean()) * n_algos / (n_algos - 1)) ** 2)) if n_algos > 1 else np.nan
