"""Which games are played lean; that they come to the same is tested in test_equality.py."""

import gymnasium
import pytest
from ale_py.env import AtariEnv

from rlhpc.training import registry  # noqa: F401  # registers the games
from rlhpc.training.envs import make_vec
from rlhpc.training.lean import atari
from rlhpc.training.lean.atari import Game


@pytest.mark.parametrize(
    "arguments",
    [{"frameskip": 4}, {"obs_type": "ram"}, {"obs_type": "grayscale"}, {"continuous": True}, {"sound_obs": True}],
)
def test_a_game_that_shows_itself_or_is_played_otherwise_does_not_fit(arguments):
    plain = {"frameskip": 1}
    assert atari.fits(gymnasium.make("ALE/Pong-v5", **plain).unwrapped)
    assert not atari.fits(gymnasium.make("ALE/Pong-v5", **(plain | arguments)).unwrapped)


def test_what_is_no_game_does_not_fit():
    assert not atari.fits(gymnasium.make("CartPole-v1").unwrapped)


def test_a_game_is_loaded_once(monkeypatch):
    loads, load = [], AtariEnv.load_game
    monkeypatch.setattr(AtariEnv, "load_game", lambda env: (loads.append(env), load(env)))
    vec = make_vec("PongNoFrameskip-v4", {}, n_envs=2, seed=3, training=True)
    vec.reset()
    assert loads == vec.get_attr("unwrapped")
    vec.reset()
    assert len(loads) == 2


def test_a_game_that_was_saved_before_it_knew_its_seed_goes_on():
    vec = make_vec("PongNoFrameskip-v4", {}, n_envs=1, seed=3, training=True)
    vec.reset()
    (game,) = vec.unwrapped._games
    state = game.__getstate__()
    del state["_loaded_with"]
    again = Game.__new__(Game)
    vars(again).update(state)
    again._restart(None)
