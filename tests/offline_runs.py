"""Make a folder of results whose trainings were tracked offline, by the real Tracker: python tests/offline_runs.py FOLDER.

seed 1  one start, with a result
seed 2  two starts: stopped after step 30, continued to step 60; with a result
seed 3  as seed 2, but the first was killed, and its file ends within a record
seed 4  one start, failed: no result
"""

import os
import sys
import time
from pathlib import Path

from rlhpc.records import Result, Training
from rlhpc.results.store import Store
from rlhpc.training.tracking import Tracker, WandbConfig

CONFIG = WandbConfig("offline", "mine")


def training(seed):
    return Training("bench", "Pong-v0", "ppo", seed, "Discrete", 100, {"class": "PPO"})


def track(store, seed, steps, score=None):
    """Track one start, and return what a result says of it."""
    folder = store.folder(training(seed))
    folder.mkdir(parents=True, exist_ok=True)
    tracker = Tracker(training(seed), CONFIG, "grid", folder)
    for step in steps:
        tracker.log({"score": 1.0}, step)
    tracker.finish(score)
    return tracker.record


def put(store, seed, record):
    times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
    store.write(Result(training(seed), 1.0, (1.0,), 100, wandb=record, **times))


def main(root):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        del os.environ[name]
    store = Store(root)
    for seed in (2, 3):
        track(store, seed, (10, 20, 30))
    track(store, 4, (10, 20))
    put(store, 1, track(store, 1, (10, 20), 1.0))
    time.sleep(1)  # wandb names folders by the second
    for seed in (2, 3):
        put(store, seed, track(store, seed, (40, 50, 60), 1.0))
    (first, _) = sorted(store.folder(training(3)).glob("wandb/offline-run-*/*.wandb"))
    os.truncate(first, first.read_bytes().rindex(b"_timestamp") + 3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
