import csv
import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from rlhpc.errors import DatasetError
from rlhpc.records import BenchmarkEnv
from rlhpc.results.collect import collect, write_scores
from rlhpc.results.dataset import read_table, write_wide

BENCH = (
    BenchmarkEnv("bench", "Pong", "Discrete", 1000, -20.7, 21.0, "a paper", "a paper"),
    BenchmarkEnv("bench", "Boxing", "Discrete", 1000, 0.1, 96.9, "a paper", "a paper"),
)


def grid(put, envs=("Pong", "Boxing"), algos=("ppo", "a2c"), seeds=(111, 222)):
    return [put(env, algo, seed, float(seed), float(seed) + 1) for env in envs for algo in algos for seed in seeds]


def result_file(store, result):
    return store.folder(result.training) / "result.json"


def test_a_complete_grid_has_no_problems(store, put):
    grid(put)
    collected = collect(store, BENCH)
    assert collected.problems == ()
    assert collected.dataset.scores.shape == (2, 2, 2)
    assert collected.dataset.algos == ("a2c", "ppo")
    assert collected.dataset.mean_scores.tolist() == [[167.0, 167.0], [167.0, 167.0]]
    assert collected.dataset.random_scores.tolist() == [0.1, -20.7]
    assert set(collected.dataset.random_sources) == {"benchmark bench: a paper"}


def test_algorithms_of_different_budgets_are_told(store, put):
    for algo, steps in (("ppo", 6000), ("a2c", 6000), ("dqn", 1000)):
        put("Pong", algo, 1, 1.0, total_timesteps=steps)
    put("Pong", "ppo_converged", 1, 1.0, total_timesteps=9000, converged=True)
    put("Pong", "random", 1, 0.0, total_timesteps=0)
    put("Boxing", "ppo", 1, 1.0, total_timesteps=7000)
    (told,) = [problem for problem in collect(store, BENCH).problems if "agent steps" in problem]
    assert told == (
        "'Pong' (bench): algorithms were trained for different numbers of agent steps, 1,000 (dqn) and 6,000 (a2c, ppo), and are"
        " compared all the same."
    )


def test_a_reference_that_has_not_converged_is_told(store, put):
    grid(put)
    put("Pong", "ppo_converged", 111, 20.0, converged=True)
    put("Pong", "ppo_converged", 222, 20.0, converged=False)
    put("Boxing", "ppo_converged", 111, 20.0, converged=False)
    put("Boxing", "ppo_converged", 222, 20.0, converged=False)
    (problem,) = collect(store, BENCH).problems
    assert problem.startswith(
        "3 trainings of the reference 'ppo_converged' had not converged when the budget ended, on Boxing, Pong: 100 means"
    )


def test_references_that_differ_and_are_not_taken_are_not_said_to_be_what_100_means(store, put):
    grid(put)
    for seed, steps in ((111, 1000), (222, 2000)):
        put("Pong", "ppo_converged", seed, 20.0, converged=False, total_timesteps=steps)
    assert not any("had not converged" in problem for problem in collect(store, BENCH).problems)


def test_rows_are_sorted_whatever_the_order_of_writing(store, put):
    for result in [("Pong", "ppo", 9), ("Pong", "ppo", 10), ("Pong", "a2c", 9), ("Alien/v5", "ppo", 9)]:
        put(*result, 1.0)
    keys = [(row["env_id"], row["algo"], row["seed"]) for row in scores_of(store)]
    assert keys == [("Alien/v5", "ppo", "9"), ("Pong", "a2c", "9"), ("Pong", "ppo", "9"), ("Pong", "ppo", "10")]


