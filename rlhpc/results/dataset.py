"""The dataset: scores of algorithms, seeds and environments, and its tables."""

from __future__ import annotations

import math
import os
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError
from rlhpc.records import BenchmarkEnv
from rlhpc.results.environments import Environment, Sourced, describe, find, first_known, published
from rlhpc.results.scores import BASELINES, RANDOM_ALGO, REFERENCE_ALGO, Score, mean, mixed_cells
from rlhpc.results.table import Row, Table, read_csv, write_csv

Floats = NDArray[np.float64]

WIDE = ("Environments", "Benchmark", "Action Space", "Base", "Reference")  # then one column an algorithm
LONG = ("env_id", "algo", "seed", "score")
ONE_ROW_EACH = "Give a table of one row a training, such as the scores.csv that jobs/collect_scores.py writes."


@dataclass(frozen=True, eq=False)
class Dataset:
    """Scores of a grid of algorithms, seeds and environments.

    Attributes
    ----------
    scores : array of shape (n_algos, n_seeds, n_envs)
        Score of each training; NaN where missing.
    algos : tuple of str, length n_algos
    env_ids, benchmarks, action_spaces : tuple of str, length n_envs
    random_scores, reference_scores : array of shape (n_envs,)
        Scores that are normalised to 0 and 100; NaN where unknown.
    random_sources, reference_sources : tuple of str, length n_envs
        Where these come from, in words; blank where unknown.
    """

    scores: Floats
    algos: tuple[str, ...]
    env_ids: tuple[str, ...]
    benchmarks: tuple[str, ...]
    action_spaces: tuple[str, ...]
    random_scores: Floats
    reference_scores: Floats
    random_sources: tuple[str, ...]
    reference_sources: tuple[str, ...]

    @property
    def mean_scores(self) -> Floats:
        """Mean over the seeds that are there, shape (n_algos, n_envs); NaN where there is none."""
        means = np.full((len(self.algos), len(self.env_ids)), np.nan)
        for algo, env in np.argwhere(~np.isnan(self.scores).all(axis=1)):
            seeds = self.scores[algo, :, env]
            means[algo, env] = mean(seeds[~np.isnan(seeds)].tolist())
        return means


def read_table(path: Path, benchmark_envs: Sequence[BenchmarkEnv] = ()) -> Dataset:
    """Read a wide or a long table of scores.

    Parameters
    ----------
    path : Path
        A CSV file. Wide: ``Environments, Benchmark, Action Space, Base, Reference``, then one column an algorithm; rows and
        columns keep their order. Long: ``env_id, algo, seed, score``, optionally ``benchmark, action_space, random_score,
        reference_score, total_timesteps, hyperparameters_hash``; other columns are ignored, environments are sorted by
        benchmark and id, algorithms by name.
    benchmark_envs : sequence of BenchmarkEnv
        Give the benchmarks, random and reference scores that the table leaves out.

    Raises
    ------
    DatasetError
        With everything that is wrong with the table: file, line, column and value.
    """
    if not os.path.lexists(path):
        raise DatasetError(
            f"cannot read the table '{path}': No such file or directory. That of a grid is made by: python jobs/collect_scores.py"
            " logs/NAME"
        )
    table = read_csv(path)
    if _is_wide(table):
        dataset = _read_wide(table, benchmark_envs)
    else:
        dataset = from_scores(_read_long(table), benchmark_envs, file=table.name)
    table.faults.extend(f"'{table.name}': {fault}" for fault in unusable(dataset))
    table.check()
    return dataset


def write_wide(dataset: Dataset, path: Path) -> Path:
    """Write the wide table that `read_table` reads: means over seeds, in full precision, empty where missing."""
    texts = (dataset.env_ids, dataset.benchmarks, dataset.action_spaces)
    numbers = (dataset.random_scores, dataset.reference_scores, *dataset.mean_scores)
    return write_csv(path, (*WIDE, *dataset.algos), zip(*texts, *numbers, strict=True))


_OTHER_REFERENCE = (
    "Train the reference for longer, put another reference score into the table or a benchmark's file, or delete the "
    "environment's lines from the table."
)


