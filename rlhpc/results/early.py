"""Early scores: what trainings had reached when a part of their budget was spent, from their learning curves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError
from rlhpc.records import Result
from rlhpc.results.learning_curve import read_learning_curve
from rlhpc.results.scores import mean
from rlhpc.results.store import LEARNING_CURVE, Store
from rlhpc.results.table import write_csv

AT = "@"  # between an environment and the steps after which its training is stopped
RECENT = 0.1  # of the steps so far: the episodes that ended within count
LEAST = 10  # of the last episodes that count in any case, where there are so many
COLUMNS = (
    "benchmark",
    "env_id",
    "action_space",
    "algo",
    "seed",
    "score",
    "n_episodes",
    "total_timesteps",
    "hyperparameters_hash",
    "train_seconds",
)


@dataclass(frozen=True)
class Early:
    """The early scores of a grid.

    Attributes
    ----------
    rows : tuple of dict
        By `COLUMNS`; ``env_id`` such as ``Pong@25000``, ``train_seconds`` the part of the training's in proportion to its steps.
    problems : tuple of str
        Trainings without such a score, and why.
    """

    rows: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]


def early_scores(results: Iterable[Result], store: Store, steps: Sequence[int]) -> Early:
    """Read from learning curves what trainings had reached after so many agent steps.

    The score is the mean of the training episodes that ended within the last tenth of these steps, or of the last `LEAST` if they
    are fewer. These are episodes of the learning policy, not of the deterministic one that is evaluated in the end.

    Parameters
    ----------
    results : iterable of Result
    store : Store
    steps : sequence of int
        Increasing. Trainings that ended by then have no early score there: what they reached is their score.
    """
    rows, problems = [], []
    learned = [result for result in results if result.training.total_timesteps]  # the random agent has no curve
    longest = max((result.timesteps for result in learned), default=0)
    problems += [f"no training went on after {at} steps, so none has an early score there." for at in steps if at >= longest]
    for result in learned:
        wanted = [at for at in steps if at < result.timesteps]
        if not wanted:
            continue
        path = store.folder(result.training) / LEARNING_CURVE
        if not os.path.lexists(path):
            problems.append(f"no early score of {result.training.name}: it has no learning curve; perhaps no episode ever ended.")
            continue
        try:
            curve = read_learning_curve(path)
        except DatasetError as error:
            problems.append(f"no early score of {result.training.name}: {error}")
            continue
        for at in wanted:
            scores = _recent(curve[curve[:, 0] <= at], at)
            if scores:
                rows.append(_row(result, at, scores))
            else:
                problems.append(f"no early score of {result.training.name} after {at} steps: no episode had ended by then.")
    return Early(tuple(rows), tuple(problems))


def write_early(early: Early, path: Path) -> Path:
    """Write early.csv: a long table that jobs/subset_search.py takes with ``--early``, and as one of costs."""
    return write_csv(path, COLUMNS, ([row[column] for column in COLUMNS] for row in early.rows))


def _recent(curve: NDArray[np.float64], at: int) -> list[float]:
    """Return the scores that count after so many steps, of a curve that ends there."""
    recent = curve[curve[:, 0] > (1 - RECENT) * at]
    scores: list[float] = (recent if len(recent) >= LEAST else curve[-LEAST:])[:, 1].tolist()
    return scores


def _row(result: Result, at: int, scores: Sequence[float]) -> dict[str, Any]:
    training = result.training
    return {
        "benchmark": training.benchmark,
        "env_id": f"{training.env_id}{AT}{at}",
        "action_space": training.action_space,
        "algo": training.algo,
        "seed": training.seed,
        "score": mean(scores),
        "n_episodes": len(scores),
        "total_timesteps": at,
        "hyperparameters_hash": training.hyperparameters_hash,
        "train_seconds": result.train_seconds * at / result.timesteps,
    }
