"""The target, and what it is regressed on."""

import csv
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.results.dataset import Dataset, read_table
from rlhpc.results.normalise import benchmark_scores, log_score
from rlhpc.results.target import log_scores, target

NAN = float("nan")
THESIS = Path(__file__).parents[3] / "shared" / "data" / "thesis_scores.csv"


@pytest.fixture
def thesis():
    if not THESIS.exists():
        pytest.skip(f"absent: {THESIS.name} beside this repository")
    return read_table(THESIS)


def dataset(scores, benchmarks=("a", "a", "b")):
    """Scores (n_algos, n_seeds, n_envs), normalised by 0 and 100 to themselves."""
    n_algos, _, n_envs = np.shape(scores)
    env_ids = tuple(f"Env {i}" for i in range(n_envs))
    return Dataset(
        scores=np.array(scores, dtype=float),
        algos=tuple(f"algo{i}" for i in range(n_algos)),
        env_ids=env_ids,
        benchmarks=tuple(benchmarks),
        action_spaces=("Discrete",) * n_envs,
        random_scores=np.zeros(n_envs),
        reference_scores=np.full(n_envs, 100.0),
        random_sources=("file",) * n_envs,
        reference_sources=("file",) * n_envs,
    )


def test_log_scores_average_the_seeds_that_are_there():
    found = log_scores(dataset([[[9, 1, 99], [NAN, 3, 99]], [[9, 9, NAN], [99, 9, NAN]]]))
    np.testing.assert_array_equal(found.scores, [[9, 2, 99], [54, 9, NAN]])
    np.testing.assert_allclose(found.X[0], [1, np.log10(3), 2])
    np.testing.assert_allclose(found.y, [1, np.log10(1 + 31.5)])


def test_algorithms_without_any_score_are_left_out_and_named():
    found = log_scores(dataset([[[1, 2, 3]], [[NAN, NAN, NAN]], [[4, NAN, 6]]]))
    assert (found.algos, found.left_out) == (("algo0", "algo2"), ("algo1",))
    assert found.scores.shape == found.X.shape == (2, 3)
    assert found.y.shape == (2,)


def test_environments_without_any_score_are_refused_by_name():
    with pytest.raises(DatasetError, match="no algorithm has a score for Env 0, Env 2"):
        log_scores(dataset([[[NAN, 2, NAN]], [[NAN, 3, NAN]]]))


@pytest.mark.parametrize(
    ("score", "random_score", "reference_score"),
    [(1e307, 0.0, 1.0), (-1e307, 0.0, 1.0), (1.0, 0.0, 5e-324), (1.0, -1.7e308, 1.7e308), (NAN, -1.7e308, 1.7e308)],
)
def test_scores_too_extreme_to_normalise_are_refused_by_name(score, random_score, reference_score):
    given_scores = dataset([[[1, score, 3]], [[NAN, 2, 3]]])
    random_scores, reference_scores = np.array([0.0, random_score, 0.0]), np.array([100.0, reference_score, 100.0])
    with pytest.raises(DatasetError, match="scores for Env 1 are too extreme"):
        log_scores(replace(given_scores, random_scores=random_scores, reference_scores=reference_scores))


def test_seeds_whose_mean_overflows_are_refused_by_name():
    with pytest.raises(DatasetError, match="scores for Env 2 are too extreme"):
        log_scores(dataset([[[1, 2, 1.7e308], [1, 2, 1.7e308]]]))


def test_a_dataset_is_not_changed():
    given_scores = dataset([[[9, 1, 99], [NAN, 3, 99]]])
    before = replace(given_scores, scores=given_scores.scores.copy())
    log_scores(given_scores)
    np.testing.assert_array_equal(given_scores.scores, before.scores)


def test_benchmark_scores_of_the_thesis_table(thesis):
    with THESIS.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    found = log_scores(thesis)
    assert found.algos == tuple(rows[0])[5:]
    np.testing.assert_allclose(
        found.y,
        [1.35744513, 0.84345068, 1.13185026, 0.37417054, 0.54529987, 1.70349119, 1.9511315],
        atol=5e-9,
    )


BENCHMARKS = ("easy",) * 26 + ("hard",) * 12


def two_benchmarks(seed, n_algos):
    """Normalised scores (n_algos, 38) of algorithms of different skill on an easy and a hard benchmark."""
    rng = np.random.default_rng(seed)
    skill, noise = rng.normal(1.3, 0.4, (n_algos, 1)), rng.normal(0, 0.2, (n_algos, 38))
    ease = np.repeat([0, -0.6], [26, 12]) + rng.normal(0, 0.2, 38)
    return 10 ** np.maximum(0, skill + ease + noise) - 1


