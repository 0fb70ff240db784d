"""Completeness: which trainings of the grids that were launched have a score in a table, and which have not."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rlhpc.results.audit import launched
from rlhpc.results.store import RESULT, Store
from rlhpc.results.table import read_csv
from rlhpc.results.unfinished import RecordState, how_far

Cell = tuple[str, str]  # env_id, algo
NOT_COLLECTED = "not collected"  # how far a training is whose result is stored, and not in the table


@dataclass(frozen=True)
class Completeness:
    """What was launched into a folder, and what of it is in its table of scores.

    Attributes
    ----------
    env_ids, algos : tuple of str
        In the order of their names, environments by benchmark.
    launched, scored : mapping of (env_id, algo) to int
        Trainings; a pair that was never launched is not among them.
    lacking : tuple of (str, str)
        Name of each training without a score, and how far it is, in words.
    """

    env_ids: tuple[str, ...]
    algos: tuple[str, ...]
    launched: dict[Cell, int]
    scored: dict[Cell, int]
    lacking: tuple[tuple[str, str], ...]

    @property
    def n_launched(self) -> int:
        """Trainings of all launches."""
        return sum(self.launched.values())


def read_completeness(path: Path) -> Completeness | None:
    """Compare a table of scores with what was launched into its folder.

    Parameters
    ----------
    path : Path
        ``scores.csv`` of ``jobs/collect_scores.py``, where it was written.

    Returns
    -------
    Completeness or None
        None if there is no record of launches beside it.
    """
    store = Store(path.parent)
    trainings, _ = launched(store)  # what is wrong with the record is for audit.py to tell
    if not trainings:
        return None
    in_table = _in_table(path)
    has_score = {
        training.name
        for training in trainings
        for benchmark in (training.benchmark, "")
        if (benchmark, training.env_id, training.algo, str(training.seed)) in in_table
    }
    scored = Counter((training.env_id, training.algo) for training in trainings if training.name in has_score)
    cells = Counter((training.env_id, training.algo) for training in trainings)
    lacking = tuple((training.name, _state(store.folder(training))) for training in trainings if training.name not in has_score)
    env_ids = tuple(dict.fromkeys(training.env_id for training in sorted(trainings, key=lambda training: training.key)))
    algos = tuple(sorted({training.algo for training in trainings}))
    return Completeness(env_ids, algos, dict(cells), dict(scored), lacking)


def _in_table(path: Path) -> set[tuple[str, ...]]:
    """Return benchmark, environment, algorithm and seed of every row with a score; blank where the table does not say them."""
    table = read_csv(path)
    columns = ("benchmark", "env_id", "algo", "seed")
    return {
        tuple(row.cells.get(column, "") for column in columns) for row in table.rows if math.isfinite(table.number(row, "score"))
    }


def by_state(lacking: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Count trainings by the first words of how far they are."""
    found: dict[str, int] = defaultdict(int)
    for _, state in lacking:
        found[state.partition(":")[0]] += 1
    return dict(found)


def _state(folder: Path) -> str:
    """Say how far a training without a score is."""
    if not folder.is_dir():
        return RecordState.NEVER_BEGUN.replace("_", " ")
    if (folder / RESULT).exists():
        return f"{NOT_COLLECTED}: its result came later, or is damaged"
    state, reason = how_far(folder)
    return f"{state}: {reason}"
