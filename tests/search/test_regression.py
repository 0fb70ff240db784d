"""Single regressions against scikit-learn in plain loops, against fractions, and against what must hold by definition.

The cutoff of singular values is 1e-12 on both sides. Environments that are nearly duplicates are compared with fractions, which
round nothing, and not with scikit-learn, whose own digits they cost.
"""

import math
from itertools import combinations, product

import numpy as np
import pytest

from rlhpc.search.regression import cut, cv_mse, errors_by, fit, make_rules, relative_errors


def subsets_of(n_envs, subset_size):
    return np.array(list(combinations(range(n_envs), subset_size)))


def degenerate(X):
    """Add an all-zero column, a duplicate, a multiple, and one that is zero but for one row."""
    one_row = np.where(np.arange(len(X)) == 2, 1.5, 0.0)
    return np.column_stack([X, np.zeros(len(X)), X[:, 0], 2 * X[:, 1], one_row])


def drawn(rng, n_envs, subset_size, n_subsets):
    """Draw subsets at random."""
    return np.array([np.sort(rng.choice(n_envs, subset_size, replace=False)) for _ in range(n_subsets)])


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("subset_size", [1, 2, 3, 4, 5, 6])
def test_cv_mse_of_random_subsets_equals_scikit_learn(make_problem, reference, subset_size, missing, fit_intercept):
    problem = make_problem(n_algos=8 + 3 * subset_size, n_envs=8, missing=missing, seed=subset_size)
    X = degenerate(problem.X)
    for rule, n_folds in (("fixed", 3), ("fixed", 5), ("drawn", 4)):
        subsets = drawn(np.random.default_rng(n_folds), X.shape[1], subset_size, 40)
        rules = {"n_folds": n_folds, "fold_seed": 7, "fit_intercept": fit_intercept}
        expected = [reference.cv_mse(X, problem.y, subset, fold_rule=rule, **rules) for subset in subsets]
        assert np.isfinite(expected).sum() > 20
        np.testing.assert_allclose(cv_mse(X, problem.y, subsets, drawn=rule == "drawn", **rules), expected, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("subset_size", [1, 2, 3, 4])
def test_cv_mse_equals_scikit_learn_when_every_row_is_a_fold(make_problem, reference, subset_size, fit_intercept):
    problem = make_problem(n_algos=7, n_envs=5, seed=10 + subset_size)
    X = degenerate(problem.X)
    subsets = subsets_of(X.shape[1], subset_size)
    expected = [reference.cv_mse(X, problem.y, subset, fit_intercept=fit_intercept) for subset in subsets]
    np.testing.assert_allclose(cv_mse(X, problem.y, subsets, fit_intercept=fit_intercept), expected, rtol=1e-9)


def test_cv_mse_of_six_environments_on_seven_algorithms_equals_scikit_learn(make_problem, reference):
    problem = make_problem(n_algos=7, n_envs=8, seed=4)
    X = degenerate(problem.X)
    subsets = np.array([subset for subset in combinations(range(12), 6) if {*subset} & {0, 8, 9, 11}])[::5]
    expected = [reference.cv_mse(X, problem.y, subset) for subset in subsets]
    np.testing.assert_allclose(cv_mse(X, problem.y, subsets), expected, rtol=1e-9)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-5, 1e-6])
def test_nearly_duplicated_environments_are_told_apart_as_fractions_do(make_problem, reference, apart, fit_intercept):
    problem = make_problem(n_algos=11, n_envs=4, seed=6)
    noise = np.random.default_rng(1).normal(size=(11, 2))
    X = np.column_stack([problem.X, problem.X[:, :2] + apart * noise])
    for subsets in ([(0, 4), (1, 5)], [(0, 2, 4), (1, 3, 5)], [(0, 1, 4, 5)]):
        expected = [reference.exact_cv_mse(X, problem.y, subset, n_folds=5, fit_intercept=fit_intercept) for subset in subsets]
        found = cv_mse(X, problem.y, np.array(subsets), n_folds=5, fit_intercept=fit_intercept)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
        alone = cv_mse(X, problem.y, np.array(subsets)[:, :1], n_folds=5, fit_intercept=fit_intercept)
        assert (np.abs(found / alone - 1) > 1e-3).all()  # the difference counts


