"""Small real trainings, a listener that remembers, and a control group whose memory runs out."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from stable_baselines3.common.env_util import make_vec_env

from rlhpc.records import Training
from rlhpc.training import memory_kills
from rlhpc.training.settings import TrainSettings

HYPERPARAMETERS = {"class": "PPO", "n_envs": 2, "n_steps": 32, "n_epochs": 1, "batch_size": 32}


class Memory:
    """A listener that remembers what it heard, and may act on it."""

    def __init__(self, on_start=lambda training: None):
        self.events = []
        self.on_start = on_start

    def started(self, training, attempt, timesteps):
        self.events.append(("started", training.name, attempt, timesteps))
        self.on_start(training)

    def stored(self, training):
        self.events.append(("stored", training.name))

    def failed(self, training, reason, *, will_retry):
        self.events.append(("failed", training.name, reason, will_retry))

    def said(self, training, sentence):
        self.events.append(("said", training.name, sentence))

    def stopping(self, n_running, seconds):
        self.events.append(("stopping", n_running, seconds))

    def heard(self, kind):
        """List what was heard of one kind."""
        return [event[1:] for event in self.events if event[0] == kind]


@pytest.fixture
def listen():
    return Memory


@pytest.fixture(scope="session")
def settings():
    return TrainSettings(group="test", device="cpu")


@pytest.fixture(scope="session")
def make_training():
    """Make a training of seconds: PPO on CartPole, unless told otherwise."""

    def make(env_id="CartPole-v1", algo="ppo", seed=1, total_timesteps=64, n_episodes=2, hyperparameters=None):
        continuous = env_id.startswith(("dm_control", "Pendulum"))
        return Training(
            benchmark="custom",
            env_id=env_id,
            algo=algo,
            seed=seed,
            action_space="Continuous" if continuous else "Discrete",
            total_timesteps=total_timesteps,
            hyperparameters=hyperparameters or HYPERPARAMETERS,
            evaluation={"n_episodes": n_episodes},
        )

    return make


@pytest.fixture
def memory_group():
    """Make a control group of 1 GB of memory; where this cannot be done, there is no real kill by the kernel to be tested."""
    limits = {"/sys/fs/cgroup/memory": "memory.limit_in_bytes", "/sys/fs/cgroup": "memory.max"}
    found = next(((Path(group), limit) for group, limit in limits.items() if os.access(group, os.W_OK)), None)
    if found is None or Path("/proc/swaps").read_text().count("\n") > 1:
        pytest.skip("absent: control groups that this user may make, on a machine without swap")
    if not any(file.exists() for file in memory_kills.of_the_group()):
        pytest.skip("absent: a control group of this process that tells of kills")
    made = found[0] / f"rlhpc-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"absent: control groups of memory ({error})")
    try:
        if not (made / found[1]).exists():
            pytest.skip("absent: control groups of memory")
        (made / found[1]).write_text(str(1 << 30))
        yield made
    finally:
        for _ in range(300):  # what was killed in it may take a while to end
            with contextlib.suppress(OSError):
                made.rmdir()
                break
            time.sleep(0.1)
        else:
            made.rmdir()  # says what is wrong


@pytest.fixture(scope="module")
def cartpole():
    env = make_vec_env("CartPole-v1", n_envs=2, seed=1)
    yield env
    env.close()


@pytest.fixture(scope="module")
def pendulum():
    env = make_vec_env("Pendulum-v1", n_envs=1, seed=1)
    yield env
    env.close()


@pytest.fixture(autouse=True, scope="session")
def logs_of_models_without_a_logger(tmp_path_factory):
    """Keep out of the system's temporary folder what SB3 writes for a model that was given no logger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB3_LOGDIR", str(tmp_path_factory.mktemp("sb3")))
        yield