def unusable(dataset: Dataset) -> Iterator[str]:
    """Yield what keeps a dataset from being normalised and compared, and what to do about it."""
    if not dataset.algos:
        yield f"there is no algorithm to compare: '{RANDOM_ALGO}' and '{REFERENCE_ALGO}' are what scores are normalised by."
    if names := [name for name, score in zip(dataset.env_ids, dataset.random_scores, strict=True) if math.isnan(score)]:
        have, it = _have(names)
        yield (
            f"{have} no random score (Base). Train the algorithm '{RANDOM_ALGO}' on {it}, or measure {it} with "
            f"`python jobs/random_score.py {shlex.join(names)}` and put the score into the table or a benchmark's file."
        )
    if names := [name for name, score in zip(dataset.env_ids, dataset.reference_scores, strict=True) if math.isnan(score)]:
        have, it = _have(names)
        yield (
            f"{have} no reference score (Reference). Train the algorithm '{REFERENCE_ALGO}' on {it}, or put a score into the "
            "table or a benchmark's file."
        )
    for env_id, low, high in zip(dataset.env_ids, dataset.random_scores, dataset.reference_scores, strict=True):
        if low == high and math.isfinite(low):
            yield (
                f"the environment '{env_id}' has the random score (Base) and the reference score (Reference) {low:g}; "
                f"scores cannot be normalised by two equal ones. {_OTHER_REFERENCE}"
            )


def upside_down(env_ids: Sequence[str], random_scores: Sequence[float], reference_scores: Sequence[float]) -> Iterator[str]:
    """Yield where the reference is worse than the random agent, which turns normalised scores upside down."""
    for env_id, low, high in zip(env_ids, random_scores, reference_scores, strict=True):
        if high < low:
            yield (
                f"the reference score of '{env_id}', {high:g}, is below its random score, {low:g}: normalised, the lower scores "
                f"count as the better ones. If they are not: {_OTHER_REFERENCE[0].lower()}{_OTHER_REFERENCE[1:]}"
            )


def _have(env_ids: Sequence[str]) -> tuple[str, str]:
    """Begin a sentence about what environments have; and the pronoun for them."""
    if len(env_ids) == 1:
        return f"the environment '{env_ids[0]}' has", "it"
    return f"{len(env_ids)} environments ({', '.join(env_ids)}) have", "them"


def from_scores(scores: Sequence[Score], benchmark_envs: Sequence[BenchmarkEnv] = (), *, file: str = "") -> Dataset:
    """Arrange scores of single trainings as a dataset, sorted by benchmark, environment, algorithm and seed.

    Parameters
    ----------
    scores : sequence of Score
        At most one for each environment, algorithm and seed; each environment in one benchmark.
    benchmark_envs : sequence of BenchmarkEnv
        Give what the scores leave out.
    file : str
        The table that holds the random and reference scores within `scores`.
    """
    groups = defaultdict(list)
    for score in scores:
        groups[score.env_id].append(score)
    envs = [describe(group, benchmark_envs, file) for group in groups.values()]
    envs.sort(key=lambda env: (env.benchmark, env.env_id))
    algos = sorted({score.algo for score in scores} - {*BASELINES})
    compared = [score for score in scores if score.algo in algos]
    seeds = sorted({score.seed for score in compared})
    array = np.full((len(algos), len(seeds), len(envs)), np.nan)
    places = {env.env_id: place for place, env in enumerate(envs)}
    for score in compared:
        array[algos.index(score.algo), seeds.index(score.seed), places[score.env_id]] = score.score
    return _assemble(array, algos, envs)


def _assemble(scores: Floats, algos: Sequence[str], envs: Sequence[Environment]) -> Dataset:
    return Dataset(
        scores=scores,
        algos=tuple(algos),
        env_ids=tuple(env.env_id for env in envs),
        benchmarks=tuple(env.benchmark for env in envs),
        action_spaces=tuple(env.action_space for env in envs),
        random_scores=np.array([env.random.value for env in envs], dtype=np.float64),
        reference_scores=np.array([env.reference.value for env in envs], dtype=np.float64),
        random_sources=tuple(env.random.source for env in envs),
        reference_sources=tuple(env.reference.source for env in envs),
    )


