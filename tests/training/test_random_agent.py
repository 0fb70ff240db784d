import dataclasses
import pickle
import subprocess
import sys

import numpy as np
import pytest
from gymnasium.spaces import Discrete

from rlhpc.training.envs import make_vec
from rlhpc.training.random_agent import Trials, play, play_trial, trial_seeds
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings

GAME = "MsPacmanNoFrameskip-v4"
SEEDS_OF_THE_GRID = (111, 222, 333, 444)
ALWAYS = TrainSettings("test", "cpu", checkpoint_minutes=0.0)


@pytest.fixture
def random_training(make_training):
    def make(env_id, n_trials, n_episodes, seed):
        hyperparameters = {"class": "Random", "n_trials": n_trials, "n_episodes": n_episodes}
        return make_training(env_id, "random", seed, total_timesteps=0, hyperparameters=hyperparameters)

    return make


@pytest.fixture
def play_all(random_training):
    """Play all trials without a stop; return the scores and the steps made."""

    def play_all(env_id, n_trials, n_episodes, seed):
        trials = Trials("now")
        play(trials, random_training(env_id, n_trials, n_episodes, seed), lambda _: None)
        return trials.scores, trials.timesteps

    return play_all


def test_the_same_seed_gives_the_same_scores_twice_and_another_seed_others(play_all):
    first, again, other = (play_all("CartPole-v1", n_trials=2, n_episodes=5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("n_trials", "n_episodes"), [(1, 1), (2, 3)])
def test_every_trial_gives_its_episodes_and_every_step_is_counted(play_all, n_trials, n_episodes):
    scores, timesteps = play_all("CartPole-v1", n_trials=n_trials, n_episodes=n_episodes, seed=1)
    assert len(scores) == n_trials * n_episodes
    assert timesteps == sum(scores)  # a step of CartPole scores 1
    assert all(isinstance(score, float) for score in scores)


def test_trials_side_by_side_are_those_one_after_another(play_all):
    """As jobs/random_score.py plays them."""
    together = play_all("CartPole-v1", n_trials=3, n_episodes=2, seed=9)[0]
    alone = [score for seed in trial_seeds(9, 3) for score in play_trial("CartPole-v1", 2, seed)[0]]
    assert together == alone


# --- stopped and continued --------------------------------------------------------------------------------------------


def test_before_each_trial_it_can_be_saved(random_training):
    seen = []
    trials = Trials("now")
    play(trials, random_training("CartPole-v1", 4, 3, seed=1), lambda state: seen.append(dataclasses.asdict(state)))
    assert [len(state["scores"]) for state in seen] == [0, 3, 6, 9]
    assert [state["n_done"] for state in seen] == [0, 1, 2, 3]
    assert [state["timesteps"] for state in seen] == [sum(state["scores"]) for state in seen]
    assert 0 == seen[0]["seconds"] < seen[1]["seconds"] < seen[3]["seconds"] < trials.seconds
    assert (trials.n_done, len(trials.scores), trials.started_at) == (4, 12, "now")


CONTINUE = """
import pickle, sys
from pathlib import Path
from rlhpc.training.random_agent import play
from rlhpc.training.saving import Saver
from rlhpc.training.settings import TrainSettings
training = pickle.loads(bytes.fromhex(sys.argv[1]))
saver = Saver(training, Path(sys.argv[2]), TrainSettings("test", "cpu", checkpoint_minutes=0.0), 2, sys.exit)
trials = saver.resume()
play(trials, training, saver.at_boundary)
print(trials.scores, trials.timesteps, [resume["timesteps"] for resume in trials.resumes])
"""


def test_an_agent_that_was_stopped_comes_to_the_same_scores_by_a_fresh_process(tmp_path, play_all, random_training):
    training = random_training("CartPole-v1", 5, 2, seed=3)
    saver = Saver(training, tmp_path, ALWAYS, 1, pytest.fail)
    stopped = Trials("now")

    def stop_before_the_third(trials):
        if trials.n_done == 2:
            saver.request_stop(1e9)
        saver.at_boundary(trials)

    with pytest.raises(Stopped):
        play(stopped, training, stop_before_the_third)
    assert stopped.n_done == 2
    command = [sys.executable, "-c", CONTINUE, pickle.dumps(training).hex(), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    scores, timesteps = play_all("CartPole-v1", 5, 2, seed=3)
    assert done.stdout.splitlines()[-1] == f"{scores} {timesteps} [{stopped.timesteps}]"


# --- what is played ---------------------------------------------------------------------------------------------------


def test_trials_of_one_seed_differ():
    trials = [tuple(play_trial("CartPole-v1", 5, seed)[0]) for seed in trial_seeds(1, 4)]
    assert len(set(trials)) == 4


def test_seeds_of_trials_are_repeatable_and_none_is_used_twice():
    assert trial_seeds(111, 10) == trial_seeds(111, 10)
    assert trial_seeds(111, 10)[:3] == trial_seeds(111, 3)
    used = [drawn for seed in (*SEEDS_OF_THE_GRID, *range(100)) for drawn in trial_seeds(seed, 10)]
    assert len(set(used)) == len(used)
    assert all(0 <= drawn < 2**31 for drawn in used)


def test_a_random_score_is_that_of_uniform_actions(play_all):
    """CartPole's random score is known: about 22 steps."""
    scores, _ = play_all("CartPole-v1", n_trials=4, n_episodes=100, seed=1)
    assert np.mean(scores) == pytest.approx(22.2, abs=4 * np.std(scores) / len(scores) ** 0.5)


def test_a_continuous_environment_is_played_with_actions_of_the_whole_space(play_all):
    (score,), timesteps = play_all("Pendulum-v1", n_trials=1, n_episodes=1, seed=1)
    assert timesteps == 200
    assert -2_000 < score < -100


def test_an_atari_game_is_played_to_its_end_through_all_lives():
    seed = trial_seeds(1, 1)[0]
    (score,), timesteps = play_trial(GAME, 1, seed)
    env = make_vec(GAME, {}, n_envs=1, seed=seed, training=False)
    env.action_space.seed(seed)
    env.reset()
    ends, scores = [], []
    for timestep in range(1, timesteps + 1):
        _, _, dones, infos = env.step(np.array([env.action_space.sample()]))
        ends += [timestep] * int(dones[0])
        scores += [infos[0]["episode"]["r"]] if "episode" in infos[0] else []
    env.close()
    assert len(ends) == 3  # lives
    assert ends[-1] == timesteps
    assert scores == [score]


def test_a_score_of_a_game_is_not_clipped(play_all):
    scores, _ = play_all(GAME, n_trials=1, n_episodes=1, seed=1)
    assert scores[0] % 10 == 0  # a dot is worth 10; clipped to 1, hundreds of dots would hardly come to a multiple
    assert scores[0] >= 60


def test_the_environment_is_closed_even_when_it_fails(monkeypatch):
    closed = []

    class Broken:
        action_space = Discrete(2)

        def reset(self):
            raise RuntimeError("broken")

        def close(self):
            closed.append(True)

    monkeypatch.setattr("rlhpc.training.random_agent.make_vec", lambda *_, **__: Broken())
    with pytest.raises(RuntimeError, match="broken"):
        play_trial("CartPole-v1", 1, 1)
    assert closed == [True]
