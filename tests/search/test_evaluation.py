"""The evaluation, held against scikit-learn in plain loops."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.search import Settings
from rlhpc.search.evaluation import evaluate_other_envs, evaluate_single_envs, guess_mse, predict

SUBSET = (1, 4)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_single_envs_equal_the_slow_obvious_regressions(make_problem, reference, missing, fit_intercept):
    problem = make_problem(missing=missing)
    found = evaluate_single_envs(problem, Settings(2, fit_intercept=fit_intercept))
    for env in range(8):
        _, _, r2, relative_error = reference.in_sample(problem.X, problem.y, (env,), fit_intercept)
        assert found.cv_mse[env] == pytest.approx(reference.cv_mse(problem.X, problem.y, (env,), fit_intercept=fit_intercept))
        assert (found.r2[env], found.relative_errors[env]) == pytest.approx((r2, relative_error))
        assert found.n_algos[env] == np.count_nonzero(~np.isnan(problem.X[:, env]))


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_other_envs_equal_the_slow_obvious_regressions(make_problem, reference, missing, fit_intercept):
    problem = make_problem(n_algos=12, missing=missing)
    found = evaluate_other_envs(problem, Settings(2, fit_intercept=fit_intercept), SUBSET)
    assert found.columns.tolist() == [0, 2, 3, 5, 6, 7]
    for place, env in enumerate(found.columns):
        scored = ~np.isnan(problem.X[:, env])
        X, target = np.where(scored[:, None], problem.X, np.nan), np.where(scored, problem.X[:, env], 0.0)
        assert found.cv_mse[place] == pytest.approx(reference.cv_mse(X, target, SUBSET, fit_intercept=fit_intercept))
        assert found.r2[place] == pytest.approx(reference.in_sample(X, target, SUBSET, fit_intercept)[2])
        assert found.n_algos[place] == len(reference.rows_of(X, target, SUBSET)[1])


def test_constant_environment_is_reported_and_has_no_r2(make_problem):
    problem = make_problem()
    X = problem.X.copy()
    X[:, 0] = 0.0
    found = evaluate_other_envs(replace(problem, X=X), Settings(2, fit_intercept=True), SUBSET)
    assert found.constant.tolist() == [True] + [False] * 5
    assert np.isnan(found.r2[0])
    assert found.cv_mse[0] == 0.0


def test_environment_with_too_few_scores_is_infinitely_wrong(make_problem):
    problem = make_problem()
    X = problem.X.copy()
    X[1:, 0] = np.nan
    found = evaluate_other_envs(replace(problem, X=X), Settings(2), SUBSET)
    assert found.cv_mse[0] == np.inf
    assert np.isnan(found.r2[0])
    assert (found.n_algos[0], found.constant[0]) == (1, False)
    assert np.isfinite(found.cv_mse[1:]).all()


def test_subset_of_every_environment_has_no_others(make_problem):
    found = evaluate_other_envs(make_problem(n_envs=2), Settings(2), (0, 1))
    assert [len(getattr(found, name)) for name in ("columns", "cv_mse", "r2", "n_algos", "constant")] == [0] * 5


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_prediction_is_that_of_the_fit_to_the_rows_given(make_problem, reference, fit_intercept):
    problem, rows = make_problem(), [0, 2, 3, 5, 8]
    coefficients, intercept, *_ = reference.in_sample(problem.X[rows], problem.y[rows], SUBSET, fit_intercept)
    expected = problem.X[:, SUBSET] @ coefficients + intercept
    assert predict(problem, Settings(2, fit_intercept=fit_intercept), SUBSET, rows) == pytest.approx(expected)


def test_algorithm_without_a_score_on_the_subset_has_no_prediction(make_problem):
    problem = make_problem()
    X = problem.X.copy()
    X[3, 4] = np.nan
    assert np.isnan(predict(replace(problem, X=X), Settings(2), SUBSET)).tolist() == [row == 3 for row in range(9)]


def test_guess_is_the_mean_of_the_others():
    y = np.array([0.5, 1.0, 3.0])
    assert guess_mse(y) == pytest.approx(np.mean([(0.5 - 2.0) ** 2, (1.0 - 1.75) ** 2, (3.0 - 0.75) ** 2]))
    assert np.isnan(guess_mse(y[:1]))
