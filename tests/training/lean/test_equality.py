"""Lean environments come, to the bit, to what the wrappers of SB3 and shimmy come to; and so do the agents that learn in them."""

import numpy as np
import pytest
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from rlhpc.benchmarks import load_benchmarks
from rlhpc.training.envs import make_vec
from rlhpc.training.lean.vec import LeanVecEnv

TASKS, GAMES = ([env.env_id for env in load_benchmarks([name])] for name in ("dmc1m", "atari100k"))
STACKED = {"frame_stack": 4}
# Other rules than those of Atari-100k: actions that stick, no FIRE, other colours, the longest games, other stacks.
OTHER_GAMES = [
    ("ALE/Breakout-v5", STACKED),
    ("ALE/Pacman-v5", STACKED),
    ("ALE/Klax-v5", {"frame_stack": 3}),
    ("ALE/Tetris-v5", {}),
]
WALL_CLOCK = "t"  # of the Monitor
OF_SHIMMY = ("timestep.discount", "timestep.step_type")  # which nobody asks for


def make(env_id, hyperparameters, *, n_envs=2, seed=11, training=True):
    """Make the lean vector environment and the one of wrappers."""
    how = {"n_envs": n_envs, "seed": seed, "training": training}
    lean, wrapped = (make_vec(env_id, hyperparameters, **how, may_be_lean=may_be_lean) for may_be_lean in (True, False))
    assert isinstance(lean.unwrapped, LeanVecEnv)
    assert isinstance(wrapped.unwrapped, DummyVecEnv)
    return lean, wrapped


def same(one, other):
    """Tell whether what two environments answer is the same in type, layout and bits."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray):
        alike = (one.dtype, one.shape, one.strides) == (other.dtype, other.shape, other.strides)
        return alike and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


def plain(info):
    """Leave out of an info what differs by its nature, and its order."""
    told = {name: value for name, value in sorted(info.items()) if name not in OF_SHIMMY}
    if "episode" in told:
        told["episode"] = {name: value for name, value in sorted(told["episode"].items()) if name != WALL_CLOCK}
    return told


def n_mismatches(lean, wrapped, n_steps, n_whole):
    """Act at random in both for so many steps, and until so many episodes have been whole; return how many steps differ."""
    mismatches = int(not same(lean.reset(), wrapped.reset()))
    lean.action_space.seed(5)
    n_done = n_episodes = 0
    while n_done < n_steps or n_episodes < n_whole:
        actions = np.array([lean.action_space.sample() for _ in range(lean.num_envs)])
        one, other = lean.step(actions), wrapped.step(actions)
        infos, other_infos = ([plain(info) for info in step[3]] for step in (one, other))
        is_same = all(map(same, one[:3], other[:3])) and len(infos) == len(other_infos) and all(map(same, infos, other_infos))
        mismatches += not is_same
        n_episodes += sum("episode" in info for info in infos)
        n_done += 1
    return mismatches


@pytest.mark.parametrize("env_id", GAMES)
def test_every_game_of_atari_100k_is_that_of_sb3_to_the_bit_for_thousands_of_steps(env_id):
    assert n_mismatches(*make(env_id, STACKED), 1_000, n_whole=2) == 0


@pytest.mark.parametrize(("env_id", "hyperparameters"), OTHER_GAMES)
def test_so_are_games_of_other_rules_and_colours(env_id, hyperparameters):
    assert n_mismatches(*make(env_id, hyperparameters), 500, n_whole=2) == 0


@pytest.mark.parametrize("env_id", TASKS)
def test_every_task_of_dmc_1m_is_that_of_shimmy_to_the_bit_for_thousands_of_steps(env_id):
    assert n_mismatches(*make(env_id, {}), 2_100, n_whole=4) == 0


@pytest.mark.parametrize("hyperparameters", [{"normalize": True, "gamma": 0.9}])
def test_so_is_a_task_with_running_statistics(hyperparameters):
    assert n_mismatches(*make("dm_control/reacher-easy-v0", hyperparameters), 1_100, n_whole=2) == 0


def test_a_second_reset_in_the_middle_of_an_episode_and_new_seeds_change_nothing_of_that():
    for env_id, hyperparameters in (("MsPacmanNoFrameskip-v4", STACKED), ("dm_control/cheetah-run-v0", {})):
        lean, wrapped = make(env_id, hyperparameters, n_envs=3)
        assert n_mismatches(lean, wrapped, 30, n_whole=0) == 0
        for env in (lean, wrapped):
            env.seed(99)
        assert n_mismatches(lean, wrapped, 30, n_whole=0) == 0
        assert n_mismatches(lean, wrapped, 30, n_whole=0) == 0


def weights_of(kind, env, hyperparameters):
    """Train, and return the bytes of all parameters."""
    policy = "MultiInputPolicy" if hasattr(env.observation_space, "spaces") else "CnnPolicy"
    model = kind(policy, env, seed=3, device="cpu", **hyperparameters)
    model.learn(600)
    return {name: tensor.numpy().tobytes() for name, tensor in model.policy.state_dict().items()}


LEARNERS = {
    "ppo": (PPO, {"n_steps": 64, "batch_size": 32, "n_epochs": 2}),
    "a2c": (A2C, {"n_steps": 5}),
}


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize(
    "env_id",
    [
        *("BreakoutNoFrameskip-v4", "QbertNoFrameskip-v4"),
        *("dm_control/pendulum-swingup-v0", "dm_control/cheetah-run-v0", "dm_control/finger-spin-v0"),
    ],
)
def test_an_agent_that_learns_in_either_ends_with_the_same_weights_to_the_bit(env_id, learner):
    both = make(env_id, STACKED if "NoFrameskip" in env_id else {})
    lean, wrapped = (weights_of(LEARNERS[learner][0], env, LEARNERS[learner][1]) for env in both)
    assert lean == wrapped
