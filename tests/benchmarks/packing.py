"""Packing: what the machine gives to N trainings at once, by the way they are carried out.

    .venv/bin/python tests/benchmarks/packing.py
    .venv/bin/python tests/benchmarks/packing.py --seconds 120 --n 24
    .venv/bin/python tests/benchmarks/packing.py --growth
    .venv/bin/python tests/benchmarks/packing.py --device cuda --repeat 1

Ways, each in a process tree of its own, in turn:

pool          multiprocessing.Pool of N spawned processes, each with the threads that torch takes by default, and SB3's
              environments: how scripts do it
one thread    N spawned processes of one thread each, SB3's environments
ours          `rlhpc.training.node.supervise`: forked from a server that has imported everything once, one thread each, lean
              environments; on a GPU, in turn
ours, MPS     the same at the same time, through CUDA MPS
ours, alone   one training instead of N

The last two are measured with --device cuda only.

on two workloads: PPO on pendulum (DeepMind Control), with rollouts of 8 x 64 steps instead of 8 x 2048 and all else as shipped,
so that a step costs the same and whole rollouts fit into a minute; and A2C on Ms Pacman as shipped.

steps/s       agent steps of all trainings, over whole rollouts and their updates, from each one's second rollout on
seconds       from the start of the command until the last training steps
MB            proportional set size of the whole tree, in which a page that k processes share counts 1/k in each
GPU %, MB     how much of the measured time the GPU ran anything, mean of what nvidia-smi tells twice a second; and the most
              memory that was taken of it, less what was before

--growth measures ours alone for 1, 2, 4, 8, 12 and 24 trainings. A ratio above 1 is in favour of what we do.
"""

import argparse
import functools
import math
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from start_up import kill_tree, megabytes

ROOT = Path(__file__).resolve().parents[2]
MARKS = "RLHPC_PACKING_MARKS"
ENDLESS = 10**9  # agent steps
SECONDS_TO_START = 900
WORKLOADS = {
    "PPO on DMC": (
        "dm_control/pendulum-swingup-v0",
        "Continuous",
        {"class": "PPO", "n_envs": 8, "n_steps": 64, "batch_size": 64, "n_epochs": 10},
    ),
    "A2C on Atari": (
        "MsPacmanNoFrameskip-v4",
        "Discrete",
        {
            "class": "A2C",
            "frame_stack": 4,
            "n_envs": 16,
            "n_steps": 5,
            "ent_coef": 0.01,
            "vf_coef": 0.25,
            "policy_kwargs": {"optimizer_class": "RMSpropTFLike", "optimizer_kwargs": {"eps": 1e-5}},
        },
    ),
}
GROWTH = (1, 2, 4, 8, 12, 24)


# --- the ways ------------------------------------------------------------------------------------------------------------


def trainings(workload, n):
    """Make N endless trainings."""
    from rlhpc.records import Training  # noqa: PLC0415  # only in the processes that need it

    env_id, actions, hyperparameters = WORKLOADS[workload]
    names = ("custom", env_id, hyperparameters["class"].lower())
    return [Training(*names, seed, actions, ENDLESS, hyperparameters, {"n_episodes": 1}) for seed in range(n)]


def train(workload, seed, device, threads):
    """Train with SB3's environments and nothing of ours but the reading of hyperparameters."""
    import packing_probe  # noqa: F401, PLC0415
    import torch  # noqa: PLC0415

    from rlhpc.training.envs import make_vec  # noqa: PLC0415
    from rlhpc.training.model import build  # noqa: PLC0415

    if threads:
        torch.set_num_threads(threads)
    env_id, _, hyperparameters = WORKLOADS[workload]
    n_envs = hyperparameters["n_envs"]
    env = make_vec(env_id, hyperparameters, n_envs=n_envs, seed=seed, training=True, may_be_lean=False)
    build(hyperparameters, env, seed=seed, device=device).learn(ENDLESS)