def scores_of(store):
    path = write_scores(collect(store, BENCH).results, store.root, store.scores)
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_row_of_scores_says_how_the_training_went(store, put):
    put(
        "dm_control/x-v0", "ppo", 1, 1.0, 2.0, 6.0,
        attempt=2, converged=True, device={"type": "cuda", "name": "GPU, big", "cpu": "CPU"},
        wandb={"mode": "offline", "run_id": "r", "url": "https://w/r", "sync_command": 'wandb sync "a b"'},
    )  # fmt: skip
    (row,) = scores_of(store)
    assert row == {
        "benchmark": "bench",
        "env_id": "dm_control/x-v0",
        "action_space": "Discrete",
        "algo": "ppo",
        "seed": "1",
        "score": "3.0",
        "n_episodes": "3",
        "episode_standard_error": repr(math.sqrt(7 / 3)),
        "timesteps": "1000",
        "total_timesteps": "1000",
        "hyperparameters_hash": row["hyperparameters_hash"],
        "attempt": "2",
        "converged": "True",
        "train_seconds": "12.5",
        "evaluation_seconds": "0.5",
        "device": "cuda: GPU, big",
        "started_at": "2025-01-01T00:00:00+00:00",
        "finished_at": "2025-01-01T00:00:13+00:00",
        "wandb_url": "https://w/r",
        "wandb_sync_command": 'wandb sync "a b"',
        "folder": "trainings/bench/dm_control+x-v0/ppo/1",
    }
    assert (store.root / row["folder"] / "result.json").exists()


def test_a_single_episode_has_no_standard_error(store, put):
    put("Pong", "ppo", 1, 5.0)
    (row,) = scores_of(store)
    assert (row["n_episodes"], row["episode_standard_error"], row["converged"], row["wandb_url"]) == ("1", "", "", "")


def test_a_link_that_a_result_lacks_comes_from_what_was_sent_later(store, put):
    put("Pong", "ppo", 1, 5.0, wandb={"mode": "offline", "run_id": "a", "url": None})
    put("Pong", "ppo", 2, 5.0, wandb={"mode": "offline", "run_id": "b", "url": "https://own"})
    put("Pong", "ppo", 3, 5.0)
    put("Pong", "ppo", 4, 5.0, wandb={"mode": "offline", "run_id": "c", "url": None})
    links = {"a": "https://sent", "b": "https://other", "c": None}
    (store.root / "wandb_links.json").write_text(json.dumps({"urls": links, "unreadable": {}}))
    assert [row["wandb_url"] for row in scores_of(store)] == ["https://sent", "https://own", "", ""]


def test_links_that_cannot_be_read_are_a_problem_and_no_end(store, put):
    grid(put)
    (store.root / "wandb_links.json").write_text("{")
    (problem,) = collect(store, BENCH).problems
    assert problem.startswith(f"without links: '{store.root / 'wandb_links.json'}' cannot be read")
    assert {row["wandb_url"] for row in scores_of(store)} == {""}


def test_scores_csv_and_dataset_csv_hold_the_same_dataset(store, put):
    grid(put)
    put("Pong", "random", 111, -20.0)
    collected = collect(store, BENCH)
    long = read_table(write_scores(collected.results, store.root, store.scores), BENCH)
    wide = read_table(write_wide(collected.dataset, store.root / "dataset.csv"))
    assert np.array_equal(long.scores, collected.dataset.scores)
    assert np.array_equal(wide.scores[:, 0], long.mean_scores)
    assert wide.algos == long.algos
    assert wide.env_ids == long.env_ids
    assert wide.random_scores.tolist() == long.random_scores.tolist() == [0.1, -20.0]


def test_own_random_and_reference_trainings_go_before_the_benchmark(store, put):
    put("Pong", "ppo", 1, 5.0)
    put("Pong", "random", 1, 1.0, total_timesteps=0)
    put("Pong", "random", 2, 2.0, total_timesteps=0)
    put("Pong", "ppo_converged", 1, 9.0)
    put("Boxing", "ppo", 1, 5.0)
    dataset = collect(store, BENCH).dataset
    assert dataset.algos == ("ppo",)
    assert dataset.random_scores.tolist() == [0.1, 1.5]
    assert dataset.random_sources == ("benchmark bench: a paper", "your 2 trainings of random")
    assert dataset.reference_sources == ("benchmark bench: a paper", "your 1 training of ppo_converged")