def lose_a_benchmark(normalised):
    """Take the hard benchmark from the first half of the algorithms."""
    left = normalised.copy()
    left[: len(left) // 2, 26:] = NAN
    return left


def lose_here_and_there(normalised):
    """Take a tenth of the scores from all but every third algorithm."""
    left = normalised.copy()
    lacking = np.random.default_rng(3).random(left.shape) < 0.1
    lacking[::3] = False
    left[lacking] = NAN
    return left


@pytest.mark.parametrize("lose", [lose_a_benchmark, lose_here_and_there])
def test_corrections_are_those_of_a_plain_loop(lose):
    normalised = lose(two_benchmarks(0, 20))
    uncorrected, _ = target(normalised, BENCHMARKS)
    y, corrections = target(normalised, BENCHMARKS, "difference")
    complete = [row for row in range(20) if not np.isnan(normalised[row]).any()]
    assert corrections.references == tuple(complete)
    assert 3 <= len(complete) < 20
    for row in range(20):
        has = ~np.isnan(normalised[row])
        names = [name for name, there in zip(BENCHMARKS, has, strict=True) if there]
        differences = [
            log_score(benchmark_scores(normalised[[other]], BENCHMARKS))[0]
            - log_score(benchmark_scores(normalised[[other]][:, has], names))[0]
            for other in complete
        ]
        spread = np.sqrt(sum((one - np.mean(differences)) ** 2 for one in differences) / (len(complete) - 1))
        if row in complete:
            assert (corrections.values[row], corrections.standard_errors[row], corrections.spreads[row]) == (0, 0, 0)
            assert y[row] == uncorrected[row]
            continue
        assert corrections.values[row] == pytest.approx(np.mean(differences), rel=1e-12)
        assert corrections.spreads[row] == pytest.approx(spread, rel=1e-12)
        assert corrections.standard_errors[row] == pytest.approx(spread / np.sqrt(len(complete)), rel=1e-12)
        assert y[row] == max(0, uncorrected[row] + corrections.values[row])


@pytest.mark.parametrize("seed", range(5))
def test_a_corrected_target_is_closer_to_the_truth_where_half_the_algorithms_lack_the_harder_benchmark(seed):
    normalised = two_benchmarks(seed, 40)
    truth, _ = target(normalised, BENCHMARKS)
    left = lose_a_benchmark(normalised)
    uncorrected, _ = target(left, BENCHMARKS)
    y, corrections = target(left, BENCHMARKS, "difference")
    before, after = (np.mean((found - truth)[:20] ** 2) for found in (uncorrected, y))
    assert after < before / 10
    np.testing.assert_array_equal(y[20:], truth[20:])
    # what the correction misses on average is within a few standard errors, of it and of the 20 algorithms' own mean
    missed = np.mean((y - truth)[:20])
    assert abs(missed) < 4 * np.hypot(corrections.standard_errors[0], corrections.spreads[0] / np.sqrt(20))


@pytest.mark.parametrize(("benchmark", "n_closer"), [("Atari_100k", 29), ("DMC_1m", 21)])
def test_on_the_thesis_table_a_correction_by_four_algorithms_helps_more_often_than_not(thesis, benchmark, n_closer):
    scores, truth = thesis.scores.copy(), log_scores(thesis).y
    lost = [column for column, name in enumerate(thesis.benchmarks) if name == benchmark]
    closer = []
    for rows in combinations(range(7), 3):
        left = scores.copy()
        left[np.ix_(rows, [0], lost)] = NAN
        targets = [log_scores(replace(thesis, scores=left), how).y for how in ("none", "difference")]
        before, after = (np.mean((y - truth)[list(rows)] ** 2) for y in targets)
        closer.append(after < before)
    assert (len(closer), sum(closer)) == (35, n_closer)


def test_a_complete_table_has_the_same_targets_to_the_bit_with_a_correction_and_without():
    normalised = two_benchmarks(1, 7)
    plain, nothing = target(normalised, BENCHMARKS)
    y, corrections = target(normalised, BENCHMARKS, "difference")
    assert y.tobytes() == plain.tobytes()
    for found in (nothing, corrections):
        assert not np.any([found.values, found.standard_errors, found.spreads])
        assert found.references == ()
    assert target(normalised[:2], BENCHMARKS, "difference")[0].tobytes() == plain[:2].tobytes()  # no third one is needed


def test_a_corrected_target_does_not_fall_below_0():
    normalised = np.array([[99, 0], [99, 0], [99, 0], [3, NAN], [0.1, NAN]])
    y, corrections = target(normalised, ("a", "b"), "difference")
    np.testing.assert_allclose(corrections.values, [0, 0, 0, *[np.log10(50.5) - 2] * 2])
    np.testing.assert_allclose(y[3:], [np.log10(4) + corrections.values[3], 0])


def test_too_few_algorithms_with_every_score_correct_nothing():
    scores = [[[1, 2, 3]], [[4, 5, 6]], [[7, NAN, 9]], [[NAN, 5, 9]]]
    with pytest.raises(DatasetError, match="needs at least 3 algorithms with every score, and 2 of 4 have"):
        log_scores(dataset(scores), "difference")
    assert log_scores(dataset([*scores, [[2, 2, 2]]]), "difference").corrections.references == (0, 1, 4)


def test_references_are_rows_of_the_algorithms_that_have_scores():
    found = log_scores(dataset([[[NAN] * 3], [[1, 2, 9]], [[4, 5, 6]], [[7, NAN, 9]], [[2, 2, 2]]]), "difference")
    assert found.algos == ("algo1", "algo2", "algo3", "algo4")
    assert found.corrections.references == (0, 1, 3)
    assert np.flatnonzero(found.corrections.values).tolist() == [2]
