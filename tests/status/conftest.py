"""Stores, and what lies in the folders of trainings that run, wait or have ended."""

import dataclasses
import datetime as dt
import json
import os

import pytest

from rlhpc.cluster.queue import QueuedElement
from rlhpc.records import Result, Training
from rlhpc.results import progress
from rlhpc.results.holder import this_process
from rlhpc.results.lease import LEASE
from rlhpc.results.progress import Phase, Progress
from rlhpc.results.store import Store

NOW = dt.datetime(2025, 6, 1, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "logs" / "mine")


@pytest.fixture
def make_progress():
    """Make what a training tells: halfway at 10 steps a second, unless told otherwise."""

    def make(**changes):
        made = Progress(1, 500, 1000, False, Phase.LEARNING, 10.0, NOW.isoformat(), NOW.isoformat(), "1", "n1", "12_3")
        return dataclasses.replace(made, **changes)

    return make


@pytest.fixture
def make_training():
    def make(seed=1, algo="ppo", env_id="X-v0", benchmark="bench"):
        return Training(benchmark, env_id, algo, seed, "Discrete", 1000, {"class": "PPO"})

    return make


@pytest.fixture
def put(store):
    """Store the result of a training."""

    def write(training):
        times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
        return store.write(Result(training, 1.0, (1.0,), 1000, **times))

    return write


@pytest.fixture
def elsewhere():
    """A supervisor on another machine."""
    return dataclasses.replace(this_process(), host="n1", boot_id="another", pid=77, job="12_3")


@pytest.fixture
def hold(store, elsewhere):
    """Have a supervisor hold the lease of a training, renewed some seconds ago, and tell of its progress."""

    def take(training, told=None, seconds_ago=1.0, holder=elsewhere):
        folder = store.folder(training)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LEASE
        path.write_text(json.dumps(dataclasses.asdict(holder)))
        at = dt.datetime.now(dt.UTC).timestamp() - seconds_ago
        os.utime(path, (at, at))
        if told is not None:
            progress.write(folder, dataclasses.replace(told, at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds")))
        return folder

    return take


@pytest.fixture
def element():
    """Make an element of an array in the queue."""

    def make(state="PENDING", reason="Priority", index=3, job_name="mine-0", starts_at=""):
        return QueuedElement(f"12_{index}", job_name, index, state, reason, starts_at)

    return make
