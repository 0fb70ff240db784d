"""Real trainings: every algorithm, exact repetition, convergence, what is recorded."""

import csv
import struct
import time
from pathlib import Path

import pytest
import torch
import wandb
from wandb.proto.wandb_internal_pb2 import Record

from rlhpc.results.store import EVALUATIONS, LEARNING_CURVE, Store
from rlhpc.training.algos import load_algos
from rlhpc.training.node import supervise
from rlhpc.training.places import places
from rlhpc.training.registry import is_atari
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig
from rlhpc.training.train import train

ATARI, DMC = "MsPacmanNoFrameskip-v4", "dm_control/cheetah-run-v0"
# The shipped hyperparameters with rollouts of 64 steps, so that each algorithm makes two updates in seconds.
SMALL = {
    "a2c": {"n_envs": 2},
    "ppo": {"n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 2},
    "recurrent_ppo": {"n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 2},
    "trpo": {"n_envs": 2, "n_steps": 16, "batch_size": 32, "n_critic_updates": 1},
}
RANDOM = {"class": "Random", "n_trials": 2, "n_episodes": 3}
OFF_POLICY = {
    ("dqn", "CartPole-v1"): {"learning_starts": 50},
    ("qr_dqn", "CartPole-v1"): {"learning_starts": 50},
    ("sac", "Pendulum-v1"): {"learning_starts": 50},
    ("td3", "Pendulum-v1"): {"learning_starts": 50},
    ("tqc", "Pendulum-v1"): {"learning_starts": 50},
}


def shipped(algo, env_id, changes):
    (loaded,) = load_algos([algo], {algo: {"all": changes}})
    return loaded.hyperparameters(env_id, is_atari=is_atari(env_id))


@pytest.fixture(scope="module")
def twice(tmp_path_factory, make_training, settings):
    """The same trainings, carried out twice by two supervisors."""

    class Deaf:
        def started(self, training, attempt, timesteps): ...
        def stored(self, training): ...
        def failed(self, training, reason, *, will_retry): ...
        def said(self, training, sentence): ...
        def stopping(self, n_running, seconds): ...

    trainings = [
        make_training(env_id, algo, n_episodes=1, hyperparameters=shipped(algo, env_id, SMALL[algo]))
        for env_id in (ATARI, DMC)
        for algo in SMALL
    ]
    trainings += [
        make_training(env_id, algo, total_timesteps=120, hyperparameters=shipped(algo, env_id, changes))
        for (algo, env_id), changes in OFF_POLICY.items()
    ]
    trainings.append(make_training("CartPole-v1", "ppo", total_timesteps=512))
    trainings.append(make_training("CartPole-v1", "random", total_timesteps=0, hyperparameters=RANDOM))
    stores = [Store(tmp_path_factory.mktemp("grid")) for _ in range(2)]
    outcomes = [supervise(trainings, places((), 2), store, settings, Deaf()) for store in stores]
    assert [outcome.failed for outcome in outcomes] == [[], []]
    return [{training.name: store.read(training) for training in trainings} for store in stores], stores, trainings


@pytest.mark.slow
@pytest.mark.parametrize("algo", SMALL)
@pytest.mark.parametrize("env_id", [ATARI, DMC])
def test_an_on_policy_algorithm_trained_twice_scores_the_same_to_the_bit(twice, env_id, algo):
    first, second = (results[f"custom/{env_id}/{algo}/1"] for results in twice[0])
    assert first.policy_sha256 == second.policy_sha256 != ""
    assert first.episode_scores == second.episode_scores
    assert first.score == second.score
    assert first.timesteps == second.timesteps >= first.training.total_timesteps


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "env_id"), OFF_POLICY)
def test_an_off_policy_algorithm_trained_twice_scores_the_same_to_the_bit(twice, algo, env_id):
    first, second = (results[f"custom/{env_id}/{algo}/1"] for results in twice[0])
    assert first.policy_sha256 == second.policy_sha256 != ""
    assert first.episode_scores == second.episode_scores
    assert first.timesteps >= first.training.total_timesteps


