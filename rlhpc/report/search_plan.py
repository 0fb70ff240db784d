"""The plan of a search: what would be searched, in how many shards, and which of them are missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlhpc.report.search_folder import SearchFolder
from rlhpc.search import Problem, Settings, n_to_search, spell_ranges, stored_shards
from rlhpc.search.candidates import candidates
from rlhpc.search.trust import Given
from rlhpc.search.trust.redone_file import stored_shares
from rlhpc.words import duration


@dataclass(frozen=True)
class SearchPlan:
    """What would be searched.

    Attributes
    ----------
    folder : SearchFolder
        Where results would go.
    n_algos, n_envs, subset_size : int
    n_subsets, n_all : int
        Subsets of the largest size, and of all sizes.
    n_shards : int
    missing : tuple of int
        The shards that are not stored, or damaged; increasing.
    seconds : float
        How long each shard takes here, about.
    beam : int
        Of the settings.
    n_redone : int
        Searches on changed tables, which the shards share, too.
    """

    folder: SearchFolder
    n_algos: int
    n_envs: int
    subset_size: int
    n_subsets: int
    n_all: int
    n_shards: int
    missing: tuple[int, ...]
    seconds: float
    beam: int = 0
    n_redone: int = 0

    @property
    def missing_ranges(self) -> str:
        """The missing shards as Slurm spells them, such as ``0-2,5``."""
        return spell_ranges(self.missing)

    @property
    def summary(self) -> str:
        """The plan in a few sentences."""
        each = "Each shard" if self.n_shards > 1 else "That"
        time = f" {each} takes about {duration(self.seconds)} on a machine like this one." if self.seconds else ""
        who = "They share" if self.n_shards > 1 else "And there are"
        redone = f" {who} {self.n_redone:,} searches on changed tables, for trust figures." if self.n_redone else ""
        if self.beam:
            return (
                f"A beam of {self.beam}: at most {self.n_all:,} of the subsets of {self.subset_size} and fewer of {self.n_envs} "
                f"environments, on {self.n_algos} algorithms. NOT exhaustive: of {self.subset_size} alone there are "
                f"{self.n_subsets:,}.{redone}"
            )
        smaller = ", and all smaller ones" if self.subset_size > 1 else ""
        return (
            f"{self.n_subsets:,} subsets of {self.subset_size} of {self.n_envs} environments{smaller}: "
            f"{self.n_all:,} in all, on {self.n_algos} algorithms. Shards: {self.n_shards}; stored already: "
            f"{self.n_shards - len(self.missing)}.{redone}{time}"
        )

    def described(self) -> dict[str, Any]:
        """Return the plan as JSON knows it."""
        return {
            "summary": self.summary,
            "n_subsets": self.n_subsets,
            "n_shards": self.n_shards,
            "n_missing": len(self.missing),
            "n_redone": self.n_redone,
            "seconds": self.seconds,
            "missing": self.missing_ranges,
            "out": str(self.folder.root),
            "slurm": str(self.folder.slurm),
            "ranking": str(self.folder.ranking),
        }


def plan_search(  # noqa: PLR0913  # what to search, where, how, and what else
    problem: Problem,
    settings: Settings,
    folder: SearchFolder,
    n_shards: int,
    seconds: float,
    *,
    trust: Given | None = None,
) -> SearchPlan:
    """Look which of so many shards of a search are stored.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    folder : SearchFolder
    n_shards : int
    seconds : float
        How long a shard takes.
    trust : Given or None
        What is redone for trust figures, too; a shard without its share of that is missing.

    Raises
    ------
    IncompleteSearchError
        If the folder holds shards of another search.
    """
    stored = set(stored_shards(folder.shards, problem, settings, range(n_shards), n_shards))
    if trust is not None:
        stored &= set(stored_shares(folder.redone_shards, trust, stored, n_shards))
    missing = tuple(shard_index for shard_index in range(n_shards) if shard_index not in stored)
    n_algos, n_envs = problem.X.shape
    size = settings.subset_size
    n_subsets, n_all = candidates(problem, settings, size).n_subsets, n_to_search(problem, settings)
    n_redone = len(trust.replicates) if trust else 0
    return SearchPlan(folder, n_algos, n_envs, size, n_subsets, n_all, n_shards, missing, seconds, settings.beam, n_redone)