def _is_wide(table: Table) -> bool:
    """Tell the layout by the columns that are there.

    Raises
    ------
    DatasetError
        If neither layout is complete.
    """
    lacking_wide, lacking_long = ([name for name in layout if name not in table.columns] for layout in (WIDE, LONG))
    wide = len(lacking_wide) / len(WIDE) <= len(lacking_long) / len(LONG)
    lacking = lacking_wide if wide else lacking_long
    if lacking:
        raise DatasetError(
            f"'{table.name}' lacks the columns {', '.join(lacking)}; it has {', '.join(table.columns)}. "
            f"A wide table has {', '.join(WIDE)}, then one column an algorithm; a long one has {', '.join(LONG)}. "
            "Cells are separated by commas."
        )
    return wide


def _read_wide(table: Table, benchmark_envs: Sequence[BenchmarkEnv]) -> Dataset:
    """Read a table of one row an environment; what is wrong with it is noted in the table."""
    algos = [column for column in table.columns if column not in WIDE]
    for name, column in zip(BASELINES, ("Base", "Reference"), strict=True):
        if name in algos:
            table.faults.append(
                f"'{table.name}': the column '{name}' is no algorithm to compare; put its scores under '{column}'."
            )
    lines: dict[str, int] = {}
    envs, scores = [], []
    for row in table.rows:
        env_id, benchmark, action_space = (table.text(row, column) for column in WIDE[:3])
        if env_id and lines.setdefault(env_id, row.line) != row.line:
            table.fault(row, "Environments", f"stands in line {lines[env_id]} already; give each environment one row")
        known = find(env_id, benchmark, benchmark_envs)
        random, reference = (
            first_known(Sourced(table.number(row, column), f"file {table.name}"), published(known, kind))
            for column, kind in (("Base", "random"), ("Reference", "reference"))
        )
        envs.append(Environment(env_id, benchmark, action_space, random, reference))
        scores.append([table.number(row, algo) for algo in algos])
    array = np.array(scores, dtype=np.float64).reshape(len(envs), 1, len(algos))
    return _assemble(array.transpose(2, 1, 0), algos, envs)


def _read_long(table: Table) -> list[Score]:
    """Read a table of one row a training; what is wrong with it is noted in the table."""
    scores, sound = [], []
    lines: dict[tuple[str, str, int], int] = {}
    for row in table.rows:
        n_faults = len(table.faults)
        score = read_score(table, row)
        scores.append(score)
        if len(table.faults) == n_faults:  # what cannot be read is not compared either
            sound.append(score)
            first = lines.setdefault((score.env_id, score.algo, score.seed), row.line)
            if first != row.line:
                table.fault(row, "seed", f"of '{score.algo}' on '{score.env_id}' stands in line {first} already")
    table.faults.extend(f"'{table.name}': {fault}" for fault in _contradictions(sound))
    benchmarks = {score.env_id: score.benchmark for score in scores if score.benchmark}
    scores, sound = ([replace(score, benchmark=benchmarks.get(score.env_id, "")) for score in group] for group in (scores, sound))
    table.faults.extend(
        f"'{table.name}': the trainings of '{algo}' on '{env_id}' differ in {difference}; scores of different trainings are not "
        "averaged. Keep one kind, or give them different names."
        for (_, env_id, algo), difference in mixed_cells(sound).items()
    )
    return scores


def _contradictions(scores: Sequence[Score]) -> Iterator[str]:
    """Yield the environments of which a long table says two things."""
    for key in ("benchmark", "action_space", "random_score", "reference_score"):
        stated: dict[str, dict[str, None]] = defaultdict(dict)
        for score in scores:
            value = str(getattr(score, key))
            if value not in {"", "nan"}:
                stated[score.env_id][value] = None
        for env_id, values in stated.items():
            if len(values) > 1:
                yield f"the environment '{env_id}' has more than one {key}: {', '.join(values)}. Give it one."


def read_score(table: Table, row: Row) -> Score:
    """Read one row of a long table; what is wrong with it is noted in the table."""
    texts = {key: row.cells.get(key, "") for key in ("benchmark", "action_space", "total_timesteps", "hyperparameters_hash")}
    return Score(
        env_id=table.text(row, "env_id"),
        algo=table.text(row, "algo"),
        seed=table.integer(row, "seed"),
        score=table.number(row, "score"),
        random_score=table.number(row, "random_score"),
        reference_score=table.number(row, "reference_score"),
        **texts,
    )
