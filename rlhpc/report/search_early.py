"""Environments at shorter budgets as candidates: ``Pong@25000`` is Pong after 25,000 steps of its training."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError, nearest
from rlhpc.results.dataset import LONG
from rlhpc.results.early import AT
from rlhpc.results.normalise import MAX_FINITE, log_score, normalise
from rlhpc.results.scores import mean
from rlhpc.results.table import Row, Table, read_csv
from rlhpc.search import Problem

Floats = NDArray[np.float64]


def split_early(env_id: str) -> tuple[str, int] | None:
    """Return the environment and the steps of a name such as ``Pong@25000``; None if it is no such name."""
    name, at, steps = env_id.rpartition(AT)
    return (name, int(steps)) if at and name and steps.isdecimal() else None


def with_early(problem: Problem, path: Path) -> Problem:
    """Add candidates that are environments of the problem stopped early; the target stays what it is.

    Parameters
    ----------
    problem : Problem
    path : Path
        A table ``env_id, algo, seed, score`` of rows such as ``Pong@25000, ppo, 1, 3.5``; scores of algorithms that the problem
        does not have do not count. They are normalised as those of the environment at its full budget are.

    Raises
    ------
    InputError
        With everything that is wrong with the table.
    """
    table = read_csv(path)
    table.require(LONG, "Give a table such as the early.csv that jobs/collect_scores.py --at writes.")
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    lines: dict[tuple[str, str, int], int] = {}
    for row in table.rows:
        env_id, score = table.text(row, "env_id"), table.number(row, "score")
        table.faults.extend(_name_faults(problem, table, row, env_id))
        first = lines.setdefault((env_id, row.cells["algo"], table.integer(row, "seed")), row.line)
        if first != row.line:
            table.fault(row, "seed", f"of '{row.cells['algo']}' on '{env_id}' stands in line {first} already")
        if abs(score) > MAX_FINITE and not math.isinf(score):
            table.fault(row, "score", "is too extreme to be normalised")
        if row.cells["algo"] in problem.algos and not np.isnan(score):
            found[env_id][row.cells["algo"]].append(score)
    table.check()
    if not found:
        raise InputError(f"'{path}' holds no score of an algorithm that is searched: it is of another grid.")
    return _extend(problem, found)


def excluded_with(problem: Problem, excluded: Sequence[str]) -> tuple[str, ...]:
    """Return what is excluded with its candidates that are stopped early."""
    full = [problem.env_ids[column] for column in problem.full]
    return (*excluded, *(env_id for env_id, name in zip(problem.env_ids, full, strict=True) if name in excluded))


def _name_faults(problem: Problem, table: Table, row: Row, env_id: str) -> Iterator[str]:
    split = split_early(env_id)
    if split is None:
        yield f"'{table.name}', line {row.line}: '{env_id}' is no environment at a number of steps, such as 'Pong{AT}25000'."
    elif split[0] not in problem.env_ids:
        yield f"'{table.name}', line {row.line}: the table has no environment '{split[0]}'. {nearest(split[0], problem.env_ids)}"
    elif env_id in problem.env_ids:
        yield f"'{table.name}', line {row.line}: '{env_id}' is an environment of the table already."


def _extend(problem: Problem, found: dict[str, dict[str, list[float]]]) -> Problem:
    """Add a column for every environment found, by environment and steps."""
    names = sorted(found, key=lambda env_id: _place(problem, env_id))
    full = np.array([_place(problem, env_id)[0] for env_id in names])
    scores = np.array(
        [[mean(found[env_id][algo]) if found[env_id][algo] else np.nan for env_id in names] for algo in problem.algos]
    )
    random_scores, reference_scores = problem.random_scores[full], problem.reference_scores[full]
    with np.errstate(over="ignore"):  # what comes of it is refused by name
        normalised = normalise(scores, random_scores, reference_scores)
    if beyond := [name for name, column in zip(names, normalised.T, strict=True) if (np.abs(column) > MAX_FINITE).any()]:
        raise InputError(f"scores for {', '.join(beyond)} are too extreme to be normalised. Correct them.")
    return replace(
        problem,
        X=np.hstack([problem.X, log_score(normalised)]),
        scores=np.hstack([problem.scores, scores]),
        env_ids=(*problem.env_ids, *names),
        benchmarks=_longer(problem.benchmarks, full),
        action_spaces=_longer(problem.action_spaces, full),
        random_scores=np.concatenate([problem.random_scores, random_scores]),
        reference_scores=np.concatenate([problem.reference_scores, reference_scores]),
        costs=np.concatenate([problem.costs, np.full(len(names), np.nan)]),
        full=np.concatenate([problem.full, full]),
    )


def _place(problem: Problem, env_id: str) -> tuple[int, int]:
    """Return the column of an environment at its full budget, and the steps after which it is stopped."""
    split = split_early(env_id)
    if split is None:
        raise ValueError(env_id)
    return problem.env_ids.index(split[0]), split[1]


def _longer(values: Sequence[str], columns: NDArray[np.int64]) -> tuple[str, ...]:
    return (*values, *(values[column] for column in columns))