def test_cv_mse_equals_fractions_where_nothing_is_degenerate(make_problem, reference):
    problem = make_problem(n_algos=12, n_envs=6, missing=0.1, seed=8)
    for fit_intercept, fold_rule in product((False, True), ("fixed", "drawn")):
        rules = {"n_folds": 4, "fit_intercept": fit_intercept}
        subsets = subsets_of(6, 3)
        there = [reference.is_searchable(problem.X, problem.y, subset, fold_rule=fold_rule, **rules) for subset in subsets]
        expected = [
            reference.exact_cv_mse(problem.X, problem.y, subset, fold_rule=fold_rule, **rules) for subset in subsets[there]
        ]
        found = cv_mse(problem.X, problem.y, subsets[there], drawn=fold_rule == "drawn", **rules)
        np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("ridge", [1e-6, 0.1, 30.0])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_cv_mse_with_ridge_equals_scikit_learn(make_problem, reference, missing, fit_intercept, ridge):
    problem = make_problem(n_algos=14, n_envs=5, missing=missing, seed=2)
    X = degenerate(problem.X)
    rules = {"n_folds": 4, "fit_intercept": fit_intercept, "ridge": ridge}
    for subset_size, rule in ((1, "fixed"), (3, "drawn"), (5, "fixed")):
        subsets = subsets_of(X.shape[1], subset_size)[::3]
        expected = [reference.cv_mse(X, problem.y, subset, fold_rule=rule, **rules) for subset in subsets]
        np.testing.assert_allclose(cv_mse(X, problem.y, subsets, drawn=rule == "drawn", **rules), expected, rtol=1e-9)


def test_ridge_leaves_the_intercept_alone(make_problem):
    problem = make_problem(n_algos=10, n_envs=3)
    rules = {"fit_intercept": True, "ridge": 5.0}
    subsets = subsets_of(3, 2)
    raised = cv_mse(problem.X, problem.y + 100, subsets, **rules)
    np.testing.assert_allclose(raised, cv_mse(problem.X, problem.y, subsets, **rules), rtol=1e-9)
    assert (raised < cv_mse(problem.X, problem.y + 100, subsets, ridge=5.0) / 10).all()


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_in_sample_errors_equal_scikit_learn(make_problem, reference, missing, fit_intercept, ridge):
    problem = make_problem(n_algos=14, n_envs=5, missing=missing, seed=3)
    X = degenerate(problem.X)
    for subset_size in (1, 2, 4):
        subsets = subsets_of(X.shape[1], subset_size)
        rules = {"n_folds": 3, "fit_intercept": fit_intercept, "ridge": ridge}
        found = errors_by(make_rules(14, in_sample=True, **rules), X, problem.y, subsets)
        expected = [reference.in_sample_mse(X, problem.y, subset, **rules) for subset in subsets]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("subset_size", [1, 3])
def test_fit_equals_scikit_learn(make_problem, reference, subset_size, missing, fit_intercept, ridge):
    problem = make_problem(n_algos=16, n_envs=6, missing=missing, seed=20 + subset_size)
    X = degenerate(problem.X)
    subsets = subsets_of(X.shape[1], subset_size)
    found = fit(X, problem.y, subsets, fit_intercept=fit_intercept, ridge=ridge)
    for place, subset in enumerate(subsets):
        coefficients, intercept, r2, relative_error = reference.in_sample(X, problem.y, subset, fit_intercept, ridge)
        np.testing.assert_allclose(found.coefficients[place], coefficients, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            [found.intercepts[place], found.r2[place], found.relative_errors[place]],
            [intercept, r2, relative_error],
            rtol=1e-9,
            atol=1e-12,
        )
        assert found.n_algos[place] == len(reference.rows_of(X, problem.y, subset)[1])


def test_fold_rules_differ_only_where_scores_are_missing(make_problem):
    problem = make_problem(n_algos=12, n_envs=5)
    X, subsets = problem.X.copy(), subsets_of(5, 2)
    X[3, 0] = np.nan
    fixed, of_rows = (cv_mse(X, problem.y, subsets, n_folds=4, drawn=rule) for rule in (False, True))
    assert (fixed != of_rows).tolist() == [0 in subset for subset in subsets]


def test_an_algorithm_keeps_its_fold_whatever_scores_are_missing(make_problem):
    problem, subset = make_problem(n_algos=9, n_envs=2), np.array([[0, 1]])
    folds = make_rules(9, n_folds=3).fold_of[9]
    X = problem.X.copy()
    X[[0, 4], 1] = np.nan
    errors = []
    for fold in range(3):
        here, there = (np.setdiff1d(np.flatnonzero(rows), [0, 4]) for rows in (folds == fold, folds != fold))
        beta = np.linalg.lstsq(X[there], problem.y[there], rcond=None)[0]
        errors.append(np.mean((problem.y[here] - X[here] @ beta) ** 2))
    assert cv_mse(X, problem.y, subset, n_folds=3)[0] == pytest.approx(np.mean(errors), rel=1e-12)


