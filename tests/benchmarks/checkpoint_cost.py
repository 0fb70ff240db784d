"""What checkpoints cost, with the hyperparameters that are shipped in configs/algos.

    .venv/bin/python tests/benchmarks/checkpoint_cost.py
    .venv/bin/python tests/benchmarks/checkpoint_cost.py --only "SAC DMC" --n-writes 5

Each training is carried out as ever up to a boundary between rollouts, with buffers as full as said, and is saved there several
times. One line a training:

write      seconds that the training waits for a checkpoint: pickled, compressed, hashed, written and flushed to the disk; median
size       of the file, beside that of what is in a replay buffer
share      of the training's time, with one checkpoint every 10 minutes, in percent
rollout    seconds of one rollout and of learning from it, in the same session; off-policy, of one step (DQN: four)
hook       seconds of the question whether to save, asked before each rollout, where the answer is no
share      of the training's time that goes into that question, in percent

A line marked "extrapolated" was not measured: it scales the buffer's part of the line above it, in seconds and in bytes, to the
buffer of a whole training.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from stable_baselines3.common.logger import Logger

from rlhpc.records import Training
from rlhpc.training import learner, machine, registry, snapshot
from rlhpc.training.algos import load_algos
from rlhpc.training.checkpoint import Checkpoints, Header
from rlhpc.training.saving import Saver, Stopped
from rlhpc.training.settings import TrainSettings

INTERVAL_SECONDS = TrainSettings("cost").checkpoint_minutes * 60
N_QUESTIONS = 20_000
ATARI, DMC = "MsPacmanNoFrameskip-v4", "dm_control/cheetah-run-v0"


@dataclass(frozen=True)
class Case:
    """A training whose checkpoints are measured.

    Attributes
    ----------
    algo, env_id : str
    n_filled : int
        Transitions in the replay buffer, played at random; 0 without one.
    n_rollouts : int
        Before it is saved, those that only fill the buffer not counted.
    n_whole : int
        Transitions of a whole training, to which a last line is extrapolated; 0: none.
    """

    algo: str
    env_id: str
    n_filled: int = 0
    n_rollouts: int = 2
    n_whole: int = 0


CASES = {
    "PPO Atari": Case("ppo", ATARI),
    "A2C Atari": Case("a2c", ATARI, n_rollouts=20),
    "RecurrentPPO Atari": Case("recurrent_ppo", ATARI),
    "PPO DMC": Case("ppo", DMC),
    "A2C DMC": Case("a2c", DMC, n_rollouts=100),
    "SAC DMC": Case("sac", DMC, n_filled=100_000, n_rollouts=80, n_whole=1_000_000),
    "DQN Atari": Case("dqn", ATARI, n_filled=30_000, n_rollouts=80, n_whole=100_000),
}


class Measuring:
    """Takes the place of a `Saver`: lets a training go on for so many rollouts, measures, and ends it.

    Parameters
    ----------
    case : Case
    training : Training
    folder : Path
    n_writes : int
    """

    def __init__(self, case, training, folder, n_writes):
        self.rollout_seconds = 0.0
        self.write_seconds = 0.0
        self.hook_seconds = 0.0
        self.n_bytes = 0
        self._case = case
        self._training = training
        self._folder = folder
        self._n_writes = n_writes
        self._asked_at = []

    def at_boundary(self, state, *, may_be_long=False):
        if state.timesteps < self._case.n_filled:
            return
        self._asked_at.append(time.perf_counter())
        if len(self._asked_at) > self._case.n_rollouts:
            self._measure(state)
            raise Stopped

    def _measure(self, state):
        n_last = self._case.n_rollouts // 2  # the first ones warm up
        self.rollout_seconds = (self._asked_at[-1] - self._asked_at[-1 - n_last]) / n_last
        device = machine.device("cpu")
        header = Header(self._training, state.timesteps, learned=False, attempt=1, versions=machine.versions(), device=device)
        seconds = []
        for _ in range(self._n_writes):
            started = time.perf_counter()
            path = Checkpoints(self._folder).write(header, lambda stream: snapshot.dump(state, stream))
            seconds.append(time.perf_counter() - started)
        self.write_seconds = statistics.median(seconds)
        self.n_bytes = path.stat().st_size
        settings = TrainSettings("cost", "cpu", checkpoint_minutes=float("inf"))
        saver = Saver(self._training, self._folder, settings, 1, print)
        started = time.perf_counter()
        for _ in range(N_QUESTIONS):
            saver.at_boundary(state)
        self.hook_seconds = (time.perf_counter() - started) / N_QUESTIONS


def training_of(case):
    """Resolve the training of a case from configs/algos; a filled buffer is filled by random steps before it learns."""
    (algo,) = load_algos([case.algo])
    hyperparameters = algo.hyperparameters(case.env_id, is_atari=registry.is_atari(case.env_id))
    if case.n_filled:
        hyperparameters["learning_starts"] = case.n_filled
    space = registry.action_space(case.env_id)
    return Training("cost", case.env_id, case.algo, 1, space, 10_000_000, hyperparameters, {"n_episodes": 1})


def measure(case, n_writes):
    """Carry a training out up to a boundary and measure there; return what was measured, and the bytes in its buffer."""
    training = training_of(case)
    with tempfile.TemporaryDirectory(prefix="rlhpc-cost-") as folder:
        measuring = Measuring(case, training, Path(folder), n_writes)
        agent = learner.begin(training, "cpu", "")
        agent.model.set_logger(Logger(None, []))
        try:
            learner.learn(agent, training.total_timesteps, measuring, [])
        except Stopped:
            learner.close(agent)
        buffer = getattr(agent.model, "replay_buffer", None)
        n_in_buffer = sum(_arrays_bytes(value, agent.timesteps) for value in vars(buffer).values()) if buffer else 0
    return measuring, n_in_buffer


def _arrays_bytes(value, n_rows):
    """Count the bytes in the first rows of an array, or of a dictionary of arrays."""
    if isinstance(value, dict):
        return sum(_arrays_bytes(inner, n_rows) for inner in value.values())
    return value[:n_rows].nbytes if isinstance(value, np.ndarray) else 0


def line(name, measured, n_in_buffer, note=""):
    """Spell one line of the table."""
    share = 100 * measured.write_seconds / INTERVAL_SECONDS
    hook_share = 100 * measured.hook_seconds / measured.rollout_seconds
    buffered = f"{n_in_buffer / 1e6:8.0f}" if n_in_buffer else f"{'':8s}"
    return (
        f"{name:26s} {measured.write_seconds:8.3f} {measured.n_bytes / 1e6:8.1f} {buffered} {share:8.3f}"
        f" {measured.rollout_seconds:9.4f} {1e6 * measured.hook_seconds:8.2f} {hook_share:8.4f}{note}"
    )


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--only", action="append", choices=list(CASES), help="this training; may be given again")
    built.add_argument("--n-writes", type=int, default=3, metavar="N", help="checkpoints of each training (default: 3)")
    return built


def main(args):
    """Measure one training after another."""
    torch.set_num_threads(1)
    print(f"{'':26s} {'write':>8s} {'size':>8s} {'buffer':>8s} {'share':>8s} {'rollout':>9s} {'hook':>8s} {'share':>8s}")
    print(f"{'':26s} {'s':>8s} {'MB':>8s} {'MB':>8s} {'%':>8s} {'s':>9s} {'us':>8s} {'%':>8s}")
    for name in args.only or CASES:
        case = CASES[name]
        measured, n_in_buffer = measure(case, args.n_writes)
        print(line(f"{name}{_filled(case.n_filled)}", measured, n_in_buffer), flush=True)
        if case.n_whole:
            print(_extrapolated(case, measured, n_in_buffer, args.n_writes), flush=True)


def _filled(n_transitions):
    return f", {n_transitions / 1e3:,.0f}k filled" if n_transitions else ""


def _extrapolated(case, measured, n_in_buffer, n_writes):
    """Spell the line of a whole training's buffer, from this one and one of the same training with a nearly empty buffer."""
    empty, _ = measure(replace(case, n_filled=100), n_writes)
    scale = case.n_whole / case.n_filled
    for name in ("write_seconds", "n_bytes"):
        small, large = getattr(empty, name), getattr(measured, name)
        setattr(measured, name, small + scale * (large - small))
    return line(f"{_filled(case.n_whole)[2:]:>25s}", measured, scale * n_in_buffer, "  extrapolated")


if __name__ == "__main__":
    sys.exit(main(parser().parse_args()))
