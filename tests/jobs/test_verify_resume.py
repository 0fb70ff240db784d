"""The job verify_resume: identical where a training is continued exactly, the first difference where it is not."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from rlhpc.records import Training
from rlhpc.training import verify
from rlhpc.training.algos import load_algos
from rlhpc.training.registry import is_atari

ATARI = "MsPacmanNoFrameskip-v4"
DMC = ("dm_control/reacher-hard-v0", "dm_control/finger-spin-v0")  # these write into MuJoCo's model
# The shipped hyperparameters with short rollouts and few updates: a budget of seconds with a rollout between any two kills.
SHORT = {
    "a2c": {"n_envs": 2, "n_steps": 20},
    "ppo": {"n_envs": 2, "n_steps": 64, "n_epochs": 2, "batch_size": 64},
    "recurrent_ppo": {"n_envs": 2, "n_steps": 64, "n_epochs": 1, "batch_size": 64},
    "trpo": {"n_envs": 2, "n_steps": 32, "n_critic_updates": 1, "cg_max_steps": 3},
    "dqn": {"learning_starts": 100, "train_freq": 16},
    "sac": {"learning_starts": 100, "train_freq": 8},
}
ON_POLICY = ("a2c", "ppo", "recurrent_ppo", "trpo")
FITTING = [(algo, ATARI) for algo in (*ON_POLICY, "dqn")] + [(algo, env_id) for env_id in DMC for algo in (*ON_POLICY, "sac")]
# Two episodes of DMC in each environment; on Atari, where an agent step costs ten times as much, a rollout between the kills.
ATARI_TIMESTEPS = {"a2c": 800, "dqn": 1_000, "ppo": 1_024, "recurrent_ppo": 1_024, "trpo": 512}
DMC_TIMESTEPS = 2_200
SHORT_ROLLOUTS = ("n_envs=2", "n_steps=64")


def environment(tmp_path, **more):
    """Return an environment whose temporary files go to a folder of the test."""
    return {**os.environ, "TMPDIR": str(tmp_path), **more}


def run(root, *arguments, **options):
    command = [sys.executable, "jobs/verify_resume.py", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("algo", "env_id"), FITTING)
def test_a_training_killed_three_times_comes_to_the_same_bits(tmp_path, algo, env_id):
    (loaded,) = load_algos([algo], {algo: {"all": SHORT[algo]}})
    hyperparameters = loaded.hyperparameters(env_id, is_atari=is_atari(env_id))
    space = "Discrete" if env_id == ATARI else "Continuous"
    timesteps = ATARI_TIMESTEPS[algo] if env_id == ATARI else DMC_TIMESTEPS * hyperparameters["n_envs"]
    training = Training("custom", env_id, algo, 111, space, timesteps, hyperparameters, {"n_episodes": 1})

    found = verify.verify(training, tmp_path, n_kills=3)

    assert found.differences == ()
    steps = [resume["timesteps"] for resume in found.resumes]
    assert len(steps) == 3
    assert 0 < steps[0] < steps[1] < steps[2] < timesteps


@pytest.mark.slow
def test_identical_is_printed_and_nothing_is_left_behind(root, tmp_path):
    done = run(root, "--env", "CartPole-v1", "--algo", "ppo", "n_envs=2", env=environment(tmp_path))
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    assert done.stdout.startswith("identical: custom/CartPole-v1/ppo/111, 3,000 agent steps, killed and continued from ")
    assert list(tmp_path.glob("rlhpc-verify-*")) == []


FORGETFUL = """
    import os
    import gymnasium
    from gymnasium.envs.classic_control import CartPoleEnv

    class Forgetful(CartPoleEnv):
        n_steps = 0  # of the class: no part of any object, and so of no snapshot
        def step(self, action):
            Forgetful.n_steps += 1
            observation, reward, *rest = super().step(action)
            return observation, reward + Forgetful.n_steps / 1000, *rest

    gymnasium.register("Forgetful-v0", entry_point=Forgetful, max_episode_steps=500)
"""


@pytest.mark.slow
def test_an_environment_that_hides_its_state_is_found_out_and_both_results_are_kept(root, tmp_path):
    (tmp_path / "forgetful.py").write_text(textwrap.dedent(FORGETFUL))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    where = environment(temporary, PYTHONPATH=str(tmp_path))
    done = run(root, "--env", "forgetful:Forgetful-v0", "--algo", "ppo", "--json", *SHORT_ROLLOUTS, env=where)
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert answer["identical"] is False
    assert answer["differences"][0].startswith("learning_curve.csv, line ")
    (kept,) = temporary.glob("rlhpc-verify-*")
    assert answer["folder"] == str(kept)
    assert {path.name for path in kept.iterdir()} == {"straight", "killed"}


def test_everything_that_is_wrong_is_told_at_once(root):
    done = run(root, "--env", "CartPol-v1", "--algo", "pp", "--kills", "-1", "--timesteps", "0", "--seed", "-5")
    assert done.returncode == 2
    for words in ("Did you mean 'CartPole-v1'?", "Did you mean 'ppo'?", "--kills -1", "--timesteps 0", "--seed -5"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--env", "CartPole-v1", "--algo", "sac"), "cannot act in the Discrete actions"),
        (("--env", "CartPole-v1", "--algo", "random"), "not trained"),
        (("--env", "CartPole-v1", "--algo", "ppo", "n_stepz=3"), "Did you mean 'n_steps'?"),
        (("--env", "CartPole-v1", "--algo", "ppo", "n_steps"), "key=value"),
    ],
)
def test_what_cannot_be_verified_is_refused(root, arguments, words):
    done = run(root, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


@pytest.mark.slow
def test_a_training_that_cannot_be_saved_is_an_error_and_no_proof(root, tmp_path):
    text = FORGETFUL.replace("Forgetful", "Locked").replace("n_steps = 0", "n_steps = 0; lock = None")
    text = text.replace("Locked.n_steps += 1", "Locked.n_steps += 1; self.lock = self.lock or __import__('threading').Lock()")
    (tmp_path / "locked.py").write_text(textwrap.dedent(text))
    where = environment(tmp_path, PYTHONPATH=str(tmp_path))
    done = run(root, "--env", "locked:Locked-v0", "--algo", "ppo", *SHORT_ROLLOUTS, env=where)
    assert done.returncode == 1
    assert "This training cannot be saved (TypeError: cannot pickle '_thread.lock' object)" in done.stderr
    assert "output.log" in done.stderr


@pytest.mark.slow
def test_a_training_that_ends_before_its_kills_is_an_error_and_no_proof(root, tmp_path):
    arguments = ("--env", "CartPole-v1", "--algo", "ppo", "--timesteps", "300", "n_steps=256", "n_envs=1")
    done = run(root, *arguments, env=environment(tmp_path))
    assert done.returncode == 2
    assert "Give more --timesteps" in done.stderr
