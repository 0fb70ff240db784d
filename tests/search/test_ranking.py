from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rlhpc.search.nested import Size
from rlhpc.search.ranking import describe, describe_size, make_ranking
from rlhpc.search.settings import Settings
from rlhpc.search.whole import search


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_ranking_names_and_fits_each_subset_as_the_slow_search_does(make_problem, reference, fit_intercept):
    problem, settings = make_problem(n_algos=12, n_envs=5, missing=0.1), Settings(2, fit_intercept=fit_intercept)
    ranked = make_ranking(problem, settings, search(problem, settings)[0])
    slow = reference.search(problem.X, problem.y, 2, fit_intercept=fit_intercept)
    assert len(ranked) == len(slow) == len(list(combinations(range(5), 2)))
    for row, (error, subset) in zip(ranked, slow, strict=True):
        coefficients, intercept, r2, relative_error = reference.in_sample(problem.X, problem.y, subset, fit_intercept)
        assert row.subset == tuple(f"Env {env}" for env in subset)
        assert row.cv_mse == pytest.approx(error, rel=1e-9)
        assert row.coefficients == pytest.approx(coefficients, rel=1e-9)
        assert (row.intercept, row.r2, row.relative_error) == pytest.approx((intercept, r2, relative_error), rel=1e-9)
        assert row.n_algos == len(reference.rows_of(problem.X, problem.y, subset)[1])


def test_both_subsets_of_a_size_keep_their_own_error(make_problem):
    size = Size(2, nested=(0, 3), nested_cv_mse=0.5, best=(1, 2), best_cv_mse=0.25)
    found = describe_size(make_problem(), Settings(2), size)
    assert {kind: (row.subset, row.cv_mse) for kind, row in found.items()} == {
        "nested": (("Env 0", "Env 3"), 0.5),
        "best": (("Env 1", "Env 2"), 0.25),
    }


def test_an_undefined_figure_is_none(make_problem):
    problem = make_problem()
    (row,) = describe(replace(problem, y=np.zeros_like(problem.y)), Settings(1), [[0]], [0.0])
    assert (row.r2, row.relative_error, row.coefficients) == (None, None, (0.0,))
