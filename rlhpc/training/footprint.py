"""Footprints: how many files trainings write, how large these are, and what their replay buffers come to in memory. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rlhpc.records import Training
from rlhpc.training.algos import RANDOM
from rlhpc.training.checkpoint import KEPT

# Of one training while it is under way; folders count, as in quotas: its own, those of its environment and algorithm, and
# tensorboard/; result.json, learning_curve.csv, evaluations.csv, attempts.json, progress.json, lease.json, output.log, the event
# file and the checkpoints.
_FILES = 12 + KEPT
_WANDB_FILES = 9  # wandb/ of an offline run of wandb 0.31: 4 files and 5 folders
# Megabytes, with the hyperparameters of configs/algos: tests/benchmarks/checkpoint_cost.py. A checkpoint without its replay
# buffer: A2C 7, PPO 15, RecurrentPPO 19, DQN 19 of frames; SAC 3, PPO and A2C 0.2 of vectors.
_FRAMES_MB, _VECTORS_MB = 20.0, 3.0
_BUFFER_MB_PER_TRANSITION = 0.32e-3  # compressed: DQN on Ms Pacman 0.32e-3; SAC on cheetah-run 0.29e-3 (17 numbers a step)
_FRAME_GB = 84 * 84 / 1e9  # one byte a pixel; a transition has two observations, unless told otherwise
_VECTORS_GB = 2 * 17 * 8 / 1e9  # a transition of cheetah-run, which has more numbers than most tasks
_REST_MB = 1.0  # curves, event files and W&B of a training of the default grid: less


def n_files(trainings: Sequence[Training], *, has_wandb: bool = False) -> int:
    """Return how many files and folders trainings have at most, all of them unfinished.

    Parameters
    ----------
    trainings : sequence of Training
    has_wandb : bool
        Whether Weights & Biases keeps its own.
    """
    return len(trainings) * (_FILES + (_WANDB_FILES if has_wandb else 0))


def gigabytes(trainings: Sequence[Training]) -> float:
    """Return the size of them, in gigabytes, with all checkpoints there; a stored training has none left."""
    return sum(_megabytes(training) for training in trainings) / 1000


def buffers_gb(trainings: Sequence[Training], n: int) -> float:
    """Return the host memory that replay buffers come to when they are full, gigabytes.

    Parameters
    ----------
    trainings : sequence of Training
    n : int
        How many are carried out at once: those with the largest buffers are.
    """
    return sum(sorted(map(_buffer_gb, trainings), reverse=True)[:n])


def _buffer_gb(training: Training) -> float:
    values = training.hyperparameters
    frames = int(values.get("frame_stack") or 0)
    n_observations = 1 if values.get("optimize_memory_usage") else 2
    each = n_observations * frames * _FRAME_GB if frames else _VECTORS_GB
    return each * _n_kept(training)


def _n_kept(training: Training) -> int:
    """Return how many transitions the replay buffer of a training holds in the end."""
    return min(int(training.hyperparameters.get("buffer_size", 0)), training.total_timesteps)


def _megabytes(training: Training) -> float:
    return _REST_MB + KEPT * _checkpoint_megabytes(training)


def _checkpoint_megabytes(training: Training) -> float:
    """Return the size of one checkpoint."""
    values = training.hyperparameters
    if values.get("class") == RANDOM:
        return 0.0
    weights = _FRAMES_MB if "frame_stack" in values else _VECTORS_MB
    return weights + _BUFFER_MB_PER_TRANSITION * _n_kept(training)