def pool(workload, n, device, _folder):
    """Train in a pool."""
    with multiprocessing.get_context("spawn").Pool(n) as made:
        made.starmap(train, [(workload, seed, device, 0) for seed in range(n)], chunksize=1)


def one_thread(workload, n, device, _folder):
    """Train in a process each, of one thread."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=train, args=(workload, seed, device, 1)) for seed in range(n)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def ours(workload, n, device, folder, mps="off"):
    """Train as the product does."""
    from rlhpc.results.store import Store  # noqa: PLC0415
    from rlhpc.training import process  # noqa: PLC0415
    from rlhpc.training.gpu_sharing import share  # noqa: PLC0415
    from rlhpc.training.node import supervise  # noqa: PLC0415
    from rlhpc.training.places import places, visible_gpus  # noqa: PLC0415
    from rlhpc.training.process import libraries_of  # noqa: PLC0415
    from rlhpc.training.progress_bar import ProgressBar  # noqa: PLC0415
    from rlhpc.training.settings import TrainSettings  # noqa: PLC0415

    # The probe is with what the server imports: as a module of the environments' it would have all of dm_control imported too.
    process.libraries_of = lambda env_ids: ["packing_probe", *libraries_of(env_ids)]
    gpus = visible_gpus()[:1] if device == "cuda" else ()
    settings = TrainSettings("packing", device, tensorboard=False)
    with share(mps, gpus, n, print) as sharing:
        supervise(trainings(workload, n), places(gpus, n), Store(folder), settings, ProgressBar(n), sharing=sharing)


WAYS = {"pool": pool, "one thread": one_thread, "ours": ours, "ours, MPS": functools.partial(ours, mps="on"), "ours, alone": ours}
WITH_GPU = ("ours, MPS", "ours, alone")


# --- measuring -----------------------------------------------------------------------------------------------------------


def measure(way, workload, n, seconds, device):
    """Carry out N trainings in one way; return what the columns show of it."""
    n = 1 if way == "ours, alone" else n
    with tempfile.TemporaryDirectory(prefix="rlhpc-packing-") as made, Gpu(device) as gpu:
        folder, marks, log = Path(made, "results"), Path(made, "marks"), Path(made, "log")
        marks.write_bytes(bytes(8 * 6 * n))
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, MARKS: str(marks)}
        command = [sys.executable, __file__, "carry-out", way, workload, str(n), device, str(folder)]
        started = time.time()
        with log.open("w") as stream:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=stream, stderr=subprocess.STDOUT)
        try:
            return _watch(process, marks, n, seconds, started, log, gpu)
        finally:
            kill_tree(process)


def _watch(process, path, n, seconds, started, log, gpu):
    """Wait until all have learned, and then for some seconds, or longer until each has made two rollouts more."""
    import numpy as np  # noqa: PLC0415  # not in what is measured

    marks = np.memmap(path, np.float64, "r").reshape(n, 6)
    end, used, began = None, 0.0, 0.0
    deadline = time.time() + SECONDS_TO_START + seconds
    while end is None or time.time() < end or (marks[:, 5] < 4).any():
        if process.poll() is not None or time.time() > deadline:
            raise SystemExit(f"the trainings do not go on:\n{log.read_text()[-4000:]}")
        if end is None and (marks[:, 5] >= 2).all():
            used, began = megabytes(process.pid), time.time()
            end = began + seconds
        time.sleep(0.2)
    rates = (marks[:, 4] - marks[:, 2]) / (marks[:, 3] - marks[:, 1])
    return float(rates.sum()), float(marks[:, 0].max() - started), used, *gpu.since(began)


class Gpu:
    """What nvidia-smi tells of the first GPU, twice a second; nothing without one."""

    def __init__(self, device):
        self._watcher = None
        self._readings = []  # when, percent, MiB
        if device == "cuda":
            query = "--query-gpu=utilization.gpu,memory.used"
            command = ["nvidia-smi", "--id=0", query, "--format=csv,noheader,nounits", "--loop-ms=500"]
            self._watcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._watcher.stdout:
            self._readings.append((time.time(), *map(float, line.split(","))))

    def since(self, began):
        """Return the mean use in percent since then, and the most memory taken, MiB, beyond what was taken at first."""
        seen = [reading for reading in self._readings if reading[0] >= began]
        if not seen:
            return float("nan"), float("nan")
        return statistics.fmean(each[1] for each in seen), max(each[2] for each in seen) - self._readings[0][2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._watcher:
            self._watcher.kill()
            self._watcher.wait()


def compare(args):
    """Print all ways side by side for each workload."""
    for workload in args.workloads:
        ways = args.ways or [way for way in WAYS if args.device == "cuda" or way not in WITH_GPU]
        found = {way: [] for way in ways}
        for _ in range(args.repeat):
            for way in ways:
                found[way].append(measure(way, workload, args.n, args.seconds, args.device))
        medians = {way: [statistics.median(values) for values in zip(*each, strict=True)] for way, each in found.items()}
        print(f"\n{workload}: {args.n} at once, {_machine(args.device)}, median of {args.repeat}")
        print(
            f"{'':12s} {'steps/s':>8s} {'seconds':>8s} {'MB':>7s} {'GPU %':>6s} {'MB':>7s}"
            f"   ours: {'steps/s':>8s} {'seconds':>8s} {'MB':>6s}"
        )
        best = medians.get("ours", (float("nan"),) * 3)
        for way, (rate, seconds, used, percent, taken) in medians.items():
            ratios = f"{best[0] / rate:7.2f}x {seconds / best[1]:7.2f}x {used / best[2]:5.2f}x"
            print(f"{way:12s} {rate:8.0f} {seconds:8.1f} {used:7.0f} {_of_gpu(percent, taken)}         {ratios}", flush=True)


def grow(args):
    """Print how ours grows with the number of trainings."""
    for workload in args.workloads:
        print(f"\n{workload}, ours, {_machine(args.device)}")
        print(f"{'trainings':>9s} {'steps/s':>8s} {'of peak':>8s} {'each':>7s} {'MB':>7s} {'GPU %':>6s} {'MB':>7s}")
        found = {n: measure("ours", workload, n, args.seconds, args.device) for n in GROWTH}
        peak = max(rate for rate, *_ in found.values())
        for n, (rate, _, used, percent, taken) in found.items():
            print(f"{n:9d} {rate:8.0f} {rate / peak:7.0%} {rate / n:7.0f} {used:7.0f} {_of_gpu(percent, taken)}", flush=True)


def _of_gpu(percent, taken):
    return f"{'-':>6s} {'-':>7s}" if math.isnan(percent) else f"{percent:6.0f} {taken:7.0f}"


def _machine(device):
    name = "no GPU"
    if device == "cuda":
        command = ["nvidia-smi", "--id=0", "--query-gpu=name", "--format=csv,noheader"]
        name = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return f"{time.strftime('%F')}, {name}, {len(os.sched_getaffinity(0))} cores, load before {os.getloadavg()[0]:.1f}"


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--n", type=int, default=12, help="trainings at once (default: 12)")
    built.add_argument("--seconds", type=float, default=40, help="that each way is measured for at least (default: 40)")
    built.add_argument("--repeat", type=int, default=1, metavar="N", help="repetitions of each way (default: 1)")
    built.add_argument("--ways", nargs="+", choices=WAYS, help="default: all that the device has")
    built.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), help="default: all")
    built.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default: cpu")
    built.add_argument("--growth", action="store_true", help="ours alone, for more and more trainings")
    return built


if __name__ == "__main__":
    if sys.argv[1:2] == ["carry-out"]:  # what `measure` starts
        way, workload, n, device, folder = sys.argv[2:]
        WAYS[way](workload, int(n), device, Path(folder))
    else:
        given = parser().parse_args()
        (grow if given.growth else compare)(given)
