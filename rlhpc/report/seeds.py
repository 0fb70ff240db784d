"""Scores of single seeds: their mean with a 95 % interval, and a link to each training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from scipy import special

from rlhpc.errors import DatasetError
from rlhpc.results.dataset import LONG, ONE_ROW_EACH, read_score
from rlhpc.results.normalise import normalise
from rlhpc.results.scores import REFERENCE_ALGO, Cell, Score, by_cell, mean, mixed_cells, standard_error, unequal_budgets
from rlhpc.results.table import Row, Table, read_csv
from rlhpc.search.problem import Problem
from rlhpc.words import count

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
AGREEMENT = 1e-9  # relative difference between a mean here and in the dataset that is rounding


@dataclass(frozen=True)
class Interval:
    """The normalised score of one algorithm on one environment, over seeds.

    Attributes
    ----------
    mean : float
        NaN where the seeds are not averaged.
    half_width : float or None
        Of the 95 % interval of the mean, by Student's t with ``n_seeds - 1`` degrees of freedom; None for fewer than 2 seeds.
    seeds : tuple of (int, str)
        Every seed, with the link to its training; a blank one where there is none.
    difference : str
        Why the seeds are not averaged; blank if they are.
    """

    mean: float
    half_width: float | None
    seeds: tuple[tuple[int, str], ...]
    difference: str = ""


@dataclass(frozen=True)
class SeedScores:
    """The intervals of a table of trainings.

    Attributes
    ----------
    intervals : mapping of (env_id, algo) to Interval
    notes : tuple of str
        What a reader must know: rows left out, means that are not those of the search.
    scores : array of shape (n_algos, n_seeds, n_envs)
        Raw scores of single seeds in the order of the problem; NaN where there is none, seeds are not averaged, or their mean is
        not the one that was searched.
    budgets : mapping of str to int
        The budget of every environment of which all trainings have the same, and the means are those that were searched.
    is_newer : bool
        Whether some means are not those that were searched.
    unconverged : tuple of str
        Environments whose reference, a training of the table, had not converged when its budget ended.
    unequal : tuple of str
        Environments on which the algorithms were trained for different numbers of agent steps, and how many these are.
    """

    intervals: Mapping[tuple[str, str], Interval]
    notes: tuple[str, ...]
    scores: Floats
    budgets: Mapping[str, int]
    is_newer: bool = False
    unconverged: tuple[str, ...] = ()
    unequal: tuple[str, ...] = ()

    @property
    def n_seeds(self) -> int | None:
        """The usual number of seeds of an algorithm on an environment: the median; None if there is none."""
        there = (~np.isnan(self.scores)).sum(axis=1)
        return int(np.median(there[there > 0])) if there.any() else None


def read_seeds(path: Path, problem: Problem) -> SeedScores:
    """Read a table of one row a training, and normalise it as the problem was.

    Parameters
    ----------
    path : Path
        ``env_id, algo, seed, score``, optionally ``benchmark, total_timesteps, hyperparameters_hash, wandb_url``.
    problem : Problem
        What was searched.

    Raises
    ------
    DatasetError
        With everything that is wrong with the table.
    """
    table = read_csv(path)
    table.require(LONG, ONE_ROW_EACH)
    benchmarks = dict(zip(problem.env_ids, problem.benchmarks, strict=True))
    rows = [(_read_score(table, row, benchmarks), safe_link(row.cells.get("wandb_url", ""))) for row in table.rows]
    table.faults.extend(f"'{table.name}': {fault}" for fault in _repeated([score for score, _ in rows]))
    table.check()
    if not any(score.env_id in problem.env_ids and score.algo in problem.algos for score, _ in rows):
        raise DatasetError(f"'{path}' holds no score of an environment and algorithm that were searched: it is of another grid.")
    references = [(score, row) for (score, _), row in zip(rows, table.rows, strict=True) if score.algo == REFERENCE_ALGO]
    return replace(_summarise(rows, problem, table.name), unconverged=_unconverged(references, problem))


def _read_score(table: Table, row: Row, benchmarks: Mapping[str, str]) -> Score:
    """Read one row; what is wrong with it is noted in the table."""
    score = read_score(table, row)
    return replace(score, benchmark=score.benchmark or benchmarks.get(score.env_id, ""))


def safe_link(url: str) -> str:
    """Return a link that a page may hold: http or https; else nothing."""
    try:
        return url if urlsplit(url).scheme in {"http", "https"} else ""
    except ValueError:  # such as an unclosed bracket in the host
        return ""


def _repeated(scores: Sequence[Score]) -> Iterator[str]:
    """Yield the trainings that have more than one row."""
    for (benchmark, env_id, algo, seed), n in Counter((*score.cell, score.seed) for score in scores).items():
        if n > 1:
            yield f"seed {seed} of '{algo}' on '{env_id}' ({benchmark or 'no benchmark'}) has {n} rows; keep one."


def _unconverged(references: Sequence[tuple[Score, Row]], problem: Problem) -> tuple[str, ...]:
    """Return the environments whose reference is of trainings that have not all converged; such that differ are none."""
    mixed = mixed_cells([score for score, _ in references])
    ended = [score for score, row in references if row.cells.get("converged") == "False" and score.cell not in mixed]
    found = {(score.benchmark, score.env_id) for score in ended}
    return tuple(env for benchmark, env in zip(problem.benchmarks, problem.env_ids, strict=True) if (benchmark, env) in found)


def _summarise(rows: Sequence[tuple[Score, str]], problem: Problem, name: str) -> SeedScores:
    """Average the seeds of every algorithm and environment that was searched."""
    benchmarks = dict(zip(problem.env_ids, problem.benchmarks, strict=True))
    links = {(score.cell, score.seed): url for score, url in rows}
    kept = [
        score
        for score, _ in rows
        if score.algo in problem.algos and benchmarks.get(score.env_id) == score.benchmark and not math.isnan(score.score)
    ]
    mixed = mixed_cells(kept)
    intervals = {cell[1:]: _interval(group, problem, links, mixed.get(cell, "")) for cell, group in by_cell(kept).items()}
    changed = _changed(intervals, problem)
    notes = tuple(_notes(len(rows), kept, intervals, changed, name))
    sound = [score for score in kept if (score.env_id, score.algo) not in changed]
    new_envs = _new_envs([score for score, _ in rows], problem)
    if new_envs:
        notes += (f"{count(len(new_envs), 'environment')} of {name} took no part in the search: {', '.join(new_envs[:5])}.",)
    budgets = unequal_budgets(score for score in kept if score.cell not in mixed)
    unequal = tuple(f"{env_id}: {steps}" for (_, env_id), steps in budgets.items())
    return SeedScores(intervals, notes, _array(sound, mixed, problem), _budgets(sound), bool(changed), unequal=unequal)


def _new_envs(scores: Sequence[Score], problem: Problem) -> list[str]:
    """Return the environments that were not searched, of the benchmarks and algorithms that were."""
    searched = set(zip(problem.benchmarks, problem.env_ids, strict=True))
    return sorted(
        {
            score.env_id
            for score in scores
            if score.algo in problem.algos
            and score.benchmark in problem.benchmarks
            and (score.benchmark, score.env_id) not in searched
            and not math.isnan(score.score)
        }
    )


def _array(kept: Sequence[Score], mixed: Mapping[Cell, str], problem: Problem) -> Floats:
    """Arrange scores by algorithm, seed and environment."""
    seeds = sorted({score.seed for score in kept})
    scores = np.full((len(problem.algos), max(1, len(seeds)), len(problem.env_ids)), np.nan)
    for score in kept:
        if score.cell not in mixed:
            place = problem.algos.index(score.algo), seeds.index(score.seed), problem.env_ids.index(score.env_id)
            scores[place] = score.score
    return scores


def _budgets(kept: Sequence[Score]) -> dict[str, int]:
    """Return the budget of every environment that has a single one."""
    stated: dict[str, set[str]] = {}
    for score in kept:
        stated.setdefault(score.env_id, set()).add(score.total_timesteps)
    single = {env_id: values.pop() for env_id, values in stated.items() if len(values) == 1}
    return {env_id: int(value) for env_id, value in single.items() if value.isdecimal()}


def _interval(group: Sequence[Score], problem: Problem, links: Mapping[tuple[Cell, int], str], difference: str) -> Interval:
    """Average the seeds of one algorithm on one environment."""
    column = problem.env_ids.index(group[0].env_id)
    low, high = problem.random_scores[column], problem.reference_scores[column]
    normalised = normalise(np.array([score.score for score in group]), low, high).tolist()
    seeds = tuple((score.seed, links[score.cell, score.seed]) for score in group)
    if difference:
        return Interval(math.nan, None, seeds, difference)
    error = standard_error(normalised)
    quantile = special.stdtrit(len(group) - 1, (1 + CONFIDENCE) / 2) if error is not None else math.nan
    return Interval(mean(normalised), None if error is None else float(quantile * error), seeds)


def _changed(intervals: Mapping[tuple[str, str], Interval], problem: Problem) -> set[tuple[str, str]]:
    """Return the environments and algorithms whose mean is not the one that was searched."""
    normalised = normalise(problem.scores, problem.random_scores, problem.reference_scores)
    return {
        (env_id, algo)
        for (env_id, algo), interval in intervals.items()
        if not interval.difference
        and not math.isclose(
            interval.mean,
            normalised[problem.algos.index(algo), problem.env_ids.index(env_id)],
            rel_tol=AGREEMENT,
            abs_tol=AGREEMENT,
        )
    }


def _notes(
    n_rows: int,
    kept: Sequence[Score],
    intervals: Mapping[tuple[str, str], Interval],
    changed: Collection[tuple[str, str]],
    name: str,
) -> Iterator[str]:
    """Say what the intervals leave out, and where they are not of what was searched."""
    if n_rows > len(kept):
        yield (
            f"{n_rows - len(kept)} of {n_rows} rows of {name} are of algorithms or environments that were not searched "
            "(such as the random agent and the reference), or have no score; they are left out."
        )
    for (env_id, algo), interval in intervals.items():
        if interval.difference:
            yield f"{algo} on {env_id} is not averaged: its trainings differ in {interval.difference}."
    if changed:
        named = [f"{algo} on {env_id}" for env_id, algo in intervals if (env_id, algo) in changed]
        yield (
            f"{len(changed)} of these means are not those that were searched ({', '.join(named[:5])}"
            f"{', ...' if len(changed) > 5 else ''}): {name} is of other trainings, or has changed since. Search again."
        )
