"""The slow obvious search: scikit-learn in plain loops, from the definitions; what the fast one is held against."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold


def log_score(normalised):
    return math.log10(1 + max(0.0, normalised))


def weighted_median(values, weights):
    """The first value whose cumulative weight reaches half; with equal weights the plain median."""
    if len(set(weights)) == 1:
        return float(np.median(values))
    reached = Fraction(0)
    for value, weight in sorted(zip(values, weights, strict=True)):
        reached += weight
        if reached >= sum(weights) / 2:
            return value
    raise AssertionError


def benchmark_score(normalised, benchmarks):
    """The weighted median of the scores an algorithm has; every benchmark has the same total weight among them."""
    scored = [(value, benchmark) for value, benchmark in zip(normalised, benchmarks, strict=True) if not math.isnan(value)]
    names = [benchmark for _, benchmark in scored]
    weights = [Fraction(1, names.count(name)) for name in names]
    return weighted_median([value for value, _ in scored], weights)


def target_and_features(scores, random_scores, reference_scores, benchmarks):
    """X (n_algos, n_envs) and y (n_algos,) from raw scores (n_algos, n_envs)."""
    X, y = [], []
    for row in scores:
        normalised = [
            100 * (score - low) / (high - low) for score, low, high in zip(row, random_scores, reference_scores, strict=True)
        ]
        X.append([math.nan if math.isnan(value) else log_score(value) for value in normalised])
        y.append(log_score(benchmark_score(normalised, benchmarks)))
    return np.array(X), np.array(y)


def rows_of(X, y, subset):
    """The rows that have every score of a subset."""
    A = X[:, list(subset)]
    kept = ~np.isnan(A).any(axis=1)
    return A[kept], y[kept]


def folds_of(X, y, subset, *, n_folds=10, fold_seed=1982, fold_rule="fixed"):
    """Which of a subset's rows each fold holds out; folds that have none of them are left out.

    fixed: KFold on all rows of the table, so that a row keeps its fold. drawn: KFold on the rows that the subset has.
    """
    kept = np.flatnonzero(~np.isnan(X[:, list(subset)]).any(axis=1))
    drawn_on = kept if fold_rule == "drawn" else np.arange(len(y))
    if len(drawn_on) < 2:
        return []
    folds = KFold(min(n_folds, len(drawn_on)), shuffle=True, random_state=fold_seed).split(drawn_on)
    held_out = [np.isin(kept, drawn_on[test]) for _, test in folds]
    return [test for test in held_out if test.any()]


def regression(fit_intercept=False, ridge=0.0):
    """What is fitted; scikit-learn's own cutoff of singular values, 1e-6, would ignore environments with small scores."""
    if ridge:
        return Ridge(ridge, fit_intercept=fit_intercept, solver="svd")
    return LinearRegression(fit_intercept=fit_intercept, tol=1e-12)


def is_searchable(X, y, subset, fit_intercept=False, **fold_rules):
    """Whether a subset has more rows than parameters, in two folds or more."""
    n_rows = len(rows_of(X, y, subset)[1])
    return n_rows > len(subset) + fit_intercept and len(folds_of(X, y, subset, **fold_rules)) > 1


def cv_mse(X, y, subset, *, fit_intercept=False, ridge=0.0, **fold_rules):
    """The mean over folds of the mean squared error in the fold; infinite where not searchable."""
    if not is_searchable(X, y, subset, fit_intercept, **fold_rules):
        return math.inf
    A, b = rows_of(X, y, subset)
    fold_errors = []
    for test in folds_of(X, y, subset, **fold_rules):
        model = regression(fit_intercept, ridge).fit(A[~test], b[~test])
        fold_errors.append(np.mean((model.predict(A[test]) - b[test]) ** 2))
    return float(np.mean(fold_errors))


def in_sample_mse(X, y, subset, *, fit_intercept=False, ridge=0.0, **fold_rules):
    """The mean squared error of one regression on all rows; infinite where not searchable."""
    if not is_searchable(X, y, subset, fit_intercept, **fold_rules):
        return math.inf
    A, b = rows_of(X, y, subset)
    return float(np.mean((regression(fit_intercept, ridge).fit(A, b).predict(A) - b) ** 2))


def in_sample(X, y, subset, fit_intercept=False, ridge=0.0):
    """Coefficients, intercept, R2 and relative error in percent, on all rows of a subset."""
    A, b = rows_of(X, y, subset)
    model = regression(fit_intercept, ridge).fit(A, b)
    predicted = model.predict(A)
    relative = [abs((10**p - 1) - (10**t - 1)) / (10**t - 1) for p, t in zip(predicted, b, strict=True) if 10**t - 1 != 0]
    return model.coef_, float(model.intercept_), r2_score(b, predicted), 100 * float(np.mean(relative))


def fractions_of(numbers):
    """Numbers as fractions, which are exact; lists of lists of an array of two dimensions."""
    return [fractions_of(row) if np.ndim(row) else Fraction(float(row)) for row in numbers]


def exact_coefficients(A, b):
    """Least squares on independent columns, by the normal equations in fractions: without any rounding."""
    A, b = fractions_of(A), fractions_of(b)
    columns = [*zip(*A, strict=True), b]
    rows = [[sum(x * z for x, z in zip(column, other, strict=True)) for other in columns] for column in columns[:-1]]
    for pivot in range(len(rows)):
        rows[pivot] = [value / rows[pivot][pivot] for value in rows[pivot]]
        for other in range(len(rows)):
            if other != pivot:
                factor = rows[other][pivot]
                rows[other] = [value - factor * above for value, above in zip(rows[other], rows[pivot], strict=True)]
    return [row[-1] for row in rows]


def exact_cv_mse(X, y, subset, *, fit_intercept=False, **fold_rules):
    """As `cv_mse`, of independent columns, without any rounding."""
    A, b = rows_of(X, y, subset)
    A = np.column_stack([np.ones(len(b)), A]) if fit_intercept else A
    fold_errors = []
    for test in folds_of(X, y, subset, **fold_rules):
        coefficients = exact_coefficients(A[~test], b[~test])
        rows = zip(fractions_of(A[test]), fractions_of(b[test]), strict=True)
        squares = [(t - sum(x * beta for x, beta in zip(row, coefficients, strict=True))) ** 2 for row, t in rows]
        fold_errors.append(sum(squares) / len(squares))
    return float(sum(fold_errors) / len(fold_errors))


def search(X, y, subset_size, **rules):
    """All searchable subsets of one size as (error, subset), the best first, equals in lexicographic order."""
    found = [(cv_mse(X, y, subset, **rules), subset) for subset in combinations(range(X.shape[1]), subset_size)]
    return sorted(one for one in found if math.isfinite(one[0]))
