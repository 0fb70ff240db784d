"""The subsets that a search goes through: forced environments in all of them, excluded ones in none."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.combinations import unrank
from rlhpc.search.problem import Problem
from rlhpc.search.settings import Settings

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """The subsets of one size that a search goes through.

    Attributes
    ----------
    forced : tuple of int
        Columns that are in every subset.
    free : tuple of int
        Columns to choose from, in increasing order.
    n_free : int
        How many of them a subset has; at least one.
    """

    forced: tuple[int, ...]
    free: tuple[int, ...]
    n_free: int

    @property
    def n_subsets(self) -> int:
        """How many subsets there are."""
        return comb(len(self.free), self.n_free)

    def subsets(self, ranks: Ints) -> Ints:
        """Return the subsets that have these ranks.

        Parameters
        ----------
        ranks : array of shape (n,)
            In lexicographic order; that of the free columns is also that of whole subsets.

        Returns
        -------
        array of shape (n, subset_size)
            Columns of the problem, in increasing order.
        """
        free = np.array(self.free, dtype=np.int64)[unrank(ranks, len(self.free), self.n_free)]
        forced = np.broadcast_to(np.array(self.forced, dtype=np.int64), (len(free), len(self.forced)))
        return np.sort(np.hstack([forced, free]), axis=1)


def candidates(problem: Problem, settings: Settings, subset_size: int) -> Candidates:
    """Return the subsets of a size to search."""
    return _candidates(problem.env_ids, settings.forced, settings.excluded, subset_size)


@functools.lru_cache
def _candidates(env_ids: tuple[str, ...], forced_ids: tuple[str, ...], excluded: tuple[str, ...], size: int) -> Candidates:
    forced = tuple(column for column, name in enumerate(env_ids) if name in forced_ids)
    out = {*forced_ids, *excluded}
    if size == len(forced):  # the only subset: its last column is the one there is to choose
        return Candidates(forced[:-1], forced[-1:], 1)
    free = tuple(column for column, name in enumerate(env_ids) if name not in out)
    return Candidates(forced, free, size - len(forced))
