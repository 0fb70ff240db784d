"""Changed tables: what is changed, and that nothing else decides it."""

from itertools import permutations
from math import comb

import numpy as np
import pytest

from rlhpc.search import Settings
from rlhpc.search.trust import Given, Kind, Plan, Replicate
from rlhpc.search.trust.replicates import permute_columns, resample_seeds


@pytest.fixture
def given(make_problem):
    problem = make_problem(n_algos=12, n_envs=6, missing=0.1)
    seeds = np.random.default_rng(1).normal(size=(12, 3, 6))
    plan = Plan(n_permutations=5, n_pairs=7, n_resamples=4, n_subsamples=3, n_fold_seeds=2)
    return Given(problem, Settings(2, n_folds=5), plan, rescore=lambda scores: make_rescored(problem, scores), seed_scores=seeds)


def make_rescored(problem, scores):
    return type(problem)(**{**vars(problem), "scores": scores, "X": scores, "y": np.nanmedian(scores, axis=1)})


def kinds(given):
    return {kind: given.count(kind) for kind in Kind}


def test_counts_are_those_of_the_plan(given):
    assert kinds(given) == {
        Kind.WITHOUT: 12,
        Kind.WITHOUT_TWO: 7,
        Kind.FOLD_SEED: 2,
        Kind.SHUFFLED: 5,
        Kind.PERMUTED: 5,
        Kind.PART: 6,  # of 5 and of 7 algorithms
        Kind.RESAMPLED: 4,
    }
    assert len(given.replicates) == 41


def test_what_cannot_be_changed_is_not_counted(given, make_problem):
    bare = Given(given.problem, given.settings, given.plan)
    assert (bare.count(Kind.PERMUTED), bare.count(Kind.RESAMPLED)) == (0, 0)
    one_seed = Given(given.problem, given.settings, given.plan, given.rescore, given.seed_scores[:, :1])
    assert one_seed.count(Kind.RESAMPLED) == 0
    own_folds = Given(given.problem, Settings(2, n_folds=12), given.plan)
    assert own_folds.count(Kind.FOLD_SEED) == 0  # leaving one out has no other folds
    few = Given(make_problem(n_algos=5, n_envs=4), Settings(3), Plan())
    assert few.count(Kind.WITHOUT_TWO) == 0  # 3 parameters would fit 3 algorithms


def test_each_algorithm_and_each_pair_is_left_out_once(make_problem):
    given = Given(make_problem(n_algos=6, n_envs=4), Settings(2), Plan())
    left_out = [{*range(6)} - {*given.rows(Replicate(Kind.WITHOUT, index)).tolist()} for index in range(6)]
    assert left_out == [{0}, {1}, {2}, {3}, {4}, {5}]
    pairs = {frozenset({*range(6)} - {*given.rows(Replicate(Kind.WITHOUT_TWO, i)).tolist()}) for i in range(comb(6, 2))}
    assert (len(pairs), {len(pair) for pair in pairs}) == (15, {2})


def test_sampled_pairs_are_different_ones(given):
    pairs = {tuple(given.rows(Replicate(Kind.WITHOUT_TWO, index)).tolist()) for index in range(7)}
    assert len(pairs) == 7


def test_all_orders_of_a_target_are_its_permutations(make_problem):
    problem = make_problem(n_algos=5, n_envs=4)
    given = Given(problem, Settings(2), Plan(n_permutations=120))
    orders = [tuple(given.changed(Replicate(Kind.SHUFFLED, index))[0].y.tolist()) for index in range(120)]
    assert orders == list(permutations(problem.y.tolist()))


def test_shuffled_targets_change_the_target_alone(given):
    problem, settings = given.changed(Replicate(Kind.SHUFFLED, 3))
    assert sorted(problem.y) == sorted(given.problem.y)
    assert problem.y.tolist() != given.problem.y.tolist()
    assert problem.X is given.problem.X
    assert settings == given.settings


def test_permuted_columns_keep_their_scores_and_gaps():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(20, 5))
    scores[rng.random(scores.shape) < 0.3] = np.nan
    permuted = permute_columns(scores, np.random.default_rng(1))
    assert (np.isnan(permuted) == np.isnan(scores)).all()
    for before, after in zip(scores.T, permuted.T, strict=True):
        assert sorted(before[~np.isnan(before)]) == sorted(after[~np.isnan(after)])
    assert not np.allclose(np.argsort(permuted[:, 0]), np.argsort(permuted[:, 1]))


def test_resampled_seeds_are_means_of_seeds_that_are_there():
    rng = np.random.default_rng(0)
    seeds = rng.integers(1, 1000, size=(8, 4, 5)).astype(float)
    seeds[rng.random(seeds.shape) < 0.4] = np.nan
    means = np.array([resample_seeds(seeds, np.random.default_rng(draw)) for draw in range(300)])
    for algo, env in np.ndindex(8, 5):
        there = seeds[algo, ~np.isnan(seeds[algo, :, env]), env]
        drawn = means[:, algo, env]
        if not len(there):
            assert np.isnan(drawn).all()
            continue
        possible = {round(sum(s) / len(there), 9) for s in np.array(np.meshgrid(*[there] * len(there))).reshape(len(there), -1).T}
        assert {round(value, 9) for value in drawn} <= possible
        spread = there.std() / np.sqrt(len(there))
        assert drawn.mean() == pytest.approx(there.mean(), abs=5 * spread / np.sqrt(300) + 1e-9)


def test_other_folds_change_the_fold_seed_alone(given):
    problem, settings = given.changed(Replicate(Kind.FOLD_SEED, 1))
    assert problem is given.problem
    assert settings.fold_seed == given.settings.fold_seed + 2


def test_replicates_depend_on_seed_kind_and_number_alone(given):
    other_plan = Plan(n_permutations=50, n_pairs=7, n_resamples=40, n_subsamples=3, n_fold_seeds=9)
    longer = Given(given.problem, given.settings, other_plan, given.rescore, given.seed_scores)
    other_seed = Given(given.problem, given.settings, Plan(seed=1), given.rescore, given.seed_scores)
    for kind in (Kind.SHUFFLED, Kind.PERMUTED, Kind.PART, Kind.RESAMPLED):
        one = Replicate(kind, 2)
        first, second = given.changed(one)[0], longer.changed(one)[0]
        assert np.array_equal(first.X, second.X, equal_nan=True)
        assert np.array_equal(first.y, second.y)
        different = other_seed.changed(one)[0]
        assert not (np.array_equal(first.X, different.X, equal_nan=True) and np.array_equal(first.y, different.y))
