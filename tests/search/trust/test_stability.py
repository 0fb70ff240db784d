"""How often what is chosen."""

from collections import Counter

import numpy as np

from rlhpc.search import Settings
from rlhpc.search.trust import Given, Kind, Plan, redo, stability


def test_shares_are_those_of_the_searches(make_problem, reference):
    problem = make_problem(n_algos=8, n_envs=5, seed=3)
    given = Given(problem, Settings(2, n_folds=4), Plan(n_permutations=0, n_fold_seeds=6))
    found = {one.kind: one for one in stability(given, redo(given, given.replicates))}
    assert found.keys() == {Kind.WITHOUT, Kind.WITHOUT_TWO, Kind.FOLD_SEED}
    chosen = []
    for row in range(8):
        others = np.delete(np.arange(8), row)
        chosen.append(tuple(reference.search(problem.X[others], problem.y[others], 2, n_folds=4)[0][1]))
    one = found[Kind.WITHOUT]
    assert (one.n_searches, one.exact) == (8, True)
    assert dict(one.subsets) == {subset: n / 8 for subset, n in Counter(chosen).items()}
    assert dict(one.envs) == {env: n / 8 for env, n in Counter(env for subset in chosen for env in subset).items()}
    assert [share for _, share in one.envs] == sorted((share for _, share in one.envs), reverse=True)
    seeds = [tuple(reference.search(problem.X, problem.y, 2, n_folds=4, fold_seed=1983 + i)[0][1]) for i in range(6)]
    assert dict(found[Kind.FOLD_SEED].subsets) == {subset: n / 6 for subset, n in Counter(seeds).items()}
    assert not found[Kind.FOLD_SEED].exact
    assert (found[Kind.WITHOUT_TWO].n_searches, found[Kind.WITHOUT_TWO].exact) == (28, True)


def test_outer_folds_are_a_sample_of_what_could_be_left_out(make_problem):
    given = Given(make_problem(n_algos=9, n_envs=5), Settings(2), Plan(n_outer_folds=3, n_permutations=0, n_pairs=0))
    one = stability(given, redo(given, given.replicates))[0]
    assert (one.kind, one.n_searches, one.exact) == (Kind.WITHOUT, 3, False)


def test_generating_subset_is_found_in_nearly_all_folds(generated):
    problem = generated()
    given = Given(problem, Settings(3), Plan(n_permutations=0, n_pairs=100, n_subsamples=0))
    for one in stability(given, redo(given, given.replicates)):
        assert one.subsets[0][0] == (2, 5, 9)
        assert one.subsets[0][1] >= 0.95


def test_no_subset_is_chosen_more_often_than_others_from_noise(make_problem, rescored):
    problem = make_problem(n_algos=20, n_envs=12, seed=1)
    problem = rescored(problem, np.random.default_rng(3).normal(size=(20, 12)) + 2)
    given = Given(problem, Settings(3), Plan(n_permutations=0, n_pairs=100, n_subsamples=0))
    one = stability(given, redo(given, [r for r in given.replicates if r.kind is Kind.WITHOUT_TWO]))[0]
    assert len(one.subsets) > 5
    assert one.subsets[0][1] < 0.9
