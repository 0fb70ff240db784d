"""The permutation null: the thesis' p-value, and p-values that are uniform where there is nothing to find."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from rlhpc.search import Settings, search
from rlhpc.search.trust import Given, Kind, Plan, permutation_null, redo
from rlhpc.search.trust.null import Null


def shuffled(given, claimed):
    return permutation_null(given, redo(given, [r for r in given.replicates if r.kind is Kind.SHUFFLED]), Kind.SHUFFLED, claimed)


def test_p_of_the_thesis_is_exact_over_all_orders(thesis):
    given = Given(thesis, Settings(3), Plan(n_permutations=5040))
    null = shuffled(given, 0.0035279584408828)
    assert (len(null.draws), null.exact, null.standard_error) == (5040, True, 0.0)
    assert null.p == pytest.approx(314 / 5040)
    assert f"{null.p:.4f}" == "0.0623"


def test_exact_p_equals_the_slow_obvious_count(make_problem, reference):
    problem, rules = make_problem(n_algos=5, n_envs=5, seed=7), {"n_folds": 5}
    claimed = search(problem, Settings(2, **rules))[0].cv_mse[0]
    null = shuffled(Given(problem, Settings(2, **rules), Plan(n_permutations=120)), claimed)
    slow = [reference.search(problem.X, problem.y[list(order)], 2, **rules)[0][0] for order in permutations(range(5))]
    assert null.p == pytest.approx(np.mean([error <= claimed * (1 + 1e-9) for error in slow]))
    assert null.draws * problem.y.var() * (5 / 4) ** 2 == pytest.approx(sorted(slow))


def test_sampled_p_is_never_zero_and_has_its_monte_carlo_error(make_problem):
    problem = make_problem(n_algos=9, n_envs=6)
    null = shuffled(Given(problem, Settings(2), Plan(n_permutations=49)), claimed=0.0)
    assert (null.p, null.exact, len(null.draws)) == (1 / 50, False, 49)
    assert null.standard_error == pytest.approx(np.sqrt(1 / 51 * 50 / 51 / 49))
    assert list(null.draws) == sorted(null.draws)


def test_there_is_no_null_without_draws(make_problem):
    given = Given(make_problem(), Settings(2), Plan(n_permutations=0))
    assert permutation_null(given, (), Kind.SHUFFLED, 0.1) is None


def test_equal_errors_count_as_good_in_spite_of_rounding(make_problem):
    problem = make_problem(n_algos=5, n_envs=5, seed=7)
    given = Given(problem, Settings(2), Plan(n_permutations=120))
    claimed = search(problem, Settings(2))[0].cv_mse[0]
    assert shuffled(given, claimed * (1 - 1e-12)).p == shuffled(given, claimed * (1 + 1e-12)).p


def test_draws_that_all_agree_leave_an_error_of_p():
    every = Null(0.1, np.full(99, 0.05), 1.0, exact=False)
    assert 0 < every.standard_error < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.SHUFFLED, Kind.PERMUTED])
def test_p_values_are_uniform_on_noise(make_problem, rescored, kind):
    """200 tables without a relation, 39 permutations each: p takes the values 1/40, 2/40, ..., each equally often.

    A Kolmogorov-Smirnov test against that at 0.1 %. An observed error that had a part in choosing its null, or draws that were
    not searched as the table was, fail it: with the claimed error of a fixed subset instead of the best, p is below 1e-30.
    """
    values = []
    for seed in range(200):
        problem = make_problem(n_algos=8, n_envs=6, seed=seed + 1000)
        noise = np.random.default_rng(seed).normal(size=problem.scores.shape) + 2
        problem = rescored(problem, noise)
        if kind is Kind.SHUFFLED:  # a target that has nothing to do with the scores
            problem = type(problem)(**{**vars(problem), "y": np.random.default_rng(seed + 10_000).normal(size=8)})
        settings = Settings(2, n_folds=4)
        given = Given(problem, settings, Plan(n_permutations=39, seed=seed), lambda scores, p=problem: rescored(p, scores))
        claimed = search(problem, settings)[0].cv_mse[0]
        redone = redo(given, [one for one in given.replicates if one.kind is kind])
        values.append(permutation_null(given, redone, kind, claimed).p)
    jitter = np.random.default_rng(0).uniform(0, 1 / 40, 200)  # a discrete uniform made a continuous one
    assert stats.kstest(np.array(values) - jitter, "uniform").pvalue > 1e-3