def test_folds_without_an_algorithm_of_the_subset_do_not_count():
    folds = make_rules(6, n_folds=3).fold_of[6]
    X = np.where(folds == 1, np.nan, [1.0, 2.0, 3.0, 5.0, 7.0, 11.0])[:, None]
    y = np.array([1.0, -1.0, 2.0, 0.0, 3.0, 1.0])
    errors = []
    for fold, other in ((0, 2), (2, 0)):
        x, t, u, v = X[folds == other, 0], y[folds == other], X[folds == fold, 0], y[folds == fold]
        errors.append(np.mean((v - u * (x @ t) / (x @ x)) ** 2))
    assert cv_mse(X, y, np.array([[0]]), n_folds=3)[0] == pytest.approx(np.mean(errors), rel=1e-12)


@pytest.mark.parametrize("in_sample", [False, True])
def test_a_subset_with_all_algorithms_in_one_fold_is_not_searchable(make_problem, in_sample):
    problem = make_problem(n_algos=9, n_envs=3)
    X = problem.X.copy()
    folds = make_rules(9, n_folds=3).fold_of[9]
    X[folds != 2, 0] = np.nan
    X[folds == 0, 1] = np.nan
    found = errors_by(make_rules(9, n_folds=3, in_sample=in_sample), X, problem.y, np.array([[0], [1], [2]]))
    assert np.isfinite(found).tolist() == [False, True, True]
    assert np.isfinite(cv_mse(X, problem.y, np.array([[0]]), n_folds=3, drawn=True)).all()


def test_an_error_does_not_depend_on_the_other_subsets_beside_it(make_problem):
    problem = make_problem(n_algos=11, n_envs=9, missing=0.2, seed=3)
    subsets = subsets_of(9, 3)
    together = cv_mse(problem.X, problem.y, subsets, fit_intercept=True)
    alone = [cv_mse(problem.X, problem.y, subset[None], fit_intercept=True)[0] for subset in subsets]
    assert together.tolist() == alone
    assert cv_mse(problem.X, problem.y, subsets[::-1], fit_intercept=True).tolist() == alone[::-1]


def test_arrays_of_any_layout_and_kind_are_read_and_none_is_written(make_problem):
    problem = make_problem(n_envs=5, missing=0.1)
    subsets = subsets_of(5, 2)
    X, y, before = np.asfortranarray(problem.X), np.repeat(problem.y, 2)[::2], (problem.X.copy(), problem.y.copy())
    expected = cv_mse(problem.X, problem.y, subsets)
    assert cv_mse(X, y, np.asfortranarray(subsets).astype(np.int32)).tolist() == expected.tolist()
    np.testing.assert_array_equal(problem.X, before[0])
    np.testing.assert_array_equal(problem.y, before[1])


def test_no_subsets_have_no_errors(make_problem):
    problem = make_problem()
    assert cv_mse(problem.X, problem.y, np.empty((0, 3), dtype=np.int64)).shape == (0,)
    assert fit(problem.X, problem.y, np.empty((0, 3), dtype=np.int64)).coefficients.shape == (0, 3)


def test_an_environment_with_small_scores_is_not_ignored():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.uniform(1, 3, 12), 1e-8 * rng.uniform(1, 3, 12)])
    y = X @ [1.0, 1e8]
    assert cv_mse(X, y, np.array([[0, 1]]))[0] < 1e-12
    np.testing.assert_allclose(fit(X, y, np.array([[0, 1]])).coefficients[0], [1.0, 1e8], rtol=1e-6)


@pytest.mark.parametrize("value", [0.1, 0.3, 1.7])
def test_a_constant_environment_adds_nothing_to_an_intercept(make_problem, value):
    problem = make_problem(n_algos=11, n_envs=3, seed=1)
    X = np.column_stack([problem.X, np.full(11, value)])
    alone, beside = (cv_mse(X, problem.y, np.array([subset]), fit_intercept=True)[0] for subset in ([0], [0, 3]))
    assert beside == pytest.approx(alone, rel=1e-12)
    assert fit(X, problem.y, np.array([[3]]), fit_intercept=True).coefficients[0, 0] == 0


