"""Learning curves: how the scores of training episodes grow with agent steps, over the seeds of each algorithm."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError
from rlhpc.results.dataset import read_score
from rlhpc.results.learning_curve import read_learning_curve
from rlhpc.results.normalise import normalise
from rlhpc.results.scores import Cell, mixed_cells
from rlhpc.results.store import LEARNING_CURVE
from rlhpc.results.table import read_csv
from rlhpc.search.problem import Problem

Floats = NDArray[np.float64]

N_PARTS = 50  # of a budget, over each of which episodes are averaged


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """The learning curves of every algorithm in one environment.

    Attributes
    ----------
    env_id : str
    timesteps : array of shape (N_PARTS,)
        The middle of each part of the budget, in agent steps.
    scores : mapping of str to array of shape (N_PARTS,)
        By algorithm: normalised score of the training episodes that ended in a part, averaged over those of a seed and then over
        seeds; NaN where none ended.
    n_trainings : int
        Behind all of them.
    n_parts : int
        The most parts in which episodes of one training ended.
    not_averaged : tuple of str
        Algorithms without a curve here, because their trainings differ in budget or hyperparameters.
    """

    env_id: str
    timesteps: Floats
    scores: dict[str, Floats]
    n_trainings: int
    n_parts: int
    not_averaged: tuple[str, ...] = ()

    @property
    def has_lines(self) -> bool:
        """Whether there is more to draw than single points."""
        return self.n_parts > 1


def read_learning_curves(path: Path, problem: Problem, subset: Sequence[int]) -> tuple[LearningCurves, ...]:
    """Read the learning curves of a subset's environments, from the trainings that lie beside a table of scores.

    Parameters
    ----------
    path : Path
        A table as ``jobs/collect_scores.py`` writes it, whose column ``folder`` names the folder of each training.
    problem : Problem
        What was searched.
    subset : sequence of int
        Columns of the problem; one that is stopped early stands for its whole environment.

    Returns
    -------
    tuple of LearningCurves
        Of those environments of which there are any, or would be if trainings did not differ. A curve that cannot be read is left
        out.
    """
    table = read_csv(path)
    folders: dict[Cell, list[Path]] = defaultdict(list)
    scores = []
    for row in table.rows:
        if folder := row.cells.get("folder"):
            scores.append(read_score(table, row))
            folders[scores[-1].cell].append(path.parent / folder)
    mixed = mixed_cells(scores)
    found = []
    for column in dict.fromkeys(int(problem.full[env]) for env in subset):
        cells = {algo: (problem.benchmarks[column], problem.env_ids[column], algo) for algo in problem.algos}
        not_averaged = tuple(algo for algo, cell in cells.items() if cell in mixed)
        curves = {algo: list(_read_all(folders[cell])) for algo, cell in cells.items() if cell in folders and cell not in mixed}
        if any(curves.values()) or not_averaged:
            found.append(_average(problem, column, {algo: each for algo, each in curves.items() if each}, not_averaged))
    return tuple(found)


def _read_all(folders: Iterable[Path]) -> Iterable[Floats]:
    """Yield the curves of trainings: agent steps and score of each episode, shape (n_episodes, 2)."""
    for folder in folders:
        with contextlib.suppress(DatasetError):  # no episode ended, or it was damaged
            curve = read_learning_curve(folder / LEARNING_CURVE)
            if len(curve):
                yield curve


def _average(problem: Problem, column: int, curves: dict[str, list[Floats]], not_averaged: tuple[str, ...]) -> LearningCurves:
    """Average over the parts of the longest training, and over seeds."""
    end = max((float(curve[:, 0].max()) for each in curves.values() for curve in each), default=0.0)
    edges = np.linspace(0, end, N_PARTS + 1)
    low, high = problem.random_scores[column], problem.reference_scores[column]
    binned = {algo: [_binned(curve, edges) for curve in each] for algo, each in curves.items()}
    return LearningCurves(
        problem.env_ids[column],
        timesteps=(edges[1:] + edges[:-1]) / 2,
        scores={algo: normalise(_mean(each), low, high) for algo, each in binned.items()},
        n_trainings=sum(map(len, curves.values())),
        n_parts=max((int(np.isfinite(one).sum()) for each in binned.values() for one in each), default=0),
        not_averaged=not_averaged,
    )


def _binned(curve: Floats, edges: Floats) -> Floats:
    """Return the mean score of the episodes that ended in each part, shape (N_PARTS,); NaN where none did."""
    part = np.clip(np.searchsorted(edges, curve[:, 0]) - 1, 0, N_PARTS - 1)
    n_ended = np.bincount(part, minlength=N_PARTS)
    total = np.bincount(part, weights=curve[:, 1], minlength=N_PARTS)
    scores: Floats = np.divide(total, n_ended, out=np.full(N_PARTS, np.nan), where=n_ended > 0)
    return scores


def _mean(seeds: Sequence[Floats]) -> Floats:
    """Average over the seeds that know something."""
    values = np.array(seeds)
    known = np.isfinite(values).sum(axis=0)
    means: Floats = np.divide(np.nansum(values, axis=0), known, out=np.full(N_PARTS, np.nan), where=known > 0)
    return means
