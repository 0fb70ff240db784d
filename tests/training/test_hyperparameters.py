"""What is wrong with hyperparameters; that the right ones build a model is tested in test_model.py and test_algos.py."""

import math
import subprocess
import sys

import pytest

from rlhpc.training import signature
from rlhpc.training.algos import CLASSES, RANDOM
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
    assert faults({"class": "PPO", "clip_range": "lin_0.2", "clip_range_vf": None, "gamma": 1, "target_kl": 0.1}) == []
    assert faults({"class": "PPO", "policy_kwargs": None, "rollout_buffer_class": None}) == []
    assert faults({"class": "RecurrentPPO", "batch_size": None}) == []
    assert faults({"class": "SAC", "ent_coef": "auto", "train_freq": [1, "episode"], "learning_starts": 1e4}) == []


@pytest.mark.parametrize(
    ("value", "demand"),
    [
        ({"class": "PPO", "clip_range_vf": "0.2"}, "must be a number or a linear schedule such as lin_0.001 or null."),
        ({"class": "A2C", "learning_rate": "lin_x"}, "must be a number or a linear schedule such as lin_0.001."),
        ({"class": "DQN", "train_freq": [4]}, "must be a whole number or a list such as [1, episode]."),
        ({"class": "SAC", "replay_buffer_class": "HerReplayBuffer"}, "must be a class, which YAML cannot hold, or null."),
        ({"class": "TD3", "gamma": 99}, "must be a number from 0 to 1."),
    ],
)
def test_it_is_said_what_a_value_must_be(value, demand):
    (told,) = faults(value)
    assert told.endswith(demand)


@pytest.fixture
def my_class(tmp_path, monkeypatch):
    """Name a class of a user's in `CLASSES`, of a given source."""
    monkeypatch.syspath_prepend(tmp_path)

    def my_class(source):
        (tmp_path / "my_agents.py").write_text(f"from stable_baselines3 import PPO\n\n\nclass Mine{source}")
        monkeypatch.setitem(CLASSES, "Mine", "my_agents:Mine")

    yield my_class
    sys.modules.pop("my_agents", None)
    signature.arguments.cache_clear()
    signature.policies.cache_clear()


def test_of_a_users_class_misspelt_and_wrong_values_are_told(my_class):
    my_class("(PPO):\n    def __init__(self, policy, env, tau=7, n_steps='auto', **kwargs):\n        pass\n")
    assert faults({"class": "Mine", "tau": 8, "n_steps": "auto", "n_epochs": 8, "gamma": 0.9}) == []
    assert faults({"class": "Mine", "policy": "MlpPolicy"}) == []
    told = faults({"class": "Mine", "n_step": 1, "kwargs": {}, "n_epochs": 0, "ent_coef": "x"})
    assert [sentence.partition(" of Mine")[0] for sentence in told] == [
        "unknown hyperparameter 'n_step'",
        "unknown hyperparameter 'kwargs'",
        "hyperparameter n_epochs = 0",
        "hyperparameter ent_coef = 'x'",
    ]


def test_a_class_that_cannot_be_built_as_sb3s_are_is_told(my_class):
    my_class(":\n    def __init__(self, policy, env): pass\n")
    assert faults({"class": "Mine"}) == [
        "the class 'my_agents:Mine' does not take seed, device; one of an algorithm takes policy, env, seed, device, as SB3's do."
    ]


def test_a_class_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setitem(CLASSES, "Mine", "no_such_module:Mine")
    (told,) = faults({"class": "Mine", "gamma": 0.9})
    assert told.startswith("the class 'no_such_module:Mine' cannot be imported (ModuleNotFoundError: ")


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
        {"class": "PPO", "learning_rate": "fast"},
        {"class": "PPO", "clip_range": "line_0.2"},
        {"class": "PPO", "clip_range_vf": True},
        {"class": "PPO", "gamma": "0.99"},
        {"class": "PPO", "gamma": 1.5},
        {"class": "SAC", "tau": -0.1},
        {"class": "PPO", "ent_coef": "auto"},
        {"class": "PPO", "use_sde": 1},
        {"class": "PPO", "target_kl": "none"},
        {"class": "TD3", "noise_std": "high"},
        {"class": "DQN", "learning_starts": "10"},
        {"class": "DQN", "train_freq": 4.0},
        {"class": "DQN", "train_freq": [4.0, "step"]},
        {"class": "TD3", "gradient_steps": 1.0},
        {"class": "PPO", "rollout_buffer_class": "DictRolloutBuffer"},
        {"class": "PPO", "stats_window_size": None},
        {"class": "DQN", "train_freq": [1, "epsiode"]},
        {"class": "DQN", "train_freq": "episode"},
        {"class": "DQN", "replay_buffer_kwargs": [1]},
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
