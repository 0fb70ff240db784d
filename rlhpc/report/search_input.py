"""What a search is given: a table of scores, made a problem to regress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError
from rlhpc.report.search_folder import SEPARATOR
from rlhpc.results.coverage import KEEP_ALL, CoverageRules, LeftOut, cover
from rlhpc.results.dataset import Dataset
from rlhpc.results.normalise import log_score, normalise
from rlhpc.results.target import Corrections, log_scores, target
from rlhpc.search.problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SearchInput:
    """What is searched, and where it came from.

    Attributes
    ----------
    path : Path
        The table.
    dataset : Dataset
        As it was read: with the algorithms that are not in the problem.
    problem : Problem
    left_out : tuple of str
        Algorithms of the dataset that are not in the problem, for want of any score.
    benchmarks : tuple of str
        The benchmarks that were named to give the scores that the table leaves out; empty if none was.
    rules : CoverageRules
        How missing scores were dealt with.
    uncovered : tuple of LeftOut
        Algorithms of the dataset that are not in the problem, because they have scores on too few environments.
    unchoosable : tuple of LeftOut
        Environments of the problem that no subset is to have, because too few algorithms have a score for them.
    corrections : Corrections
        Those that the problem's target holds.
    tables : tuple of str
        The words of the command line that name more tables: costs, environments stopped early.
    """

    path: Path
    dataset: Dataset
    problem: Problem
    left_out: tuple[str, ...]
    benchmarks: tuple[str, ...]
    rules: CoverageRules
    uncovered: tuple[LeftOut, ...]
    unchoosable: tuple[LeftOut, ...]
    corrections: Corrections
    tables: tuple[str, ...] = ()


def search_input(path: Path, dataset: Dataset, benchmarks: Sequence[str] = (), rules: CoverageRules = KEEP_ALL) -> SearchInput:
    """Make a table of scores a problem.

    Parameters
    ----------
    path : Path
        The table.
    dataset : Dataset
        What `rlhpc.results.dataset.read_table` made of it.
    benchmarks : sequence of str
        As in `SearchInput`.
    rules : CoverageRules
        By default nothing is left out, and no target corrected.

    Raises
    ------
    DatasetError
        If names cannot be told apart in a ranking, an environment has no score, all algorithms have the same benchmark score, or
        the rules leave too little or need more algorithms with every score.
    """
    ambiguous = [env_id for env_id in dataset.env_ids if SEPARATOR in env_id]
    if ambiguous:
        raise DatasetError(f"'{SEPARATOR}' separates names, and {', '.join(ambiguous)} contain it. Rename these environments.")
    covered = cover(dataset, rules)
    logs = log_scores(covered.dataset, rules.correction)
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
    return SearchInput(
        path=path,
        dataset=dataset,
        problem=problem,
        left_out=logs.left_out,
        benchmarks=tuple(benchmarks),
        rules=rules,
        uncovered=covered.algos,
        unchoosable=covered.envs,
        corrections=logs.corrections,
    )


def rescore(problem: Problem, scores: Floats, rules: CoverageRules) -> Problem:
    """Make the problem that other scores of the same algorithms on the same environments would have given.

    Parameters
    ----------
    problem : Problem
    scores : array of shape (n_algos, n_envs)
        Raw mean scores; NaN where missing; finite when normalised. Where the target is corrected, as many algorithms must have
        every score as the correction needs: whoever shuffles scores best leaves what is missing in its place.
    rules : CoverageRules
        Those that the problem was made by. Their shares count no more: no algorithm or environment is left out anew.

    Returns
    -------
    Problem
        With X, y and scores of its own; to the bit as before for the scores of the problem itself.

    Raises
    ------
    DatasetError
        If an algorithm has no score left, or too few have every score to correct the others.
    """
    unscored = np.isnan(scores).all(axis=1)
    if unscored.any():
        named = ", ".join(problem.algos[row] for row in np.flatnonzero(unscored))
        raise DatasetError(f"no score is left of {named}: there is no target to compute. Leave each algorithm one score or more.")
    normalised = normalise(scores, problem.random_scores, problem.reference_scores)
    benchmarks = [problem.benchmarks[column] for column in np.flatnonzero(problem.in_target)]
    y, _ = target(normalised[:, problem.in_target], benchmarks, rules.correction)
    return replace(problem, X=log_score(normalised), y=y, scores=scores)
