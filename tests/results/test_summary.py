import csv
import statistics

import numpy as np
import pytest
from scipy import stats

from rlhpc.records import BenchmarkEnv
from rlhpc.results.collect import collect
from rlhpc.results.summary import interquartile_mean, origins, summarise, write_summary

BENCH = (
    BenchmarkEnv("bench", "Pong", "Discrete", 1000, -20.7, 21.0, "a paper", "a paper"),
    BenchmarkEnv("bench", "Boxing", "Discrete", 1000, 0.1, None, "a paper", "a paper"),
)


def summary(store):
    return {(row.env_id, row.algo): row for row in summarise(collect(store, BENCH))}


def test_an_algorithm_has_its_seeds_mean_standard_error_and_iqm(store, put):
    scores = {444: 1.0, 111: 100.0, 222: 2.0, 333: 4.0}
    for seed, score in scores.items():
        put("Pong", "ppo", seed, score)
    row = summary(store)["Pong", "ppo"]
    assert (row.n_seeds, row.seeds) == (4, "111 222 333 444")
    assert row.mean == 26.75
    assert row.standard_error == pytest.approx(statistics.stdev(scores.values()) / 2, rel=1e-15)
    assert row.iqm == 3.0
    assert row.source == "your 4 trainings"


def test_one_seed_has_no_standard_error(store, put):
    put("Pong", "ppo", 1, 5.0)
    row = summary(store)["Pong", "ppo"]
    assert (row.mean, row.standard_error, row.iqm, row.source) == (5.0, None, 5.0, "your 1 training")


@pytest.mark.parametrize("n", range(1, 13))
def test_the_iqm_is_the_mean_without_a_quarter_of_the_values_at_each_end(n):
    values = np.random.default_rng(n).normal(size=(3, 2, n))
    cut = n // 4
    slow = [[np.mean(sorted(row)[cut : n - cut]) for row in rows] for rows in values]
    np.testing.assert_allclose(interquartile_mean(values), slow, rtol=1e-14)
    np.testing.assert_allclose(interquartile_mean(values), stats.trim_mean(values, 0.25, axis=-1), rtol=1e-13)


def test_the_order_of_seeds_changes_no_bit_of_the_iqm():
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    assert {float(interquartile_mean(rng.permutation(values))) for _ in range(20)} == {float(interquartile_mean(values))}


def test_random_and_reference_say_whose_score_they_are(store, put):
    put("Pong", "ppo", 1, 5.0)
    put("Boxing", "ppo", 1, 5.0)
    put("Pong", "random", 1, -20.0)
    put("Pong", "random", 2, -19.0)
    rows = summarise(collect(store, BENCH))
    found = {(row.env_id, row.algo): (row.n_seeds, row.mean, row.source) for row in rows}
    assert list(found) == sorted(found)
    assert found["Pong", "random"] == (2, -19.5, "your 2 trainings")
    assert found["Boxing", "random"] == (0, 0.1, "benchmark bench: a paper")
    assert found["Pong", "ppo_converged"] == (0, 21.0, "benchmark bench: a paper")
    assert found["Boxing", "ppo_converged"] == (0, None, "unknown")
    assert origins(rows, "random") == {"own": 1, "benchmark": 1, "unknown": 0}
    assert origins(rows, "ppo_converged") == {"own": 0, "benchmark": 1, "unknown": 1}


def test_different_trainings_are_not_averaged_and_the_row_says_so(store, put):
    put("Pong", "ppo", 1, 5.0)
    put("Pong", "ppo", 2, 6.0, total_timesteps=2000)
    put("Pong", "random", 1, 5.0)
    put("Pong", "random", 2, 6.0, total_timesteps=2000)
    rows = summary(store)
    ppo, random = rows["Pong", "ppo"], rows["Pong", "random"]
    difference = "not averaged: your 2 trainings differ in total_timesteps 1000 (seed 1) and 2000 (seed 2)"
    assert (ppo.n_seeds, ppo.mean, ppo.standard_error, ppo.iqm, ppo.source) == (2, None, None, None, difference)
    assert (random.n_seeds, random.mean) == (0, -20.7)
    assert random.source == f"benchmark bench: a paper ({difference})"


def test_the_table_has_one_row_an_environment_and_algorithm(store, put):
    for env_id in ("Pong", "Boxing"):
        for algo in ("ppo", "a2c, tuned"):
            put(env_id, algo, 1, 1 / 3)
    path = write_summary(summarise(collect(store, BENCH)), store.root / "summary.csv")
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["benchmark", "env_id", "algo", "n_seeds", "seeds", "mean", "standard_error", "iqm", "source"]
    assert [(row["env_id"], row["algo"]) for row in rows] == [
        (env_id, algo) for env_id in ("Boxing", "Pong") for algo in ("a2c, tuned", "ppo", "ppo_converged", "random")
    ]
    assert rows[0]["mean"] == repr(1 / 3)
    assert rows[0]["standard_error"] == ""
