"""What predictions are made with, held against regressions one by one."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.search import Settings, problem_hash, search
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, HeldOut, hold_out_each


def made(problem, settings, **told):
    """A problem's best subset, the algorithms held out, and the predictor of these."""
    subset = search(problem, settings)[0].subsets[0].tolist()
    held_outs = hold_out_each(problem, settings)[BEST, settings.subset_size]
    return subset, held_outs, make_predictor(problem, settings, subset, held_outs, **told)


def without(problem, row):
    others = [other for other in range(len(problem.y)) if other != row]
    return problem.X[others], problem.y[others]


def columns(problem, names):
    return [problem.env_ids.index(name) for name in names]


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.08])
def test_every_fit_equals_a_regression_of_its_own(make_problem, reference, missing, fit_intercept):
    problem, rules = make_problem(n_algos=12, n_envs=7, missing=missing, seed=2), {"n_folds": 5, "fit_intercept": fit_intercept}
    subset, held_outs, predictor = made(problem, Settings(3, **rules))
    usable = [one for one in held_outs if not np.isnan(one.predicted)]
    assert (len(usable) < 12) == bool(missing)
    parts = [part for size in (3, 2, 1) for part in combinations(subset, size)]
    assert [columns(problem, fit.subset) for fit in predictor.fits] == [list(part) for part in parts]
    for part, fit in zip(parts, predictor.fits, strict=True):
        check_regression(fit.regression, reference.in_sample(problem.X, problem.y, part, fit_intercept))
        assert fit.cv_mse == pytest.approx(reference.cv_mse(problem.X, problem.y, part, **rules))
        for one, regression, residual in zip(usable, fit.without, fit.residuals, strict=True):
            check_regression(regression, expected := reference.in_sample(*without(problem, one.row), part, fit_intercept))
            own = abs(problem.X[one.row, list(part)] @ expected[0] + expected[1] - problem.y[one.row])
            nested = abs(one.predicted - problem.y[one.row])
            assert residual == pytest.approx(nested if len(part) == 3 or np.isnan(own) else max(nested, own))
    for one, rival in zip(usable, predictor.rivals, strict=True):
        assert (rival.algo, columns(problem, rival.subset)) == (problem.algos[one.row], list(one.subset))
        check_regression(rival.regression, reference.in_sample(*without(problem, one.row), one.subset, fit_intercept))


def check_regression(regression, expected):
    coefficients, intercept, *_ = expected
    assert regression.coefficients == pytest.approx(coefficients)
    assert regression.intercept == pytest.approx(intercept)


def test_it_holds_the_environments_that_predictions_need_and_no_other(make_problem):
    problem = make_problem(n_algos=9, n_envs=12, missing=0.05, seed=1)
    rivals = [(1, 8), (5, 8), (0, 5), (1, 8), (3, 11), (1, 8), (1, 5), (0, 8), (1, 8)]
    held_outs = [HeldOut(row, (row,), rival, 0.1, np.nan if row == 4 else 1.0, 1.0) for row, rival in enumerate(rivals)]
    budgets = {problem.env_ids[0]: 10, "another": 20}
    predictor = make_predictor(problem, Settings(2), (5, 8), held_outs, budgets=budgets)
    assert columns(problem, predictor.env_ids) == [5, 8, 0, 1]
    for column, env in zip([5, 8, 0, 1], predictor.envs, strict=True):
        scores = problem.scores[:, column][~np.isnan(problem.scores[:, column])]
        assert (env.lowest, env.highest) == (min(scores), max(scores))
        assert (env.random_score, env.reference_score) == (problem.random_scores[column], problem.reference_scores[column])
        assert env.total_timesteps == (10 if column == 0 else None)


def test_it_tells_what_it_was_made_of(make_problem):
    problem = make_problem()
    _, _, predictor = made(problem, Settings(2), n_seeds=4, dataset="a.csv", dataset_sha256="12", target="the median")
    origin = predictor.origin
    assert (origin.dataset, origin.dataset_sha256, origin.target) == ("a.csv", "12", "the median")
    assert origin.problem_sha256 == problem_hash(problem)
    assert predictor.known == dict(zip(problem.algos, problem.y, strict=True))
    assert predictor.n_seeds == 4


def test_making_it_twice_gives_the_same_to_the_bit(make_problem):
    problem = make_problem(missing=0.05)
    assert made(problem, Settings(2))[2] == made(problem, Settings(2))[2]


def guesses(problem, subset):
    return [HeldOut(row, (row,), subset, 0.1, 1.0, 1.0) for row in range(len(problem.y))]


def test_of_a_large_subset_each_part_is_the_best_inside_the_one_before(make_problem, reference):
    problem, subset = make_problem(n_algos=12, n_envs=8), (0, 1, 2, 3, 4, 6, 7)
    *_, fits = (
        make_predictor(problem, Settings(len(chosen)), chosen, guesses(problem, chosen)).fits for chosen in (subset[:6], subset)
    )
    assert [len(fit.subset) for fit in fits] == [7, 6, 5, 4, 3, 2, 1]
    inside = subset
    for fit in fits[1:]:
        inside = min(combinations(inside, len(inside) - 1), key=lambda part: reference.cv_mse(problem.X, problem.y, part))
        assert columns(problem, fit.subset) == list(inside)


def test_of_six_environments_all_parts_are_there(make_problem):
    problem, subset = make_problem(n_algos=12, n_envs=8), (0, 1, 2, 3, 4, 6)
    assert len(make_predictor(problem, Settings(6), subset, guesses(problem, subset)).fits) == 2**6 - 1


def test_algorithms_without_which_the_subset_cannot_be_fitted_are_left_out(make_problem):
    problem = make_problem(n_algos=9, n_envs=4)
    X = problem.X.copy()
    X[3:, 0] = np.nan  # three complete rows for two parameters: without one of them, no regression is left
    predictor = make_predictor(replace(problem, X=X), Settings(2), (0, 1), guesses(problem, (2, 3)))
    assert [rival.algo for rival in predictor.rivals] == list(problem.algos[3:])


def test_too_few_algorithms_and_seeds_are_refused_at_once(make_problem):
    problem = make_problem(n_algos=6)
    held_outs = guesses(problem, (0, 1))
    few = [replace(one, predicted=np.nan) if one.row < 3 else one for one in held_outs]
    with pytest.raises(InputError) as refused:
        make_predictor(problem, Settings(2), (0, 1), few, n_seeds=0)
    assert len(refused.value.faults) == 2
    assert "at least 4 algorithms that can be predicted when held out, and 3 of 6 can" in refused.value.faults[0]
    assert "number of seeds 0" in refused.value.faults[1]
    four = [replace(one, predicted=np.nan) if one.row < 2 else one for one in held_outs]
    assert len(make_predictor(problem, Settings(2), (0, 1), four).rivals) == 4
