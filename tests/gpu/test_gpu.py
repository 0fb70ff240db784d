"""The jobs on a real GPU: trainings packed on it, killed and continued, and apart from each other's faults."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import torch

from rlhpc.results.store import Store
from rlhpc.training import mps

pytestmark = pytest.mark.gpu

ROOT = Path(__file__).parents[2]
SMALL = "{a2c: {all: {n_envs: 2}}, ppo: {all: {n_envs: 2, n_steps: 32, n_epochs: 1, batch_size: 32}}}"
ATARI, DMC = "MsPacmanNoFrameskip-v4", "dm_control/cheetah-run-v0"


def run(job, *words, code=0):
    """Run a job; return what it answers as data."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, f"jobs/{job}.py", "--json", *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def launch(folder, envs, *words, code=0, algos="ppo", seeds=(1,)):
    """Train a small grid on the GPU, all of it at once; return its store and what the job answers."""
    answer = run(
        "launch_training",
        *("--cluster", "local", "--trainings-per-gpu", 12),
        *(f"logs_dir={folder}", "name=gpu", f"envs=[{','.join(envs)}]", f"algos=[{algos}]"),
        *(f"seeds=[{','.join(map(str, seeds))}]", f"hyperparameters={SMALL}", "evaluation.n_episodes=1", "tensorboard=false"),
        *words,
        code=code,
    )
    return Store(folder / "gpu"), answer


def kinds(store):
    """Return how the attempts at the one training that failed ended."""
    (path,) = store.trainings.rglob("attempts.json")
    return [attempt["kind"] for attempt in json.loads(path.read_text())]


def test_twelve_trainings_packed_on_one_gpu_are_all_stored_and_say_so(tmp_path, gpu):
    store, answer = launch(tmp_path, [ATARI, DMC], "budget.total_timesteps=512", algos="a2c,ppo", seeds=(1, 2, 3))
    assert len(answer["stored"]) == 12
    devices = [result.device for result in store.iterate()]
    assert {(device["type"], device["name"]) for device in devices} == {("cuda", gpu)}
    assert len({device["visible_gpus"] for device in devices}) == min(torch.cuda.device_count(), 12)
    assert run("audit", store.root)


def test_while_they_run_status_tells_how_busy_their_gpu_is(tmp_path, gpu):
    words = (f"logs_dir={tmp_path}", "name=gpu", f"envs=[{DMC}]", "algos=[ppo]", "seeds=[1,2]", "budget.total_timesteps=1000000")
    command = [sys.executable, "jobs/launch_training.py", "--cluster", "local", *words]
    load, deadline = None, time.monotonic() + 120
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            while not (load and load["busy_percent"]):
                assert time.monotonic() < deadline, "waited in vain"
                time.sleep(1)
                if (tmp_path / "gpu/grid.json").exists():
                    load = next((part["gpu_load"] for part in run("status", tmp_path / "gpu")["nodes"]), None)
        finally:
            running.terminate()
    assert 0 < load["busy_percent"] <= 100
    assert load["memory_total_gb"] == pytest.approx(torch.cuda.get_device_properties(0).total_memory / 1e9, rel=0.05)
    assert 0.4 < load["memory_gb"] < load["memory_total_gb"]
    assert not (tmp_path / "gpu/nodes").exists()


@pytest.fixture
def private(tmp_path_factory, monkeypatch):
    """Have daemons of MPS make their folders where we see them; leave the site's alone."""
    if shutil.which(mps.PROGRAM) is None:
        pytest.skip(f"absent: {mps.PROGRAM}")
    monkeypatch.delenv(mps.PIPE_DIRECTORY, raising=False)
    with tempfile.TemporaryDirectory(prefix="mps-", dir="/tmp") as made:  # short, as names of sockets are
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


def test_twelve_trainings_share_one_gpu_by_mps_and_their_daemon_leaves_with_them(tmp_path, gpu, private):
    words = ("packing.mps=on", "budget.total_timesteps=512")
    store, answer = launch(tmp_path, [ATARI, DMC], *words, algos="a2c,ppo", seeds=(1, 2, 3))
    assert len(answer["stored"]) == 12
    devices = [result.device for result in store.iterate()]
    assert {(device["type"], device["name"], device["mps"]) for device in devices} == {("cuda", gpu, True)}
    assert list(private.glob("rlhpc-mps-*")) == []
    daemons = [
        each
        for each in psutil.process_iter(["environ"])
        if str(private) in str((each.info["environ"] or {}).get(mps.PIPE_DIRECTORY))
    ]
    assert daemons == []


def test_a_client_of_mps_that_breaks_its_gpu_fails_and_its_neighbours_do_not(tmp_path, private):
    envs = ["faulty_envs:BadIndex-v0", "CartPole-v1"]
    words = ("packing.mps=on", "budget.total_timesteps=20000", "checkpoint_minutes=0")
    _, answer = launch(tmp_path, envs, *words, code=1)
    assert len(answer["stored"]) == 1
    assert ["BadIndex" in failed["training"] for failed in answer["failed"]] == [True]


def test_a_limit_of_memory_holds_for_a_client_of_mps(tmp_path, private):
    """It asks for more than its share, and for less than there is."""
    store, answer = launch(
        tmp_path, ["faulty_envs:Greedy-v0", "CartPole-v1"], "packing.mps=on", "budget.total_timesteps=2000", code=1
    )
    assert len(answer["stored"]) == 1
    assert kinds(store) == ["out_of_memory", "out_of_memory"]


@pytest.mark.parametrize("env_id", [ATARI, DMC])
@pytest.mark.parametrize("algo", ["a2c", "ppo", "recurrent_ppo"])
def test_a_killed_training_goes_on_from_its_whole_state(algo, env_id):
    words = ("n_envs=2", *(() if algo == "a2c" else ("n_steps=64", "batch_size=64", "n_epochs=2")))
    assert run("verify_resume", "--env", env_id, "--algo", algo, "--device", "cuda", "--kills", 2, *words)["identical"]


def test_a_fault_of_the_gpu_ends_its_own_training_alone(tmp_path):
    envs = ["faulty_envs:BadIndex-v0", "CartPole-v1"]
    words = ("packing.mps=off", "budget.total_timesteps=20000", "checkpoint_minutes=0")
    store, answer = launch(tmp_path, envs, *words, code=1)
    assert len(answer["stored"]) == 1
    assert set(kinds(store)) == {"gpu"}


def test_memory_of_the_gpu_that_runs_out_is_told_as_such(tmp_path):
    store, answer = launch(tmp_path, ["faulty_envs:Hungry-v0", "CartPole-v1"], "budget.total_timesteps=2000", code=1)
    assert len(answer["stored"]) == 1
    assert kinds(store) == ["out_of_memory", "out_of_memory"]


def test_a_device_that_torch_cannot_use_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "99")
    _, answer = launch(tmp_path, ["CartPole-v1"], "budget.total_timesteps=64", code=1)
    assert "torch finds no GPU" in answer["failed"][0]["reason"]
