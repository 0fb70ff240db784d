import random

from rlhpc.results.scores import Score, by_cell, mean, mixed_cells, standard_error


def test_groups_come_in_the_order_of_names_and_their_scores_in_that_of_seeds():
    scores = [Score(env, algo, seed, 0.0) for env in "ba" for algo in ("ppo", "a2c") for seed in (10, 9)]
    groups = by_cell(scores)
    assert list(groups) == [("", "a", "a2c"), ("", "a", "ppo"), ("", "b", "a2c"), ("", "b", "ppo")]
    assert all([score.seed for score in group] == [9, 10] for group in groups.values())


def test_cells_that_differ_in_budget_or_hyperparameters_are_found_with_the_seeds_of_each():
    scores = [
        Score("a", "same", 1, 0.0, total_timesteps="100", hyperparameters_hash="x"),
        Score("a", "same", 2, 0.0, total_timesteps="100", hyperparameters_hash="x"),
        Score("a", "budget", 1, 0.0, total_timesteps="100"),
        Score("a", "budget", 2, 0.0, total_timesteps="200"),
        Score("a", "budget", 3, 0.0, total_timesteps="200"),
        Score("b", "both", 1, 0.0, total_timesteps="100", hyperparameters_hash="x"),
        Score("b", "both", 2, 0.0, hyperparameters_hash="y"),
    ]
    assert mixed_cells(scores) == {
        ("", "a", "budget"): "total_timesteps 100 (seed 1) and 200 (seed 2 3)",
        ("", "b", "both"): "total_timesteps 100 (seed 1) and blank (seed 2), hyperparameters_hash x (seed 1) and y (seed 2)",
    }


def test_the_same_algorithm_may_differ_between_environments():
    assert mixed_cells([Score("a", "ppo", 1, 0.0, total_timesteps="1"), Score("b", "ppo", 1, 0.0, total_timesteps="2")]) == {}


def test_the_mean_does_not_depend_on_the_order_of_seeds():
    values = [0.1, 0.2, 0.3, 1e16, -1e16, 7.7]
    shuffled = [random.Random(seed).sample(values, len(values)) for seed in range(50)]
    assert {mean(order) for order in shuffled} == {mean(values)}
    assert len({sum(order) / len(order) for order in shuffled}) > 1  # the plain sum does


def test_the_standard_error_is_of_the_sample():
    assert standard_error([1.0, 3.0]) == 1.0
    assert standard_error([1.0]) is None
