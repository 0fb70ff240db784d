import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rlhpc.records import Training
from rlhpc.training import random_scores
from rlhpc.training.random_agent import Trials, play
from rlhpc.training.random_scores import RandomScore

JOB = Path(__file__).parents[2] / "jobs" / "random_score.py"
without_box2d = pytest.mark.skipif(importlib.util.find_spec("Box2D") is not None, reason="absent: a Gymnasium without Box2D")


@pytest.fixture
def refuse(monkeypatch, capsys):
    """Return what the job says of a command line that it refuses; in this process, for it imports a lot."""

    def refuse(*arguments):
        monkeypatch.setattr(sys, "argv", [str(JOB), *arguments])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(JOB), run_name="__main__")
        shown = capsys.readouterr()
        assert (ended.value.code, shown.out) == (2, "")
        return shown.err

    return refuse


def test_scores_are_those_that_the_random_agent_has_in_a_grid(tmp_path):
    """To the bit, though every trial is played by another process; and nothing is written."""
    arguments = ("CartPole-v1", "Pendulum-v1", "CartPole-v1", "--n-trials", "2", "--n-episodes", "3", "--seed", "7", "--json")
    done = subprocess.run([sys.executable, JOB, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert (answer["seed"], answer["n_trials"]) == (7, 2)
    assert [row["env_id"] for row in answer["scores"]] == ["CartPole-v1", "Pendulum-v1"]
    for row in answer["scores"]:
        trials = Trials()
        hyperparameters = {"class": "Random", "n_trials": 2, "n_episodes": 3}
        play(trials, Training("custom", row["env_id"], "random", 7, "Discrete", 0, hyperparameters), lambda _: None)
        assert row["score"] == np.mean(trials.scores)
        assert row["standard_error"] == pytest.approx(np.std(trials.scores, ddof=1) / 6**0.5)
        assert row["n_episodes"] == 6
    assert list(tmp_path.iterdir()) == []


def test_the_table_shows_one_line_an_environment(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("job_under_test", JOB)
    job = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(job)
    scores = [RandomScore("CartPole-v1", 2.5, 0.6455, 4), RandomScore("Pendulum-v1", -1100.0, 100.0, 2)]
    monkeypatch.setattr(random_scores, "play", lambda *_: scores)
    job.main(job.parser().parse_args(["CartPole-v1", "Pendulum-v1", "--n-trials", "2"]))
    assert capsys.readouterr().out.splitlines() == [
        "environment  random score  standard error  episodes",
        "CartPole-v1        2.5000          0.6455         4",
        "Pendulum-v1    -1100.0000        100.0000         2",
    ]


def test_every_fault_is_told_at_once(refuse):
    assert refuse("CartPole-v9", "Pendulm-v1", "--n-trials", "0", "--seed", "-1").splitlines() == [
        "error: --n-trials 0 must be at least 1.",
        "--seed -1 must lie between 0 and 2147483647.",
        "unknown environment 'CartPole-v9'. Did you mean 'CartPole-v1'?",
        "unknown environment 'Pendulm-v1'. Did you mean 'Pendulum-v1'?",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "no environment given: name Gymnasium ids, or --benchmarks atari100k."),
        (("--benchmarks", "atari100"), "unknown benchmark 'atari100'. Did you mean 'atari100k'?"),
        (("CartPole-v1", "--n-trials", "1", "--n-episodes", "1"), "one episode has no standard error: play at least 2."),
        (("CartPole-v1", "--n-episodes", "many"), "argument --n-episodes: invalid int value: 'many'"),
    ],
)
def test_a_wrong_command_line_is_refused_with_what_to_do(refuse, arguments, told):
    assert told in refuse(*arguments)


@without_box2d
def test_an_environment_that_cannot_be_made_is_told_with_the_reason(refuse):
    assert "environment 'LunarLander-v3' cannot be made: DependencyNotInstalled" in refuse("LunarLander-v3")


@without_box2d
def test_all_environments_that_cannot_be_made_are_told(refuse):
    told = refuse("LunarLander-v3", "BipedalWalker-v3")
    assert "'LunarLander-v3' cannot be made" in told
    assert "'BipedalWalker-v3' cannot be made" in told


BROKEN = """
import gymnasium
class Raises(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)
    def reset(self, **how):
        return 0, {}
    def step(self, action):
        raise OverflowError("the arm broke")
class Nan(Raises):
    def step(self, action):
        return 0, float("nan"), True, False, {}
gymnasium.register("Raises-v0", Raises)
gymnasium.register("Nan-v0", Nan)
"""


@pytest.mark.parametrize(("env_id", "reason"), [("Raises-v0", "the arm broke"), ("Nan-v0", "not finite")])
def test_an_environment_that_breaks_is_one_line_with_its_name(tmp_path, env_id, reason):
    (tmp_path / "broken_envs.py").write_text(BROKEN)
    arguments = (f"broken_envs:{env_id}", "--n-trials", "1", "--n-episodes", "2", "--json")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, JOB, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"broken_envs:{env_id}" in done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
