"""One environment more, held against trying all of them one by one."""

import numpy as np
import pytest

from rlhpc.search import Settings
from rlhpc.search.extension import N_BEST, extend
from rlhpc.search.trust import BEST, HeldOut, hold_out_each


@pytest.mark.parametrize("missing", [0.0, 0.08])
def test_extensions_equal_trying_all_environments_one_by_one(make_problem, reference, missing):
    problem, rules = make_problem(n_algos=12, n_envs=9, missing=missing, seed=8), {"n_folds": 4, "fit_intercept": True}
    settings = Settings(2, excluded=("Env 1",), **rules)
    held_outs = [one for one in hold_out_each(problem, settings)[BEST, 2] if not np.isnan(one.predicted)]
    found = extend(problem, settings, (3, 5), held_outs)

    def tried(X, y, subset):
        added = [env for env in range(9) if env not in {1, *subset}]
        return sorted((reference.cv_mse(X, y, sorted((*subset, env)), **rules), env) for env in added)

    expected = tried(problem.X, problem.y, (3, 5))[:N_BEST]
    assert [one.env_id for one in found.best] == [f"Env {env}" for _, env in expected]
    assert [one.cv_mse for one in found.best] == pytest.approx([error for error, _ in expected])
    errors, extended = [], []
    for one in held_outs:
        others = [row for row in range(12) if row != one.row]
        X, y = problem.X[others], problem.y[others]
        larger = sorted((*one.subset, tried(X, y, one.subset)[0][1]))
        coefficients, intercept, *_ = reference.in_sample(X, y, larger, fit_intercept=True)
        predicted = problem.X[one.row, larger] @ coefficients + intercept
        if not np.isnan(predicted):
            errors.append(one.predicted - problem.y[one.row])
            extended.append(predicted - problem.y[one.row])
    assert found.n_compared == len(errors)
    assert (found.n_compared < len(held_outs)) == bool(missing)
    assert found.mse == pytest.approx(np.mean(np.square(errors)))
    assert found.extended_mse == pytest.approx(np.mean(np.square(extended)))


def test_nothing_can_be_added_to_all_environments(make_problem):
    problem = make_problem(n_algos=8, n_envs=3)
    found = extend(problem, Settings(3), (0, 1, 2), [HeldOut(row, (row,), (0, 1, 2), 0.1, 1.0, 1.0) for row in range(8)])
    assert (found.best, found.n_compared, found.mse, found.extended_mse) == ((), 0, None, None)


def test_nothing_is_added_that_would_fit_perfectly(make_problem):
    problem = make_problem(n_algos=5, n_envs=7)
    held_outs = [HeldOut(row, (row,), (0, 1, 2), 0.1, 1.0, 1.0) for row in range(5)]
    found = extend(problem, Settings(3), (0, 1, 2), held_outs)
    assert len(found.best) == 4  # four parameters of five algorithms; of the four that are left, none
    assert found.n_compared == 0
    assert extend(problem, Settings(4), (0, 1, 2, 3), held_outs).best == ()


def test_of_equal_environments_the_first_is_added_first(make_problem):
    problem = make_problem(n_algos=10, n_envs=6)
    problem.X[:, 4] = problem.X[:, 2]
    held_outs = hold_out_each(problem, Settings(1))[BEST, 1]
    names = [one.env_id for one in extend(problem, Settings(1), (0,), held_outs).best]
    assert names.index("Env 4") == names.index("Env 2") + 1
