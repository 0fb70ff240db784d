"""The record of the statistics: its shape, what it normalises, whom it compares."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.report.score_statistics import MAX_ALGOS, statistics_record
from rlhpc.results.statistics import aggregate
from rlhpc.search import Problem

THESIS = Path(__file__).parents[3] / "shared" / "data" / "thesis_scores.csv"


def problem_of(scores, random_scores, reference_scores, algos=None, env_ids=None):
    n_algos, n_envs = scores.shape
    return Problem(
        X=np.zeros(scores.shape),
        y=np.zeros(n_algos),
        algos=algos or tuple(f"algo{row}" for row in range(n_algos)),
        env_ids=env_ids or tuple(f"Env {column}" for column in range(n_envs)),
        benchmarks=("a",) * n_envs,
        action_spaces=("Discrete",) * n_envs,
        scores=scores,
        random_scores=random_scores,
        reference_scores=reference_scores,
    )


def made_up(n_algos=4, n_seeds=3, n_envs=5):
    """Normalised scores, the raw scores of which they are made, and their problem."""
    rng = np.random.default_rng(0)
    normalised = rng.normal(rng.uniform(20, 90, (n_algos, 1, 1)), 30, (n_algos, n_seeds, n_envs))
    low, high = rng.normal(0, 100, n_envs), rng.normal(0, 100, n_envs)  # the reference is below random here and there
    raw = low + normalised / 100 * (high - low)
    return normalised, raw, problem_of(raw.mean(axis=1), low, high)


def test_the_record_has_the_shape_that_was_agreed_and_is_json():
    _, raw, problem = made_up()
    raw[0, 1:, 0] = np.nan
    record = statistics_record(raw, problem, n_draws=50, seed=3)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert list(record) == ["n_draws", "seed", "level", "algos", "profiles", "improvement"]
    assert (record["n_draws"], record["seed"], record["level"]) == (50, 3, 0.95)
    summaries = ["iqm", "median", "mean", "optimality_gap"]
    for algo, row in zip(problem.algos, record["algos"], strict=True):
        assert list(row) == ["algo", "n_envs", "n_seeds_min", "n_seeds_max", *summaries]
        assert (row["algo"], row["n_envs"], row["n_seeds_max"]) == (algo, 5, 3)
        assert all(list(row[key]) == ["value", "low", "high", "bounds_standard_error"] for key in summaries)
    thresholds, profiles = record["profiles"].values()
    assert thresholds == sorted(set(thresholds))
    assert list(profiles) == list(problem.algos)
    assert all(list(lines) == ["share", "low", "high"] for lines in profiles.values())
    assert all(len(lines["share"]) == len(lines["low"] or lines["share"]) == len(thresholds) for lines in profiles.values())
    keys = ["algo", "over", "n_envs", "probability", "low", "high", "bounds_standard_error"]
    assert all(list(row) == keys for row in record["improvement"])
    # the algorithm that has one seed on one environment
    first, second = record["algos"][:2]
    assert (first["n_seeds_min"], first["iqm"]["low"], profiles["algo0"]["low"]) == (1, None, None)
    assert (second["n_seeds_min"], second["iqm"]["low"] < second["iqm"]["value"] < second["iqm"]["high"]) == (3, True)
    assert [row["low"] is None for row in record["improvement"]] == [True] * 3 + [False] * 3


def test_raw_scores_are_normalised_by_environment():
    normalised, raw, problem = made_up()
    record = statistics_record(raw, problem, n_draws=50, seed=3)
    for row, own, expected in zip(
        record["algos"], normalised, aggregate(normalised, problem.algos, seed=3, n_draws=50), strict=True
    ):
        assert row["mean"]["value"] == pytest.approx(own.mean())
        assert row["iqm"]["low"] == pytest.approx(expected.iqm.low)
        profile = record["profiles"]["algos"][row["algo"]]
        assert profile["share"] == [np.mean(own > threshold) for threshold in record["profiles"]["thresholds"]]
    by_pair = {(row["algo"], row["over"]): row["probability"] for row in record["improvement"]}
    wins = (normalised[0][:, None] > normalised[1][None, :]).mean()
    assert by_pair["algo0", "algo1"] == pytest.approx(wins)


def test_the_same_seed_gives_the_same_record_and_another_one_does_not():
    _, raw, problem = made_up()
    first, again, other = (statistics_record(raw, problem, n_draws=50, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert other["algos"][0]["iqm"]["low"] != first["algos"][0]["iqm"]["low"]


def test_every_pair_is_compared_once_in_the_order_of_the_table():
    _, raw, problem = made_up()
    pairs = [(row["algo"], row["over"]) for row in statistics_record(raw, problem, n_draws=50, seed=3)["improvement"]]
    assert pairs == list(itertools.combinations(problem.algos, 2))


@pytest.mark.parametrize(("n_algos", "n_pairs"), [(MAX_ALGOS, MAX_ALGOS * (MAX_ALGOS - 1) // 2), (MAX_ALGOS + 1, MAX_ALGOS - 1)])
def test_of_many_algorithms_neighbours_by_iqm_are_compared(n_algos, n_pairs):
    _, raw, problem = made_up(n_algos, n_seeds=2)
    raw[4] = raw[9]  # a tie
    if n_algos > MAX_ALGOS:
        raw[7] = np.nan  # has no place in the order
    record = statistics_record(raw, problem, n_draws=2, seed=3)
    assert len(record["improvement"]) == n_pairs
    if n_algos > MAX_ALGOS:
        scored = [row for row in record["algos"] if row["n_envs"]]
        order = [row["algo"] for row in sorted(scored, key=lambda row: -row["iqm"]["value"])]  # stable
        assert order.index("algo4") + 1 == order.index("algo9")
        assert [(row["algo"], row["over"]) for row in record["improvement"]] == list(itertools.pairwise(order))


def test_an_algorithm_without_scores_of_single_seeds_is_named_with_no_figures():
    _, raw, problem = made_up()
    raw[2] = np.nan
    record = statistics_record(raw, problem, n_draws=50, seed=3)
    assert record["algos"][2]["n_envs"] == 0
    assert set(record["algos"][2]["iqm"].values()) == {None}
    assert "algo2" not in record["profiles"]["algos"]
    (row,) = (row for row in record["improvement"] if (row["algo"], row["over"]) == ("algo0", "algo2"))
    assert [row[key] for key in ("n_envs", "probability", "low", "high")] == [0, None, None, None]


def test_the_table_of_the_thesis_has_values_without_intervals():
    if not THESIS.exists():
        pytest.skip(f"absent: {THESIS.name} beside this repository")
    with THESIS.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    numbers = np.array([[float(cell) for cell in row[3:]] for row in rows])
    problem = problem_of(numbers[:, 2:].T, numbers[:, 0], numbers[:, 1], tuple(header[5:]))
    record = statistics_record(problem.scores[:, None, :], problem, n_draws=50, seed=3)
    gaps = 100 * (numbers[:, 2:] - numbers[:, :1]) / (numbers[:, 1:2] - numbers[:, :1])
    for row, own in zip(record["algos"], gaps.T, strict=True):
        assert (row["n_envs"], row["n_seeds_min"], row["n_seeds_max"]) == (38, 1, 1)
        assert row["median"] == {"value": pytest.approx(np.median(own)), "low": None, "high": None, "bounds_standard_error": None}
        assert row["optimality_gap"]["value"] == pytest.approx(100 - np.minimum(own, 100).mean())


def test_swapped_axes_are_refused_by_their_shape():
    _, raw, problem = made_up()
    with pytest.raises(InputError, match=r"have the shape \(4, 5, 3\); .* needs \(4, n_seeds, 5\)"):
        statistics_record(np.swapaxes(raw, 1, 2), problem, n_draws=50, seed=3)
    with pytest.raises(InputError, match=r"have the shape \(4, 5\)"):
        statistics_record(problem.scores, problem, n_draws=50, seed=3)


def test_scores_too_extreme_to_normalise_are_refused_by_name():
    _, raw, problem = made_up()
    raw[1, 0, 0], raw[2, 0, 0] = 1e308, -np.inf
    with pytest.raises(InputError, match="scores of algo1, algo2 are beyond"):
        statistics_record(raw, problem, n_draws=50, seed=3)