@pytest.mark.parametrize("damage", ["truncated", "edited", "moved"])
def test_a_damaged_result_is_left_out_and_named(store, put, damage):
    grid(put, algos=("ppo",))
    victim = put("Pong", "a2c", 111, 1e9)
    put("Pong", "a2c", 222, 7.0)
    path = result_file(store, victim)
    if damage == "truncated":
        path.write_text(path.read_text()[:200])
    elif damage == "edited":
        path.write_text(path.read_text().replace("1000000000.0", "2.0"))
    else:
        path = path.parents[1] / "333" / path.name
        shutil.move(result_file(store, victim).parent, path.parent)
    collected = collect(store, BENCH)
    a2c_on_pong = collected.dataset.scores[0, :, 1]
    assert collected.dataset.algos[0] == "a2c"
    assert a2c_on_pong[~np.isnan(a2c_on_pong)].tolist() == [7.0]
    assert any(problem.startswith(f"left out: '{path}'") for problem in collected.problems)
    assert any("'a2c' has no result of seed 111 on 1 environment: Pong." in problem for problem in collected.problems)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"total_timesteps": 2000}, "total_timesteps 1000 (seed 111) and 2000 (seed 222)"),
        ({"hyperparameters": {"n_envs": 3}}, "hash"),
        ({"hyperparameters": {"fast": True}}, "hash"),
    ],
)
def test_different_trainings_are_never_averaged(store, put, change, difference):
    grid(put, algos=("ppo",))
    put("Pong", "a2c", 111, 1.0)
    put("Pong", "a2c", 222, 2.0, **change)
    collected = collect(store, BENCH)
    assert list(collected.mixed) == [("bench", "Pong", "a2c")]
    assert np.isnan(collected.dataset.mean_scores[0]).all()
    assert len(collected.results) == 6
    (problem,) = (problem for problem in collected.problems if "is not averaged" in problem)
    assert "'a2c' on 'Pong' (bench)" in problem
    assert difference in problem


def test_mixed_random_trainings_give_way_to_the_benchmark(store, put):
    grid(put)
    put("Pong", "random", 111, 1.0, hyperparameters={"n_trials": 1})
    put("Pong", "random", 222, 2.0, hyperparameters={"n_trials": 10})
    collected = collect(store, BENCH)
    assert collected.dataset.random_scores.tolist() == [0.1, -20.7]
    assert "'random' on 'Pong' (bench) is not averaged" in collected.problems[0]


def test_seeds_that_others_have_are_reported_once_for_all_environments(store, put):
    grid(put, algos=("ppo",), seeds=(1, 2, 3))
    put("Pong", "a2c", 1, 1.0)
    put("Boxing", "a2c", 1, 1.0)
    put("Pong", "trpo", 1, 1.0)
    put("Pong", "trpo", 2, 1.0)
    put("Pong", "trpo", 3, 1.0)
    assert collect(store, BENCH).problems == (
        "'a2c' has no result of seeds 2, 3 on 2 environments: Boxing, Pong.",
        "'trpo' has no result on 1 environment: Boxing.",
    )


def test_a_random_agent_that_lacks_seeds_is_a_gap_but_one_that_never_played_is_none(store, put):
    grid(put)
    put("Pong", "random", 111, 1.0)
    assert collect(store, BENCH).problems == ("'random' has no result of seed 222 on 1 environment: Pong.",)


def test_a_failed_training_is_named_with_its_last_reason(store, put):
    (done, *_) = grid(put)
    store.write_attempts(done.training, [{"reason": "killed once, then done"}])
    failed = store.folder(done.training).parents[1] / "trpo" / "111"
    failed.mkdir(parents=True)
    (failed / "attempts.json").write_text(json.dumps([{"reason": "killed by SIGKILL"}, {"reason": "ValueError: boom"}]))
    unreadable = failed.parent / "222"
    unreadable.mkdir()
    (unreadable / "attempts.json").write_text("[{")
    assert collect(store, BENCH).problems == (
        "failed: bench/Pong/trpo/111: ValueError: boom (2 attempts)",
        f"failed: bench/Pong/trpo/222: the reason cannot be read from '{unreadable / 'attempts.json'}' (1 attempt)",
    )


