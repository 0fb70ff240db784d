"""Statistics of scores, held against their definitions in plain Python, every possible draw, and simulated truth."""

import itertools
import math
import statistics
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from rlhpc.errors import InputError
from rlhpc.results import statistics as fast
from rlhpc.results.statistics import LEVEL, aggregate, compare, profile

KEYS = ("iqm", "median", "mean", "optimality_gap")
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
NONE = (None, None, None)


def ragged(seed=0, n_algos=3, n_seeds=6, n_envs=7):
    """Whole scores with ties, some seeds missing anywhere, and of each algorithm but the last one environment."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(70, 60, (n_algos, n_seeds, n_envs)), -1)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    scores[:, :2] = np.round(rng.normal(70, 60, (n_algos, 2, n_envs)), -1)  # two seeds at least
    for algo in range(n_algos - 1):
        scores[algo, :, algo] = np.nan
    return scores


def names_of(scores):
    return [f"algo{row}" for row in range(len(scores))]


def by_env(own):
    """The scores of one algorithm as lists, one an environment that has any."""
    columns = [[float(value) for value in column if not math.isnan(value)] for column in own.T]
    return [column for column in columns if column]


def slow_aggregates(envs):
    """Iqm, median, mean and optimality gap of lists of scores, one an environment."""
    every = [score for env in envs for score in env]
    means = [statistics.fmean(env) for env in envs]
    gap = statistics.fmean(max(0.0, 100.0 - score) for score in every)
    return stats.trim_mean(every, 0.25), statistics.median(means), statistics.fmean(means), gap


def slow_share(envs, threshold):
    every = [score for env in envs for score in env]
    return sum(score > threshold for score in every) / len(every)


def slow_probability(x_envs, y_envs):
    shares = [
        statistics.fmean((left > right) + (left == right) / 2 for left in x for right in y)
        for x, y in zip(x_envs, y_envs, strict=True)
    ]
    return statistics.fmean(shares)


def every_draw(envs):
    """All equally likely bootstrap draws of lists of scores: seeds with replacement, within each environment by itself."""
    return itertools.product(*(list(itertools.product(env, repeat=len(env))) for env in envs))


def assert_bounds_of(low, high, all_values, n_draws):
    """Bounds are the percentiles of all possible draws, but for four standard errors of the percentiles' levels."""
    for bound, level in zip((low, high), TAILS, strict=True):
        step = 4 * math.sqrt(level * (1 - level) / n_draws)
        least, most = np.quantile(all_values, [level - step, level + step], method="inverted_cdf")
        assert least - 1e-9 <= bound <= most + 1e-9


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_aggregates_equal_their_definitions(seed):
    scores = ragged(seed)
    for own, found in zip(scores, aggregate(scores, names_of(scores), seed=1, n_draws=2), strict=True):
        envs = by_env(own)
        assert [getattr(found, key).value for key in KEYS] == pytest.approx(slow_aggregates(envs), rel=1e-12, abs=1e-12)
        assert (found.n_envs, found.n_seeds_min, found.n_seeds_max) == (len(envs), *(f(map(len, envs)) for f in (min, max)))


def test_with_equal_seeds_they_are_rliables_formulas():
    scores = np.random.default_rng(0).normal(80, 50, (1, 6, 9))
    (found,) = aggregate(scores, ["ppo"], seed=1, n_draws=2)
    own = scores[0]  # (num_runs, num_tasks), as rliable has it
    expected = [
        stats.trim_mean(own, proportiontocut=0.25, axis=None),
        np.median(np.mean(own, axis=0)),
        np.mean(np.mean(own, axis=0)),
        100 - np.mean(np.minimum(own, 100)),
    ]
    assert [getattr(found, key).value for key in KEYS] == pytest.approx(expected, rel=1e-12)


def test_profile_is_the_share_of_scores_strictly_above():
    scores = ragged()
    thresholds = np.arange(-50.0, 250.0, 10.0)  # scores are among them
    for own, found in zip(scores, profile(scores, names_of(scores), thresholds, seed=1, n_draws=2), strict=True):
        assert found.share.tolist() == [slow_share(by_env(own), threshold) for threshold in thresholds]


