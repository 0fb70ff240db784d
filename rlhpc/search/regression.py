"""Regressions of given subsets, each on its own and exactly: their errors and fits; the kernel is held against these.

Each subset is a regression on the rows (algorithms) that have a score in all of its columns (environments). Rank-deficient
subsets, such as duplicated or all-zero columns, take the solution of minimum norm.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.exact import Rules, errors_of, fits_of, make_bench
from rlhpc.search.compiled.tally import EXACT
from rlhpc.search.folds import FOLD_SEED, N_FOLDS, assign_folds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALL = 128  # subsets, of fewer than which a thread of their own costs more than it is worth
DIGITS = 12  # of an error
LEAST_POWER = -25
SCALES = np.array([float(f"1e{DIGITS - 1 - power}") for power in range(LEAST_POWER, 309)])  # exact decimals, by power of ten


@dataclass(frozen=True, eq=False)
class Fit:
    """In-sample least squares of many subsets; NaN for a subset that is not searchable.

    Attributes
    ----------
    coefficients : array of shape (n_subsets, subset_size)
    intercepts : array of shape (n_subsets,)
        Zeros without an intercept.
    r2 : array of shape (n_subsets,)
        1 - residual / total sum of squares about the mean; NaN where y does not vary.
    relative_errors : array of shape (n_subsets,)
        Mean of abs(predicted - true) / true benchmark score, in percent, where score = 10**y - 1. Algorithms whose true score
        is zero have no relative error and are left out; NaN where none is left.
    n_algos : array of shape (n_subsets,)
        Rows with a score in every column of the subset.
    """

    coefficients: Floats
    intercepts: Floats
    r2: Floats
    relative_errors: Floats
    n_algos: Ints


def make_rules(  # noqa: PLR0913  # the rules are keywords
    n_algos: int,
    *,
    n_folds: int = N_FOLDS,
    fold_seed: int = FOLD_SEED,
    drawn: bool = False,
    in_sample: bool = False,
    fit_intercept: bool = False,
    ridge: float = 0.0,
) -> Rules:
    """Gather the rules of a regression, with the folds of a table of `n_algos` rows; see `cv_mse`."""
    fold_of = np.zeros((n_algos + 1, n_algos), dtype=np.int64)
    for n_rows in range(2 if drawn else n_algos, n_algos + 1):
        fold_of[n_rows, :n_rows] = assign_folds(n_rows, n_folds, fold_seed)
    return Rules(fold_of, min(n_folds, n_algos), drawn, in_sample, fit_intercept, float(ridge))


def cv_mse(  # noqa: PLR0913  # the rules are keywords
    X: Floats,
    y: Floats,
    subsets: Ints,
    *,
    n_folds: int = N_FOLDS,
    fold_seed: int = FOLD_SEED,
    drawn: bool = False,
    fit_intercept: bool = False,
    ridge: float = 0.0,
) -> Floats:
    """Compute the cross-validated error of every subset: the mean over folds of the mean squared error in a fold.

    Parameters
    ----------
    X : array of shape (n_algos, n_envs)
        NaN where a score is missing.
    y : array of shape (n_algos,)
        Finite.
    subsets : array of shape (n_subsets, subset_size)
        Columns of X.
    n_folds, fold_seed : int
        See `rlhpc.search.folds.assign_folds`.
    drawn : bool
        Whether folds are drawn on the rows that a subset has. Otherwise on all, so that an algorithm is in the same fold for
        every subset; folds that a subset has no row of do not count.
    fit_intercept : bool
    ridge : float
        What a sum of squares of coefficients costs, beside the sum of squared residuals: scikit-learn's ``Ridge(alpha)``.

    Returns
    -------
    array of shape (n_subsets,)
        Infinite for a subset that is not searchable: one with no more rows than parameters, which are its columns and the
        intercept, or with all rows in one fold.
    """
    rules = make_rules(len(y), n_folds=n_folds, fold_seed=fold_seed, drawn=drawn, fit_intercept=fit_intercept, ridge=ridge)
    return errors_by(rules, X, y, subsets)


def errors_by(rules: Rules, X: Floats, y: Floats, subsets: Ints, *, n_threads: int = 1) -> Floats:
    """Compute the error of every subset, by given rules; see `cv_mse`."""
    table, errors, n_parts = (*_columns_of(X), _floats(y)), np.empty(len(subsets)), max(1, min(n_threads, len(subsets) // SMALL))

    def compute(part: Ints, found: Floats) -> None:
        errors_of(*table, _ints(part), rules, make_bench(len(y), subsets.shape[1]), found)

    if n_parts == 1:
        compute(subsets, errors)
    else:
        with ThreadPoolExecutor(n_parts) as pool:
            list(pool.map(compute, np.array_split(subsets, n_parts), np.array_split(errors, n_parts)))
    return errors


def fit(X: Floats, y: Floats, subsets: Ints, *, fit_intercept: bool = False, ridge: float = 0.0) -> Fit:
    """Fit every subset to all of its rows.

    Parameters
    ----------
    X, y, subsets, fit_intercept, ridge
        As in `cv_mse`.
    """
    coefficients, intercepts = np.empty(subsets.shape), np.empty(len(subsets))
    rules = Rules(np.zeros((len(y) + 1, len(y)), dtype=np.int64), 1, False, True, fit_intercept, float(ridge))
    bench = make_bench(len(y), subsets.shape[1])
    fits_of(*_columns_of(X), _floats(y), _ints(subsets), rules, bench, coefficients, intercepts)
    predicted = np.einsum("ask,sk->sa", X[:, subsets], coefficients) + intercepts[:, None]
    n_algos = (~np.isnan(X[:, subsets]).any(axis=2)).sum(axis=0)
    true = np.where(np.isnan(predicted), np.nan, y)
    return Fit(coefficients, intercepts, _r2(true, predicted), _mean(relative_errors(true, predicted)), n_algos)


def cut(errors: Floats) -> Floats:
    """Round errors to `DIGITS` significant digits, and those below `EXACT` to 0; infinite ones stay.

    Subsets that are equal, such as those of duplicated environments, differ in the last bits of their errors by rounding noise.
    Without these bits they tie.
    """
    rounded = np.where(errors < EXACT, 0.0, errors)
    there = np.isfinite(rounded) & (rounded > 0)
    scales = SCALES[np.floor(np.log10(rounded[there])).astype(np.int64) - LEAST_POWER]
    rounded[there] = np.round(rounded[there] * scales) / scales
    return rounded


def relative_errors(y: Floats, predicted: Floats) -> Floats:
    """Compute abs(predicted - true) / true benchmark score in percent, score = 10**y - 1; NaN where the true one is zero.

    Parameters
    ----------
    y, predicted : arrays of the same shape
        Log benchmark scores.
    """
    with np.errstate(over="ignore"):  # a prediction beyond 10**308 is infinitely wrong
        true, guess = 10.0**y - 1.0, 10.0**predicted - 1.0
        relative: Floats = np.divide(100.0 * np.abs(guess - true), np.abs(true), out=np.full_like(true, np.nan), where=true != 0)
    return relative


def _columns_of(X: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return scores by column, zero where missing, and whether they are there."""
    there = ~np.isnan(X.T)
    return np.ascontiguousarray(np.where(there, X.T, 0.0)), np.ascontiguousarray(there)


def _floats(y: Floats) -> Floats:
    return np.ascontiguousarray(y, dtype=np.float64)


def _ints(subsets: Ints) -> Ints:
    return np.ascontiguousarray(subsets, dtype=np.int64)


def _r2(y: Floats, predicted: Floats) -> Floats:
    """Compute the coefficient of determination of each subset; shapes (n_subsets, n_algos), NaN where a row is not there."""
    mean = _mean(y)[:, None]
    residual, total = np.nansum((y - predicted) ** 2, axis=1), np.nansum((y - mean) ** 2, axis=1)
    varies = np.nan_to_num(y, nan=-np.inf).max(axis=1, initial=-np.inf) > np.nan_to_num(y, nan=np.inf).min(axis=1, initial=np.inf)
    r2: Floats = 1.0 - np.divide(residual, total, out=np.full(len(y), np.nan), where=varies)
    return r2


def _mean(values: Floats) -> Floats:
    """Return the mean of what is there in each row; NaN where nothing is."""
    there = ~np.isnan(values)
    total, n_there = np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1)
    mean: Floats = np.divide(total, n_there, out=np.full(len(values), np.nan), where=n_there > 0)
    return mean
