import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rlhpc.benchmarks import load_benchmarks
from rlhpc.config import CONFIGS, load
from rlhpc.errors import ConfigError
from rlhpc.launch.config import DEFAULTS, LaunchConfig
from rlhpc.records import BenchmarkEnv, Training
from rlhpc.training.algos import Algo, load_algos
from rlhpc.training.grid import BudgetConfig, EvaluationConfig, GridConfig, choose_envs, expand

JOB = Path(__file__).parents[2] / "jobs" / "launch_training.py"
ENVS = (
    BenchmarkEnv("games", "Game-v0", "Discrete", 100),
    BenchmarkEnv("tasks", "Task-v0", "Continuous", 1000),
)
CONFIG = GridConfig(benchmarks=("games", "tasks"), algos=("any",), seeds=(1, 2))


def make_algo(name="any", class_name="PPO", **values):
    return Algo(name, name, class_name, {"default": {"n_envs": 4, **values}})


def is_atari(env_id):
    return "NoFrameskip" in env_id


def expand_over(config=CONFIG, envs=ENVS, algos=None):
    return expand(config, envs, algos or [make_algo()], is_atari)


def budgets(budget, algo, envs=ENVS):
    """Return the budget of each environment."""
    grid = expand_over(replace(CONFIG, budget=budget, seeds=(1,)), envs, [algo])
    return [training.total_timesteps for training in grid.trainings]


def shipped(*files, overrides=()):
    """Expand a grid of configs/ as the job does, from files and values laid over the default."""
    config = load(LaunchConfig, [DEFAULTS, *(CONFIGS / file for file in files)], overrides)
    envs = choose_envs(config, load_benchmarks(config.benchmarks), lambda _: "Discrete")
    return expand(config, envs, load_algos(config.algos, config.hyperparameters), is_atari)


# --- shipped grids ---------------------------------------------------------------------------------------------------


def test_the_default_grid_has_760_trainings_at_nominal_budgets():
    trainings = shipped().trainings
    assert len(trainings) == len({training.key for training in trainings}) == 760
    assert Counter(training.benchmark for training in trainings) == {"atari100k": 26 * 20, "dmc1m": 12 * 20}
    assert Counter(training.algo for training in trainings) == dict.fromkeys(
        ("a2c", "ppo", "trpo", "recurrent_ppo", "ppo_converged"), 38 * 4
    )
    assert {training.seed for training in trainings} == {111, 222, 333, 444}
    nominal = {"atari100k": 100_000, "dmc1m": 1_000_000}
    for training in trainings:
        expected = 50_000_000 if training.algo == "ppo_converged" else nominal[training.benchmark]
        assert training.total_timesteps == expected
        assert training.evaluation == {"n_episodes": 10}
    assert shipped().incompatible == ()


def test_the_thesis_counts_its_budget_in_each_of_its_environments():
    found = {(training.benchmark, training.algo): training.total_timesteps for training in shipped("thesis.yaml").trainings}
    assert found == {
        ("atari100k", "a2c"): 16 * 100_000,
        ("atari100k", "ppo"): 8 * 100_000,
        ("atari100k", "trpo"): 8 * 100_000,
        ("atari100k", "recurrent_ppo"): 8 * 100_000,
        ("dmc1m", "a2c"): 8 * 1_000_000,
        ("dmc1m", "ppo"): 8 * 1_000_000,
        ("dmc1m", "trpo"): 2 * 1_000_000,
        ("dmc1m", "recurrent_ppo"): 1_000_000,
        ("atari100k", "ppo_converged"): 50_000_000,
        ("dmc1m", "ppo_converged"): 50_000_000,
    }
    assert len(shipped("thesis.yaml").trainings) == 760


def test_the_demo_holds_two_environments_of_each_benchmark_and_the_random_agent():
    trainings = shipped("demo.yaml").trainings
    assert Counter(training.benchmark for training in {training.env_id: training for training in trainings}.values()) == {
        "atari100k": 2,
        "dmc1m": 2,
    }
    assert {training.total_timesteps for training in trainings if training.algo == "random"} == {0}
    assert len({training.algo for training in trainings} - {"random"}) >= 2
    assert all(training.total_timesteps <= 100_000 for training in trainings)


@pytest.mark.parametrize("files", [(), ("thesis.yaml",), ("demo.yaml",)], ids=["default", "thesis", "demo"])
def test_every_training_survives_the_way_through_json(files):
    """Otherwise a stored training would look changed when the grid is launched again."""
    for training in shipped(*files, overrides=["seeds=[1]"]).trainings:
        assert Training(**json.loads(json.dumps(asdict(training)))) == training


def test_all_algorithms_on_both_benchmarks_leave_out_what_does_not_fit():
    grid = shipped(overrides=["algos=[ppo,dqn,sac]", "seeds=[1]"])
    assert Counter(algo for algo, _ in grid.incompatible) == {"dqn": 12, "sac": 26}
    assert Counter(training.algo for training in grid.trainings) == {"ppo": 38, "dqn": 26, "sac": 12}