@pytest.mark.parametrize("seed", range(5))
def test_probability_of_improvement_is_mann_and_whitneys(seed):
    scores = ragged(seed)
    pairs = list(itertools.permutations(range(len(scores)), 2))
    for (x, y), found in zip(pairs, compare(scores, names_of(scores), pairs, seed=1, n_draws=2), strict=True):
        shared = ~np.isnan(scores[x]).all(axis=0) & ~np.isnan(scores[y]).all(axis=0)
        envs = list(zip(by_env(scores[x][:, shared]), by_env(scores[y][:, shared]), strict=True))
        expected = [stats.mannwhitneyu(*env).statistic / (len(env[0]) * len(env[1])) for env in envs]
        assert found.n_envs == len(envs) == shared.sum()
        assert (found.algo, found.over) == (f"algo{x}", f"algo{y}")
        assert found.probability.value == pytest.approx(np.mean(expected), rel=1e-12)
        assert found.probability.value == pytest.approx(slow_probability(*zip(*envs, strict=True)), rel=1e-12)


# --- intervals --------------------------------------------------------------------------------------------------------

SMALL = np.array(
    [[[3.0, 20.0, 95.0], [70.0, 55.0, np.nan], [150.0, np.nan, 40.0]], [[60.0, 21, 90], [55, np.nan, 41], [np.nan] * 3]]
)
N_MANY = 20_000


def test_bounds_of_aggregates_are_percentiles_of_all_possible_draws():
    (found, _) = aggregate(SMALL, ["x", "y"], seed=3, n_draws=N_MANY)
    possible = np.array([slow_aggregates(draw) for draw in every_draw(by_env(SMALL[0]))])
    assert len(possible) == 3**3 * 2**2 * 2**2
    for key, values in zip(KEYS, possible.T, strict=True):
        assert_bounds_of(getattr(found, key).low, getattr(found, key).high, values, N_MANY)


def test_bands_of_profiles_are_percentiles_of_all_possible_draws():
    thresholds = np.array([-10.0, 20.0, 50.0, 80.0, 200.0])
    (found, _) = profile(SMALL, ["x", "y"], thresholds, seed=3, n_draws=N_MANY)
    draws = list(every_draw(by_env(SMALL[0])))
    for threshold, low, high in zip(thresholds, found.low, found.high, strict=True):
        assert_bounds_of(low, high, [slow_share(draw, threshold) for draw in draws], N_MANY)


def test_bounds_of_improvement_are_percentiles_of_all_possible_pairs_of_draws():
    scores = np.delete(SMALL, 2, axis=2)  # x has 3 and 2 seeds, y has 2 and 1
    scores[1, 1, 1] = 54.0
    (found,) = compare(scores, ["x", "y"], [(0, 1)], seed=3, n_draws=N_MANY)
    draws = itertools.product(every_draw(by_env(scores[0])), every_draw(by_env(scores[1])))
    assert_bounds_of(found.probability.low, found.probability.high, [slow_probability(*both) for both in draws], N_MANY)


def coverage(n_seeds):
    """What an interval of 95 % covers whose variance is (n - 1) / n of the true one."""
    return 2 * stats.norm.cdf(stats.norm.ppf(TAILS[1]) * math.sqrt((n_seeds - 1) / n_seeds)) - 1


@pytest.mark.parametrize(("n_seeds", "percent"), [(2, 83), (3, 89), (5, 92), (10, 94)])
def test_the_documented_coverages_are_those_of_the_formula(n_seeds, percent):
    assert round(100 * coverage(n_seeds)) == percent
    assert f"{percent} %" in fast.__doc__


@pytest.mark.parametrize("n_seeds", [2, 5])
def test_intervals_hold_the_truth_as_often_as_is_documented(n_seeds):
    n_sets, n_envs = 600, 40  # with which a coverage has a standard error of 1.5 % at most
    levels = np.linspace(0, 90, n_envs)  # far apart against the noise, so that mixing up environments would be noticed
    scores = np.random.default_rng(5).normal(levels, 5.0, (n_sets, n_seeds, n_envs))
    found = aggregate(scores, names_of(scores), seed=2, n_draws=400)
    held = statistics.fmean(one.mean.low <= levels.mean() <= one.mean.high for one in found)
    assert held == pytest.approx(coverage(n_seeds), abs=0.035)


