"""Status of a large grid: how long `python jobs/status.py` takes over thousands of stored results, each of which it verifies.

    .venv/bin/python tests/benchmarks/status.py
    .venv/bin/python tests/benchmarks/status.py --n 760 --repeat 5

The results are made by the real store, in a temporary folder, with as many fields as those of real trainings; of every hundredth
training there is a checkpoint and an attempt instead. Seconds are those of the whole command, Python's start included, with the
files in the system's cache; the median and the range of the repetitions are shown. "second look" is what --watch takes to look
again, within one process: results that were verified are only asked for their time and size.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rlhpc.cluster.recent import RecentQueue
from rlhpc.records import Result, Training
from rlhpc.results.store import Store
from rlhpc.status.look import Looker

ROOT = Path(__file__).resolve().parents[2]
UNFINISHED_EVERY = 100
HYPERPARAMETERS = {"class": "PPO", "n_envs": 8, "n_steps": 128, "batch_size": 256, "policy_kwargs": {"net_arch": [64, 64]}}
HYPERPARAMETERS |= {f"value_{n}": n / 7 for n in range(15)}
VERSIONS = {f"package-{n}": "1.2.3" for n in range(12)}


def training(n):
    """Make the training of a place in the grid: 5 algorithms, 4 seeds, as many environments as that takes."""
    env, rest = divmod(n, 20)
    algo, seed = divmod(rest, 4)
    evaluation = {"n_episodes": 100}
    return Training("bench", f"Env{env}-v0", f"algo{algo}", seed, "Discrete", 100_000, HYPERPARAMETERS, evaluation)


def make_grid(store, n):
    """Store the results of a grid, all but some."""
    grid = [training(place) for place in range(n)]
    scores = tuple(place * 1.25 for place in range(100))
    times = {"train_seconds": 1.5, "evaluation_seconds": 0.5, "started_at": "2025-01-01", "finished_at": "2025-01-02"}
    os.fsync = lambda _descriptor: None  # not what is measured, and half of the time it would take to make them
    for place, each in enumerate(grid):
        if place % UNFINISHED_EVERY:
            store.write(Result(each, 61.875, scores, 100_000, **times, versions=VERSIONS))
        else:
            store.write_attempts(each, [{"attempt": 1, "reason": "killed by SIGKILL", "forgiven": True}])
            (store.folder(each) / "checkpoint-000000050000").write_bytes(b"")
    store.write_grid(grid)


def seconds_of(work):
    """Return what some work returns, and how long it took."""
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--n", type=int, default=10_000, help="trainings (default: 10000)")
    built.add_argument("--repeat", type=int, default=3, metavar="N", help="repetitions (default: 3)")
    return built


def main(args):
    """Make a grid, and measure."""
    with tempfile.TemporaryDirectory(prefix="rlhpc-status-") as made:
        store = Store(Path(made) / "grid")
        _, making = seconds_of(lambda: make_grid(store, args.n))
        command = [sys.executable, "jobs/status.py", str(store.root), "--json"]
        looks = []
        for _ in range(args.repeat):
            done, seconds = seconds_of(lambda: subprocess.run(command, cwd=ROOT, capture_output=True, check=True))
            looks.append(seconds)
        counts = json.loads(done.stdout)["counts"]
        n_unfinished = len(range(0, args.n, UNFINISHED_EVERY))
        if (counts["done"], counts["stopped"]) != (args.n - n_unfinished, n_unfinished):
            raise SystemExit(f"status counts {counts}")
        looker = Looker(store, RecentQueue(None))
        looker.look()
        again = [seconds_of(looker.look)[1] for _ in range(args.repeat)]
    print(f"{args.n:,} trainings, {n_unfinished:,} of them unfinished (made in {making:.0f} s), load {os.getloadavg()[0]:.1f}")
    for what, found in (("jobs/status.py", looks), ("second look", again)):
        print(f"  {what:14s} {statistics.median(found):6.2f} s  (of {len(found)}: {min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main(parser().parse_args())