def test_a_subset_with_no_more_rows_than_columns_is_not_searchable(make_problem):
    problem = make_problem(n_algos=6, n_envs=4)
    X = problem.X.copy()
    X[2:, 0] = np.nan
    X[3:, 1] = np.nan
    X[:, 2] = np.nan
    subsets = np.array([[0, 1], [0, 3], [1, 3], [2, 3]])
    for rule in (False, True):
        assert np.isfinite(cv_mse(X, problem.y, subsets, drawn=rule)).tolist() == [False, False, True, False]
    found = fit(X, problem.y, subsets)
    assert np.isfinite(found.coefficients).all(axis=1).tolist() == [False, False, True, False]
    assert found.n_algos.tolist() == [2, 2, 3, 0]


def test_an_intercept_needs_a_row_more(make_problem):
    X = make_problem(n_algos=6, n_envs=3).X.copy()
    X[4:, 0], X[3:, 1] = np.nan, np.nan
    y, subsets = np.arange(6.0), np.array([[0, 2], [1, 2]])
    assert np.isfinite(cv_mse(X, y, subsets)).tolist() == [True, True]
    assert np.isfinite(cv_mse(X, y, subsets, fit_intercept=True)).tolist() == [True, False]
    assert np.isfinite(fit(X, y, subsets, fit_intercept=True).r2).tolist() == [True, False]


def test_an_algorithm_at_the_random_score_has_no_relative_error():
    X = np.array([[0.0], [1.0], [2.0], [1.5]])
    y = np.array([0.0, 1.1, 1.9, 1.4])
    without = fit(X[1:], y[1:], np.array([[0]])).relative_errors[0]  # the zero row does not move the line through the origin
    assert fit(X, y, np.array([[0]])).relative_errors[0] == pytest.approx(without, rel=1e-12)


def test_a_prediction_beyond_all_numbers_is_infinitely_wrong_and_silent():
    found = relative_errors(np.array([1.0, 1.0, 0.0]), np.array([400.0, 1.0, 400.0]))
    np.testing.assert_array_equal(found, [np.inf, 0.0, np.nan])


def test_a_benchmark_score_of_zero_everywhere_has_neither_r2_nor_relative_error():
    found = fit(np.ones((4, 1)), np.zeros(4), np.array([[0]]))
    assert np.isnan([found.r2[0], found.relative_errors[0]]).all()
    assert cv_mse(np.ones((4, 1)), np.zeros(4), np.array([[0]]))[0] == 0


@pytest.mark.parametrize("error", [1e-23, 3.0000000000001e-5, 0.0999999999999999, 0.123456789012345, 1.0, 9.99999999999999e200])
def test_errors_are_cut_to_twelve_digits(error):
    found, *others = cut(np.array([error, np.inf, 0.0, 9e-25])).tolist()
    assert found == pytest.approx(float(f"{error:.11e}"), rel=1e-15)
    assert others == [np.inf, 0.0, 0.0]


def test_errors_that_differ_by_rounding_are_cut_to_the_same():
    rng = np.random.default_rng(0)
    errors = 10.0 ** rng.uniform(-23, 3, 2000)
    rounded = np.array([float(f"{error:.11e}") for error in errors])
    np.testing.assert_array_equal(cut(rounded * (1 + 1e-14)), cut(rounded))
    np.testing.assert_array_equal(cut(rounded * (1 - 1e-14)), cut(rounded))
    np.testing.assert_array_equal(cut(cut(errors)), cut(errors))
    np.testing.assert_allclose(cut(errors), rounded, rtol=1e-15)
    assert (np.diff(cut(np.sort(errors))) >= 0).all()


def test_a_cut_of_every_power_of_ten_is_that_power():
    powers = np.array([10.0**power for power in range(-23, 300)])
    np.testing.assert_allclose(cut(powers), powers, rtol=1e-15)
    assert cut(np.array([math.nextafter(1e-24, 0), 1e-24])).tolist() == [0.0, pytest.approx(1e-24, rel=1e-15)]


def test_computing_twice_gives_the_same_bits(make_problem):
    problem = make_problem(missing=0.2)
    subsets = subsets_of(8, 3)
    one, other = (cv_mse(problem.X, problem.y, subsets, drawn=True, fit_intercept=True) for _ in range(2))
    assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("n_threads", [2, 3, 100])
def test_threads_compute_the_same_errors(make_problem, n_threads):
    problem = make_problem(20, 30, missing=0.1)
    subsets = subsets_of(30, 3)
    rules = make_rules(20)
    errors = errors_by(rules, problem.X, problem.y, subsets, n_threads=n_threads)
    assert np.array_equal(errors, errors_by(rules, problem.X, problem.y, subsets))
    assert len(errors_by(rules, problem.X, problem.y, subsets[:0], n_threads=n_threads)) == 0
