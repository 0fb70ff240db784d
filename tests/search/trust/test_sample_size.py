"""How many algorithms it takes."""

import math

import numpy as np
import pytest

from rlhpc.search import Settings
from rlhpc.search.trust import BEST, Given, Kind, Plan, held_outs, honest_errors, redo, sample_size
from rlhpc.search.trust.sample_size import Point, _needed


def test_points_equal_the_slow_obvious_search_on_parts(make_problem, reference):
    problem = make_problem(n_algos=12, n_envs=5, seed=6)
    given = Given(problem, Settings(2, n_folds=4), Plan(n_subsamples=3, seed=2))
    parts = [one for one in given.replicates if one.kind is Kind.PART]
    found = sample_size(given, redo(given, parts), None, 0.1)
    assert [(point.n_algos, point.n_draws) for point in found.points] == [(5, 3), (7, 3)]
    for place, point in enumerate(found.points):
        claimed, honest, guess = [], [], []
        for replicate in parts[3 * place : 3 * place + 3]:
            rows = given.rows(replicate)
            others = np.setdiff1d(np.arange(12), rows)
            X, y = problem.X[rows], problem.y[rows]
            error, subset = reference.search(X, y, 2, n_folds=4)[0]
            coefficients, *_ = reference.in_sample(X, y, subset, False)
            predicted = problem.X[others][:, list(subset)] @ coefficients
            claimed.append(error)
            honest.append(np.mean((predicted - problem.y[others]) ** 2))
            guess.append(np.mean((y.mean() - problem.y[others]) ** 2))
        assert (point.claimed_mse, point.honest_mse, point.guess_mse) == pytest.approx(
            (np.mean(claimed), np.mean(honest), np.mean(guess))
        )
        assert point.honest_standard_error == pytest.approx(np.std(honest, ddof=1) / math.sqrt(3))


def test_last_point_is_that_of_all_algorithms(make_problem):
    problem, settings = make_problem(n_algos=12, n_envs=5, seed=6), Settings(2, n_folds=4)
    given = Given(problem, settings, Plan(n_permutations=0, n_pairs=0, n_subsamples=2))
    redone = redo(given, given.replicates)
    honest = honest_errors(problem, held_outs(given, redone)[BEST, 2])
    last = sample_size(given, redone, honest, 0.125).points[-1]
    assert (last.n_algos, last.claimed_mse, last.honest_mse, last.guess_mse) == (11, 0.125, honest.mse, honest.baseline_mse)


def test_outer_folds_are_points_of_their_own_size(make_problem):
    problem, settings = make_problem(n_algos=12, n_envs=5, seed=6), Settings(2, n_folds=4)
    given = Given(problem, settings, Plan(n_outer_folds=4, n_permutations=0, n_pairs=0, n_subsamples=2))
    redone = redo(given, given.replicates)
    honest = honest_errors(problem, held_outs(given, redone)[BEST, 2])
    last = sample_size(given, redone, honest, 0.125).points[-1]
    assert (last.n_algos, last.n_draws) == (9, 4)


def point(n_algos, factor):
    return Point(n_algos, 10, 0.01, 0.01 * factor, 0.001, 0.1)


def test_needed_is_the_first_point_from_which_on_errors_are_believable():
    assert _needed([point(20, 5), point(30, 1.9), point(40, 1.5)], 50) == (30, False)
    assert _needed([point(20, 1.5), point(30, 2.1), point(40, 1.5)], 50) == (40, False)
    assert _needed([point(7, 1.2), point(20, 1.1)], 50) == (20, False)  # with fewer it is luck


def test_needed_is_extrapolated_along_the_line_of_the_points():
    def power(n):
        return 1 + (n / 100) ** -1.5  # reaches 2 at 100 algorithms

    assert _needed([point(n, power(n)) for n in (10, 20, 30, 40)], 50) == (100, True)
    assert _needed([point(n, 5 + n) for n in (10, 20, 30)], 50) == (None, False)  # more do not help
    assert _needed([point(n, 1 + (n / 1e5) ** -1.5) for n in (10, 20, 30)], 50) == (None, False)  # too far away
    assert _needed([point(n, 1 + (n / 13) ** -1.5) for n in (5, 7, 10)], 12) == (20, True)  # with fewer it is luck
    rises = [point(7, 20), point(30, 1.2), point(59, 2.3)]  # the line says fewer than there are, and the last point denies it
    assert _needed(rises, 60) == (None, False)


def test_without_points_another_table_gives_the_number():
    assert _needed([], 7) == (30, False)
    assert _needed([], 40) == (None, False)


def test_errors_that_are_negligible_beside_guessing_are_believable():
    assert _needed([Point(20, 10, 1e-12, 1e-6, 1e-7, 1.0), Point(30, 10, 1e-12, 1e-6, 1e-7, 1.0)], 50) == (20, False)


def test_a_generating_subset_needs_few_algorithms(generated):
    given = Given(generated(), Settings(3), Plan(n_permutations=0, n_pairs=0, n_subsamples=10))
    redone = redo(given, [one for one in given.replicates if one.kind in {Kind.PART, Kind.WITHOUT}])
    honest = honest_errors(given.problem, held_outs(given, redone)[BEST, 3])
    found = sample_size(given, redone, honest, redone[0].best.cv_mse)
    assert found.needed <= 30
    assert found.points[0].honest_mse > found.points[-1].honest_mse
