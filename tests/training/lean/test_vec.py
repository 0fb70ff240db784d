"""What SB3 and callbacks may ask of lean vector environments; that they come to the same is tested in test_equality.py."""

import numpy as np
import pytest
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.monitor import Monitor

from rlhpc.training.envs import make_vec
from rlhpc.training.lean.vec import Episode

GAME, TASK = "BreakoutNoFrameskip-v4", "dm_control/pendulum-swingup-v0"


@pytest.fixture(params=[GAME, TASK])
def vec(request):
    """Two environments side by side."""
    made = make_vec(request.param, {}, n_envs=2, seed=1, training=True)
    yield made
    made.close()


def test_episodes_are_recorded_and_there_are_no_other_wrappers(vec):
    assert vec.env_is_wrapped(Monitor) == [True, True]
    assert vec.env_is_wrapped(AtariWrapper, indices=[1]) == [False]


def test_attributes_and_methods_are_those_of_the_bare_environments(vec):
    assert [spec.id for spec in vec.get_attr("spec")] == [vec.envs[0].spec.id] * 2
    assert vec.get_attr("render_mode", indices=1) == ["rgb_array"]
    vec.set_attr("mark", 7, indices=[1])
    assert not hasattr(vec.envs[0], "mark")
    assert vec.envs[1].mark == 7
    assert len(vec.env_method("get_wrapper_attr", "action_space")) == 2


def test_what_a_step_returned_stays_as_it_was(vec):
    def arrays(observations):
        return list(observations.values()) if isinstance(observations, dict) else [observations]

    kept = vec.reset()
    before = [array.copy() for array in arrays(kept)]
    for _ in range(5):
        vec.step(np.array([vec.action_space.sample() for _ in range(2)]))
    assert all(map(np.array_equal, arrays(kept), before))


def test_pictures_are_those_of_the_games():
    vec = make_vec(GAME, {}, n_envs=2, seed=1, training=True)
    vec.reset()
    assert [image.shape for image in vec.get_images()] == [(210, 160, 3)] * 2


def test_the_score_of_an_episode_is_the_sum_of_its_rewards_to_6_decimals():
    episode = Episode()
    for reward in (0.1, 0.2, 1e-7):
        episode.add(reward)
    assert {name: value for name, value in episode.summary().items() if name != "t"} == {"r": 0.3, "l": 3}
    episode.begin()
    assert episode.summary()["l"] == 0
