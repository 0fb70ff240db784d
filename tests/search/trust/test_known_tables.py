"""Verdicts on tables of which it is known what is in them."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.search import Settings, search
from rlhpc.search.trust import (
    BEST,
    DO_NOT_USE,
    SOUND,
    Given,
    Kind,
    Plan,
    alike,
    held_outs,
    honest_errors,
    judge,
    permutation_null,
    redo,
)

PLAN = Plan(n_permutations=39, n_pairs=0, n_fold_seeds=0, n_subsamples=0, n_resamples=0)


def verdict(problem, settings, rescore):
    given = Given(problem, settings, PLAN, rescore)
    redone = redo(given, given.replicates, n_threads=2)
    claimed = search(problem, settings)[0].cv_mse[0]
    honest = honest_errors(problem, held_outs(given, redone)[BEST, settings.subset_size])
    nulls = tuple(permutation_null(given, redone, kind, claimed) for kind in (Kind.SHUFFLED, Kind.PERMUTED))
    n_different = len(set(alike(problem, (0,)).families))
    return judge(honest, claimed, nulls, n_different), nulls


@pytest.mark.parametrize("seed", range(5))
def test_a_generating_subset_of_sixty_algorithms_is_sound(generated, seed):
    problem = generated(seed=seed)
    fixed = np.random.default_rng(seed + 100).normal(size=60)

    # The target is given here, not a summary of the scores, which permuted tables would be searched for anew: theirs is one of
    # the same values that the scores have little to do with.
    def rescore(scores):
        return replace(problem, X=scores, y=np.sort(problem.y)[np.argsort(np.argsort(scores[:, 0] + fixed))], scores=scores)

    found, nulls = verdict(replace(problem, scores=problem.X), Settings(3), rescore)
    assert (found, nulls[0].p) == (SOUND, 1 / 40)


@pytest.mark.parametrize("seed", range(3))
def test_a_common_factor_of_sixty_algorithms_is_sound(make_problem, rescored, seed):
    """The target is the median of all environments; each is the algorithm's strength and noise of its own."""
    rng, problem = np.random.default_rng(seed), make_problem(n_algos=60, n_envs=12, seed=seed)
    strength = rng.uniform(0, 2, size=(60, 1))
    problem = rescored(problem, strength + rng.uniform(0.02, 0.2, size=12) * rng.normal(size=(60, 12)))
    found, nulls = verdict(problem, Settings(3), lambda scores: rescored(problem, scores))
    assert (found, nulls[1].p) == (SOUND, 1 / 40)


@pytest.mark.parametrize("seed", range(10))
def test_noise_is_not_to_be_used(make_problem, rescored, seed):
    problem = make_problem(n_algos=60, n_envs=12, seed=seed)
    problem = rescored(problem, np.random.default_rng(seed).normal(size=problem.scores.shape) + 2)
    found, _ = verdict(problem, Settings(3), lambda scores: rescored(problem, scores))
    assert found == DO_NOT_USE


@pytest.mark.parametrize("seed", range(10))
def test_a_target_of_noise_is_not_to_be_used(make_problem, seed):
    problem = make_problem(n_algos=60, n_envs=12, seed=seed)
    found, _ = verdict(replace(problem, y=np.random.default_rng(seed + 500).normal(2, 1, size=60)), Settings(3), None)
    assert found == DO_NOT_USE


def test_variants_of_four_algorithms_are_not_sound(make_problem, rescored):
    rng = np.random.default_rng(3)
    problem = make_problem(n_algos=24, n_envs=12, seed=1)
    kinds = 2 + rng.normal(size=(4, 12))
    scores = np.repeat(kinds, 6, axis=0) + 0.01 * rng.normal(size=(24, 12))
    problem = rescored(problem, scores)
    found, _ = verdict(problem, Settings(3), lambda changed: rescored(problem, changed))
    assert len(set(alike(problem, (0,)).families)) == 4
    assert found != SOUND
