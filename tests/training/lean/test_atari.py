"""Which games are played lean; that they come to the same is tested in test_equality.py."""

import gymnasium
import pytest

from rlhpc.training import registry  # noqa: F401  # registers the games
from rlhpc.training.lean import atari


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
