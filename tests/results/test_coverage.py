"""What coverage rules leave of a table with gaps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import DatasetError, InputError
from rlhpc.results.coverage import KEEP_ALL, CoverageRules, LeftOut, algo_shares, cover
from rlhpc.results.dataset import Dataset, read_table
from rlhpc.results.normalise import env_weights

NAN = float("nan")
THESIS = Path(__file__).parents[3] / "shared" / "data" / "thesis_scores.csv"
BENCHMARKS = ("a", "a", "a", "a", "b")


def table(*rows, benchmarks=BENCHMARKS):
    """A dataset of two seeds, of which the second is there only where a row says 2; 0 is a gap."""
    n_seeds = np.array(rows)
    values = 10 + np.arange(n_seeds.size, dtype=float).reshape(n_seeds.shape)
    scores = np.stack([np.where(n_seeds >= 1, values, NAN), np.where(n_seeds >= 2, values + 1, NAN)], axis=1)
    n_envs = n_seeds.shape[1]
    return Dataset(
        scores=scores,
        algos=tuple(f"algo{row}" for row in range(len(rows))),
        env_ids=tuple(f"Env {column}" for column in range(n_envs)),
        benchmarks=tuple(benchmarks),
        action_spaces=("Discrete",) * n_envs,
        random_scores=np.zeros(n_envs),
        reference_scores=np.full(n_envs, 100.0),
        random_sources=("file",) * n_envs,
        reference_sources=("file",) * n_envs,
    )


GAPPY = table([1, 1, 2, 1, 1], [1, 1, 1, 1, 0], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [2, 1, 1, 0, 1])


def names(left_out):
    return [one.name for one in left_out]


def test_every_fault_of_rules_is_told_at_once():
    with pytest.raises(InputError) as caught:
        CoverageRules(1.5, NAN, "diference")
    assert caught.value.faults == (
        "--min-algo-coverage 1.5 is no share: give 0, to leave nothing out, or more, to 1.",
        "--min-env-coverage nan is no share: give 0, to leave nothing out, or more, to 1.",
        "--target-correction diference is unknown. Did you mean 'difference'?",
    )
    assert CoverageRules(1, 0, "difference").min_algo == 1


def test_a_benchmark_counts_as_much_as_another_in_an_algorithms_share():
    present = ~np.isnan(GAPPY.scores).all(axis=1)
    assert algo_shares(present, BENCHMARKS).tolist() == [1, 0.5, 0.5, 0.125, 0, 0.875]


@pytest.mark.parametrize("n_envs", [1, 7, 38, 57])
def test_shares_are_sums_of_the_weights_that_the_target_has(n_envs):
    rng = np.random.default_rng(n_envs)
    present, benchmarks = rng.random((50, n_envs)) < 0.7, rng.choice(["a", "b", "c"], n_envs).tolist()
    expected = [sum(weight for weight, has in zip(env_weights(benchmarks), row, strict=True) if has) for row in present]
    np.testing.assert_allclose(algo_shares(present, benchmarks), expected, atol=2e-12)
    assert algo_shares(np.ones((1, n_envs), dtype=bool), benchmarks).tolist() == [1]


def test_by_default_nothing_is_left_out():
    covered = cover(GAPPY, KEEP_ALL)
    assert covered.dataset is GAPPY
    assert (covered.algos, covered.envs) == ((), ())


def test_algorithms_below_the_share_are_left_out_and_told_with_it():
    covered = cover(GAPPY, CoverageRules(0.5))
    reason = "scores on 0.125 of the environments, less than --min-algo-coverage 0.5"
    assert covered.algos == (LeftOut("algo3", 0.125, reason),)
    assert covered.dataset.algos == ("algo0", "algo1", "algo2", "algo4", "algo5")  # algo4 has none: every search leaves it out
    np.testing.assert_array_equal(covered.dataset.scores, GAPPY.scores[[0, 1, 2, 4, 5]])
    assert names(cover(GAPPY, CoverageRules(0.5000001)).algos) == ["algo1", "algo2", "algo3"]
    assert names(cover(GAPPY, CoverageRules(0.875)).algos) == ["algo1", "algo2", "algo3"]


def test_environments_are_counted_on_the_algorithms_left():
    covered = cover(GAPPY, CoverageRules(min_env=0.6))
    assert [(env.name, env.share) for env in covered.envs] == [("Env 3", 0.4)]
    assert covered.envs[0].reason == "scores of 0.4 of the algorithms left, less than --min-env-coverage 0.6"
    assert covered.dataset is GAPPY  # environments stay in the target
    covered = cover(GAPPY, CoverageRules(0.5, 0.6))  # without algo3, of 4 algorithms, 2 have Env 3 and 3 the others
    assert [(env.name, env.share) for env in covered.envs] == [("Env 3", 0.5)]
    assert names(cover(GAPPY, CoverageRules(0.5, 0.5)).envs) == []
    assert names(cover(GAPPY, CoverageRules(0.5, 0.75)).envs) == ["Env 3"]


def test_a_share_that_is_met_exactly_is_enough_however_sums_are_rounded():
    for n_envs in range(2, 60):
        names_of = ["a"] * (n_envs - 1) + ["b"]
        lacking_b = table([1] * n_envs, [1] * n_envs, [1] * (n_envs - 1) + [0], benchmarks=names_of)
        assert cover(lacking_b, CoverageRules(0.5)).algos == ()
        assert names(cover(lacking_b, CoverageRules(1)).algos) == ["algo2"]
    thirds = table([1, 1, 1], [1, 0, 1], [1, 0, 0], benchmarks="abc")
    covered = cover(thirds, CoverageRules(1 / 3, 1 / 3))  # in floats a third of 12 digits is less than a third
    assert (covered.algos, covered.envs) == ((), ())


@pytest.mark.parametrize(
    ("rows", "share", "n_left", "remedy"),
    [
        ([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]], 0.6, 1, "Add scores, or give at most 0.5, which leaves 2 or more"),
        ([[1, 1, 1, 0, 1], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]], 1, 0, "Add scores, or give at most 0.75, which leaves 2 or more"),
        ([[1, 1, 1, 1, 0], [0, 0, 0, 0, 0]], 0.6, 0, "Add scores"),
    ],
)
def test_rules_that_leave_fewer_than_two_algorithms_are_refused_with_one_that_would_not(rows, share, n_left, remedy):
    n_scored = sum(any(row) for row in rows)
    with pytest.raises(DatasetError) as caught:
        cover(table(*rows), CoverageRules(share))
    assert str(caught.value) == (
        f"--min-algo-coverage {share} leaves {n_left} of {n_scored} algorithms: to choose a subset takes at least 2. {remedy}."
    )
    if "at most" in remedy:
        cover(table(*rows), CoverageRules(float(remedy.split("at most ")[1].split(",")[0])))


def test_environments_that_lose_their_last_score_and_a_share_that_none_has_are_told_at_once():
    few = table([1, 1, 0, 0, 0], [0, 0, 1, 0, 1], [0, 0, 0, 1, 0], benchmarks="aaaaa")
    with pytest.raises(DatasetError) as caught:
        cover(few, CoverageRules(0.3, 0.9))
    lost, none_left = caught.value.faults
    assert lost.startswith("with --min-algo-coverage 0.3 no algorithm that is left has a score for Env 3. Leave these")
    assert none_left == "--min-env-coverage 0.9 leaves no environment to choose a subset from. Add scores, or give at most 0.5."
    with pytest.raises(DatasetError, match=r"give at most 0\.333\.$"):
        cover(few, CoverageRules(min_env=0.5))
    assert cover(few, CoverageRules(min_env=0.333)).envs == ()


def test_a_table_without_any_score_is_left_to_what_normalises_it():
    nothing = table([0, 0, 0, 0, 0], [0, 0, 0, 0, 0])
    assert cover(nothing, CoverageRules(0.5, 0.5)).dataset is nothing


def test_the_thesis_table_loses_an_algorithm_that_has_one_benchmark_only():
    if not THESIS.exists():
        pytest.skip(f"absent: {THESIS.name} beside this repository")
    thesis = read_table(THESIS)
    scores = thesis.scores.copy()
    scores[2, :, [name == "DMC_1m" for name in thesis.benchmarks]] = NAN
    covered = cover(replace(thesis, scores=scores), CoverageRules(0.6, 1))
    assert [(one.name, one.share) for one in covered.algos] == [("TRPO", 0.5)]
    assert covered.envs == ()
    assert cover(thesis, CoverageRules(1, 1)).dataset is thesis