# --- environments ----------------------------------------------------------------------------------------------------


def test_without_a_list_all_environments_of_the_benchmarks_are_chosen():
    assert choose_envs(CONFIG, ENVS, None) == ENVS


def test_a_list_chooses_exactly_its_environments_in_its_order_each_as_its_benchmark_has_it():
    config = replace(CONFIG, envs=("Mine-v0", "Task-v0"), budget=BudgetConfig(custom_timesteps=7))
    chosen = choose_envs(config, ENVS, {"Mine-v0": "MultiDiscrete"}.__getitem__)
    assert chosen == (BenchmarkEnv("custom", "Mine-v0", "MultiDiscrete", 7), ENVS[1])


def test_of_two_benchmarks_with_one_environment_the_first_counts():
    twice = (ENVS[0], replace(ENVS[0], benchmark="tasks", total_timesteps=9))
    assert choose_envs(replace(CONFIG, envs=("Game-v0",)), twice, None) == (ENVS[0],)


# --- trainings -------------------------------------------------------------------------------------------------------


def test_trainings_come_in_the_order_of_environments_algorithms_and_seeds():
    grid = expand_over(algos=[make_algo("b"), make_algo("a")])
    assert [training.name for training in grid.trainings] == [
        f"{env}/{algo}/{seed}" for env in ("games/Game-v0", "tasks/Task-v0") for algo in ("b", "a") for seed in (1, 2)
    ]


def test_a_training_holds_all_that_shapes_the_agent():
    config = replace(CONFIG, seeds=(5,), evaluation=EvaluationConfig(3))
    (training,) = expand_over(config, ENVS[:1], [make_algo("mine", "A2C", gamma=0.5)]).trainings
    hyperparameters = {"class": "A2C", "n_envs": 4, "gamma": 0.5}
    assert training == Training("games", "Game-v0", "mine", 5, "Discrete", 100, hyperparameters, {"n_episodes": 3})


def test_seeds_of_an_environment_share_one_hash():
    assert len({training.hyperparameters_hash for training in expand_over(envs=ENVS[:1]).trainings}) == 1


def test_expanding_twice_gives_the_same():
    assert expand_over() == expand_over()


@pytest.mark.parametrize(
    ("budget", "values", "expected"),
    [
        (BudgetConfig(), {}, [100, 1000]),
        (BudgetConfig(total_timesteps=7), {}, [7, 7]),
        (BudgetConfig(per_env=True), {}, [400, 4000]),
        (BudgetConfig(total_timesteps=7, per_env=True), {}, [28, 28]),
        (BudgetConfig(), {"n_timesteps": 50}, [50, 50]),
        (BudgetConfig(), {"n_timesteps": 5e1}, [50, 50]),
        (BudgetConfig(per_env=True), {"n_timesteps": 50}, [50, 50]),
        (BudgetConfig(total_timesteps=7), {"n_timesteps": 50}, [7, 7]),
        (BudgetConfig(total_timesteps=7, per_env=True), {"n_timesteps": 50}, [28, 28]),
    ],
)
def test_a_budget_is_the_one_of_the_grid_else_of_the_algorithm_else_of_the_benchmark(budget, values, expected):
    assert budgets(budget, make_algo(**values)) == expected


def test_the_algorithm_own_budget_is_no_hyperparameter():
    grid = expand_over(algos=[make_algo(n_timesteps=50)])
    assert all("n_timesteps" not in training.hyperparameters for training in grid.trainings)


def test_the_random_agent_has_no_budget():
    assert budgets(BudgetConfig(total_timesteps=7, per_env=True), make_algo("random", "Random")) == [0, 0]


def test_a_budget_per_environment_counts_one_where_a_block_does_not_say_how_many():
    algo = Algo("mine", "mine", "PPO", {"default": {}})
    assert budgets(BudgetConfig(per_env=True), algo) == [100, 1000]


@pytest.mark.parametrize("own", [0, -5, "many", 1.5])
def test_an_algorithm_own_budget_that_is_no_number_of_steps_is_refused(own):
    with pytest.raises(ConfigError, match="n_timesteps"):
        budgets(BudgetConfig(), make_algo(n_timesteps=own))


@pytest.mark.parametrize("own", [float("inf"), float("nan")])
def test_an_algorithm_own_budget_that_has_no_end_is_refused(own):
    with pytest.raises(ConfigError, match="n_timesteps"):
        budgets(BudgetConfig(), make_algo(n_timesteps=own))


@pytest.mark.parametrize("n_envs", ["many", None, [8]])
def test_a_budget_per_environment_needs_a_number_of_environments(n_envs):
    with pytest.raises(ConfigError, match="n_envs"):
        budgets(BudgetConfig(per_env=True), make_algo(n_envs=n_envs))


