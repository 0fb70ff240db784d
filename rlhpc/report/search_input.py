"""What a search is given: a table of scores, made a problem to regress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhpc.errors import DatasetError
from rlhpc.report.search_folder import SEPARATOR
from rlhpc.results.dataset import Dataset
from rlhpc.results.normalise import log_scores
from rlhpc.search.problem import Problem


@dataclass(frozen=True, eq=False)
class SearchInput:
    """What is searched, and where it came from.

    Attributes
    ----------
    path : Path
        The table.
    dataset : Dataset
    problem : Problem
    left_out : tuple of str
        Algorithms of the dataset that are not in the problem, for want of any score.
    benchmarks : tuple of str
        The benchmarks that were named to give the scores that the table leaves out; empty if none was.
    """

    path: Path
    dataset: Dataset
    problem: Problem
    left_out: tuple[str, ...]
    benchmarks: tuple[str, ...]


def search_input(path: Path, dataset: Dataset, benchmarks: Sequence[str] = ()) -> SearchInput:
    """Make a table of scores a problem.

    Parameters
    ----------
    path : Path
        The table.
    dataset : Dataset
        What `rlhpc.results.dataset.read_table` made of it.
    benchmarks : sequence of str
        As in `SearchInput`.

    Raises
    ------
    DatasetError
        If names cannot be told apart in a ranking, an environment has no score, or all algorithms have the same benchmark score.
    """
    ambiguous = [env_id for env_id in dataset.env_ids if SEPARATOR in env_id]
    if ambiguous:
        raise DatasetError(f"'{SEPARATOR}' separates names, and {', '.join(ambiguous)} contain it. Rename these environments.")
    logs = log_scores(dataset)
    if len(logs.y) > 1 and np.ptp(logs.y) == 0:
        raise DatasetError(
            f"all {len(logs.y)} algorithms have the same benchmark score, {10.0 ** logs.y[0] - 1:g}: there is nothing to "
            "predict. Add algorithms that differ, or check the random and reference scores."
        )
    problem = Problem(
        X=logs.X,
        y=logs.y,
        algos=logs.algos,
        env_ids=dataset.env_ids,
        benchmarks=dataset.benchmarks,
        action_spaces=dataset.action_spaces,
        scores=logs.scores,
        random_scores=dataset.random_scores,
        reference_scores=dataset.reference_scores,
    )
    return SearchInput(path, dataset, problem, logs.left_out, tuple(benchmarks))
