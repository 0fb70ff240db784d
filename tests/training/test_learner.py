"""Learners: stopped anywhere and continued by processes that know nothing of it, an agent comes to the same bits."""

import json
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import gymnasium
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from rlhpc.records import Training
from rlhpc.training import learner, snapshot
from rlhpc.training import train as train_module
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.learner import begin, evaluate, learn, policy_digest
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings
from rlhpc.training.train import train

CARTPOLE, PENDULUM, QBERT = "CartPole-v1", "Pendulum-v1", "QbertNoFrameskip-v4"
SMALL = {"policy_kwargs": {"net_arch": [16]}}
OFF_POLICY = {**SMALL, "learning_starts": 80, "buffer_size": 1_000, "batch_size": 16}
RULE = {"evaluate_every": 64, "n_episodes": 1, "max_no_improvement": 2, "min_evaluations": 1}
# Name -> environment, agent steps, hyperparameters. What is stopped in the first third is stopped in the warm-up.
CASES = {
    "PPO with gSDE, normalised, schedules, a rule of convergence": (
        PENDULUM,
        512,
        {
            **SMALL,
            "class": "PPO",
            "n_envs": 2,
            "n_steps": 32,
            "batch_size": 32,
            "n_epochs": 2,
            "gamma": 0.9,
            "use_sde": True,
            "sde_sample_freq": 4,
            "normalize": True,
            "learning_rate": "lin_0.003",
            "clip_range": "lin_0.2",
            "convergence": {**RULE, "max_no_improvement": 99},
        },
    ),
    "PPO that converges": (
        CARTPOLE,
        2_000,
        {**SMALL, "class": "PPO", "n_steps": 32, "batch_size": 32, "learning_rate": 0.0, "convergence": RULE},
    ),
    "A2C with RMSpropTFLike": (
        CARTPOLE,
        200,
        {
            "class": "A2C",
            "n_envs": 2,
            "use_rms_prop": False,
            "policy_kwargs": {"net_arch": [16], "optimizer_class": "RMSpropTFLike", "optimizer_kwargs": {"eps": 1e-5}},
        },
    ),
    "TRPO": (PENDULUM, 512, {**SMALL, "class": "TRPO", "n_envs": 2, "n_steps": 16, "batch_size": 16, "n_critic_updates": 2}),
    "RecurrentPPO": (
        CARTPOLE,
        256,
        {
            "class": "RecurrentPPO",
            "n_envs": 2,
            "n_steps": 16,
            "batch_size": 16,
            "n_epochs": 2,
            "policy_kwargs": {"net_arch": [16], "lstm_hidden_size": 8},
        },
    ),
    "DQN, normalised": (CARTPOLE, 240, {**OFF_POLICY, "class": "DQN", "normalize": True, "target_update_interval": 30}),
    "DQN with a full buffer that saves memory": (
        CARTPOLE,
        240,
        {
            **OFF_POLICY,
            "class": "DQN",
            "buffer_size": 50,
            "optimize_memory_usage": True,
            "replay_buffer_kwargs": {"handle_timeout_termination": False},
        },
    ),
    "DQN with rollouts of episodes": (CARTPOLE, 240, {**OFF_POLICY, "class": "DQN", "train_freq": [1, "episode"]}),
    "QR-DQN": (CARTPOLE, 240, {**OFF_POLICY, "class": "QRDQN"}),
    "SAC": (PENDULUM, 240, {**OFF_POLICY, "class": "SAC"}),
    "SAC with gSDE": (PENDULUM, 240, {**OFF_POLICY, "class": "SAC", "use_sde": True, "train_freq": 8, "gradient_steps": 8}),
    "TQC": (PENDULUM, 240, {**OFF_POLICY, "class": "TQC", "gradient_steps": 2}),
    "TD3 with Ornstein-Uhlenbeck noise in two environments": (
        PENDULUM,
        440,
        {**OFF_POLICY, "class": "TD3", "learning_starts": 160, "n_envs": 2, "noise_type": "ornstein-uhlenbeck", "noise_std": 0.5},
    ),
    "TD3 with Ornstein-Uhlenbeck noise": (
        PENDULUM,
        240,
        {**OFF_POLICY, "class": "TD3", "noise_type": "ornstein-uhlenbeck", "noise_std": 0.5},
    ),
    # Observations of one channel, which torch tells in two layouts; of a game that is more than ale-py saves of it.
    "PPO on Qbert": (QBERT, 128, {"class": "PPO", "n_envs": 2, "n_steps": 8, "batch_size": 16, "n_epochs": 1}),
    "PPO that may round otherwise": (
        PENDULUM,
        512,
        {**SMALL, "class": "PPO", "n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 2, "fast": True},
    ),
}
N_STOPS = 3
SETTINGS = TrainSettings("test", "cpu", tensorboard=False, checkpoint_minutes=1e9)


def training_of(name):
    env_id, total_timesteps, hyperparameters = CASES[name]
    space = "Continuous" if env_id == PENDULUM else "Discrete"
    return Training("custom", env_id, "any", 1, space, total_timesteps, hyperparameters, {"n_episodes": 1})


class Stopper(Saver):
    """A saver that is told to stop at one boundary, counted from 0."""

    def __init__(self, training, folder, stop_at=None, settings=SETTINGS):
        super().__init__(training, folder, settings, 1, print)
        self.n_boundaries = 0
        self._stop_at = stop_at

    def at_boundary(self, state, *, may_be_long=False):
        if self.n_boundaries == self._stop_at:
            self.request_stop(1e9)
        self.n_boundaries += 1
        super().at_boundary(state, may_be_long=may_be_long)


def attempt(training, folder, stop_at=None, settings=SETTINGS):
    """Train, or train on; return what it came to, or None if it was stopped."""
    saver = Stopper(training, folder, stop_at, settings)
    try:
        result, curves = train(training, folder, settings, saver=saver)
    except Stopped:
        return None
    return {
        "policy": result.policy_sha256,
        "scores": list(result.episode_scores),
        "timesteps": result.timesteps,
        "converged": result.converged,
        "episodes": [list(row) for row in curves.episodes],
        "evaluations": [list(row) for row in curves.evaluations],
        "resumes": [resume["timesteps"] for resume in result.resumes],
        "n_boundaries": saver.n_boundaries,
    }


def attempts(folder):
    """Be a process that carries out one attempt at each training."""
    stops = json.loads((folder / "stops.json").read_text())
    outcomes = {name: attempt(training_of(name), folder / name, stop_at) for name, stop_at in stops.items()}
    (folder / "outcomes.json").write_text(json.dumps(outcomes))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Train straight, and by processes that each know nothing of the last, stopped in one third of the rollouts after another."""
    folder = tmp_path_factory.mktemp("attempts")
    straight = {name: attempt(training_of(name), folder / "straight" / name) for name in CASES}
    stops = {name: stops_of(name, outcome["n_boundaries"]) for name, outcome in straight.items()}
    assert {attempt(training_of(name), folder / name, stops[name][0]) for name in CASES} == {None}
    for leg in range(1, N_STOPS + 1):
        (folder / "stops.json").write_text(json.dumps({name: stops[name][leg] for name in CASES}))
        subprocess.run([sys.executable, "-W", "error", __file__, folder], check=True)
        outcomes = json.loads((folder / "outcomes.json").read_text())
        assert leg == N_STOPS or set(outcomes.values()) == {None}
    return {name: (straight[name], outcomes[name]) for name in CASES}


def stops_of(name, n_boundaries):
    """Draw the boundaries at which the attempts are stopped, each counted from where the attempt began; the last is not."""
    third = n_boundaries / N_STOPS
    drawn = [int(third * (place + random.Random(f"{name} {place}").random())) for place in range(N_STOPS)]
    first = max(drawn[0], 1)
    second = max(drawn[1], first + 1)
    last = max(drawn[2], second + 1)
    return [first, second - first, last - second, None]


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_an_agent_that_was_stopped_comes_to_the_same_bits_by_fresh_processes(stopped, name):
    straight, outcome = stopped[name]
    first, second, last = outcome["resumes"]
    assert 0 < first < second < last < straight["timesteps"]
    if "learning_starts" in training_of(name).hyperparameters:
        assert first <= training_of(name).hyperparameters["learning_starts"] < last
    for what in ("evaluations", "episodes", "scores", "policy", "timesteps", "converged"):
        assert outcome[what] == straight[what], what


@pytest.mark.slow
def test_the_cases_are_what_they_are_called(stopped):
    convergence, converged = (stopped[name][0] for name in list(CASES)[:2])
    assert len(convergence["evaluations"]) == 8
    assert convergence["converged"] is False
    assert converged["converged"] is True
    assert converged["timesteps"] < 2_000
    assert [name for name, (straight, _) in stopped.items() if not straight["episodes"]] == ["PPO on Qbert"]
    assert len({straight["policy"] for straight, _ in stopped.values()}) == len(stopped)


SOME = ("PPO with gSDE, normalised, schedules, a rule of convergence", "SAC with gSDE", "RecurrentPPO")


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_saving_at_every_rollout_changes_nothing(tmp_path, name):
    outcomes = [
        attempt(
            training_of(name), tmp_path / str(minutes), settings=TrainSettings("test", "cpu", False, checkpoint_minutes=minutes)
        )
        for minutes in (0.0, 1e9)
    ]
    assert outcomes[0] == outcomes[1]
    assert len(Checkpoints(tmp_path / "0.0").paths()) == 2


@pytest.mark.parametrize("stop_at", [0, 1])
def test_a_training_that_is_stopped_before_its_first_update_comes_to_the_same(tmp_path, make_training, stop_at):
    straight = attempt(make_training(total_timesteps=192), tmp_path / "straight")
    assert attempt(make_training(total_timesteps=192), tmp_path / "stopped", stop_at) is None
    outcome = attempt(make_training(total_timesteps=192), tmp_path / "stopped")
    assert outcome["resumes"] == ([64] if stop_at else [])
    assert outcome["policy"] == straight["policy"]


def test_a_training_that_was_stopped_in_its_evaluation_is_only_evaluated_again(tmp_path, make_training, monkeypatch):
    training = make_training(total_timesteps=128)
    first, curves = train(training, tmp_path, SETTINGS)
    monkeypatch.setattr(learner, "learn", lambda *_: pytest.fail("learned again"))
    again, curves_again = train(training, tmp_path, SETTINGS, attempt=2)
    assert [resume["timesteps"] for resume in again.resumes] == [first.timesteps]
    assert (again.policy_sha256, again.episode_scores) == (first.policy_sha256, first.episode_scores)
    assert (curves_again, again.train_seconds) == (curves, first.train_seconds)


def test_times_are_those_of_all_attempts(tmp_path, make_training, monkeypatch):
    clock = iter(["begun", "continued", "finished"])
    monkeypatch.setattr(train_module, "utc_now", lambda: next(clock))
    training = make_training(total_timesteps=192)
    assert attempt(training, tmp_path, stop_at=2) is None
    (_, before) = Checkpoints(tmp_path).read(lambda *_: None, snapshot.load, pytest.fail)
    assert before.train_seconds > 0
    monkeypatch.setattr(learner.time, "monotonic", lambda: 1_000.0)  # no time passes
    result, _ = train(training, tmp_path, SETTINGS)
    assert (result.started_at, result.train_seconds) == ("begun", before.train_seconds)


# --- environments that cannot be saved --------------------------------------------------------------------------------

LOCKED = """
    import threading
    import gymnasium
    from gymnasium.envs.classic_control import CartPoleEnv

    class Locked(CartPoleEnv):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    class Generating(CartPoleEnv):
        def __init__(self):
            super().__init__()
            self.frames = (frame for frame in range(10))

    gymnasium.register("Locked-v0", Locked, max_episode_steps=500)
    gymnasium.register("Generating-v0", Generating, max_episode_steps=500)
"""


@pytest.fixture
def unsavable(tmp_path, monkeypatch):
    (tmp_path / "users_envs.py").write_text(textwrap.dedent(LOCKED))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for env_id in ("Locked-v0", "Generating-v0"):
        gymnasium.registry.pop(env_id, None)
    sys.modules.pop("users_envs", None)


@pytest.mark.parametrize("env_id", ["users_envs:Locked-v0", "users_envs:Generating-v0"])
def test_an_environment_that_cannot_be_pickled_is_trained_in_all_the_same(tmp_path, unsavable, make_training, env_id, capsys):
    settings = TrainSettings("test", "cpu", tensorboard=False, checkpoint_minutes=0.0)
    outcome = attempt(make_training(env_id, total_timesteps=256), tmp_path / "locked", settings=settings)
    assert capsys.readouterr().out.count("cannot be saved") == 1
    assert list((tmp_path / "locked").glob("*checkpoint*")) == []
    expected = attempt(make_training(total_timesteps=256), tmp_path / "plain", settings=settings)
    assert outcome == expected  # the dynamics are CartPole's
    assert attempt(make_training(env_id, total_timesteps=256), tmp_path / "locked", stop_at=2) is None
    assert list((tmp_path / "locked").glob("*checkpoint*")) == []


# --- what belongs to one attempt --------------------------------------------------------------------------------------


class Counter(BaseCallback):
    """A callback of one attempt."""

    def _on_step(self):
        return True


def test_callbacks_of_one_attempt_are_called_and_not_saved(tmp_path, make_training):
    training = make_training(total_timesteps=192)
    agent = begin(training, "cpu", "now")
    agent.model.set_logger(Logger(None, []))
    counter = Counter()
    with pytest.raises(Stopped):
        learn(agent, 192, Stopper(training, tmp_path, stop_at=2), [counter])
    assert counter.n_calls == 64  # two environments
    again = Stopper(training, tmp_path).resume()
    assert [type(callback).__name__ for callback in again.callbacks] == ["EpisodeRecorder"]
    assert "collect_rollouts" not in vars(again.model)


def test_closing_closes_both_environments(make_training, monkeypatch):
    training = make_training()
    agent = begin(training, "cpu", "now")
    agent.model.set_logger(Logger(None, []))
    evaluate(agent, training)
    closed = []
    for env in (agent.model.get_env(), agent.evaluation_env):
        monkeypatch.setattr(env, "close", lambda env=env: closed.append(env))
    learner.close(agent)
    assert closed == [agent.model.get_env(), agent.evaluation_env]


# --- evaluation -------------------------------------------------------------------------------------------------------


@pytest.fixture
def spy(monkeypatch):
    """What the evaluation after a training is given."""
    seen = {}
    real = learner.evaluate_policy

    def evaluate(model, env, **how):
        seen.update(model=model, env=env, how=how)
        return real(model, env, **how)

    monkeypatch.setattr(learner, "evaluate_policy", evaluate)
    return seen


def test_agents_are_evaluated_deterministically_on_starts_of_their_own(tmp_path, make_training, monkeypatch, spy):
    made = []
    real = learner.make_vec
    monkeypatch.setattr(learner, "make_vec", lambda *args, **how: made.append(how) or real(*args, **how))
    train(make_training(seed=7), tmp_path, SETTINGS)
    assert spy["how"]["deterministic"] is True
    assert spy["env"] is not spy["model"].get_env()
    learning, evaluating = made
    assert (learning["seed"], learning["training"]) == (7, True)
    assert evaluating["seed"] - 7 > 1000  # beyond the seeds of any parallel environments
    assert evaluating["training"] is False


def test_the_evaluation_normalises_by_what_was_learned(tmp_path, make_training, spy):
    hyperparameters = {"class": "PPO", "n_envs": 2, "n_steps": 32, "batch_size": 32, "normalize": True}
    train(make_training(total_timesteps=256, hyperparameters=hyperparameters), tmp_path, SETTINGS)
    learned = spy["model"].get_vec_normalize_env().obs_rms
    assert learned.count > 256
    assert spy["env"].obs_rms.mean.tolist() == learned.mean.tolist()


def test_an_evaluation_gives_the_score_of_each_episode(make_training):
    training = make_training(n_episodes=5)
    agent = begin(training, "cpu", "now")
    assert agent.evaluation_env is None  # until it is needed
    scores = evaluate(agent, training)
    assert len(scores) == 5
    assert all(score == int(score) >= 1 for score in scores)  # CartPole pays 1 a step


# --- the digest of a policy -------------------------------------------------------------------------------------------


def test_the_digest_of_a_policy_tells_every_bit_and_every_name(make_training):
    first, again, other = (begin(make_training(seed=seed), "cpu", "now") for seed in (1, 1, 2))
    assert policy_digest(first) == policy_digest(again) != policy_digest(other)
    assert len(policy_digest(first)) == 64
    with torch.no_grad():
        weights = again.model.policy.action_net.weight
        weights[0, 0] = torch.nextafter(weights[0, 0], torch.tensor(torch.inf))
    assert policy_digest(first) != policy_digest(again)
    policy = first.model.policy
    before = policy_digest(first)
    policy.another_net = policy.action_net
    del policy.action_net
    assert policy_digest(first) != before


if __name__ == "__main__":
    attempts(Path(sys.argv[1]))


def test_the_saver_is_told_of_each_rollout_with_an_evaluation_and_of_no_other(tmp_path):
    rule = {**RULE, "evaluate_every": 160, "max_no_improvement": 99}
    hyperparameters = {**SMALL, "class": "PPO", "n_envs": 2, "n_steps": 32, "batch_size": 32, "convergence": rule}
    training = Training("custom", CARTPOLE, "ppo", 1, "Discrete", 1_024, hyperparameters, {"n_episodes": 1})
    told = []

    class Noting(Saver):
        def at_boundary(self, state, *, may_be_long=False):
            told.append(may_be_long)
            super().at_boundary(state, may_be_long=may_be_long)

    _, curves = train(training, tmp_path, SETTINGS, saver=Noting(training, tmp_path, SETTINGS, 1, print))
    evaluated_in = [(timesteps - 1) // 64 for timesteps, _ in curves.evaluations]
    assert evaluated_in == [2, 4, 7, 9, 12, 14]
    assert [index for index, may_be_long in enumerate(told) if may_be_long] == evaluated_in
