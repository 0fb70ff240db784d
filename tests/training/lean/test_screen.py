"""The table of greys is what SB3 makes of the colours that ale-py shows, whatever the game."""

import gymnasium
import numpy as np
import pytest

from rlhpc.training import registry
from rlhpc.training.lean import screen as module
from rlhpc.training.lean.screen import Screen

GAMES = sorted({spec.kwargs["game"]: name for name, spec in gymnasium.registry.items() if registry.is_atari(name)}.items())


def make(env_id):
    env = gymnasium.make(env_id, frameskip=1).unwrapped
    env.reset(seed=1)
    return env


def act(env, n_frames, look):
    """Play in a fixed way, and look at each frame."""
    for frame in range(n_frames):
        *_, terminated, truncated, _ = env.step(frame // 5 % env.action_space.n)
        look(frame)
        if terminated or truncated:
            env.reset()


def test_all_games_of_ale_py_are_known():
    assert len(GAMES) == 104
    assert {game for game, _ in GAMES} >= module._OF_OTHER_COLOURS


@pytest.mark.parametrize(("game", "env_id"), GAMES)
def test_two_frames_laid_over_each_other_are_those_of_rgb(game, env_id):
    env = make(env_id)
    ours, by_rgb = Screen(env), Screen(env)
    by_rgb._is_ntsc, by_rgb._last_two = False, np.zeros((2, *env.ale.getScreenDims(), 3), np.uint8)
    assert ours._is_ntsc == (game not in module._OF_OTHER_COLOURS)

    def look(frame):
        for screen in (ours, by_rgb):
            screen.keep(frame % 2)
        assert np.array_equal(ours.last_two(), by_rgb.last_two())

    act(env, 60, look)
    assert ours.now().shape == (84, 84)


def test_a_game_in_other_colours_than_we_know_is_told_and_not_misread(monkeypatch):
    monkeypatch.setattr(module, "_OF_OTHER_COLOURS", frozenset())
    screen = Screen(make("ALE/Pacman-v5"))
    with pytest.raises(RuntimeError, match="'pacman' has other colours than NTSC's"):
        screen.now()