@pytest.mark.slow
def test_the_random_agent_is_a_training_like_any_other(twice):
    first, second = (results["custom/CartPole-v1/random/1"] for results in twice[0])
    assert len(first.episode_scores) == 6
    assert first.episode_scores == second.episode_scores
    assert first.policy_sha256 == ""


@pytest.mark.slow
def test_learning_curves_repeat_to_the_byte(twice):
    _, stores, trainings = twice
    (training,) = [training for training in trainings if training.name == "custom/CartPole-v1/ppo/1"]
    first, second = ((store.folder(training) / LEARNING_CURVE).read_text() for store in stores)
    assert first == second
    rows = list(csv.DictReader(first.splitlines()))
    assert len(rows) >= 10
    assert all(float(row["episode_score"]) == int(row["episode_length"]) for row in rows)  # CartPole pays 1 a step
    assert int(rows[-1]["timesteps"]) <= 512


@pytest.mark.slow
def test_a_result_says_what_it_was_made_with(twice):
    result = twice[0][0][f"custom/{DMC}/ppo/1"]
    assert result.versions.keys() >= {"rlhpc", "python", "torch", "stable-baselines3", "ale-py", "mujoco"}
    assert result.device["type"] == "cpu"
    assert result.device["threads"] == 1
    assert result.device["cpu"]
    assert result.attempt == 1
    assert result.resumes == ()
    assert result.converged is None
    assert result.wandb == {"mode": "disabled"}
    assert result.train_seconds > 0
    assert result.evaluation_seconds > 0
    assert result.started_at < result.finished_at or result.train_seconds < 1


@pytest.mark.slow
def test_tensorboard_has_the_events_of_each_training(twice):
    _, (store, _), trainings = twice
    for training in trainings:
        events = list((store.folder(training) / "tensorboard").glob("events.out.tfevents.*"))
        assert len(events) == (0 if training.algo == "random" else 1)


def rule(max_no_improvement):
    return {"evaluate_every": 64, "n_episodes": 1, "max_no_improvement": max_no_improvement, "min_evaluations": 1}


CARTPOLE = {"class": "PPO", "n_envs": 2, "n_steps": 32, "n_epochs": 1, "batch_size": 32, "learning_rate": 0.0}


def test_a_training_stops_when_its_evaluations_no_longer_improve(tmp_path, make_training, settings):
    training = make_training(total_timesteps=20_000, hyperparameters={**CARTPOLE, "convergence": rule(2)})
    result, curves = train(training, tmp_path, settings)
    assert result.converged is True
    scores = [score for _, score in curves.evaluations]
    best = scores.index(max(scores))
    # SB3 stops at the third evaluation in a row without a new best one, and counts from the second evaluation on
    assert len(scores) >= 4
    assert len(scores) - 1 - max(best, 0) >= 3
    assert result.timesteps < 20_000
    curves.write(tmp_path)
    rows = list(csv.DictReader((tmp_path / EVALUATIONS).read_text().splitlines()))
    assert [int(row["timesteps"]) for row in rows] == [64 * (index + 1) for index in range(len(scores))]


def test_a_training_that_reaches_its_cap_has_not_converged(tmp_path, make_training, settings):
    result, _ = train(
        make_training(total_timesteps=256, hyperparameters={**CARTPOLE, "convergence": rule(1000)}), tmp_path, settings
    )
    assert result.converged is False
    assert result.timesteps == 256


def test_running_statistics_of_normalised_observations_reach_the_evaluation(tmp_path, make_training, settings):
    training = make_training(total_timesteps=256, hyperparameters={**CARTPOLE, "normalize": True, "learning_rate": 3e-3})
    first, second = (train(training, tmp_path / str(index), settings)[0] for index in range(2))
    assert first.episode_scores == second.episode_scores
    # CartPole pays 1 a step: normalised rewards would be fractions
    assert all(score == int(score) >= 1 for score in first.episode_scores)


def test_different_seeds_train_different_agents(tmp_path, make_training, settings):
    curves = [train(make_training(seed=seed, total_timesteps=512), tmp_path / str(seed), settings)[1] for seed in (1, 2)]
    assert curves[0].episodes != curves[1].episodes


