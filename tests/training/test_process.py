"""What the server of trainings imports; how processes start, speak and end is tested in test_node.py and test_chaos.py."""

import json
import subprocess
import sys

import pytest

from rlhpc.training.process import libraries_of

PENDULUM, PONG = "dm_control/pendulum-swingup-v0", "PongNoFrameskip-v4"
# Trains, saves and evaluates an agent, and prints the modules that were loaded before and at the end.
PROGRAM = """
import importlib, json, sys, tempfile
from pathlib import Path
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
before = set(sys.modules)
from rlhpc.records import Training
from rlhpc.training.settings import TrainSettings
from rlhpc.training.train import train
env_id = sys.argv[2]
hyperparameters = {"class": "A2C", "policy": "MultiInputPolicy" if env_id.startswith("dm_") else "CnnPolicy", "n_envs": 1}
training = Training("mine", env_id, "a2c", 1, "Discrete", 8, hyperparameters, {"n_episodes": 1})
with tempfile.TemporaryDirectory() as folder:
    train(training, Path(folder), TrainSettings("test", "cpu"))
print(json.dumps([sorted(before), sorted(sys.modules)]))
"""
OF_TASKS = ("dm_control", "mujoco", "shimmy", "labmaze")


def modules(libraries, env_id):
    """Return the modules of simulators that are loaded by some libraries, and at the end of a training."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(libraries), env_id]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return ({name for name in found if name.startswith(OF_TASKS)} for found in json.loads(done.stdout.splitlines()[-1]))


def test_where_no_task_of_the_control_suite_is_trained_dm_control_is_never_loaded():
    before, after = modules(libraries_of([PONG, "CartPole-v1"]), PONG)
    assert before == after == set()


def test_a_training_of_a_task_imports_no_simulator_that_its_server_has_not():
    before, after = modules(libraries_of([PONG, PENDULUM]), PENDULUM)
    assert before == after
    assert {"dm_control.suite", "mujoco", "shimmy"} <= before


def test_what_a_module_of_the_users_is_built_on_is_not_known_and_so_all_is_there():
    assert libraries_of([f"my_package:{PONG}"]) == libraries_of([PENDULUM])


@pytest.mark.parametrize("env_ids", [[PONG], [PENDULUM]])
def test_the_last_that_a_server_imports_is_what_all_trainings_need(env_ids):
    assert libraries_of(env_ids)[-1] == "rlhpc.training.preload"  # it freezes the collector, when all is there
