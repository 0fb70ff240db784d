"""Submission of large grids: how long a launch takes to plan them, and to hand thousands of elements to a real Slurm.

    .venv/bin/python tests/benchmarks/submission.py
    .venv/bin/python tests/benchmarks/submission.py --seeds 60

The default grid (38 environments x 5 algorithms) with many seeds is launched on a throw-away cluster of tests/slurm, whose
arrays may be as long as it needs, and held there, so that nothing runs. Seconds are those of the whole command, Python's start
included: planned alone (--dry-run), submitted, and launched a second time, which must find all of it in the queue.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "slurm"))

from cluster import Cluster  # the tests' own

N_ELEMENTS = 5_000
PER_SEED, PER_ELEMENT = 190, 24  # trainings


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=N_ELEMENTS * PER_ELEMENT // PER_SEED + 1)
    n_seeds = parser.parse_args().seeds
    limits = {"MaxArraySize": 100_000, "MaxJobCount": 200_000}
    with tempfile.TemporaryDirectory() as folder, Cluster(conf=limits) as cluster:
        config = Path(folder) / "grid.yaml"
        config.write_text(f"name: big\nlogs_dir: {folder}\nseeds: {list(range(n_seeds))}\nslurm: {{options: {{hold: true}}}}\n")

        def launch(*words):
            command = [sys.executable, "jobs/launch_training.py", "--partition=gpu", "--json", "--config", str(config), *words]
            started = time.perf_counter()
            done = subprocess.run(command, cwd=ROOT, env=cluster.env, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - started
            assert done.returncode == 0, done.stderr
            return seconds, json.loads(done.stdout)

        planning, plan = launch("--dry-run")
        print(f"planned    {plan['n_to_train']:8,} trainings                  in {planning:5.1f} s")
        submitting, told = launch()
        n_queued = cluster.run("squeue", "-h", "-r", "-o", "%i").stdout.count("\n")
        print(f"submitted  {n_queued:8,} elements, {len(told['submitted'])} array(s)      in {submitting:5.1f} s")
        assert n_queued == told["n_array_elements"]
        again, found = launch()
        print(f"found      {found['n_in_queue']:8,} trainings in the queue     in {again:5.1f} s")
        assert (found["n_in_queue"], found["n_to_train"]) == (plan["n_to_train"], 0)
        cluster.run("scancel", "--partition=gpu")


if __name__ == "__main__":
    main()
