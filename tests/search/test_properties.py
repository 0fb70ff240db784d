"""What holds for every table: the kernel, single regressions and scikit-learn agree, and names and units mean nothing."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhpc.search.compiled.table import make_table
from rlhpc.search.kernel import search_range
from rlhpc.search.regression import cv_mse, errors_by, make_rules

bounded = settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@st.composite
def plain_tables(draw):
    """X, y and a number of environments to choose: scales from 1e-3 to 1e3, more rows than anything asks for, no gaps."""
    size = draw(st.integers(1, 4))
    n_envs, n_algos = draw(st.integers(size, 7)), draw(st.integers(2 * size + 5, 18))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return rng.normal(1.0, 1.0, (n_algos, n_envs)) * 10.0 ** rng.uniform(-3, 3, n_envs), rng.normal(1.0, 1.0, n_algos), size


@st.composite
def crooked_tables(draw, *, scaled=False):
    """X, y and a number of environments to choose: with gaps, zeros, duplicates, few values or few rows."""
    size = draw(st.integers(1, 4))
    n_envs, n_algos = draw(st.integers(size, 7)), draw(st.integers(size + 2, 14))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    X, y = rng.normal(1.0, 1.0, (n_algos, n_envs)), rng.normal(1.0, 1.0, n_algos)
    X = np.round(X) if draw(st.booleans()) else X
    for kind in draw(st.lists(st.sampled_from(["zero", "duplicate", "one row"]), max_size=2)):
        column, other = rng.integers(n_envs, size=2)
        X[:, column] = {"zero": np.zeros(n_algos), "duplicate": X[:, other], "one row": np.eye(n_algos)[0]}[kind]
    X = X * 10.0 ** rng.uniform(-3, 3, n_envs) if scaled else X
    gappy = rng.random(n_envs) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    X[(rng.random(X.shape) < draw(st.sampled_from([0.05, 0.1, 0.2, 0.4]))) & gappy] = np.nan
    return X, y, size


tables = plain_tables() | crooked_tables()


def rules(**fixed):
    """Rules of a regression, some of them fixed."""
    choices = {
        "n_folds": st.integers(2, 12),
        "fold_seed": st.integers(0, 5),
        "drawn": st.booleans(),
        "fit_intercept": st.booleans(),
        "ridge": st.sampled_from([0.0, 0.0, 1e-3, 1.0]),
    }
    return st.fixed_dictionaries(choices | {name: st.just(value) for name, value in fixed.items()})


def subsets_of(n_envs, size, forced=()):
    free = [column for column in range(n_envs) if column not in forced]
    return np.array([sorted([*forced, *chosen]) for chosen in combinations(free, size)])


def searched(X, y, size, forced=(), **rules):
    """The errors of every subset by the kernel; infinite where not searchable."""
    free = [column for column in range(X.shape[1]) if column not in forced]
    n_subsets = comb(len(free), size)
    tally = search_range(make_table(X, y, forced, free, size, make_rules(len(y), **rules)), 0, n_subsets, n_subsets)
    errors = np.full(n_subsets, np.inf)
    errors[tally.ranks] = tally.errors
    return errors


def agree(one, other, y, rtol=1e-9):
    """Compare errors; those that are zero but for the rounding of y to all of them."""
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-24 * np.mean(y**2))


@bounded
@given(tables, rules(in_sample=False) | rules(in_sample=True))
def test_the_kernel_agrees_with_single_regressions(table, rules):
    X, y, size = table
    agree(searched(X, y, size, **rules), errors_by(make_rules(len(y), **rules), X, y, subsets_of(X.shape[1], size)), y)


@bounded
@given(tables, rules(in_sample=False) | rules(in_sample=True), st.data())
def test_the_kernel_agrees_with_single_regressions_where_environments_are_forced(table, rules, data):
    X, y, size = table
    forced = data.draw(st.sets(st.integers(0, X.shape[1] - 1), max_size=X.shape[1] - 1).map(sorted), label="forced")
    size = min(size, X.shape[1] - len(forced))
    subsets = subsets_of(X.shape[1], size, forced)
    agree(searched(X, y, size, forced, **rules), errors_by(make_rules(len(y), **rules), X, y, subsets), y)


@bounded
@given(crooked_tables(scaled=True), rules(in_sample=False) | rules(in_sample=True))
def test_the_kernel_agrees_where_units_differ_too(table, rules):
    X, y, size = table
    expected = errors_by(make_rules(len(y), **rules), X, y, subsets_of(X.shape[1], size))
    agree(searched(X, y, size, **rules), expected, y, rtol=1e-5)  # small singular values cost digits, LAPACK too


@bounded
@given(tables, rules())
def test_single_regressions_agree_with_scikit_learn(reference, table, rules):
    X, y, size = table
    subsets = subsets_of(X.shape[1], size)[:6]
    spelled = {name: value for name, value in rules.items() if name != "drawn"} | {
        "fold_rule": ["fixed", "drawn"][rules["drawn"]]
    }
    agree(cv_mse(X, y, subsets, **rules), [reference.cv_mse(X, y, subset, **spelled) for subset in subsets], y)


@bounded
@given(tables, rules(in_sample=False) | rules(in_sample=True), st.randoms(use_true_random=False))
def test_the_order_of_environments_changes_no_error(table, rules, random):
    X, y, size = table
    order = random.sample(range(X.shape[1]), X.shape[1])
    errors = {
        tuple(subset): error for subset, error in zip(subsets_of(X.shape[1], size), searched(X, y, size, **rules), strict=True)
    }
    shuffled = searched(X[:, order], y, size, **rules)
    expected = [errors[tuple(sorted(order[column] for column in subset))] for subset in subsets_of(X.shape[1], size)]
    agree(shuffled, expected, y, rtol=1e-8)


@bounded
@given(plain_tables(), rules(ridge=0.0), st.data())
def test_the_unit_of_an_environment_changes_no_error(table, rules, data):
    X, y, size = table
    powers = data.draw(st.lists(st.integers(-8, 8), min_size=X.shape[1], max_size=X.shape[1]))
    scaled = X * 2.0 ** np.array(powers)
    agree(searched(scaled, y, size, **rules), searched(X, y, size, **rules), y)
    subsets = subsets_of(X.shape[1], size)
    agree(cv_mse(scaled, y, subsets, **rules), cv_mse(X, y, subsets, **rules), y)


@bounded
@given(tables, rules(in_sample=False) | rules(in_sample=True), st.data())
def test_an_environment_of_zeros_changes_no_error(table, rules, data):
    X, y, size = table
    zero = data.draw(st.integers(0, X.shape[1]), label="place of the zeros")
    without = searched(X, y, size, **rules)
    beside = searched(np.insert(X, zero, 0.0, axis=1), y, size, (zero,), **rules)
    there = np.isfinite(beside)  # a column more asks for a row more
    assert not np.isinf(without[there]).any()
    agree(beside[there], without[there], y)


@bounded
@given(tables, rules())
def test_a_benchmark_twice_as_large_has_four_times_the_error(table, rules):
    X, y, size = table
    agree(searched(X, 2 * y, size, **rules), 4 * searched(X, y, size, **rules), y)


@bounded
@given(plain_tables(), rules(fit_intercept=True))
def test_an_intercept_makes_up_for_any_shift_of_the_benchmark(table, rules):
    X, y, size = table
    subsets = subsets_of(X.shape[1], size)
    errors, shifted = (cv_mse(X, shift, subsets, **rules) for shift in (y, y + 3.0))
    assert shifted == pytest.approx(errors, rel=1e-7, abs=1e-18)
