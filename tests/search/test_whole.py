"""A whole search against the slow obvious one: best lists, ties, counts, chosen environments."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.search.settings import Settings
from rlhpc.search.whole import n_to_search, search

SETTINGS = Settings(3, n_folds=4, fold_seed=3, keep=10)


def listed(best):
    return [tuple(subset) for subset in best.subsets.tolist()]


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("fold_rule", ["fixed", "drawn"])
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_best_of_every_size_equals_the_slow_search(make_problem, reference, missing, fold_rule, fit_intercept):
    problem = make_problem(n_algos=11, n_envs=7, missing=missing)
    rules = {"fold_rule": fold_rule, "fit_intercept": fit_intercept}
    for best in search(problem, replace(SETTINGS, **rules)):
        slow = reference.search(problem.X, problem.y, best.subset_size, n_folds=4, fold_seed=3, **rules)
        assert listed(best) == [subset for _, subset in slow[:10]]
        np.testing.assert_allclose(best.cv_mse, [error for error, _ in slow[:10]], rtol=1e-9)
        assert best.n_unsearchable == best.n_subsets - len(slow)
        assert (best.exhaustive, best.n_searched, best.histogram.sum()) == (True, best.n_subsets, len(slow))


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_in_sample_ranking_is_that_of_the_slow_search(make_problem, reference, missing):
    problem = make_problem(n_algos=12, n_envs=7, missing=missing)
    best = search(problem, replace(SETTINGS, rank_by="in_sample"))[0]
    scored = [(reference.cv_mse(problem.X, problem.y, subset), subset) for subset in combinations(range(7), 3)]
    fits = {s: in_sample_mse(problem.X, problem.y, s) for error, s in scored if np.isfinite(error)}
    chosen = sorted(fits, key=fits.get)[:10]
    expected = sorted((reference.cv_mse(problem.X, problem.y, s, n_folds=4, fold_seed=3, fold_rule="fixed"), s) for s in chosen)
    assert listed(best) == [subset for _, subset in expected]
    np.testing.assert_allclose(best.cv_mse, [error for error, _ in expected], rtol=1e-9)


def in_sample_mse(X, y, subset):
    rows = ~np.isnan(X[:, subset]).any(axis=1)
    A = X[np.ix_(rows, subset)]
    return float(np.mean((y[rows] - A @ np.linalg.lstsq(A, y[rows])[0]) ** 2))


def test_equal_errors_are_ordered_by_place(make_problem):
    problem = make_problem(n_envs=5)
    problem.X[:] = problem.X[:, :1]
    (best,) = search(problem, Settings(1))
    assert listed(best) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(set(best.cv_mse.tolist())) == 1


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_subsets_of_duplicated_environments_tie_and_are_ordered_by_place(make_problem, fit_intercept):
    problem = make_problem(n_algos=12, n_envs=6, seed=2)
    problem.X[:, 3:] = problem.X[:, :3]
    best = search(problem, Settings(2, fit_intercept=fit_intercept))[0]
    for same in ([(0, 1), (0, 4), (1, 3), (3, 4)], [(0, 2), (0, 5), (2, 3), (3, 5)], [(1, 2), (1, 5), (2, 4), (4, 5)]):
        places = [listed(best).index(subset) for subset in same]
        assert places == list(range(places[0], places[0] + 4))
        assert len(set(best.cv_mse[places].tolist())) == 1


def test_exact_predictions_tie_at_zero(make_problem):
    problem = make_problem(n_algos=12, n_envs=4)
    best = search(replace(problem, y=problem.X @ [0.5, 0.25, 0.0, 0.0]), Settings(3))[0]
    assert listed(best)[:2] == [(0, 1, 2), (0, 1, 3)]
    assert best.cv_mse.tolist()[:2] == [0.0, 0.0]
    assert best.cv_mse[2] > 1e-6


def test_the_first_of_many_exact_predictions_are_kept(make_problem):
    problem = make_problem(n_algos=14, n_envs=12)
    exact = replace(problem, y=problem.X[:, 11] * 0.5)
    assert listed(search(exact, Settings(4, keep=3))[0]) == [(0, 1, 2, 11), (0, 1, 3, 11), (0, 1, 4, 11)]


@pytest.mark.parametrize("fold_rule", ["fixed", "drawn"])
def test_forced_and_excluded_environments_leave_the_same_errors(make_problem, fold_rule):
    problem = make_problem(n_algos=14, missing=0.1)
    everything = search(problem, Settings(4, fold_rule=fold_rule))
    chosen = Settings(4, fold_rule=fold_rule, forced=("Env 5", "Env 1"), excluded=("Env 0", "Env 7"))
    for best, whole in zip(search(problem, chosen), everything, strict=False):
        wanted = [place for place, s in enumerate(listed(whole)) if {1, 5} <= {*s} and not {0, 7} & {*s}]
        assert listed(best) == [listed(whole)[place] for place in wanted]
        assert best.cv_mse.tolist() == whole.cv_mse[wanted].tolist()
        assert best.n_subsets == best.n_searched == best.n_unsearchable + best.histogram.sum()


def test_where_all_are_forced_there_is_one_subset(make_problem):
    problem = make_problem(missing=0.1)
    (best,) = search(problem, Settings(2, forced=("Env 4", "Env 2")))
    assert (listed(best), best.n_subsets) == ([(2, 4)], 1)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_change_no_bit(make_problem, n_threads):
    problem = make_problem(n_algos=15, n_envs=12, missing=0.1)
    one, more = (search(problem, Settings(4), n_threads=n) for n in (1, n_threads))
    for a, b in zip(one, more, strict=True):
        assert a.subsets.tolist() == b.subsets.tolist()
        assert a.cv_mse.tolist() == b.cv_mse.tolist()
        assert a.histogram.tolist() == b.histogram.tolist()


def test_progress_counts_every_subset(make_problem):
    problem, done = make_problem(), []
    search(problem, Settings(3), report=done.append)
    assert sum(done) == n_to_search(problem, Settings(3)) == 56 + 28 + 8


def test_a_size_too_large_for_the_problem_is_refused(make_problem):
    with pytest.raises(InputError, match="not smaller than the number of algorithms"):
        search(make_problem(n_algos=3), SETTINGS)
