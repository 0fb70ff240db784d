"""Collect the stored results of one folder: scores.csv, the dataset, and what is wrong with them in plain words."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlhpc.errors import DamagedResultError, RlhpcError, nearest
from rlhpc.records import CUSTOM_BENCHMARK, BenchmarkEnv, Result
from rlhpc.results.dataset import Dataset, from_scores, unusable, upside_down
from rlhpc.results.missing import gaps, unfinished
from rlhpc.results.scores import REFERENCE_ALGO, Cell, Score, mixed_cells, standard_error, unequal_budgets
from rlhpc.results.store import Store
from rlhpc.results.table import write_csv
from rlhpc.results.wandb_links import FOLDER_COLUMN, LINK_COLUMN, read_links
from rlhpc.words import count


@dataclass(frozen=True, eq=False)
class Collection:
    """What one folder of results holds.

    Attributes
    ----------
    results : tuple of Result
        In the order of benchmark, environment, algorithm, seed.
    scores : tuple of Score
        Those of the results, in their order.
    mixed : mapping of (benchmark, env_id, algo) to str
        Cells that are not averaged, because their trainings differ; with the difference.
    dataset : Dataset
        Mixed cells are missing in it.
    problems : tuple of str
        What is damaged, left out, missing or failed, in plain words.
    """

    results: tuple[Result, ...]
    scores: tuple[Score, ...]
    mixed: Mapping[Cell, str]
    dataset: Dataset
    problems: tuple[str, ...]


def collect(store: Store, benchmark_envs: Sequence[BenchmarkEnv]) -> Collection:
    """Read every result of a store; nothing is averaged or left out silently.

    Parameters
    ----------
    store : Store
    benchmark_envs : sequence of BenchmarkEnv
        The known benchmarks, for the random and reference scores that the results do not hold.

    Notes
    -----
    Trainings of one algorithm on one environment that differ in budget or hyperparameters are not averaged: the dataset has
    no score there. An environment that was trained within several benchmarks is in the dataset once, within the first of
    them by name.
    """
    results, problems = _read(store)
    problems += _without_file(results, {env.benchmark for env in benchmark_envs} | {CUSTOM_BENCHMARK})
    scores = tuple(_score(result) for result in results)
    mixed = mixed_cells(scores)
    problems += [
        f"'{algo}' on '{env_id}' ({benchmark}) is not averaged: its trainings differ in {difference}. "
        "Delete those you do not want, or give them a name of their own."
        for (benchmark, env_id, algo), difference in mixed.items()
    ]
    averaged = [replace(score, score=math.nan) if score.cell in mixed else score for score in scores]
    averaged = _one_benchmark_each(averaged, problems)
    dataset = from_scores(averaged, benchmark_envs)
    problems += gaps(scores)
    problems += unfinished(store)
    problems += _without_links(store)
    if results:
        problems += unusable(dataset)
        compared = unequal_budgets(score for score in scores if score.cell not in mixed)
        problems += [
            f"'{env_id}' ({benchmark}): algorithms were trained for different numbers of agent steps, {steps}, and are compared"
            " all the same."
            for (benchmark, env_id), steps in compared.items()
        ]
        problems += _unconverged([result for result, score in zip(results, scores, strict=True) if score.cell not in mixed])
        problems += upside_down(dataset.env_ids, dataset.random_scores.tolist(), dataset.reference_scores.tolist())
    return Collection(results, scores, mixed, dataset, tuple(problems))


def _read(store: Store) -> tuple[tuple[Result, ...], list[str]]:
    """Read the sound results, sorted; and say what was left out."""
    found = list(store.iterate())
    problems = [f"left out: {result}" for result in found if isinstance(result, DamagedResultError)]
    results = [result for result in found if isinstance(result, Result)]
    return tuple(sorted(results, key=lambda result: result.training.key)), problems


def _without_file(results: Sequence[Result], benchmarks: set[str]) -> list[str]:
    """Say which benchmarks have no file that could give random and reference scores."""
    unknown = Counter(result.training.benchmark for result in results if result.training.benchmark not in benchmarks)
    return [
        f"the benchmark '{name}' of {count(n, 'result')} has no file: random and reference scores can only be your own. "
        f"Name its file with --benchmarks, if it has one. {nearest(name, benchmarks)}"
        for name, n in sorted(unknown.items())
    ]


def _unconverged(results: Sequence[Result]) -> list[str]:
    """Say where the reference is no agent that has converged."""
    ended = [result.training for result in results if result.training.algo == REFERENCE_ALGO and result.converged is False]
    if not ended:
        return []
    env_ids = ", ".join(sorted({training.env_id for training in ended}))
    what = f"{count(len(ended), 'training')} of the reference '{REFERENCE_ALGO}' had not converged when the budget ended"
    remedy = "Give the reference a larger budget; launched without budget.total_timesteps, it has one of its own."
    return [f"{what}, on {env_ids}: 100 means what was reached by then. {remedy}"]


def _without_links(store: Store) -> list[str]:
    """Say where the links of runs that were sent cannot be read."""
    try:
        read_links(store.root)
    except RlhpcError as error:
        return [f"without links: {error}"]
    return []


def _score(result: Result) -> Score:
    training = result.training
    return Score(
        env_id=training.env_id,
        algo=training.algo,
        seed=training.seed,
        score=result.score,
        benchmark=training.benchmark,
        action_space=training.action_space,
        total_timesteps=str(training.total_timesteps),
        hyperparameters_hash=training.hyperparameters_hash,
    )


def _one_benchmark_each(scores: Sequence[Score], problems: list[str]) -> list[Score]:
    """Keep the scores of one benchmark an environment, the first by name; note the others."""
    benchmarks: dict[str, set[str]] = defaultdict(set)
    for score in scores:
        benchmarks[score.env_id].add(score.benchmark)
    for env_id, names in sorted(benchmarks.items()):
        kept, *others = sorted(names)
        if others:
            problems.append(
                f"'{env_id}' was trained within {' and '.join(sorted(names))}: the dataset holds the scores of {kept} only."
            )
    return [score for score in scores if score.benchmark == min(benchmarks[score.env_id])]


def score_row(result: Result, root: Path, urls: Mapping[str, str | None]) -> dict[str, Any]:
    """Return one row of scores.csv: what identifies a training, its score, how it was made, where it lies below `root`.

    Parameters
    ----------
    result : Result
    root : Path
    urls : mapping of str to (str or None)
        Run id -> link, of runs that were sent after their training; the result itself was not told. None: it is not known.
    """
    training, device = result.training, result.device
    return {
        "benchmark": training.benchmark,
        "env_id": training.env_id,
        "action_space": training.action_space,
        "algo": training.algo,
        "seed": training.seed,
        "score": result.score,
        "n_episodes": len(result.episode_scores),
        "episode_standard_error": standard_error(result.episode_scores),
        "timesteps": result.timesteps,
        "total_timesteps": training.total_timesteps,
        "hyperparameters_hash": training.hyperparameters_hash,
        "attempt": result.attempt,
        "converged": result.converged,
        "train_seconds": result.train_seconds,
        "evaluation_seconds": result.evaluation_seconds,
        "device": ": ".join(filter(None, (device.get("type"), device.get("name") or device.get("cpu")))),
        "started_at": result.started_at,
        "finished_at": result.finished_at,
        LINK_COLUMN: result.wandb.get("url") or urls.get(result.wandb.get("run_id") or ""),
        "wandb_sync_command": result.wandb.get("sync_command"),
        FOLDER_COLUMN: Store(root).folder(training).relative_to(root).as_posix(),
    }


def write_scores(results: Sequence[Result], root: Path, path: Path) -> Path:
    """Write scores.csv, one row a training; `read_table` takes it as a long table."""
    urls: Mapping[str, str | None] = {}
    with contextlib.suppress(RlhpcError):  # `collect` tells
        urls = read_links(root).urls
    rows = [score_row(result, root, urls) for result in results]
    return write_csv(path, tuple(rows[0]), (tuple(row.values()) for row in rows))
