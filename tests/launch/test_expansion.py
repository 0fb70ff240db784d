"""What is found beside the grid when a launch is expanded; the grid itself is tested in tests/training/test_grid.py."""

import sys

import gymnasium
import pytest

from rlhpc.config import load
from rlhpc.launch.config import DEFAULTS, LaunchConfig
from rlhpc.launch.expansion import expand, namesakes

PONG = {"env_id": "ALE/Pong-v5", "other": "PongNoFrameskip-v4", "benchmark": "atari100k"}


@pytest.fixture
def users_game(tmp_path, monkeypatch):
    """A game of a user's own, whose registration does not say which it is."""
    (tmp_path / "users_game.py").write_text("""
import gymnasium
from ale_py.env import AtariEnv


class MyAtariEnv(AtariEnv):
    def __init__(self, **how):
        super().__init__("pong", **how)


gymnasium.register("MyPong-v0", MyAtariEnv)
""")
    monkeypatch.syspath_prepend(tmp_path)
    yield "users_game:MyPong-v0"
    gymnasium.registry.pop("MyPong-v0", None)
    sys.modules.pop("users_game", None)


def found_in(envs):
    return namesakes(expand(load(LaunchConfig, [DEFAULTS], [f"envs=[{envs}]", "algos=[random]", "budget.custom_timesteps=64"])))


def test_of_a_game_that_is_not_said_nothing_is_found(users_game):
    assert found_in(f"'{users_game}'") == []


@pytest.mark.parametrize(
    ("envs", "expected"),
    [
        ("ALE/Pong-v5,CartPole-v1", [PONG]),
        ("PongNoFrameskip-v4,CartPole-v1", []),
        ("ALE/Tetris-v5", []),  # in no shipped benchmark
    ],
)
def test_a_game_of_a_shipped_benchmark_under_another_id_is_found(envs, expected):
    assert found_in(envs) == expected
