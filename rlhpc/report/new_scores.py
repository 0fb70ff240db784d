"""The scores of new algorithms, as words on a command line or as a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rlhpc.errors import InputError
from rlhpc.report.prediction_faults import budget_faults, name_faults, nothing_given, number_faults
from rlhpc.results.dataset import LONG, ONE_ROW_EACH, read_score
from rlhpc.results.scores import BASELINES, Score, mixed_cells
from rlhpc.results.table import Row, Table, read_csv
from rlhpc.search.predict import choose_fit
from rlhpc.search.predictor import Predictor

Seeds = Mapping[str, tuple[float, ...]]  # environment -> score of each seed


@dataclass(frozen=True)
class NewScores:
    """The scores of a table that a predictor has a use for.

    Attributes
    ----------
    algos : mapping of str to mapping of str to tuple of float
        Algorithm -> environment -> score of each seed; algorithms in alphabetical order, seeds in increasing order.
    ignored : tuple of str
        Environments of the table that the predictor has no use for.
    left_out : tuple of str
        Algorithms whose scores are not enough to predict them, and those that scores are normalised by.
    """

    algos: Mapping[str, Seeds]
    ignored: tuple[str, ...]
    left_out: tuple[str, ...]


def read_words(words: Sequence[str], predictor: Predictor, total_timesteps: int | None = None) -> Seeds:
    """Read the scores of one algorithm from words such as ``Pong=18.5,20``.

    Parameters
    ----------
    words : sequence of str
        The name ends at the last ``=``, so that it may hold one.
    predictor : Predictor
    total_timesteps : int, optional
        The budget of these scores in agent steps over all parallel environments.

    Raises
    ------
    InputError
        With every fault.
    """
    seeds: dict[str, tuple[float, ...]] = {}
    faults = []
    for word in words:
        env_id, equals, numbers = word.rpartition("=")
        if not equals:
            faults.append(f"'{word}' is no score: write ENV=SCORE, or ENV=SCORE,SCORE for several seeds.")
            continue
        if env_id in seeds:
            faults.append(f"'{env_id}' is given more than once: write all of its scores in one word, separated by commas.")
        seeds[env_id] = tuple(map(_number, numbers.split(",")))
        wrong = [text for text, value in zip(numbers.split(","), seeds[env_id], strict=True) if math.isnan(value)]
        faults += [f"'{text}' in '{word}' is not a number." for text in wrong]
    numbers_of = {env_id: values for env_id, values in seeds.items() if not any(map(math.isnan, values))}
    faults += [*name_faults(predictor, seeds), *number_faults(predictor, numbers_of)]
    faults += budget_faults(predictor, dict.fromkeys(seeds, total_timesteps) if total_timesteps is not None else {})
    if faults := faults or [*nothing_given(predictor, seeds)]:
        raise InputError(*faults)
    return seeds


def _number(text: str) -> float:
    """Return a number, NaN for what is none."""
    try:
        return float(text.replace("_", "?"))  # float() takes 1_0 for 10
    except ValueError:
        return math.nan


def read_score_table(path: Path, predictor: Predictor, total_timesteps: int | None = None) -> NewScores:
    """Read a table of one row a training, for any number of algorithms.

    Parameters
    ----------
    path : Path
        ``env_id, algo, seed, score``, optionally ``total_timesteps, hyperparameters_hash``; other columns are ignored, as are
        rows without a score, of environments that the predictor has no use for, or of what scores are normalised by.
    predictor : Predictor
    total_timesteps : int, optional
        The budget of rows that name none, in agent steps over all parallel environments.

    Raises
    ------
    DatasetError
        With everything that is wrong with the table, or if no algorithm can be predicted by it.
    """
    table = read_csv(path)
    table.require(LONG, ONE_ROW_EACH)
    known = [row for row in table.rows if row.cells["env_id"] in predictor.env_ids and row.cells["algo"] not in BASELINES]
    scores = [_read_score(table, row, predictor, total_timesteps) for row in known]
    table.faults.extend(f"'{table.name}': {fault}" for fault in _cell_faults(scores))
    algos = {score.algo: _seeds(scores, score.algo) for score in sorted(scores, key=lambda score: score.algo)}
    for algo, seeds in algos.items():
        table.faults.extend(f"'{table.name}', algorithm '{algo}': {fault}" for fault in number_faults(predictor, seeds))
    predicted = {algo: seeds for algo, seeds in algos.items() if choose_fit(predictor, seeds)}
    if not table.faults and not predicted:
        table.faults.extend(f"'{table.name}': {fault}" for fault in nothing_given(predictor, {}))
    table.check()
    names = {column: dict.fromkeys(row.cells[column] for row in table.rows) for column in ("env_id", "algo")}
    return NewScores(
        algos=predicted,
        ignored=tuple(env_id for env_id in names["env_id"] if env_id not in predictor.env_ids),
        left_out=tuple(algo for algo in names["algo"] if algo not in predicted),
    )


def _read_score(table: Table, row: Row, predictor: Predictor, total_timesteps: int | None) -> Score:
    """Read one row; what is wrong with it is noted in the table."""
    budget = table.integer(row, "total_timesteps") if row.cells.get("total_timesteps") else total_timesteps
    score = replace(read_score(table, row), total_timesteps="" if budget is None else str(budget))
    if score.total_timesteps and not math.isnan(score.score):
        faults = budget_faults(predictor, {score.env_id: int(score.total_timesteps)})
        table.faults.extend(f"'{table.name}', line {row.line}: {fault}" for fault in faults)
    return score


def _cell_faults(scores: Sequence[Score]) -> Iterator[str]:
    """Yield the trainings that have more than one row, and those that differ where they are to be averaged."""
    for (env_id, algo, seed), n in Counter((score.env_id, score.algo, score.seed) for score in scores).items():
        if n > 1:
            yield f"seed {seed} of '{algo}' on '{env_id}' has {n} rows; keep one."
    for (_, env_id, algo), difference in mixed_cells(scores).items():
        yield f"the trainings of '{algo}' on '{env_id}' differ in {difference}; scores of different trainings are not averaged."


def _seeds(scores: Sequence[Score], algo: str) -> Seeds:
    """Return the scores of one algorithm, in the order of seeds."""
    found: dict[str, tuple[float, ...]] = {}
    for score in sorted(scores, key=lambda score: score.seed):
        if score.algo == algo and not math.isnan(score.score):
            found[score.env_id] = (*found.get(score.env_id, ()), score.score)
    return found
