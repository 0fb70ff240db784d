import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from rlhpc import command

JOB = Path(__file__).parents[2] / "jobs" / "tune_packing.py"
SMALL = (
    "device=cpu",
    "benchmarks=[]",
    "envs=[CartPole-v1]",
    "algos=[ppo]",
    "seeds=[1]",
    "hyperparameters={ppo: {all: {n_steps: 32, n_envs: 1}}}",
)


def run(*words, code=0):
    done = subprocess.run([sys.executable, JOB, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Measure one and two trainings, and write the best down."""
    path = tmp_path_factory.mktemp("tuned") / "mine.yaml"
    return run("--counts", 2, 1, "--seconds", 2, "--write", path, "--json", *SMALL), path


def test_the_answer_names_all_that_was_measured_and_the_best(tuned):
    answer = json.loads(tuned[0].stdout)
    assert [(each["trainings_per_gpu"], each["mps"]) for each in answer["measured"]] == [(1, False), (2, False)]
    assert all(each["steps_per_second"] > 0 and each["memory_gb"] > 0 for each in answer["measured"])
    assert answer["best"] in answer["measured"]
    assert answer["mix"] == [{"benchmark": "custom", "env_id": "CartPole-v1", "algo": "ppo", "n": 8}]
    assert answer["written"] == str(tuned[1])
    assert "steps/s" in tuned[0].stderr


def test_what_is_written_is_a_configuration_that_a_launch_takes(tuned):
    answer, written = json.loads(tuned[0].stdout), yaml.safe_load(tuned[1].read_text())
    assert written["packing"] == {"trainings_per_gpu": answer["best"]["trainings_per_gpu"], "gpus_per_node": 0}
    assert written["slurm"]["memory_gb_per_training"] > 0
    launch = [sys.executable, JOB.with_name("launch_training.py"), "--dry-run", "--config", tuned[1], *SMALL]
    assert subprocess.run(list(map(str, launch)), capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--counts", "0", "2"], "--counts 0 must be at least 1"),
        (["--seconds", "nan"], "--seconds nan must be a number"),
        (["--write", "/proc/none/x.yaml"], "cannot write to the folder '/proc/none'"),
        (["--write", str(JOB)], "is there, and would be replaced"),
        (["packing.mps=on"], "packing.mps"),
        (["algos=[pppo]"], "Did you mean"),
    ],
)
def test_wrong_words_are_refused(words, told, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(JOB), *SMALL, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(JOB), run_name="__main__")
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (2, "")
    assert told in shown.err


def test_a_grid_that_learns_nothing_is_told():
    done = run(*SMALL, "algos=[random]", "hyperparameters={}", code=2)
    assert (done.stderr.startswith("error: the grid has no training that learns"), done.stdout) == (True, "")


def test_one_number_alone_is_not_called_the_best(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(JOB), *SMALL, "--counts", "2", "--seconds", "1"])
    monkeypatch.setattr(command, "end_as_on_interrupt", lambda: None)  # it would change how pytest takes SIGHUP
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(JOB), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert lines[:3] == [
        "Measured on 8 trainings, by their share of the grid's time; up to about 1 minute:",
        "  8  custom ppo CartPole-v1",
        " at once   steps/s     each     GB",
    ]
    assert lines[-1] == ("Measured: 2 at once on these cores (packing.trainings_per_gpu); nothing to compare it with.")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_is_interrupted_leaves_nothing_behind(tmp_path, number):
    words = [sys.executable, JOB, *SMALL, "--counts", "1", "--seconds", "600"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(list(map(str, words)), env=environment, stderr=subprocess.PIPE, text=True) as job:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("rlhpc-tune-*/trainings/*/*/*/*/progress.json")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        children = psutil.Process(job.pid).children(recursive=True)
        job.send_signal(number)
        _, told = job.communicate(timeout=180)
    assert (job.returncode, told.splitlines()[-1]) == (130, "interrupted")
    assert list(tmp_path.glob("rlhpc-tune-*")) == []
    assert psutil.wait_procs(children, timeout=120)[1] == []


def test_memory_counts_replay_buffers_as_full(tmp_path):
    words = ["algos=[dqn]", "hyperparameters={dqn: {all: {frame_stack: 4, buffer_size: 100_000, learning_starts: 10}}}"]
    words += ["budget.total_timesteps=20_000", "--counts", 1, "--seconds", 1, "--write", tmp_path / "mine.yaml"]
    run(*SMALL[:-1], "envs=[MsPacmanNoFrameskip-v4]", *words)
    full = 20_000 * 2 * 4 * 84 * 84 / 1e9
    written = yaml.safe_load((tmp_path / "mine.yaml").read_text())["slurm"]["memory_gb_per_training"]
    assert 1.25 * full < written < 1.25 * full + 3