def test_intervals_of_improvement_hold_the_truth():
    n_pairs, n_envs = 300, 20
    levels = np.repeat([[6.0], [0.0]], n_pairs, axis=1).T.ravel()[:, None, None] + np.linspace(0, 900, n_envs)
    scores = np.random.default_rng(6).normal(levels, 10.0, (2 * n_pairs, 5, n_envs))
    pairs = [(2 * pair, 2 * pair + 1) for pair in range(n_pairs)]
    truth = stats.norm.cdf(6.0 / (10.0 * math.sqrt(2)))
    found = compare(scores, names_of(scores), pairs, seed=2, n_draws=400)
    held = statistics.fmean(one.probability.low <= truth <= one.probability.high for one in found)
    assert held == pytest.approx(0.94, abs=0.03)  # 0.939 of 1,500 pairs; of 300, a coverage has a standard error of 1.4 %


def test_the_error_of_the_bounds_is_how_far_other_draws_move_them():
    scores = np.random.default_rng(0).normal(50, 30, (1, 5, 12))
    found = [asdict(aggregate(scores, ["ppo"], seed=seed, n_draws=500)[0]) for seed in range(200)]
    for key in KEYS:
        moved = statistics.fmean(np.std([one[key][bound] for one in found], ddof=1) for bound in ("low", "high"))
        assert np.mean([one[key]["bounds_standard_error"] for one in found]) == pytest.approx(moved, rel=0.15)


# --- draws ------------------------------------------------------------------------------------------------------------


def all_of(scores, names, seed=4, n_draws=100):
    """Every statistic of every algorithm or pair, by name, to the bit."""
    pairs = list(itertools.combinations(range(len(names)), 2))
    found = {one.algo: repr(one) for one in aggregate(scores, names, seed=seed, n_draws=n_draws)}
    thresholds = np.linspace(0, 200, 11)
    for one in profile(scores, names, thresholds, seed=seed, n_draws=n_draws):
        found[one.algo, "profile"] = repr([one.share.tolist(), one.low.tolist(), one.high.tolist()])
    return found | {(one.algo, one.over): repr(one) for one in compare(scores, names, pairs, seed=seed, n_draws=n_draws)}


def test_one_seed_gives_the_same_bits_twice_and_another_seed_others():
    scores = ragged()
    first, again, other = (all_of(scores, names_of(scores), seed) for seed in (4, 4, 5))
    assert first == again
    assert all(first[key] != other[key] for key in first)


def test_an_algorithms_figures_do_not_depend_on_the_others():
    scores = ragged(n_algos=4)
    everything = all_of(scores, ["a", "b", "c", "d"])
    fewer = all_of(scores[[1, 3]], ["b", "d"])
    assert fewer == {key: everything[key] for key in fewer}
    wider = np.full((4, 9, 9), np.nan)  # another algorithm has more seeds, and an environment more
    wider[:, :6, :7] = scores
    wider[2] = 1.5
    widened = all_of(wider, ["a", "b", "c", "d"])
    assert widened == {key: widened[key] if "c" in key else value for key, value in everything.items()}
    assert widened["c"] != everything["c"]


def test_two_algorithms_of_the_same_scores_have_draws_of_their_own():
    scores = np.repeat(np.random.default_rng(0).normal(50, 30, (1, 5, 12)), 2, axis=0)
    x, y = aggregate(scores, ["x", "y"], seed=1)
    assert x.mean.value == y.mean.value
    assert x.mean.low != y.mean.low
    (equal,) = compare(scores, ["x", "y"], [(0, 1)], seed=1)
    assert equal.probability.value == 0.5
    assert equal.probability.low < 0.45
    assert equal.probability.high > 0.55


def test_where_missing_seeds_stand_is_no_matter():
    scores = ragged()
    pushed = np.take_along_axis(scores, np.argsort(np.isnan(scores), axis=1, kind="stable"), axis=1)
    assert np.isnan(pushed[:, -1]).sum() > np.isnan(scores[:, -1]).sum()
    assert all_of(pushed, names_of(scores)) == all_of(scores, names_of(scores))


