import copy

import gymnasium
import pytest

from rlhpc.training import registry  # noqa: F401  # registers the games
from rlhpc.training.atari import Recorder

STICKY = "ALE/Qbert-v5"


def make(env_id=STICKY):
    env = Recorder(gymnasium.make(env_id, frameskip=1))
    env.reset(seed=1)
    return env


@pytest.fixture
def game():
    return make()


def play(env, n_steps):
    """Act in a fixed way; return the screens and rewards, and reset where a game ends."""
    seen = []
    for step in range(n_steps):
        screen, reward, terminated, truncated, info = env.step(step // 7 % env.action_space.n)
        seen.append((screen.tobytes(), reward, info))
        if terminated or truncated:
            env.reset()
    return seen


def played_again(env):
    """Do what a snapshot does."""
    again = copy.deepcopy(env)  # begins a game of its own, and knows what the other was played with
    again.tape.play_again(env.tape.state())
    return again


@pytest.mark.parametrize("n_steps", [0, 1, 300, 3_000])
def test_a_game_that_is_played_again_goes_on_as_it_would_have(game, n_steps):
    play(game, n_steps)
    again = played_again(game)
    assert play(game, 500) == play(again, 500)


@pytest.mark.parametrize("env_id", ["ALE/MiniatureGolf-v5", "ALE/Pitfall2-v5", "ALE/Tetris-v5"])
def test_other_games_that_ale_py_saves_only_in_part_go_on_as_they_would_have(env_id):
    for resets in (0, 2):
        game = make(env_id)
        for _ in range(resets):
            play(game, 200)
            game.reset()
        play(game, 200)
        again = played_again(game)
        assert play(game, 300) == play(again, 300)


def test_what_ale_py_saves_of_a_game_is_not_enough(game):
    """Once it is, nothing has to be played again."""
    play(game, 300)
    again = copy.deepcopy(game)
    again.unwrapped.ale.restoreState(game.tape.state())
    assert play(game, 500) != play(again, 500)


def test_only_what_was_played_since_the_last_reset_is_remembered(game):
    play(game, 100)
    assert len(game.tape._actions) == 100
    game.reset()
    assert game.tape._actions == []


def test_a_game_that_was_never_reset_has_nothing_to_play_again():
    env = Recorder(gymnasium.make(STICKY))
    emulator = env.unwrapped.ale
    env.tape.play_again(env.tape.state())
    assert env.unwrapped.ale is emulator


def test_a_game_that_comes_to_another_state_is_refused(game):
    play(game, 300)
    state = game.tape.state()
    game.tape._actions.pop()
    with pytest.raises(RuntimeError, match="'qbert', played again, comes to another state than before"):
        game.tape.play_again(state)
