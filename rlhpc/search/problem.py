"""The problem to search: which columns of X predict y best."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.files import digest
from rlhpc.search.arrays import write_arrays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Problem:
    """A table of scores, made ready for regression.

    Attributes
    ----------
    X : array of shape (n_algos, n_envs)
        Log normalised scores, log10(1 + max(0, normalised)); NaN where missing.
    y : array of shape (n_algos,)
        Log benchmark score: what a subset predicts.
    algos : tuple of str, length n_algos
    env_ids, benchmarks, action_spaces : tuple of str, length n_envs
    scores : array of shape (n_algos, n_envs)
        Raw mean scores behind X; NaN where missing.
    random_scores, reference_scores : array of shape (n_envs,)
        Scores that are normalised to 0 and 100.
    costs : array of shape (n_envs,)
        Of an algorithm's training on each environment; NaN where unknown, as all are by default.
    cost_unit : str
        What they are counted in, such as hours; blank where unknown.
    full : array of shape (n_envs,)
        For a candidate that is an environment stopped before its full budget, the column of that environment; for all others,
        which y is a summary of, their own. By default, every column's own.
    """

    X: Floats
    y: Floats
    algos: tuple[str, ...]
    env_ids: tuple[str, ...]
    benchmarks: tuple[str, ...]
    action_spaces: tuple[str, ...]
    scores: Floats
    random_scores: Floats
    reference_scores: Floats
    costs: Floats = field(default_factory=lambda: np.empty(0))
    cost_unit: str = ""
    full: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __post_init__(self) -> None:
        """Fill in what was left out."""
        n_envs = len(self.env_ids)
        if len(self.costs) != n_envs:
            object.__setattr__(self, "costs", np.full(n_envs, np.nan))
        if len(self.full) != n_envs:
            object.__setattr__(self, "full", np.arange(n_envs))

    @property
    def in_target(self) -> NDArray[np.bool_]:
        """Whether y is a summary of each column, shape (n_envs,): not of environments stopped early."""
        own: NDArray[np.bool_] = self.full == np.arange(len(self.full))
        return own


def without_costs(problem: Problem) -> Problem:
    """Return the problem as if nothing were known of what its environments cost."""
    return replace(problem, costs=np.full(len(problem.env_ids), np.nan), cost_unit="")


def full_budgets(problem: Problem) -> Problem:
    """Return the problem without the candidates that are environments stopped early."""
    columns = np.flatnonzero(problem.in_target)
    if len(columns) == len(problem.env_ids):
        return problem
    names = {name: getattr(problem, name) for name in ("env_ids", "benchmarks", "action_spaces")}
    arrays = ("random_scores", "reference_scores", "costs")
    kept: dict[str, Any] = {name: tuple(values[column] for column in columns) for name, values in names.items()}
    kept |= {name: getattr(problem, name)[columns] for name in arrays}
    return replace(problem, X=problem.X[:, columns], scores=problem.scores[:, columns], full=np.arange(len(columns)), **kept)


def save(problem: Problem, path: Path) -> Path:
    """Write a problem as one .npz file, atomically; no pickles in it."""
    arrays = {name: np.asarray(value) for name, value in vars(problem).items()}
    return write_arrays(path, arrays)


def load(path: Path) -> Problem:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        stored = {name: arrays[name] for name in Problem.__dataclass_fields__}
    values: dict[str, Any] = {name: tuple(a.tolist()) if a.dtype.kind == "U" else a for name, a in stored.items()}
    values["cost_unit"] = str(stored["cost_unit"])
    return Problem(**values)


def problem_hash(problem: Problem) -> str:
    """Return the SHA-256 of a problem, in hexadecimal: what all shards of one search share.

    Names and raw scores count to the bit. X and y count to 6 decimals, because a logarithm may differ in its last bit
    between kinds of CPU, and the shards of one search may run on several.
    """
    derived = {"X": problem.X.round(6) + 0.0, "y": problem.y.round(6) + 0.0}  # + 0.0 turns -0.0 into 0.0
    return digest({name: _plain(np.asarray(derived.get(name, value))) for name, value in vars(problem).items()})


def _plain(array: NDArray[Any]) -> Any:
    """Spell an array as JSON does, NaN as null."""
    plain = array.astype(object)
    if array.dtype.kind == "f":
        plain[np.isnan(array)] = None
    return plain.tolist()
