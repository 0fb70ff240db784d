"""What makes prediction look easier than it is."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.search.trust import alike


def test_thesis_has_three_targets_that_are_a_chosen_environments_own_score(thesis):
    subset = [thesis.env_ids.index(name) for name in ("Ms Pacman", "Ball in cup catch", "Pendulum swingup")]
    found = alike(thesis, subset)
    assert len({row for row, _ in found.targets}) == 3
    for row, column in found.targets:
        assert thesis.X[row, column] == pytest.approx(thesis.y[row], abs=1e-9)
        assert column in subset


def test_targets_of_environments_that_were_not_chosen_do_not_count(thesis):
    rows = {row for row, _ in alike(thesis, range(len(thesis.env_ids))).targets}
    assert len(rows) > len(alike(thesis, [0, 1]).targets)


def test_variants_of_one_algorithm_are_named_the_nearest_first(make_problem):
    problem = make_problem(n_algos=10, n_envs=8, missing=0.1, seed=2)
    rng, X = np.random.default_rng(0), problem.X.copy()
    X[7] = X[3] + 0.01 * rng.normal(size=8)
    X[9] = X[1]
    found = alike(replace(problem, X=X), [0, 1])
    assert [pair[:2] for pair in found.algos] == [(1, 9), (3, 7)]
    assert found.algos[0][2] == 0.0
    assert 0 < found.algos[1][2] < 0.1
    assert found.families == (0, 1, 2, 3, 4, 5, 6, 3, 8, 1)
    assert alike(problem, [0]).families == tuple(range(10))


def test_families_are_connected_through_others(make_problem):
    problem = make_problem(n_algos=12, n_envs=8, seed=2)
    X = problem.X.copy()
    for row in (2, 5, 9):  # each near the one before, the ends further apart
        X[row] = X[0] + 0.004 * row
    found = alike(replace(problem, X=X), [0])
    assert [found.families[row] for row in (0, 2, 5, 9)] == [0, 0, 0, 0]


def test_scores_that_both_count_as_zero_are_not_a_targets_own(make_problem):
    problem = make_problem(n_algos=6, n_envs=4)
    X, y = problem.X.copy(), problem.y.copy()
    X[2, 1] = y[2] = 0.0
    X[3, 1] = y[3] = 1.5
    assert alike(replace(problem, X=X, y=y), [1]).targets == ((3, 1),)


def test_algorithms_without_a_common_environment_are_not_alike(make_problem):
    problem = make_problem(n_algos=4, n_envs=4)
    X = np.where(np.eye(4, dtype=bool), problem.X, np.nan)
    assert alike(replace(problem, X=X), [0]).algos == ()