@pytest.mark.parametrize("max_cells", [1, 500, 4000])
def test_how_many_draws_are_made_at_a_time_changes_no_bit(monkeypatch, max_cells):
    scores = ragged(n_envs=40)  # enough that the order in which they are summed shows in the last bits
    at_once = all_of(scores, names_of(scores))
    monkeypatch.setattr(fast, "MAX_CELLS", max_cells)
    assert all_of(scores, names_of(scores)) == at_once


# --- what is missing --------------------------------------------------------------------------------------------------


def bounds_of(estimate):
    return estimate.low, estimate.high, estimate.bounds_standard_error


def test_one_seed_has_values_and_no_interval():
    scores = ragged()[:, :1]
    pairs = [(0, 1)]
    for found in aggregate(scores, names_of(scores), seed=1):
        assert (found.n_seeds_min, found.n_seeds_max) == (1, 1)
        assert all(bounds_of(getattr(found, key)) == NONE for key in KEYS)
        assert all(getattr(found, key).value is not None for key in KEYS)
    assert all((one.low, one.high) == (None, None) for one in profile(scores, names_of(scores), np.arange(3.0), seed=1))
    assert bounds_of(compare(scores, names_of(scores), pairs, seed=1)[0].probability) == NONE


def test_one_environment_with_one_seed_leaves_its_algorithm_without_interval():
    scores = ragged()
    scores[0, 1:, 3] = np.nan
    first, second, _ = aggregate(scores, names_of(scores), seed=1)
    assert (first.n_seeds_min, first.mean.low) == (1, None)
    assert second.mean.low < second.mean.value < second.mean.high
    with_first, without = compare(scores, names_of(scores), [(0, 1), (1, 2)], seed=1)
    assert bounds_of(with_first.probability) == NONE
    assert None not in bounds_of(without.probability)
    scores[1, :, 3] = np.nan  # and is no matter where it is not shared
    assert None not in bounds_of(compare(scores, names_of(scores), [(0, 1)], seed=1)[0].probability)


def test_an_algorithm_without_scores_is_named_and_has_no_figures():
    scores = ragged()
    scores[1] = np.nan
    found = aggregate(scores, names_of(scores), seed=1)
    assert [(one.algo, one.n_envs) for one in found] == [("algo0", 6), ("algo1", 0), ("algo2", 7)]
    assert (found[1].n_seeds_min, found[1].n_seeds_max, found[1].iqm.value, found[1].iqm.low) == (0, 0, None, None)
    assert [one.algo for one in profile(scores, names_of(scores), np.arange(3.0), seed=1)] == ["algo0", "algo2"]
    (pair,) = compare(scores, names_of(scores), [(0, 1)], seed=1)
    assert (pair.n_envs, pair.probability.value, bounds_of(pair.probability)) == (0, None, NONE)


def test_algorithms_without_a_common_environment_are_not_compared():
    scores = ragged(n_envs=4)[:2]
    scores[0, :, 2:] = scores[1, :, :2] = np.nan
    (pair,) = compare(scores, names_of(scores), [(0, 1)], seed=1)
    assert (pair.n_envs, pair.probability.value, bounds_of(pair.probability)) == (0, None, NONE)


def test_all_faults_are_told_at_once():
    scores = ragged()
    scores[0, 0, 1] = np.inf
    with pytest.raises(InputError) as caught:
        aggregate(scores, ["a", "b", "b"], seed=-1, n_draws=1)
    told = caught.value.faults
    assert len(told) == 4
    assert all(
        any(part in fault for fault in told) for part in ("'b' stands for 2", "scores of a are", "is -1", "1 bootstrap draws")
    )


@pytest.mark.parametrize(
    "function", [aggregate, lambda *of, **how: profile(*of, np.arange(3.0), **how), lambda *of, **how: compare(*of, [], **how)]
)
def test_scores_of_another_shape_are_refused(function):
    with pytest.raises(InputError, match=r"scores of 2 algorithms need the shape \(2, n_seeds, n_envs\), not \(3, 6, 7\)"):
        function(ragged(), ["a", "b"], seed=1)
    with pytest.raises(InputError, match=r"not \(6, 7\)"):
        function(ragged()[0], names_of(range(6)), seed=1)
