"""The plan of a search: what would be searched, in how many shards, and which of them are missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

from rlhpc.report.search_folder import SearchFolder
from rlhpc.search import Problem, Settings, n_shard_subsets, spell_ranges, stored_shards


@dataclass(frozen=True)
class SearchPlan:
    """What would be searched.

    Attributes
    ----------
    folder : SearchFolder
        Where results would go.
    n_algos, n_envs, subset_size : int
    n_shards : int
    missing : tuple of int
        The shards that are not stored, or damaged; increasing.
    """

    folder: SearchFolder
    n_algos: int
    n_envs: int
    subset_size: int
    n_shards: int
    missing: tuple[int, ...]

    @property
    def n_subsets(self) -> int:
        """Number of subsets of the largest size."""
        return comb(self.n_envs, self.subset_size)

    @property
    def missing_ranges(self) -> str:
        """The missing shards as Slurm spells them, such as ``0-2,5``."""
        return spell_ranges(self.missing)

    @property
    def summary(self) -> str:
        """The plan in two sentences."""
        n_all = n_shard_subsets(0, 1, self.n_envs, self.subset_size)
        return (
            f"{self.n_subsets:,} subsets of {self.subset_size} of {self.n_envs} environments, and all smaller ones: {n_all:,} in "
            f"all, on {self.n_algos} algorithms. Shards: {self.n_shards}; stored already: {self.n_shards - len(self.missing)}."
        )

    def described(self) -> dict[str, Any]:
        """Return the plan as JSON knows it."""
        return {
            "summary": self.summary,
            "n_subsets": self.n_subsets,
            "n_shards": self.n_shards,
            "n_missing": len(self.missing),
            "missing": self.missing_ranges,
            "out": str(self.folder.root),
            "slurm": str(self.folder.slurm),
            "ranking": str(self.folder.ranking),
        }


def plan_search(problem: Problem, settings: Settings, folder: SearchFolder, n_shards: int) -> SearchPlan:
    """Look which of so many shards of a search are stored.

    Raises
    ------
    IncompleteSearchError
        If the folder holds shards of another search.
    """
    stored = set(stored_shards(folder.shards, problem, settings, range(n_shards), n_shards))
    missing = tuple(shard_index for shard_index in range(n_shards) if shard_index not in stored)
    n_algos, n_envs = problem.X.shape
    return SearchPlan(folder, n_algos, n_envs, settings.subset_size, n_shards, missing)
