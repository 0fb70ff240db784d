"""The summary of a collection: each algorithm's score on each environment, with its spread over seeds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlhpc.results.collect import Collection
from rlhpc.results.scores import RANDOM_ALGO, REFERENCE_ALGO, Score, by_cell, mean, standard_error
from rlhpc.results.table import write_csv
from rlhpc.words import count

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Summary:
    """The scores of one algorithm on one environment.

    Attributes
    ----------
    benchmark, env_id, algo : str
    n_seeds : int
        0 where the user's own results hold none.
    seeds : str
        Separated by spaces.
    mean : float or None
        Over seeds; None where unknown or not averaged.
    standard_error : float or None
        Of the mean, over seeds; None for fewer than 2.
    iqm : float or None
        Interquartile mean over seeds.
    source : str
        Whose score it is: the user's own trainings, a benchmark's file, or why there is none.
    """

    benchmark: str
    env_id: str
    algo: str
    n_seeds: int
    seeds: str
    mean: float | None
    standard_error: float | None
    iqm: float | None
    source: str


def summarise(collection: Collection) -> tuple[Summary, ...]:
    """Summarise every algorithm on every environment that it was trained on, and every random and reference score.

    Returns
    -------
    tuple of Summary
        In the order of benchmark, environment, algorithm.
    """
    rows = {cell: _of_trainings(group, collection.mixed.get(cell, "")) for cell, group in by_cell(collection.scores).items()}
    for published in _of_files(collection):
        cell = (published.benchmark, published.env_id, published.algo)
        refused = f" ({rows[cell].source})" if cell in rows else ""
        rows[cell] = dataclasses.replace(published, source=published.source + refused)
    return tuple(rows[cell] for cell in sorted(rows))


def origins(rows: Sequence[Summary], algo: str) -> dict[str, int]:
    """Count where the random or reference scores come from: own results, benchmark files, or nowhere."""
    found = {"own": 0, "benchmark": 0, "unknown": 0}
    for row in rows:
        if row.algo == algo:
            found["unknown" if row.mean is None else "own" if row.n_seeds else "benchmark"] += 1
    return found


def write_summary(rows: Sequence[Summary], path: Path) -> Path:
    """Write summary.csv."""
    columns = [column.name for column in dataclasses.fields(Summary)]
    return write_csv(path, columns, (dataclasses.astuple(row) for row in rows))


def interquartile_mean(values: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of the middle half, shape (...), of values of shape (..., n).

    As in rliable (Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021), a
    quarter of the values, rounded down, is cut off at each end; of fewer than 4 nothing is, and it is the mean. They are summed
    in increasing order, so the order of seeds cannot change a bit.
    """
    ordered = np.sort(values, axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def _of_trainings(group: Sequence[Score], difference: str) -> Summary:
    """Summarise the trainings of one cell; `difference` says why they are not averaged, if so."""
    values = [score.score for score in group]
    seeds = " ".join(str(score.seed) for score in group)
    if difference:
        source = f"not averaged: your {count(len(values), 'training')} differ in {difference}"
        return Summary(*group[0].cell, len(values), seeds, None, None, None, source)
    own = f"your {count(len(values), 'training')}"
    iqm = float(interquartile_mean(values))
    return Summary(*group[0].cell, len(values), seeds, mean(values), standard_error(values), iqm, own)


def _of_files(collection: Collection) -> Iterator[Summary]:
    """Yield the random and reference scores that are not the user's own."""
    dataset = collection.dataset
    own = {score.cell for score in collection.scores} - set(collection.mixed)
    for algo, values, sources in (
        (RANDOM_ALGO, dataset.random_scores, dataset.random_sources),
        (REFERENCE_ALGO, dataset.reference_scores, dataset.reference_sources),
    ):
        for benchmark, env_id, value, source in zip(dataset.benchmarks, dataset.env_ids, values, sources, strict=True):
            if (benchmark, env_id, algo) not in own:
                known = None if math.isnan(value) else float(value)
                yield Summary(benchmark, env_id, algo, 0, "", known, None, None, source or UNKNOWN)
