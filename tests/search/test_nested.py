from itertools import combinations

import pytest

from rlhpc.search.nested import nest
from rlhpc.search.settings import Settings
from rlhpc.search.whole import search


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("seed", [0, 1])
def test_each_nested_subset_is_the_best_inside_the_next_larger(make_problem, reference, missing, seed):
    problem, settings = make_problem(n_algos=10, n_envs=6, missing=missing, seed=seed), Settings(4)
    inside = range(problem.X.shape[1])
    for size in nest(problem, settings, search(problem, settings)):
        error, nested = min(
            (reference.cv_mse(problem.X, problem.y, subset), subset) for subset in combinations(inside, size.subset_size)
        )
        assert size.nested == nested
        assert size.nested_cv_mse == pytest.approx(error, rel=1e-9)
        error, best = reference.search(problem.X, problem.y, size.subset_size)[0]
        assert size.best == best
        assert size.best_cv_mse == pytest.approx(error, rel=1e-9)
        inside = nested


def test_sizes_go_from_the_largest_to_one(make_problem):
    problem, settings = make_problem(), Settings(3)
    sizes = nest(problem, settings, search(problem, settings))
    assert [(size.subset_size, len(size.nested), len(size.best)) for size in sizes] == [(3, 3, 3), (2, 2, 2), (1, 1, 1)]
    assert sizes[0].nested == sizes[0].best


def test_forced_environments_are_in_every_nested_subset(make_problem):
    problem, settings = make_problem(), Settings(4, forced=("Env 2", "Env 5"))
    sizes = nest(problem, settings, search(problem, settings))
    assert [size.subset_size for size in sizes] == [4, 3, 2]
    assert all({2, 5} <= {*size.nested} and {2, 5} <= {*size.best} for size in sizes)