def test_a_changed_block_that_is_the_name_of_nothing_is_refused(tmp_path):
    values = ["envs=[CartPole-v1]", "algos=[ppo]", f"logs_dir={tmp_path}", "hyperparameters.ppo.defualt.n_envs=2"]
    done = subprocess.run([sys.executable, JOB, "--dry-run", *values], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "defualt" in done.stderr


def test_a_change_for_one_environment_keeps_the_values_that_it_does_not_name():
    game = "PongNoFrameskip-v4"
    overrides = [f"envs=[{game}]", "algos=[ppo]", "seeds=[1]"]
    (plain,) = shipped(overrides=overrides).trainings
    (changed,) = shipped(overrides=[*overrides, f"hyperparameters.ppo.{game}.n_envs=4"]).trainings
    assert changed.hyperparameters == {**plain.hyperparameters, "n_envs": 4}


# --- misfits ---------------------------------------------------------------------------------------------------------


def test_pairs_that_do_not_fit_are_left_out_and_named():
    grid = expand_over(algos=[make_algo(), make_algo("dqn", "DQN"), make_algo("sac", "SAC")])
    assert grid.incompatible == (("sac", "Game-v0"), ("dqn", "Task-v0"))
    assert {(training.algo, training.env_id) for training in grid.trainings} == {
        ("any", "Game-v0"),
        ("any", "Task-v0"),
        ("dqn", "Game-v0"),
        ("sac", "Task-v0"),
    }


def test_an_algorithm_that_fits_nowhere_is_refused():
    with pytest.raises(ConfigError) as caught:
        expand_over(envs=ENVS[:1], algos=[make_algo(), make_algo("sac", "SAC"), make_algo("td3", "TD3")])
    assert caught.value.faults == tuple(
        f"algorithm '{name}' ({name.upper()}) can act in no environment of this grid; their action spaces: Discrete."
        for name in ("sac", "td3")
    )


def test_an_environment_that_was_named_and_that_no_algorithm_fits_is_refused():
    envs = (*ENVS, BenchmarkEnv("custom", "Odd-v0", "Tuple", 5))
    with pytest.raises(ConfigError) as caught:
        expand_over(replace(CONFIG, envs=("Game-v0", "Odd-v0")), envs)
    assert caught.value.faults == ("environment 'Odd-v0' has a Tuple action space, in which none of the algorithms can act.",)


def test_an_environment_of_a_benchmark_that_no_algorithm_fits_is_left_out():
    grid = expand_over(algos=[make_algo("dqn", "DQN")])
    assert {training.env_id for training in grid.trainings} == {"Game-v0"}
    assert grid.incompatible == (("dqn", "Task-v0"),)


# --- faults of a configuration ---------------------------------------------------------------------------------------


def test_a_good_configuration_has_no_faults():
    assert list(CONFIG.faults()) == []
    assert list(replace(CONFIG, benchmarks=(), envs=("CartPole-v1",)).faults()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"algos": ()}, "algos is empty: name at least one algorithm, such as algos=[ppo]."),
        ({"seeds": ()}, "seeds is empty: give at least one, such as seeds=[111]."),
        (
            {"benchmarks": ()},
            "nothing to train on: name benchmarks (benchmarks=[atari100k]) or environments (envs=[CartPole-v1]).",
        ),
        ({"seeds": (1, 2, 1)}, "seeds: 1 given more than once."),
        ({"envs": ("A-v0", "A-v0", "B-v0", "B-v0")}, "envs: A-v0, B-v0 given more than once."),
        ({"algos": ("ppo", "ppo")}, "algos: ppo given more than once."),
        ({"benchmarks": ("a", "a")}, "benchmarks: a given more than once."),
        ({"seeds": (-1,)}, "seeds: -1 must lie between 0 and 2147483647."),
        ({"seeds": (2**31,)}, "seeds: 2147483648 must lie between 0 and 2147483647."),
        ({"budget": BudgetConfig(total_timesteps=0)}, "budget.total_timesteps = 0 must be at least 1 agent step."),
        ({"budget": BudgetConfig(custom_timesteps=-1)}, "budget.custom_timesteps = -1 must be at least 1 agent step."),
        ({"evaluation": EvaluationConfig(0)}, "evaluation.n_episodes = 0 must be at least 1."),
        ({"envs": (["A-v0"],)}, "envs: ['A-v0'] is a list within the list; write single values."),
    ],
)
def test_a_fault_is_named_with_what_was_given(change, fault):
    assert list(replace(CONFIG, **change).faults()) == [fault]


def test_an_empty_list_of_environments_is_a_fault():
    assert len(list(replace(CONFIG, envs=()).faults())) == 1


def test_all_faults_are_told_at_once():
    broken = GridConfig(seeds=(1, 1, -1), budget=BudgetConfig(0, 0), evaluation=EvaluationConfig(0))
    assert len(list(broken.faults())) == 7
