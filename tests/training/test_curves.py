import csv

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

from rlhpc.training.curves import Curves, EpisodeRecorder, TrackingCallback, convergence


class Constant(gymnasium.Env):
    """An environment of two steps an episode, whose rewards do not depend on what is done."""

    observation_space, action_space = spaces.Box(0.0, 1.0, (1,), np.float32), spaces.Discrete(2)

    def __init__(self, rewards=(1.0,)):
        self._rewards, self._n_episodes = list(rewards), -1

    def reset(self, **how):
        super().reset(**how)
        self._n_episodes += 1
        self._n_steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, _):
        self._n_steps += 1
        reward = self._rewards[min(self._n_episodes, len(self._rewards) - 1)]
        return np.zeros(1, np.float32), reward, self._n_steps == 2, False, {}


def small_model(n_envs=2):
    env = make_vec_env(Constant, n_envs=n_envs, seed=1)
    return A2C("MlpPolicy", env, n_steps=4, seed=1, device="cpu", policy_kwargs={"net_arch": [4]})


def learn(n_timesteps, callback, n_envs=2):
    """Train a small agent, and return how many steps it made."""
    model = small_model(n_envs)
    model.learn(n_timesteps, callback=callback)
    model.get_env().close()
    return model.num_timesteps


class FakeTracker:
    def __init__(self):
        self.logged = []

    def log(self, values, timesteps):
        self.logged.append((values, timesteps))


# --- recorded episodes -----------------------------------------------------------------------------------------------


def test_every_training_episode_is_recorded_with_the_steps_of_all_environments():
    curves = Curves()
    learn(16, [EpisodeRecorder(curves)])
    # two environments side by side, episodes of two steps: two end every four agent steps, with a score of 2
    assert curves.episodes == [(timesteps, 2.0, 2) for timesteps in (4, 4, 8, 8, 12, 12, 16, 16)]


def test_curves_are_written_as_tables(tmp_path):
    Curves(episodes=[(4, 0.1 + 0.2, 2), (8, -1.0, 3)], evaluations=[(8, 1e-05)]).write(tmp_path)
    with (tmp_path / "learning_curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(row["timesteps"]), float(row["episode_score"]), int(row["episode_length"])) for row in rows] == [
        (4, 0.1 + 0.2, 2),
        (8, -1.0, 3),
    ]
    assert (tmp_path / "evaluations.csv").read_text() == "timesteps,score\n8,1e-05\n"


def test_a_curve_that_is_empty_is_not_written(tmp_path):
    Curves().write(tmp_path)
    Curves(evaluations=[(1, 1.0)]).write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["evaluations.csv"]


# --- tracking --------------------------------------------------------------------------------------------------------


def test_the_mean_score_of_recent_episodes_is_tracked_a_hundred_times():
    tracker = FakeTracker()
    learn(400, [TrackingCallback(tracker, 400)])
    timesteps = [at for _, at in tracker.logged]
    assert 80 <= len(timesteps) <= 100
    assert timesteps == sorted(set(timesteps))
    assert all(values == {"train/episode_score": 2.0} for values, _ in tracker.logged)


@pytest.mark.parametrize("stops", [(200,), (8, 16, 104), (392,)])
def test_a_training_that_is_continued_is_tracked_where_it_would_have_been(stops):
    straight, continued = FakeTracker(), FakeTracker()
    learn(400, [TrackingCallback(straight, 400)])
    model = small_model()
    for stop in (*stops, 400):
        model.learn(stop - model.num_timesteps, callback=TrackingCallback(continued, 400), reset_num_timesteps=False)
    assert continued.logged == straight.logged


def test_nothing_is_tracked_before_an_episode_has_ended():
    tracker = FakeTracker()
    learn(16, [TrackingCallback(tracker, 16)])
    assert [timesteps for _, timesteps in tracker.logged][:2] == [6, 8]  # SB3 counts an episode in the step after its last


# --- convergence -----------------------------------------------------------------------------------------------------


def train_to_convergence(n_timesteps, rewards, **rule):
    """Train until the rule ends it; return the steps made and the evaluations."""
    curves = Curves()
    evaluation_env = make_vec_env(lambda: Constant(rewards), n_envs=1, seed=1)
    rule = {"evaluate_every": 4, "n_episodes": 1, "max_no_improvement": 2, "min_evaluations": 3, **rule}
    n_timesteps = learn(n_timesteps, [convergence(rule, evaluation_env, curves, n_envs=2)])
    evaluation_env.close()
    return n_timesteps, curves.evaluations


@pytest.mark.parametrize(("max_no_improvement", "min_evaluations", "last"), [(2, 3, 6), (1, 1, 3), (3, 0, 5)])
def test_training_ends_when_evaluations_no_longer_improve(max_no_improvement, min_evaluations, last):
    """SB3 counts those without improvement after the first ones; so 25 and 100 end it at the 126th at the earliest."""
    timesteps, evaluations = train_to_convergence(
        1_000, [1.0], max_no_improvement=max_no_improvement, min_evaluations=min_evaluations
    )
    assert evaluations == [(4 * place, 2.0) for place in range(1, last + 1)]
    assert timesteps == 4 * last


def test_training_goes_on_while_evaluations_improve():
    timesteps, evaluations = train_to_convergence(40, [float(place) for place in range(100)])
    assert timesteps == 40
    assert [score for _, score in evaluations] == sorted({score for _, score in evaluations})
    assert len(evaluations) == 10


def test_an_evaluation_is_the_mean_of_its_episodes():
    _, evaluations = train_to_convergence(8, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], n_episodes=3)
    assert len({score for _, score in evaluations}) == len(evaluations) == 2
    assert evaluations[1][1] - evaluations[0][1] >= 6.0  # each mean over three episodes later ones


@pytest.mark.parametrize(("evaluate_every", "times"), [(8, [8, 16, 24]), (7, [6, 12, 18, 24]), (1, list(range(2, 25, 2)))])
def test_evaluations_are_counted_in_agent_steps(evaluate_every, times):
    _, evaluations = train_to_convergence(24, [1.0], evaluate_every=evaluate_every, max_no_improvement=99)
    assert [timesteps for timesteps, _ in evaluations] == times