def test_a_training_that_began_is_no_failure(store, put):
    grid(put)
    (store.trainings / "bench" / "dm_control+x-v0" / "ppo" / "111").mkdir(parents=True)
    assert collect(store, BENCH).problems == (
        (
            "1 training began and left no result yet: bench/dm_control/x-v0/ppo/111. Collect again when they have ended, or"
            " launch the grid again if nothing is running."
        ),
    )


def test_results_of_a_benchmark_without_a_file_are_kept_and_told(store, put):
    grid(put)
    put("Other-v0", "ppo", 111, 1.0, benchmark="bensh")
    collected = collect(store, BENCH)
    assert len(collected.results) == 9
    assert "Other-v0" in collected.dataset.env_ids
    assert collected.problems[0].startswith("the benchmark 'bensh' of 1 result has no file")


def test_a_custom_environment_without_baselines_says_what_to_run(store, put, tmp_path):
    grid(put)
    for algo in ("ppo", "a2c"):
        for seed in (111, 222):
            put("Mine-v0", algo, seed, 1.0, benchmark="custom")
    collected = collect(store, BENCH)
    dataset = collected.dataset
    assert dataset.benchmarks == ("bench", "bench", "custom")
    assert math.isnan(dataset.random_scores[2])
    assert dataset.random_sources[2] == ""
    assert len(collected.problems) == 2
    assert "`python jobs/random_score.py Mine-v0`" in collected.problems[0]
    assert "Train the algorithm 'ppo_converged' on it" in collected.problems[1]
    path = write_wide(dataset, tmp_path / "dataset.csv")
    assert path.read_text().splitlines()[3] == "Mine-v0,custom,Discrete,,,1.0,1.0"
    with pytest.raises(DatasetError, match="'Mine-v0' has no random score"):
        read_table(path)


def test_an_environment_of_two_benchmarks_keeps_the_first_and_says_so(store, put):
    grid(put, algos=("ppo",))
    put("Pong", "ppo", 111, 1e6, benchmark="custom")
    put("Pong", "ppo", 222, 1e6, benchmark="custom")
    collected = collect(store, BENCH)
    assert collected.dataset.mean_scores.tolist() == [[167.0, 167.0]]
    assert collected.problems == ("'Pong' was trained within bench and custom: the dataset holds the scores of bench only.",)


@pytest.mark.parametrize(
    ("random", "told"),
    [
        (-21.0, "'Pong' has the random score (Base) and the reference score (Reference) -21"),
        (-19.25, "the reference score of 'Pong', -21, is below its random score, -19.25: normalised, the lower scores count"),
    ],
)
def test_an_own_reference_that_is_no_better_than_random_is_a_problem(store, put, random, told):
    put("Pong", "ppo", 1, -21.0)
    put("Pong", "random", 1, random)
    put("Pong", "ppo_converged", 1, -21.0)
    (problem,) = collect(store, BENCH).problems
    assert told in problem
    assert "or delete the environment's lines from the table" in problem


def test_names_with_commas_and_quotes_survive(store, put):
    name = 'a "quoted", name'
    put(name, "ppo, tuned", 1, 1.0, benchmark="custom")
    collected = collect(store, BENCH)
    (row,) = scores_of(store)
    assert (row["env_id"], row["algo"]) == (name, "ppo, tuned")
    assert collected.dataset.env_ids == (name,)


def test_trainings_of_the_grid_that_never_began_are_told(store, put):
    stored = grid(put)
    never = replace(stored[0].training, seed=999)
    store.write_grid([result.training for result in stored])
    store.write_grid([never])
    assert collect(store, BENCH).problems == (
        f"1 training of the grid never began: {never.name}. Launch the grid again to make them.",
    )
