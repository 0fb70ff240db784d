"""Scores of the random agent, played side by side; that they are a grid's is tested in tests/jobs/test_random_score.py."""

import numpy as np
import pytest

from rlhpc.errors import RlhpcError
from rlhpc.training import random_agent, random_scores

IDS, SEEDS = ("Pendulum-v1", "CartPole-v1"), (3, 4, 5)


def test_they_are_those_of_the_trials_one_after_the_other_and_the_same_again():
    found = random_scores.play(IDS, SEEDS, 2)
    assert found == random_scores.play(IDS, SEEDS, 2)
    for env_id, score in zip(IDS, found, strict=True):
        episodes = [episode for seed in SEEDS for episode in random_agent.play_trial(env_id, 2, seed)[0]]
        assert (score.env_id, score.score, score.n_episodes) == (env_id, np.mean(episodes), 6)
        assert score.standard_error == pytest.approx(np.std(episodes, ddof=1) / 6**0.5)


def test_an_environment_that_cannot_be_made_is_named():
    with pytest.raises(RlhpcError, match="the random agent failed in 'Nothing-v0': NameNotFound"):
        random_scores.play(["Nothing-v0"], SEEDS, 2)
