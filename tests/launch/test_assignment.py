"""What a node is told; that it carries it out is tested on a real Slurm, in tests/slurm."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rlhpc.errors import IDLE, RlhpcError
from rlhpc.launch.assignment import Assignment, carry_out, from_json
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training.plan import NodePlan
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig

HYPERPARAMETERS = {"class": "PPO", "policy": "MlpPolicy", "n_envs": 1, "n_steps": 32, "batch_size": 32}
TRAINING = Training("custom", "CartPole-v1", "ppo", 1, "Discrete", 64, HYPERPARAMETERS, {"n_episodes": 1})
SETTINGS = TrainSettings("mine", device="cpu", tensorboard=False, wandb=WandbConfig(tags=("a", "b")), stop_seconds=5.0)


def assignment(root, training=TRAINING, n_gpus=0, device="cpu"):
    return Assignment(NodePlan((training,), n_gpus, 3), str(root), TrainSettings("mine", device=device, tensorboard=False))


def test_an_assignment_comes_through_json_as_it_was():
    told = Assignment(NodePlan((TRAINING,), 2, 12), "/logs/mine", SETTINGS)
    assert from_json(told.to_json()) == told


@pytest.mark.parametrize("visible", ["", "-1"])
def test_a_node_that_shows_none_of_the_gpus_that_were_asked_for_trains_nothing(tmp_path, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(RlhpcError, match="2 GPUs were asked for, and this node shows none") as error:
        carry_out(assignment(tmp_path, n_gpus=2, device="auto"))
    assert "slurm.options.gres" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def start(told):
    """Start a supervisor as an element does: its signals held back until it can hear them."""
    command = [sys.executable, "-u", "-m", "rlhpc.launch.assignment"]
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
    try:
        started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with started:
        yield started, told.to_json()


@pytest.mark.slow
def test_a_supervisor_stores_all_and_ends_with_0(tmp_path):
    with start(assignment(tmp_path)) as (supervisor, words):
        output, errors = supervisor.communicate(words, timeout=300)
    assert supervisor.returncode == 0, errors
    assert "1 training stored" in output
    assert Store(tmp_path).has(TRAINING)


@pytest.mark.slow
def test_a_signal_before_it_can_be_heard_stops_it_later_in_good_order(tmp_path):
    endless = Training(**{**vars(TRAINING), "total_timesteps": 10**9})
    with start(assignment(tmp_path, endless)) as (supervisor, words):
        os.kill(supervisor.pid, signal.SIGUSR2)  # Python has hardly begun
        _, errors = supervisor.communicate(words, timeout=300)
    assert supervisor.returncode == IDLE, errors  # to be continued, and nothing was saved


@pytest.mark.slow
def test_a_training_that_fails_is_told_with_1(tmp_path):
    wrong = Training(**{**vars(TRAINING), "env_id": "CartPole-v1", "hyperparameters": {**HYPERPARAMETERS, "policy": "NoPolicy"}})
    with start(assignment(tmp_path, wrong)) as (supervisor, words):
        output, _ = supervisor.communicate(words, timeout=300)
    assert supervisor.returncode == 1
    assert "1 failed" in output


@pytest.mark.slow
def test_it_leaves_with_the_process_that_started_it(tmp_path):
    endless = Training(**{**vars(TRAINING), "total_timesteps": 10**9})
    words = assignment(tmp_path, endless).to_json()
    starter = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-m', 'rlhpc.launch.assignment'], stdin=subprocess.PIPE, text=True)\n"
        "print(child.pid, flush=True)\n"
        "child.stdin.write(sys.argv[1])\n"
        "child.stdin.close()\n"
        "child.wait()\n"
    )
    folder = Store(tmp_path).folder(endless)
    with subprocess.Popen([sys.executable, "-c", starter, words], stdout=subprocess.PIPE, text=True) as started:
        supervisor = int(started.stdout.readline())
        wait_until((folder / "lease.json").exists)
        started.kill()
        started.communicate()
    wait_until(lambda: not os.path.exists(f"/proc/{supervisor}"))  # noqa: PTH110  # no path of ours
    wait_until(lambda: not (folder / "lease.json").exists())
    assert json.loads((folder / "attempts.json").read_text())[-1]["kind"] == "stopped"


def wait_until(is_so, seconds=180):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
