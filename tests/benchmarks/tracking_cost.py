"""What TensorBoard and Weights & Biases (offline) cost a training, in percent of its time.

    .venv/bin/python tests/benchmarks/tracking_cost.py
    .venv/bin/python tests/benchmarks/tracking_cost.py --times 5

Whole trainings as shipped but of a tenth to a fifth of their budget (and so of more than their share), each with both. One line a
training:

train         seconds of the training
log           seconds of it within the calls that log, in percent
helper        processor seconds of W&B's own process while the agent trains, in percent of the training's seconds
begin, end    seconds before and behind it for W&B, once a training whatever its length

They are added up and not compared with trainings without: two equal trainings differ by more than that on a busy machine.
"""

import argparse
import contextlib
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from stable_baselines3.common.logger import Logger

from rlhpc.records import Training
from rlhpc.training import train as module
from rlhpc.training.algos import load_algos
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import Tracker, WandbConfig

CASES = (
    ("ppo", "dm_control/pendulum-swingup-v0", 100_000),
    ("a2c", "dm_control/pendulum-swingup-v0", 200_000),
    ("a2c", "MsPacmanNoFrameskip-v4", 20_000),
)


@dataclass
class Clock:
    """Seconds spent in functions, by what they are for."""

    seconds: dict[str, float] = field(default_factory=dict)

    def around(self, owner, name, purpose):
        """Have a method of a class counted."""
        function = getattr(owner, name)

        def counted(*args, **kwargs):
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[purpose] = self.seconds.get(purpose, 0.0) + time.perf_counter() - started

        setattr(owner, name, counted)
        return lambda: setattr(owner, name, function)


def helper_seconds():
    """Return the processor seconds that processes started by this one have used."""
    total = 0.0
    for each in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total


def measure(algo, env_id, timesteps):
    """Train once; return the seconds of the training, and the shares and seconds of the docstring."""
    clock = Clock()
    undo = [
        clock.around(Tracker, "__init__", "begin"),
        clock.around(Tracker, "finish", "end"),
        clock.around(Tracker, "log", "log"),
        clock.around(Logger, "dump", "log"),
    ]
    helper = []
    learn = module.learner.learn

    def learn_and_look(*args, **kwargs):
        before = helper_seconds()
        learn(*args, **kwargs)
        helper.append(helper_seconds() - before)

    module.learner.learn = learn_and_look
    hyperparameters = load_algos([algo])[0].hyperparameters(env_id, is_atari="NoFrameskip" in env_id)
    space = "Discrete" if "NoFrameskip" in env_id else "Continuous"
    training = Training("custom", env_id, algo, 1, space, timesteps, hyperparameters, {"n_episodes": 1})
    settings = TrainSettings("tracking", "cpu", tensorboard=True, wandb=WandbConfig(mode="offline"))
    try:
        with tempfile.TemporaryDirectory() as folder:
            result, _ = module.train(training, Path(folder), settings)
    finally:
        module.learner.learn = learn
        for each in undo:
            each()
    took = result.train_seconds
    return took, clock.seconds["log"] / took, helper[0] / took, clock.seconds["begin"], clock.seconds["end"]


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--times", type=float, default=1, help="trainings so many times as long (default: 1)")
    return built


def main(args):
    """Print a line for each training."""
    print(f"{'':42s} {'train':>7s} {'log':>7s} {'helper':>7s} {'begin':>6s} {'end':>6s}")
    for algo, env_id, timesteps in CASES:
        took, log, helper, begin, end = measure(algo, env_id, int(timesteps * args.times))
        print(f"{algo + ' ' + env_id:42s} {took:6.1f}s {log:7.2%} {helper:7.2%} {begin:5.1f}s {end:5.1f}s", flush=True)


if __name__ == "__main__":
    main(parser().parse_args())
