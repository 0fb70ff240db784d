import os
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from rlhpc.benchmarks import load_benchmarks
from rlhpc.errors import InputError
from rlhpc.training import registry

USERS_PACKAGE = """
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv
gymnasium.register("Mine-v0", CartPoleEnv, max_episode_steps=10)
"""


@pytest.fixture
def users_package(tmp_path, monkeypatch):
    """A module of a user's own that registers an environment."""
    (tmp_path / "users_package.py").write_text(USERS_PACKAGE)
    monkeypatch.syspath_prepend(tmp_path)
    yield "users_package:Mine-v0"
    gymnasium.registry.pop("Mine-v0", None)
    sys.modules.pop("users_package", None)


def test_every_environment_of_the_shipped_benchmarks_is_registered():
    assert registry.unknown_ids(env.env_id for env in load_benchmarks()) == []


@pytest.mark.parametrize(
    ("env_id", "nearest"),
    [
        ("CartPole-v9", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("PongNoFrameskip", "PongNoFrameskip-v4"),
        ("dm_control/cheetah-runs-v0", "dm_control/cheetah-run-v0"),
    ],
)
def test_an_unknown_environment_is_told_with_the_nearest(env_id, nearest):
    assert registry.unknown_ids(["CartPole-v1", env_id]) == [f"unknown environment '{env_id}'. Did you mean '{nearest}'?"]


@pytest.mark.parametrize("env_id", ["", "a b", "zzzzzzzz"])
def test_what_resembles_nothing_is_told_with_some_that_there_are(env_id):
    (told,) = registry.unknown_ids([env_id])
    assert told.startswith(f"unknown environment '{env_id}'. Allowed: ALE/")
    assert f"({len(gymnasium.registry)} in all)" in told


def test_an_environment_of_a_users_module_may_be_made_of_a_task_of_the_control_suite(tmp_path):
    """In a process that has asked for no task."""
    (tmp_path / "users_tasks.py").write_text("""
import gymnasium


class Mine(gymnasium.Wrapper):
    def __init__(self):
        super().__init__(gymnasium.make("dm_control/pendulum-swingup-v0"))


gymnasium.register("Mine-v0", Mine)
""")
    program = "from rlhpc.training.registry import action_space; print(action_space('users_tasks:Mine-v0'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("Continuous\n", "")


def test_an_environment_of_a_users_module_is_known_and_can_be_made(users_package):
    assert registry.unknown_ids([users_package]) == []
    assert not registry.is_atari(users_package)
    assert registry.action_space(users_package) == "Discrete"


def test_a_module_that_cannot_be_imported_is_told():
    (told,) = registry.unknown_ids(["no_such_module:Mine-v0"])
    assert "No module named 'no_such_module'" in told


@pytest.mark.parametrize("env_id", [":CartPole-v1", ".module:CartPole-v1", "broken_module:Mine-v0"])
def test_a_module_that_is_no_name_or_fails_is_told(tmp_path, monkeypatch, env_id):
    (tmp_path / "broken_module.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(tmp_path)
    (told,) = registry.unknown_ids([env_id])
    assert f"'{env_id}'" in told


@pytest.mark.parametrize(
    ("env_id", "is_atari"),
    [
        ("PongNoFrameskip-v4", True),
        ("ALE/Pong-v5", True),
        ("CartPole-v1", False),
        ("dm_control/cheetah-run-v0", False),
    ],
)
def test_atari_games_are_told_from_others(env_id, is_atari):
    assert registry.is_atari(env_id) == is_atari


@pytest.mark.parametrize(
    ("env_id", "space"),
    [("CartPole-v1", "Discrete"), ("Pendulum-v1", "Continuous"), ("dm_control/cheetah-run-v0", "Continuous")],
)
def test_an_action_space_is_named_as_benchmarks_name_it(env_id, space):
    assert registry.action_space(env_id) == space


def test_an_environment_that_cannot_be_made_is_told_with_the_reason():
    def fail():
        raise RuntimeError("no licence")

    gymnasium.register("Broken-v0", fail)
    try:
        with pytest.raises(InputError, match="environment 'Broken-v0' cannot be made: RuntimeError: no licence"):
            registry.action_space("Broken-v0")
    finally:
        del gymnasium.registry["Broken-v0"]


@pytest.mark.parametrize(("own", "expected"), [(None, "disabled"), ("egl", "egl")])
def test_nothing_is_rendered_unless_the_user_says_how(own, expected):
    environment = {name: value for name, value in os.environ.items() if name != "MUJOCO_GL"}
    environment |= {"MUJOCO_GL": own} if own else {}
    code = "import os; import rlhpc.training.physics; print(os.environ['MUJOCO_GL'])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    ("observations", "actions", "reason"),
    [
        (spaces.Text(5), spaces.Discrete(2), "Text observations"),
        (spaces.Discrete(2), spaces.Box(-np.inf, np.inf, (1,)), "actions without bounds"),
    ],
)
def test_an_environment_in_which_no_agent_can_act_is_refused(observations, actions, reason):
    class Odd(gymnasium.Env):
        observation_space, action_space = observations, actions

    gymnasium.register("Odd-v0", Odd)
    try:
        with pytest.raises(InputError, match=reason):
            registry.action_space("Odd-v0")
    finally:
        del gymnasium.registry["Odd-v0"]


def test_an_atari_game_without_screens_in_colour_is_refused():
    gymnasium.register("Ram-v0", "ale_py.env:AtariEnv", kwargs={"game": "pong", "obs_type": "ram"})
    try:
        with pytest.raises(InputError, match=r"'Ram-v0' is an Atari game whose observations are not .* obs_type='rgb'"):
            registry.action_space("Ram-v0")
    finally:
        del gymnasium.registry["Ram-v0"]
    assert registry.action_space("ALE/Pong-v5") == "Discrete"


@pytest.mark.parametrize("where", ["server", "launch"])
def test_what_shimmy_says_of_environments_that_it_cannot_register_leaves_standard_output_alone(where):
    program = """
import importlib, sys
sys.modules["labmaze"] = None
from rlhpc.training.process import libraries_of
from rlhpc.training.registry import is_registered
if sys.argv[1] == "server":
    [importlib.import_module(name) for name in libraries_of(["dm_control/pendulum-swingup-v0"])]
assert is_registered("dm_control/pendulum-swingup-v0")
"""
    done = subprocess.run([sys.executable, "-c", program, where], capture_output=True, text=True, check=True)
    assert "locomotion" in done.stderr
    assert done.stdout == ""


def test_a_game_is_made_without_the_emulators_banner():
    code = "from rlhpc.training import registry; registry.action_space('Pong-v4')"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
