"""Errors and fits of single subsets by `least_squares`: what the search is checked and polished with."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import compiled, inner
from rlhpc.search.compiled.least_squares import EPS, solve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Rules(NamedTuple):
    """By which rules a subset is regressed.

    Attributes
    ----------
    fold_of : array of shape (n_algos + 1, n_algos)
        ``fold_of[n, i]``: the fold of row i of n.
    n_folds : int
    drawn : bool
        Whether folds are those of the rows that a subset has; else of all rows.
    in_sample : bool
        Whether an error is the mean square of the residuals of one regression on all rows.
    intercept : bool
    ridge : float
        Of the squares of coefficients, without the intercept's.
    """

    fold_of: Ints
    n_folds: int
    drawn: bool
    in_sample: bool
    intercept: bool
    ridge: float


class Bench(NamedTuple):
    """What one regression is computed on.

    Attributes
    ----------
    rows, folds : arrays of shape (n_algos,)
        Rows that the subset has, and the fold of each.
    A, b : arrays of shape (n_algos + subset_size, subset_size) and (n_algos + subset_size,)
    V : array of shape (subset_size, subset_size)
    beta, means : arrays of shape (subset_size,)
        Coefficients, and the means that an intercept makes up for.
    """

    rows: Ints
    folds: Ints
    A: Floats
    b: Floats
    V: Floats
    beta: Floats
    means: Floats


def make_bench(n_algos: int, subset_size: int) -> Bench:
    """Make room for regressions of a size."""
    n_rows = n_algos + subset_size
    return Bench(
        np.empty(n_algos, dtype=np.int64),
        np.empty(n_algos, dtype=np.int64),
        np.empty((n_rows, subset_size)),
        np.empty(n_rows),
        np.empty((subset_size, subset_size)),
        np.empty(subset_size),
        np.zeros(subset_size),
    )


@inner
def _find_rows(there: Bools, columns: Ints, rules: Rules, bench: Bench) -> int:
    """Write which rows have a score in every column, and the fold of each; return how many there are."""
    n_rows, n_algos = 0, there.shape[1]
    for row in range(n_algos):
        complete = True
        for column in columns:
            complete &= there[column, row]
        if complete:
            bench.rows[n_rows] = row
            n_rows += 1
    for place in range(n_rows):
        bench.folds[place] = rules.fold_of[n_rows, place] if rules.drawn else rules.fold_of[n_algos, bench.rows[place]]
    return n_rows


@inner
def _regress(X: Floats, y: Floats, columns: Ints, rules: Rules, bench: Bench, n_rows: int, left_out: int) -> float:
    """Write the coefficients of a regression on all rows but those of one fold; return the intercept."""
    size, A, b, n = len(columns), bench.A, bench.b, 0
    for place in range(n_rows):
        if bench.folds[place] != left_out:
            row = bench.rows[place]
            for j in range(size):
                A[n, j] = X[columns[j], row]
            b[n] = y[row]
            n += 1
    intercept = 0.0
    if rules.intercept and n:
        intercept = _centre(b, n)
        for j in range(size):
            bench.means[j] = _centre(A[:, j], n)
    if rules.ridge > 0.0:  # a row sqrt(ridge) for each coefficient, whose target is zero
        for j in range(size):
            for k in range(size):
                A[n, k] = math.sqrt(rules.ridge) if j == k else 0.0
            b[n] = 0.0
            n += 1
    solve(A, b, n, bench.V, bench.beta)
    if rules.intercept:
        for j in range(size):
            intercept -= bench.means[j] * bench.beta[j]
    return intercept


@inner
def _centre(values: Floats, n: int) -> float:
    """Subtract the mean; a difference within its rounding is zero, or a constant column would pass for a real one."""
    mean = 0.0
    for i in range(n):
        mean += values[i]
    mean /= n
    rounding = 4 * n * EPS * abs(mean)
    for i in range(n):
        values[i] -= mean
        if abs(values[i]) <= rounding:
            values[i] = 0.0
    return mean


@inner
def _n_used_folds(rules: Rules, bench: Bench, n_rows: int) -> int:
    """Count the folds that have a row."""
    n_used = 0
    for fold in range(rules.n_folds):
        for place in range(n_rows):
            if bench.folds[place] == fold:
                n_used += 1
                break
    return n_used


@inner
def error_of(X: Floats, there: Bools, y: Floats, columns: Ints, rules: Rules, bench: Bench) -> float:
    """Return the error of one subset; infinite if it is not searchable.

    Parameters
    ----------
    X, there : arrays of shape (n_envs, n_algos)
        Scores, and whether they are there; zero where not.
    y : array of shape (n_algos,)
    columns : array of shape (subset_size,)
        Rows of X.
    rules : Rules
    bench : Bench
    """
    n_rows = _find_rows(there, columns, rules, bench)
    n_used = _n_used_folds(rules, bench, n_rows)
    if n_rows <= len(columns) + rules.intercept or n_used < 2:
        return math.inf
    if rules.in_sample:
        intercept = _regress(X, y, columns, rules, bench, n_rows, -1)
        return _squares(X, y, columns, bench, n_rows, -1, intercept) / n_rows
    error = 0.0
    for fold in range(rules.n_folds):
        n_test = 0
        for place in range(n_rows):
            n_test += bench.folds[place] == fold
        if n_test:
            intercept = _regress(X, y, columns, rules, bench, n_rows, fold)
            error += _squares(X, y, columns, bench, n_rows, fold, intercept) / n_test
    return error / n_used


@inner
def _squares(X: Floats, y: Floats, columns: Ints, bench: Bench, n_rows: int, fold: int, intercept: float) -> float:
    """Sum the squared residuals of one fold's rows; of all for fold -1."""
    found = 0.0
    for place in range(n_rows):
        if fold in (-1, bench.folds[place]):
            row = bench.rows[place]
            residual = y[row] - intercept
            for j in range(len(columns)):
                residual -= X[columns[j], row] * bench.beta[j]
            found += residual * residual
    return found


@compiled
def errors_of(X: Floats, there: Bools, y: Floats, subsets: Ints, rules: Rules, bench: Bench, errors: Floats) -> None:
    """Write the error of every subset; see `error_of`."""
    for place in range(len(subsets)):
        errors[place] = error_of(X, there, y, subsets[place], rules, bench)


@compiled
def fits_of(
    X: Floats, there: Bools, y: Floats, subsets: Ints, rules: Rules, bench: Bench, coefficients: Floats, intercepts: Floats
) -> None:
    """Write the coefficients and the intercept of every subset, fitted to all of its rows; NaN if it is not searchable."""
    for place in range(len(subsets)):
        columns = subsets[place]
        n_rows = _find_rows(there, columns, rules, bench)
        if n_rows <= len(columns) + rules.intercept:
            bench.beta[:] = math.nan
            intercepts[place] = math.nan
        else:
            intercepts[place] = _regress(X, y, columns, rules, bench, n_rows, -1)
        for j in range(len(columns)):
            coefficients[place, j] = bench.beta[j]
