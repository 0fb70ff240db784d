import os
import threading
from dataclasses import replace

import pytest

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Training
from rlhpc.training import tuning
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig
from rlhpc.training.tuning import Measured, Room, knee, measure, mix, sweep

PPO = Training(
    "b", "CartPole-v1", "ppo", 111, "Discrete", 1_000, {"class": "PPO", "n_steps": 2048, "n_envs": 2, "batch_size": 32}
)
DQN = replace(PPO, algo="dqn", hyperparameters={"class": "DQN", "learning_starts": 50_000, "convergence": {"n_episodes": 1}})
RANDOM = replace(PPO, algo="random", hyperparameters={"class": "Random"})
SETTINGS = TrainSettings("tune", "cpu", tensorboard=False, mps="off")


# --- the mix -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "expected"), [((1, 1), 2), ((1, 3), 3), ((3, 1), 1), ((0.01, 1), 4)])
def test_each_kind_has_as_many_places_as_it_takes_of_the_grids_time(hours, expected):
    by_algo = {"dqn": hours[0], "ppo": hours[1]}
    chosen = mix([PPO, DQN, RANDOM], 4, hours=lambda training: by_algo[training.algo])
    assert [training.algo for training in chosen].count("ppo") == expected


def test_a_mix_is_endless_of_other_seeds_with_short_rollouts_and_without_evaluations():
    chosen = mix([PPO, DQN], 4, hours=lambda _: 1.0)
    assert len({training.key for training in chosen}) == 4
    assert {training.total_timesteps for training in chosen} == {10**9}
    by_algo = {training.algo: training.hyperparameters for training in chosen}
    assert by_algo["ppo"] == {"class": "PPO", "n_steps": 128, "n_envs": 2, "batch_size": 32}
    assert by_algo["dqn"] == {"class": "DQN", "learning_starts": 200}


def test_a_mix_of_nothing_that_learns_is_refused():
    with pytest.raises(RlhpcError, match="nothing to measure"):
        mix([RANDOM], 1)


# --- measuring ---------------------------------------------------------------------------------------------------------------


def test_trainings_are_measured_and_nothing_is_left_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tuning.tempfile, "tempdir", None)
    found = measure(mix([PPO, DQN], 2, hours=lambda _: 1.0), (), 2, SETTINGS, seconds=3)
    assert found.trainings_per_gpu == 2
    assert not found.mps
    assert found.steps_per_second > 20
    assert 0.1 < found.memory_gb < 10
    assert list(tmp_path.glob("rlhpc-tune-*")) == []


def test_a_training_that_fails_is_told_with_its_reason():
    wrong = replace(PPO, hyperparameters={**PPO.hyperparameters, "n_steps": 1, "n_envs": 1})
    with pytest.raises(RlhpcError, match=r"b/CartPole-v1/ppo/0 failed: "):
        measure(mix([wrong], 1), (), 1, SETTINGS, seconds=1)


def test_what_cannot_be_shared_as_asked_is_told_and_nothing_goes_on_looking():
    before = threading.active_count()
    with pytest.raises(InputError, match="mps = on"):
        measure(mix([PPO], 1), (), 1, replace(SETTINGS, mps="on"), seconds=1)
    assert threading.active_count() == before


def test_nothing_is_tracked(monkeypatch):
    used = []
    monkeypatch.setattr(tuning.node, "supervise", lambda *given, **_: used.append(given[3]))
    with pytest.raises(RlhpcError):
        measure(mix([PPO], 1), (), 1, replace(SETTINGS, wandb=WandbConfig(mode="online")), seconds=1)
    assert used[0].wandb.mode == "disabled"


def test_trainings_that_do_not_go_on_are_told(monkeypatch):
    monkeypatch.setattr(tuning, "_SECONDS_TO_REPORT", 0.0)
    with pytest.raises(RlhpcError, match="not all trainings went on"):
        measure(mix([PPO], 1), (), 1, SETTINGS, seconds=1)


# --- what follows from it ----------------------------------------------------------------------------------------------------


def measured(n, rate, mode="off", gb=1.0):
    return Measured(n, mode == "on", rate, gb * n)


def test_every_number_is_measured_in_every_mode():
    found = list(sweep([1, 2], ["off", "on"], lambda n, mode: measured(n, n, mode), Room(10)))
    assert [(each.trainings_per_gpu, each.mps) for each in found] == [(1, False), (1, True), (2, False), (2, True)]


def test_a_number_that_would_not_fit_into_memory_is_refused_with_the_one_that_does():
    tried = []
    sweeping = sweep([1, 4, 8], ["off", "on"], lambda n, mode: tried.append((n, mode)) or measured(n, n, mode, gb=2.0), Room(11))
    with pytest.raises(RlhpcError, match=r"8 at once would take about 16\.0 GB, and 11\.0 are free: 5 fit"):
        list(sweeping)
    assert tried == [(1, "off"), (1, "on"), (4, "off"), (4, "on")]


def test_so_is_one_that_would_not_fit_into_the_memory_of_a_gpu_once_no_mode_is_left():
    tried, gpu_gb = [], {"off": 3.0, "on": 1.0}

    def measure_one(n, mode):
        tried.append((n, mode))
        return replace(measured(n, n), gpu_memory_gb=n * gpu_gb[mode])

    with pytest.raises(RlhpcError, match=r"12 at once would take about 12\.0 GB of a GPU, and 8\.0 are free: 8 fit"):
        list(sweep([2, 4, 8, 12], ["off", "on"], measure_one, Room(99, 8)))
    assert tried == [(2, "off"), (2, "on"), (4, "on"), (8, "on")]


def test_the_memory_of_a_gpu_is_what_trainings_take_from_it(tmp_path, monkeypatch):
    """By a stand-in for nvidia-smi, which tells of 3,000 MiB less each time that it is asked."""
    program, left = tmp_path / "nvidia-smi", tmp_path / "left"
    program.write_text(f'#!/bin/sh\nread n < {left}; echo $((n - 3000)) > {left}; echo "$n"\n')
    program.chmod(0o755)
    left.write_text("80000\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Room.here(["0"]).gpu_gb == pytest.approx(80_000 * 2**20 / 1e9)
    found = measure(mix([PPO], 1), ["0"], 1, SETTINGS, seconds=1)
    assert found.gpu_memory_gb == pytest.approx(3_000 * 2**20 / 1e9)


def test_without_a_gpu_or_of_one_that_is_not_told_no_memory_is_taken_and_none_is_missing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert Room.here([]).gpu_gb == Room.here(["0"]).gpu_gb == float("inf")
    assert measure(mix([PPO], 1), ["0"], 1, SETTINGS, seconds=0.5).gpu_memory_gb == 0.0
    assert len(list(sweep([1, 2], ["off"], lambda n, mode: measured(n, n, mode), Room.here([])))) == 2


@pytest.mark.parametrize(
    ("rates", "n"),
    [({1: 100, 2: 190, 4: 200}, 2), ({1: 100, 2: 150, 4: 200}, 4), ({1: 100, 2: 100, 4: 90}, 1), ({4: 10}, 4)],
)
def test_the_knee_is_the_smallest_number_that_gives_nearly_the_most(rates, n):
    assert knee([measured(count, rate) for count, rate in rates.items()]).trainings_per_gpu == n


def test_of_two_modes_with_the_same_number_the_faster_is_the_knee():
    assert knee([measured(4, 97), measured(4, 100, "on"), measured(8, 100)]) == measured(4, 100, "on")
