"""What is wrong with hyperparameters; that the right ones build a model is tested in test_model.py and test_algos.py."""

import math
import subprocess
import sys

import pytest

from rlhpc.training.algos import RANDOM
from rlhpc.training.hyperparameters import faults


def test_an_unknown_noise_is_told_with_the_nearest():
    told = faults({"class": "TD3", "noise_type": "norml"})
    assert told == ["hyperparameter noise_type = 'norml' of TD3 is none. Did you mean 'normal'?"]


@pytest.mark.parametrize(
    ("hyperparameters", "found"),
    [
        ({"class": "PPO", "n_step": 8}, ["unknown hyperparameter 'n_step' of PPO. Did you mean 'n_steps'?"]),
        ({"class": "A2C", "clip_range": 0.2}, ["unknown hyperparameter 'clip_range' of A2C. "]),
        ({"class": "PPO", "seed": 3}, ["unknown hyperparameter 'seed' of PPO. "]),
        ({"class": "PPO", "device": "cpu", "env": 1}, ["unknown hyperparameter 'device'", "unknown hyperparameter 'env'"]),
        ({"class": "PPO", "env_wrapper": ["x"]}, ["unknown hyperparameter 'env_wrapper' of PPO. "]),
        ({"class": RANDOM, "n_steps": 8}, ["unknown hyperparameter 'n_steps' of Random. "]),
        ({"class": "PPO", "n_envs": 0}, ["hyperparameter n_envs = 0 of PPO must be a whole number, at least 1."]),
        ({"class": "PPO", "n_envs": 2.0}, ["hyperparameter n_envs = 2.0 of PPO must be a whole number, at least 1."]),
        ({"class": "PPO", "frame_stack": -1}, ["hyperparameter frame_stack = -1 of PPO must be"]),
        ({"class": RANDOM, "policy": "MlpPolicy"}, ["unknown hyperparameter 'policy' of Random. "]),
        ({"class": "PPO", "seed": math.nan}, ["unknown hyperparameter 'seed' of PPO. "]),
        ({"class": RANDOM, "n_trials": 0, "n_episodes": "x"}, ["hyperparameter n_trials = 0", "hyperparameter n_episodes = 'x'"]),
    ],
)
def test_wrong_hyperparameters_are_told_all_at_once(hyperparameters, found):
    told = faults(hyperparameters)
    assert len(told) == len(found)
    assert all(sentence.startswith(start) for sentence, start in zip(told, found, strict=True)), told


def test_right_hyperparameters_have_no_faults():
    assert faults({"class": "PPO", "n_envs": 2, "normalize": True, "frame_stack": None, "convergence": None}) == []
    rule = {"evaluate_every": 80_000, "n_episodes": 10, "max_no_improvement": 25, "min_evaluations": 100}
    assert faults({"class": "PPO", "convergence": rule}) == []
    assert faults({"class": "TD3", "noise_type": "normal", "noise_std": 0.1, "policy": "MlpPolicy"}) == []
    assert faults({"class": RANDOM, "n_envs": 1, "n_trials": 1, "n_episodes": 1}) == []


@pytest.mark.parametrize(
    "hyperparameters",
    [
        {"class": "PPO", "learning_rate": "lin_fast"},
        {"class": "PPO", "policy_kwargs": {"activation_fn": "nn.ReLUU"}},
        {"class": "PPO", "policy_kwargs": {"activation_fn": "os.system"}},
        {"class": "PPO", "policy_kwargs": "net_arch=[64]"},
        {"class": "PPO", "noise_type": "normal"},
        {"class": "TD3", "noise_type": "norml"},
        {"class": "PPO", "max_grad_norm": math.inf},
        {"class": "PPO", "n_envs": True},
        {"class": "PPO", "normalize": "yes"},
        {"class": "PPO", "normalize": {"clip_ob": 3}},
        {"class": "PPO", "policy": "CnnPolcy"},
        {"class": "PPO", "n_steps": 0},
        {"class": "PPO", "n_envs": None},
        {"class": "PPO", "policy_kwargs": {"optimizer_kwargs": {9: 1}}},
        {"class": "PPO", "convergence": {"max_no_improvement": 5}},
        {"class": "PPO", "fast": "very"},
    ],
    ids=lambda hyperparameters: str(list(hyperparameters.items())[-1]),
)
def test_a_value_that_no_training_can_use_is_told_before_any_starts(hyperparameters):
    assert len(faults(hyperparameters)) == 1


def test_torch_is_imported_only_to_look_up_a_class_of_its_own():
    code = """
import sys
from rlhpc.training.algos import available, load_algos
from rlhpc.training.hyperparameters import faults

for algo in load_algos(available()):
    for block in algo.blocks:
        values = algo.hyperparameters(block, is_atari=block == "atari")
        values.pop("n_timesteps", None)  # is the grid's
        assert not faults(values)
for wrong in ({"normalize": {"x": 1}}, {"policy": "x"}, {"n_step": 8}, {"learning_rate": "lin_x"}):
    assert faults({"class": "PPO"} | wrong)
print("torch" in sys.modules)
assert not faults({"class": "PPO", "policy_kwargs": {"activation_fn": "nn.ReLU"}})
print("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == [
        "False",
        "True",
    ]
