"""Footprints are no smaller than what trainings are seen to write."""

import pytest

from rlhpc.records import Training
from rlhpc.training import footprint


def training(env_id="PongNoFrameskip-v4", steps=100_000, **hyperparameters):
    return Training("b", env_id, "a", 1, "Discrete", steps, hyperparameters)


def test_every_training_counts():
    assert footprint.n_files([]) == 0
    assert footprint.n_files([training()] * 10) == 10 * footprint.n_files([training()])
    assert footprint.gigabytes([training()] * 10) == 10 * footprint.gigabytes([training()])


def test_weights_and_biases_keeps_more_files():
    assert footprint.n_files([training()], has_wandb=True) > footprint.n_files([training()])


def test_two_checkpoints_with_a_full_replay_buffer_fit():
    # checkpoint_cost.py: 51 MB of DQN on Ms Pacman with 100,000 frames, 288 MB of SAC on cheetah-run with 1,000,000 transitions
    dqn = training(**{"class": "DQN", "frame_stack": 4, "buffer_size": 100_000})
    sac = training("dm_control/cheetah-run-v0", 1_000_000, **{"class": "SAC", "buffer_size": 1_000_000})
    assert 2 * 0.051 <= footprint.gigabytes([dqn]) <= 3 * 0.051
    assert 2 * 0.288 <= footprint.gigabytes([sac]) <= 3 * 0.288


def test_a_buffer_is_never_fuller_than_the_training_is_long():
    short = training(steps=1_000, **{"class": "SAC", "buffer_size": 1_000_000})
    assert footprint.gigabytes([short]) < 0.01


def test_the_random_agent_has_no_checkpoints():
    assert footprint.gigabytes([training(**{"class": "Random"})]) < footprint.gigabytes([training(**{"class": "PPO"})])


def test_full_replay_buffers_are_those_of_the_largest_at_once():
    dqn = training(**{"class": "DQN", "frame_stack": 4, "buffer_size": 100_000})
    sac = training("dm_control/cheetah-run-v0", 1_000_000, **{"class": "SAC", "buffer_size": 1_000_000})
    ppo = training(**{"class": "PPO", "frame_stack": 4})
    assert footprint.buffers_gb([ppo, sac, dqn], 1) == pytest.approx(5.6, abs=0.1)  # as configs/algos/dqn.yaml says
    assert footprint.buffers_gb([ppo, sac, dqn], 3) == pytest.approx(5.6 + 0.3, abs=0.1)
    assert footprint.buffers_gb([ppo] * 5, 5) == 0.0


def test_a_buffer_that_keeps_each_observation_once_is_half_as_large():
    whole, half = (
        training(**{"class": "DQN", "frame_stack": 4, "buffer_size": 1000, "optimize_memory_usage": once})
        for once in (False, True)
    )
    assert footprint.buffers_gb([half], 1) == footprint.buffers_gb([whole], 1) / 2
