"""Start-up: how long until all of N trainings step, and how much memory they then take, by the way they are started.

    .venv/bin/python tests/benchmarks/start_up.py
    .venv/bin/python tests/benchmarks/start_up.py --n 6 --env MsPacmanNoFrameskip-v4 --repeat 3

Three ways, in turn in one session, each with one thread a training and the same function that trains:

spawned           N processes of multiprocessing's "spawn", each of which imports everything
supervised        `rlhpc.training.node.supervise`: forked from a server that has imported everything once
launch_training   the job as a user runs it, which also plans, checks hyperparameters with torch, and writes the grid down

Seconds count from the start of the command until the last training has made its first step, by the trainings' own time stamps.
Megabytes are the proportional set size (PSS, in which a page that k processes share counts 1/k in each) of all processes of the
tree, once each training has learned from one rollout. A ratio above 1 is in favour of what we do. Others at work on the machine
disturb seconds, less so ratios; the median of the repetitions is shown.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import psutil

ROOT = Path(__file__).resolve().parents[2]
ENV_ID, STAMPS = "RLHPC_START_UP_ENV", "RLHPC_START_UP_STAMPS"  # what the stamping environment is told
ROLLOUT = 64  # steps
HYPERPARAMETERS = {"n_envs": 1, "n_steps": ROLLOUT, "n_epochs": 1, "batch_size": ROLLOUT}
ENDLESS = 10**9  # agent steps
SECONDS_TO_START = 600


class StampingEnv(gymnasium.Wrapper):
    """An environment that leaves a file with the time when it first steps, and when a rollout has been learned from."""

    def __init__(self):
        from rlhpc.training import registry  # noqa: PLC0415

        registry.is_registered(os.environ[ENV_ID])  # what it wraps is now
        super().__init__(gymnasium.make(os.environ[ENV_ID]))
        self._n_steps = 0

    def step(self, action):
        self._n_steps += 1
        if self._n_steps in (1, ROLLOUT + 1):
            Path(os.environ[STAMPS], f"{self._n_steps}-{os.getpid()}").write_text(str(time.time()))
        return self.env.step(action)


gymnasium.register("Stamping-v0", entry_point=StampingEnv)


def trainings(n):
    """Make N endless trainings."""
    from rlhpc.records import Training  # noqa: PLC0415  # of the commands below, none imports more than it needs

    hyperparameters = {"class": "PPO", **HYPERPARAMETERS}
    return [
        Training("custom", "start_up:Stamping-v0", "ppo", seed, "Continuous", ENDLESS, hyperparameters, {"n_episodes": 1})
        for seed in range(n)
    ]


def settings():
    """Make the settings of all of them."""
    from rlhpc.training.settings import TrainSettings  # noqa: PLC0415

    return TrainSettings("start_up", "cpu", tensorboard=False)


def train(training, folder):
    """Carry out a training; the body of a spawned process."""
    from rlhpc.training.train import train  # noqa: PLC0415

    train(training, folder, settings())


def spawned(n, folder):
    """Start each training in a new process."""
    import multiprocessing  # noqa: PLC0415

    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train, args=(each, folder / str(each.seed))) for each in trainings(n)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def supervised(n, folder):
    """Start the trainings as the product does."""
    from rlhpc.results.store import Store  # noqa: PLC0415
    from rlhpc.training.node import supervise  # noqa: PLC0415
    from rlhpc.training.places import places  # noqa: PLC0415
    from rlhpc.training.progress_bar import ProgressBar  # noqa: PLC0415

    supervise(trainings(n), places((), n), Store(folder), settings(), ProgressBar(n))


def launch_command(n, folder):
    """Return the command line of the job that does the same."""
    changes = ", ".join(f"{name}: {value}" for name, value in HYPERPARAMETERS.items())
    return [
        *(sys.executable, "jobs/launch_training.py", "--cluster", "local", "--trainings-per-gpu", str(n)),
        *("envs=[start_up:Stamping-v0]", "algos=[ppo]", f"seeds=[{','.join(map(str, range(n)))}]", f"logs_dir={folder}"),
        *(f"budget.custom_timesteps={ENDLESS}", f"hyperparameters={{ppo: {{all: {{{changes}}}}}}}"),
        *("device=cpu", "tensorboard=false"),
    ]


def measure(way, n, env_id):
    """Start N trainings in one way; return seconds until all have stepped, and megabytes once all have learned."""
    with tempfile.TemporaryDirectory(prefix="rlhpc-start-up-") as made:
        folder, stamps = Path(made, "results"), Path(made, "stamps")
        stamps.mkdir()
        command = launch_command(n, folder) if way == "launch_training" else [sys.executable, __file__, way, str(n), str(folder)]
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, ENV_ID: env_id, STAMPS: str(stamps)}
        started = time.time()
        log = Path(made, "log")
        with log.open("w") as stream:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT)
        try:
            _wait_for(stamps, f"{ROLLOUT + 1}-*", n, process, log)
            stepped = max(float(path.read_text()) for path in stamps.glob("1-*"))
            return stepped - started, megabytes(process.pid)
        finally:
            kill_tree(process)


def _wait_for(stamps, pattern, n, process, log):
    deadline = time.monotonic() + SECONDS_TO_START
    while len(list(stamps.glob(pattern))) < n:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the trainings do not start:\n{log.read_text()}")
        time.sleep(0.05)


def megabytes(pid):
    """Sum the PSS of a process and all below it."""
    root = psutil.Process(pid)
    texts = [Path(f"/proc/{each.pid}/smaps_rollup").read_text() for each in (root, *root.children(recursive=True))]
    kilobytes = [int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")]
    return sum(kilobytes) / 1024


def kill_tree(process):
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    for each in below:
        if each.is_running():
            each.kill()
    psutil.wait_procs(below, timeout=30)


WAYS = ("spawned", "supervised", "launch_training")


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--n", type=int, default=12, help="trainings at once (default: 12)")
    built.add_argument("--env", default="dm_control/pendulum-swingup-v0", metavar="ID", help="a Gymnasium id (default: pendulum)")
    built.add_argument("--repeat", type=int, default=2, metavar="N", help="repetitions of each way (default: 2)")
    return built


def main(args):
    """Measure all ways in turn, and print them side by side."""
    found = {way: [] for way in WAYS}
    for _ in range(args.repeat):
        for way in WAYS:
            found[way].append(measure(way, args.n, args.env))
    medians = {way: [statistics.median(values) for values in zip(*found[way], strict=True)] for way in WAYS}
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"{args.n} trainings of {args.env}, {cores} cores, load {load:.1f}, median of {args.repeat}")
    print(f"{'':16s} {'seconds':>8s} {'ratio':>6s} {'MB':>7s} {'ratio':>6s}")
    for way, (seconds, megabytes) in medians.items():
        ratios = [base / value for base, value in zip(medians["spawned"], (seconds, megabytes), strict=True)]
        print(f"{way:16s} {seconds:8.1f} {ratios[0]:5.2f}x {megabytes:7.0f} {ratios[1]:5.2f}x")


if __name__ == "__main__":
    if sys.argv[1:2] in (["spawned"], ["supervised"]):  # what `measure` starts
        {"spawned": spawned, "supervised": supervised}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(parser().parse_args())
