"""A small real grid on a test cluster: launched, followed, audited, and held against the same grid undisturbed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import tracing

from rlhpc.cluster import submission
from rlhpc.results.store import Store

ROOT = Path(__file__).resolve().parents[2]
SECONDS_TO_END = 240
STEP_SECONDS = 0.02  # of a grid that is to be disturbed: 512 steps take 10 s
LONG_STEP_SECONDS = 0.06  # of one that still trains when it is looked at or launched again, by a machine that is busy
# Slurm warns as much as 30 s before it was asked to: of 2 minutes, when 55 to 85 s of them are over.
TIME_LIMIT = ("slurm.timeout_min=2",)
BEYOND_TIME_LIMIT = {"n_trainings": 1, "step_seconds": 88 / 512}  # so that the first job cannot end it


class Grid:
    """A grid of PPO trainings of several seeds.

    Parameters
    ----------
    cluster : Cluster
    folder : Path
        For the results.
    *overrides : str
        ``key=value``, laid over those below.
    """

    def __init__(self, cluster, folder, *overrides, n_trainings=4, n_steps=512, step_seconds=STEP_SECONDS, together=0):
        self.cluster = cluster
        self.folder = folder
        self.trace = folder / "trace"
        self.trace.mkdir(parents=True, exist_ok=True)
        self.n_trainings = n_trainings
        self.env = {
            "PYTHONPATH": str(Path(__file__).parent),
            tracing.TRACE: str(self.trace),
            tracing.SECONDS: str(step_seconds),
            tracing.TOGETHER: str(together),
        }
        self.words = [
            "name=grid",
            f"logs_dir={folder}",
            f"envs=[{tracing.ENV_ID}]",
            "algos=[ppo]",
            f"seeds=[{','.join(map(str, range(1, n_trainings + 1)))}]",
            f"budget.total_timesteps={n_steps}",
            "evaluation.n_episodes=1",
            "hyperparameters={ppo: {all: {n_envs: 1, n_steps: 32, batch_size: 32, n_epochs: 1}}}",
            "device=cpu",
            "tensorboard=false",
            "checkpoint_minutes=0.03",
            "stop_seconds=5",
            "packing.trainings_per_gpu=2",
            "slurm.cpus_per_training=0.25",
            "slurm.memory_gb_per_training=0.5",
            "slurm.timeout_min=30",
            *overrides,
        ]

    @property
    def store(self):
        return Store(self.folder / "grid")

    def launch(self, *words, code=0, partition="gpu"):
        """Launch it; return what the job answers as data."""
        flags = [f"--partition={partition}"] if partition else []
        done = self.run("launch_training", *flags, "--json", *self.words, *words)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if code == 0 else done.stderr

    def run(self, job, *words):
        """Run one of the jobs in the cluster's environment."""
        command = [sys.executable, f"{ROOT}/jobs/{job}.py", *map(str, words)]
        return self.cluster.run(*command, check=False, timeout=300, env=self.env, cwd=ROOT)

    def results(self):
        """Return the policy's digest of every stored training."""
        return {result.training.seed: result.policy_sha256 for result in self.store.iterate()}

    def elements(self):
        """Return what waits or runs of it, as squeue tells: (job id, state)."""
        names = [each.job_name for each in submission.read_all(self.store.root)]
        shown = self.cluster.run("squeue", "-h", "-a", "-r", f"--name={','.join(names)}", "-o", "%i %T").stdout
        return [tuple(line.split()) for line in shown.splitlines()]

    def wait_for(self, is_so, seconds=SECONDS_TO_END):
        """Wait until something is so; on failure, tell what the elements printed."""
        deadline = time.monotonic() + seconds
        while not (value := is_so()):
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.3)
        return value

    def wait_until_ended(self):
        """Wait until nothing of it waits or runs."""
        self.wait_for(lambda: not self.elements())

    def wait_for_checkpoints(self, n=1):
        """Wait until so many trainings have saved something, and run."""
        self.wait_for(lambda: len({path.parent for path in self.store.trainings.glob("*/*/*/*/checkpoint-*")}) >= n)

    def output(self):
        """Return everything that the elements printed, and the queue."""
        logs = sorted((self.store.root / "slurm").glob("*/*.out"))
        queue = self.cluster.run("squeue", "-a", "-r", "-t", "all", check=False).stdout
        outputs = [f"--- {path}\n{path.read_text(errors='replace')}" for path in logs]
        trainings = [path.read_text(errors="replace")[-1000:] for path in self.store.trainings.glob("*/*/*/*/output.log")]
        return "\n".join([queue, *outputs, *trainings])[-20_000:]

    def assert_whole(self, undisturbed=None):
        """See that every training is recorded exactly once, and came to what it comes to undisturbed."""
        audit = self.run("audit", self.store.root)
        assert audit.returncode == 0, audit.stdout + self.output()
        assert len(self.results()) == self.n_trainings
        if undisturbed is not None:
            assert self.results() == {seed: undisturbed[seed] for seed in self.results()}

    def assert_continued(self, undisturbed, at_most=1):
        """Wait until it has ended; see that it is whole, and that each training was continued: once, or at most so often."""
        self.wait_until_ended()
        self.assert_whole(undisturbed)
        assert all(1 <= n_resumes <= at_most for n_resumes in self.resumes().values())

    def resumes(self):
        """Return how often each training was continued from a checkpoint."""
        return {result.training.seed: len(result.resumes) for result in self.store.iterate()}


def undisturbed(folder, **settings):
    """Train a grid on this machine, without a cluster and without delay; return the digests of its policies."""
    grid = Grid(None, folder, step_seconds=0, **settings)
    command = [sys.executable, "jobs/launch_training.py", "--cluster", "local", *grid.words]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | grid.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return grid.results()
