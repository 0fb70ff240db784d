"""What is found beside the grid when a launch is expanded; the grid itself is tested in tests/training/test_grid.py."""

import pytest

from rlhpc.config import load
from rlhpc.launch.config import DEFAULTS, LaunchConfig
from rlhpc.launch.expansion import expand, namesakes

PONG = {"env_id": "ALE/Pong-v5", "other": "PongNoFrameskip-v4", "benchmark": "atari100k"}


@pytest.mark.parametrize(
    ("envs", "expected"),
    [
        ("ALE/Pong-v5,CartPole-v1", [PONG]),
        ("PongNoFrameskip-v4,CartPole-v1", []),
        ("ALE/Tetris-v5", []),  # in no shipped benchmark
    ],
)
def test_a_game_of_a_shipped_benchmark_under_another_id_is_found(envs, expected):
    config = load(LaunchConfig, [DEFAULTS], [f"envs=[{envs}]", "algos=[random]", "budget.custom_timesteps=64"])
    assert namesakes(expand(config)) == expected
