import os
import threading
from dataclasses import replace

import pytest

from rlhpc.errors import InputError, RlhpcError
from rlhpc.records import Training
from rlhpc.results import progress
from rlhpc.training import measurement
from rlhpc.training.measurement import measure
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig
from rlhpc.training.tuning import Room, choose, groups

PPO = Training("b", "CartPole-v1", "ppo", 111, "Discrete", 1_000, {"class": "PPO", "n_steps": 128, "n_envs": 2, "batch_size": 32})
DQN = replace(PPO, algo="dqn", hyperparameters={"class": "DQN", "learning_starts": 50_000})
SETTINGS = TrainSettings("tune", "cpu", tensorboard=False, mps="off")


def none(_):
    """Return the memory of no replay buffers."""
    return 0.0


def some(*trainings):
    """Return endless trainings, as many as are given."""
    return groups(choose(trainings, lambda _: 1.0), len(trainings))[0]


def test_trainings_are_measured_and_nothing_is_left_of_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(measurement.tempfile, "tempdir", None)
    found = measure(some(PPO, DQN), (), 2, SETTINGS, seconds=3)
    assert [training.algo for training in found.trainings] == ["dqn", "ppo"]
    assert all(rate > 10 for rate in found.rates)
    assert 0.1 < found.memory_gb < 10
    assert list(tmp_path.glob("rlhpc-tune-*")) == []


def test_a_training_that_fails_is_told_with_its_reason():
    wrong = replace(PPO, hyperparameters={**PPO.hyperparameters, "n_steps": 1, "n_envs": 1})
    with pytest.raises(RlhpcError, match=r"b/CartPole-v1/ppo/0 failed: "):
        measure(some(wrong), (), 1, SETTINGS, seconds=1)


def test_what_cannot_be_shared_as_asked_is_told_and_nothing_goes_on_looking():
    before = threading.active_count()
    with pytest.raises(InputError, match="mps = on"):
        measure(some(PPO), (), 1, replace(SETTINGS, mps="on"), seconds=1)
    assert threading.active_count() == before


def test_nothing_is_tracked(monkeypatch):
    used = []
    monkeypatch.setattr(measurement.node, "supervise", lambda *given, **_: used.append(given[3]))
    with pytest.raises(RlhpcError):
        measure(some(PPO), (), 1, replace(SETTINGS, wandb=WandbConfig(mode="online")), seconds=1)
    assert used[0].wandb.mode == "disabled"


def test_trainings_that_do_not_go_on_are_told(monkeypatch):
    monkeypatch.setattr(measurement, "_SECONDS_TO_REPORT", 0.0)
    with pytest.raises(RlhpcError, match=r"b/CartPole-v1/ppo/0 did not go on within 0 seconds: .* Give smaller --counts"):
        measure(some(PPO), (), 1, SETTINGS, seconds=1)


def test_the_memory_of_a_gpu_is_what_trainings_take_from_it(tmp_path, monkeypatch):
    """By a stand-in for nvidia-smi, which tells of 3,000 MiB less each time that it is asked."""
    program, left = tmp_path / "nvidia-smi", tmp_path / "left"
    program.write_text(f'#!/bin/sh\nread n < {left}; echo $((n - 3000)) > {left}; echo "$n"\n')
    program.chmod(0o755)
    left.write_text("80000\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert Room.here(["0"], none).gpu_gb == pytest.approx(80_000 * 2**20 / 1e9)
    found = measure(some(PPO), ["0"], 1, SETTINGS, seconds=1)
    assert found.gpu_memory_gb == pytest.approx(3_000 * 2**20 / 1e9)


def test_without_a_gpu_or_of_one_that_is_not_told_no_memory_is_taken(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert Room.here([], none).gpu_gb == Room.here(["0"], none).gpu_gb == float("inf")
    assert measure(some(PPO), ["0"], 1, SETTINGS, seconds=0.5).gpu_memory_gb == 0.0


def test_rates_are_of_whole_seconds_from_a_moment_when_all_had_begun(monkeypatch):
    reports, read = {}, progress.read

    def note(folder):
        if found := read(folder):
            reports.setdefault(folder.parent.name, {})[found[1]] = found[0].timesteps
        return found

    monkeypatch.setattr(measurement.progress, "read", note)
    found = measure(some(PPO, DQN), (), 2, SETTINGS, seconds=6)
    begun = max(min(of_one) for of_one in reports.values())
    for training, rate in zip(found.trainings, found.rates, strict=True):
        of_one = reports[training.algo]
        windows = [
            (of_one[end] - of_one[start]) / (end - start)
            for start in of_one
            for end in of_one
            if start >= begun and end - start >= 6
        ]
        assert rate in windows
        assert len(of_one) > 4  # each second, not after ever longer pauses


def test_trainings_that_end_before_they_are_measured_are_told(monkeypatch):
    monkeypatch.setattr(measurement.node, "supervise", lambda *_, **__: None)
    with pytest.raises(RlhpcError, match="ended before they could be measured"):
        measure(some(PPO), (), 1, SETTINGS, seconds=1)