def test_an_offline_run_is_named_in_the_result(tmp_path, make_training):
    settings = TrainSettings("test", "cpu", tensorboard=False, wandb=WandbConfig(mode="offline", entity="us", project="p"))
    result, _ = train(make_training(total_timesteps=128), tmp_path, settings)
    assert result.wandb["mode"] == "offline"
    assert result.wandb["url"].endswith(f"/us/p/runs/{result.wandb['run_id']}")
    folder = result.wandb["sync_command"].removeprefix("wandb sync ")
    assert Path(folder).parent == tmp_path / "wandb"
    assert Path(folder).is_dir()
    assert not (tmp_path / "tensorboard").exists()


def tracked(folder):
    """Read the log of an offline run that has ended, as soon as it is whole: the last of it is written after `finish`."""
    (log,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    for _ in range(600):
        records = {record.WhichOneof("record_type"): record for record in records_of(log.read_bytes())}
        if "exit" in records:
            return records
        time.sleep(0.1)
    pytest.fail(f"no end in the log of the run, only {sorted(records)}")


def records_of(content):
    """Yield the whole records of a log: a checksum, a length and a kind, which is 1 for those in one piece, and bytes."""
    place = 7
    while place + 7 <= len(content):
        length, kind = struct.unpack("<4xHB", content[place : place + 7])
        assert kind == 1
        if place + 7 + length > len(content):
            return
        yield Record.FromString(content[place + 7 : place + 7 + length])
        place += 7 + length


OFFLINE = TrainSettings("test", "cpu", tensorboard=False, wandb=WandbConfig(mode="offline"), checkpoint_minutes=0.0)


def test_a_stopped_training_is_preempted_and_its_run_goes_on(tmp_path, make_training):
    training = make_training(total_timesteps=192)
    saver = Saver(training, tmp_path / "1", OFFLINE, 1, pytest.fail)
    saver.request_stop(1e9)
    with pytest.raises(Stopped):
        train(training, tmp_path / "1", OFFLINE, saver=saver)
    records = tracked(tmp_path / "1")
    assert records["preempting"]
    assert records["exit"].exit.exit_code == 1  # else it would count as finished
    result, _ = train(training, tmp_path / "2", OFFLINE, attempt=2)
    again = tracked(tmp_path / "2")
    assert "preempting" not in again
    assert again["exit"].exit.exit_code == 0
    assert records["run"].run.run_id == again["run"].run.run_id == result.wandb["run_id"]


def test_a_run_is_marked_before_it_ends(tmp_path, make_training, monkeypatch):
    """Afterwards the server would not take it."""
    called = []
    for name in ("mark_preempting", "finish"):
        real = getattr(wandb.Run, name)
        monkeypatch.setattr(
            wandb.Run, name, lambda run, real=real, name=name, **how: (called.append((name, how)), real(run, **how))
        )
    saver = Saver(make_training(), tmp_path, OFFLINE, 1, pytest.fail)
    saver.request_stop(1e9)
    with pytest.raises(Stopped):
        train(make_training(), tmp_path, OFFLINE, saver=saver)
    assert called == [("mark_preempting", {}), ("finish", {"exit_code": 1})]


def test_a_training_ends_well_where_tracking_breaks(tmp_path, make_training, monkeypatch, capsys):
    def fail(*_, **__):
        raise ConnectionResetError("the helper process is gone")

    monkeypatch.setattr(wandb.Run, "log", fail)
    monkeypatch.setattr(wandb.Run, "finish", fail)
    settings = TrainSettings("test", "cpu", tensorboard=False, wandb=WandbConfig(mode="offline"))
    result, _ = train(make_training(total_timesteps=256), tmp_path, settings)
    assert result.score > 0
    assert "goes on without it" in capsys.readouterr().out


def test_a_gpu_that_is_not_there_is_an_error_not_a_training_on_the_cpu(tmp_path, make_training, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no GPU"):
        train(make_training(), tmp_path, TrainSettings("test", "cuda"))
