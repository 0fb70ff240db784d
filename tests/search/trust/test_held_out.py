"""Honest errors, held against the thesis' and against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score

from rlhpc.search import Settings, search
from rlhpc.search.trust import BEST, NESTED, Given, Kind, Plan, held_outs, hold_out_each, honest_errors, redo
from rlhpc.search.trust.redone import choose, choose_largest


def test_honest_figures_of_the_thesis(thesis):
    honest = honest_errors(thesis, hold_out_each(thesis, Settings(3))[BEST, 3])
    assert honest.mse == pytest.approx(0.4371983647683952, rel=1e-8)
    assert honest.mean_relative_error == pytest.approx(76.4225, abs=5e-5)
    assert honest.baseline_mse == pytest.approx(0.398639, abs=5e-7)
    assert honest.n_distinct_subsets == 7


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_held_out_algorithms_equal_the_slow_obvious_search(make_problem, reference, missing, fit_intercept):
    problem = make_problem(n_algos=8, n_envs=5, missing=missing, seed=3)
    rules = {"n_folds": 5, "fit_intercept": fit_intercept}
    held_outs = hold_out_each(problem, Settings(2, **rules))
    for row in range(8):
        others = [other for other in range(8) if other != row]
        X, y = problem.X[others], problem.y[others]
        best = {size: reference.search(X, y, size, **rules)[0] for size in (1, 2)}
        inside = min((reference.cv_mse(X, y, (env,), **rules), (env,)) for env in best[2][1])
        expected = {(BEST, 2): best[2], (BEST, 1): best[1], (NESTED, 2): best[2], (NESTED, 1): inside}
        assert held_outs.keys() == expected.keys()
        for key, (error, subset) in expected.items():
            one = held_outs[key][row]
            assert (one.row, one.subset) == (row, tuple(subset))
            assert (one.cv_mse, one.baseline) == pytest.approx((error, y.mean()))
            assert one.predicted == pytest.approx(slow_prediction(reference, problem, row, subset, fit_intercept), nan_ok=True)


def slow_prediction(reference, problem, row, subset, fit_intercept):
    others = [other for other in range(len(problem.y)) if other != row]
    coefficients, intercept, *_ = reference.in_sample(problem.X[others], problem.y[others], subset, fit_intercept)
    return problem.X[row, list(subset)] @ coefficients + intercept


def test_errors_leave_out_algorithms_that_could_not_be_predicted(make_problem):
    problem = make_problem(n_algos=8, n_envs=5)
    held_out = list(hold_out_each(problem, Settings(2))[BEST, 2])
    held_out[2] = replace(held_out[2], predicted=np.nan)
    honest = honest_errors(problem, held_out)
    kept = [one for one in held_out if one.row != 2]
    assert honest.n_predicted == 7
    closer = [abs(one.predicted - problem.y[one.row]) < abs(one.baseline - problem.y[one.row]) for one in kept]
    assert 0 < honest.n_closer == sum(closer) < 7
    assert honest.mse == pytest.approx(np.mean([(one.predicted - problem.y[one.row]) ** 2 for one in kept]))
    assert honest.baseline_mse == pytest.approx(np.mean([(one.baseline - problem.y[one.row]) ** 2 for one in kept]))


def test_relative_errors_leave_out_algorithms_that_score_nothing(make_problem):
    problem = make_problem(n_algos=8, n_envs=5)
    y = problem.y.copy()
    y[0] = 0.0
    held_out = hold_out_each(problem, Settings(2))[BEST, 2]
    honest = honest_errors(replace(problem, y=y), held_out)
    relative = [abs(10**one.predicted - 10 ** y[one.row]) / (10 ** y[one.row] - 1) for one in held_out[1:]]
    assert honest.mean_relative_error == pytest.approx(100 * np.mean(relative))
    assert honest.median_relative_error == pytest.approx(100 * np.median(relative))
    assert honest.n_predicted == 8


def test_smaller_sizes_are_held_out_too_where_the_largest_finds_nothing(make_problem):
    problem = make_problem(n_algos=4, n_envs=2)
    X = problem.X.copy()
    X[0, 0] = X[1, 1] = np.nan
    held_outs = hold_out_each(replace(problem, X=X), Settings(2))
    assert all(one.subset for one in held_outs[BEST, 1])
    assert not any(one.subset for one in held_outs[NESTED, 1])


def test_search_without_an_algorithm_that_finds_nothing_is_no_prediction(make_problem):
    problem = make_problem(n_algos=4, n_envs=2)
    X = problem.X.copy()
    X[0, 0] = X[1, 1] = np.nan
    problem = replace(problem, X=X)
    held_out = hold_out_each(problem, Settings(2))[BEST, 2]
    honest = honest_errors(problem, held_out)
    assert [one.subset for one in held_out] == [()] * 4
    assert (honest.n_predicted, honest.n_distinct_subsets) == (0, 0)
    assert np.isnan(honest.mse)


def test_holding_out_twice_is_equal_to_the_bit(make_problem):
    problem = make_problem()
    assert hold_out_each(problem, Settings(2)) == hold_out_each(problem, Settings(2))


def test_advance_counts_every_subset_searched(make_problem):
    problem, settings, done = make_problem(n_algos=6, n_envs=7), Settings(3, n_folds=4), []
    hold_out_each(problem, settings, report=done.append)
    assert sum(done) == 6 * (35 + 21 + 7)


def test_outer_folds_hold_out_their_algorithms_together(make_problem, reference):
    problem, settings = make_problem(n_algos=9, n_envs=6, seed=4), Settings(2, n_folds=4)
    given = Given(problem, settings, Plan(n_outer_folds=3, seed=5))
    redone = redo(given, [one for one in given.replicates if one.kind is Kind.WITHOUT])
    assert len(redone) == 3
    folds = given.plan.outer_folds(9)
    for one in held_outs(given, redone)[BEST, 2]:
        others = np.flatnonzero(folds != folds[one.row])
        assert len(others) == 6
        assert sorted([*one.held_with, *others]) == list(range(9))
        error, subset = reference.search(problem.X[others], problem.y[others], 2, n_folds=4)[0]
        assert (one.subset, one.baseline) == (tuple(subset), pytest.approx(problem.y[others].mean()))
        assert one.cv_mse == pytest.approx(error)


def test_r2_is_that_of_the_held_out_predictions(make_problem):
    problem = make_problem(n_algos=8, n_envs=5)
    held_out = hold_out_each(problem, Settings(2))[BEST, 2]
    predicted = [one.predicted for one in held_out]
    assert honest_errors(problem, held_out).r2 == pytest.approx(r2_score(problem.y, predicted))


@pytest.mark.parametrize("rank_by", ["cv_mse", "in_sample"])
def test_the_redone_search_chooses_as_the_search_does(make_problem, rank_by):
    for seed in range(6):
        problem, settings = make_problem(n_algos=14, n_envs=10, seed=seed), Settings(3, keep=50, rank_by=rank_by)
        chosen = {(one.choice, one.subset_size): one for one in choose(problem, settings)}
        every = search(problem, settings)
        for best in every:
            one = chosen[BEST, best.subset_size]
            assert (one.subset, one.cv_mse) == (tuple(best.subsets[0].tolist()), best.cv_mse[0])
        assert choose_largest(problem, settings) == chosen[BEST, 3]


def test_the_redone_beam_chooses_as_the_beam_does(make_problem, monkeypatch):
    monkeypatch.setattr("rlhpc.search.beam.MAX_EXHAUSTIVE", 12)
    problem, settings = make_problem(n_algos=14, n_envs=10, seed=2), Settings(3, beam=3)
    assert choose_largest(problem, settings).subset == tuple(search(problem, settings)[0].subsets[0].tolist())
