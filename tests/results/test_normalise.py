import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.results.normalise import (
    benchmark_scores,
    env_weights,
    log_score,
    normalise,
    row_weights,
    weighted_mean,
    weighted_median,
    weighted_medians,
)

NAN = float("nan")


def test_random_is_0_and_reference_100_also_where_less_is_better():
    scores = np.array([[2.0, -1.0, 6.0], [10.0, -5.0, 7.0]])
    found = normalise(scores, np.array([2.0, -1.0, 5.0]), np.array([10.0, -5.0, 6.0]))
    assert found.tolist() == [[0.0, 0.0, 100.0], [100.0, 100.0, 200.0]]


def test_log_score_is_0_at_and_below_random_and_keeps_what_is_missing():
    np.testing.assert_array_equal(log_score(np.array([-50.0, 0.0, 9.0, 99.0, NAN])), [0, 0, 1, 2, NAN])


def test_every_benchmark_weighs_the_same():
    assert env_weights(["b", "a", "b", "b"]).tolist() == [1 / 6, 1 / 2, 1 / 6, 1 / 6]


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ([3.0, 1.0, 2.0, 4.0], [1, 1, 1, 1], 2.5),  # equal weights: the plain median
        ([3.0, 1.0, 2.0], [0.2, 0.2, 0.2], 2.0),
        ([5.0], [0.3], 5.0),
        ([1.0, 2.0, 3.0], [1, 1, 2], 2.0),  # half is reached exactly: the lower of the two
        ([1.0, 2.0, 3.0], [1, 1, 3], 3.0),
        ([1.0, 2.0, 3.0], [5, 1, 3], 1.0),
    ],
)
def test_weighted_median_by_hand(values, weights, expected):
    assert weighted_median(np.array(values), np.array(weights, dtype=float)) == expected


@given(st.integers(1, 40), st.integers(1, 40), st.randoms(use_true_random=False))
def test_half_the_weight_reached_exactly_gives_the_lower_value(n_first, n_second, random):
    """One benchmark lies below the other: half is reached by its last environment, in floats only nearly."""
    names = ["first"] * n_first + ["second"] * n_second
    order = random.sample(range(len(names)), len(names))
    values = np.arange(float(len(names)))[order]
    found = weighted_median(values, env_weights([names[place] for place in order]))
    assert found == (n_first - 1 if n_first != n_second else n_first - 0.5)


def test_weighted_mean_by_hand():
    assert weighted_mean(np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0])) == 3.75


def test_benchmark_score_uses_the_environments_that_an_algorithm_has():
    normalised = np.array([[10.0, 20.0, 30.0], [10.0, NAN, 30.0], [NAN, 20.0, NAN], [50.0, 10.0, 5.0]])
    found = benchmark_scores(normalised, ["a", "a", "b"])
    assert found.tolist() == [20.0, 20.0, 20.0, 5.0]
    assert benchmark_scores(normalised, ["a", "a", "b"], weighted_mean)[:3].tolist() == [22.5, 20.0, 20.0]


def median_of_one(values, weights):
    """The weighted median from its definition, of one row, by NumPy's own median where all weigh the same."""
    if (weights == weights[0]).all():
        return np.median(values)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return values[order][np.searchsorted(reached, 0.5 * (1 - 1e-12) * reached[-1])]


def gappy_rows(rng, n_rows, n):
    """Rows with ties, a third of them complete, the others with gaps and at least one value."""
    values = rng.choice(rng.normal(size=max(n // 2, 1)), (n_rows, n))
    lacking = rng.random((n_rows, n)) < rng.choice([0, 0.1, 0.8], (n_rows, 1))
    lacking[np.arange(n_rows), rng.integers(n, size=n_rows)] = False
    values[lacking] = NAN
    return values


@pytest.mark.parametrize("n", [1, 2, 3, 8, 38])
def test_medians_of_many_rows_are_those_of_each_to_the_bit(n):
    rng = np.random.default_rng(n)
    values = gappy_rows(rng, 2000, n)
    weights = np.where(np.isnan(values), 0, rng.choice([0.1, 0.3, 1 / 3, 1.0], (2000, n)))
    weights[::4] = np.where(weights[::4] > 0, 1 / 7, 0)
    expected = [median_of_one(row[of > 0], of[of > 0]) for row, of in zip(values, weights, strict=True)]
    assert weighted_medians(values, weights).tobytes() == np.array(expected).tobytes()


@pytest.mark.parametrize("benchmarks", [["a"] * 6, ["a"] * 3 + ["b"] * 3, ["b", "a", "b", "c", "b", "c"], list("abcdef")])
def test_benchmark_scores_of_many_algorithms_are_those_of_each_to_the_bit(benchmarks):
    names = np.array(benchmarks)
    normalised = gappy_rows(np.random.default_rng(6), 2000, len(names))
    present = ~np.isnan(normalised)
    weights = [1 / np.array([len(set(names[has])) * sum(names[has] == name) for name in names[has]]) for has in present]
    expected = [median_of_one(row[has], of) for row, has, of in zip(normalised, present, weights, strict=True)]
    assert benchmark_scores(normalised, benchmarks).tobytes() == np.array(expected).tobytes()
    assert benchmark_scores(normalised, benchmarks, weighted_median).tobytes() == np.array(expected).tobytes()
    np.testing.assert_array_equal(row_weights(present, benchmarks)[present], np.concatenate(weights))
    assert not row_weights(present, benchmarks)[~present].any()
