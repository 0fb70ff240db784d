"""Subsets and their ranks: the place of a subset among all of its size in lexicographic order."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MAX_SUBSETS = 2**63 - 1  # ranks are int64


def rank(subset: Sequence[int], n_envs: int) -> int:
    """Return the lexicographic rank of a subset.

    Parameters
    ----------
    subset : sequence of int
        Columns in increasing order, from 0 to ``n_envs - 1``.
    n_envs : int

    Returns
    -------
    int
        From 0 to ``comb(n_envs, len(subset)) - 1``.
    """
    size = len(subset)
    return comb(n_envs, size) - 1 - sum(comb(n_envs - 1 - column, size - place) for place, column in enumerate(subset))


def unrank(ranks: Ints, n_envs: int, subset_size: int) -> Ints:
    """Return the subsets of the given lexicographic ranks.

    Counted from the last subset, a rank is a number in the combinatorial number system (Knuth, The Art of Computer
    Programming 4A, 7.2.1.3, theorem L): the sum of comb(v_j, j) over decreasing v_j, each found as the largest that fits.

    Parameters
    ----------
    ranks : array of shape (n_subsets,)
    n_envs, subset_size : int
        With ``comb(n_envs, subset_size) <= MAX_SUBSETS``.

    Returns
    -------
    array of shape (n_subsets, subset_size)
        Columns, in increasing order.
    """
    rest = comb(n_envs, subset_size) - 1 - np.asarray(ranks, dtype=np.int64)
    subsets = np.empty((len(rest), subset_size), dtype=np.int64)
    for place in range(subset_size):
        counts = _counts(n_envs, subset_size - place)
        largest = np.searchsorted(counts, rest, side="right") - 1
        subsets[:, place] = n_envs - 1 - largest
        rest = rest - counts[largest]
    return subsets


@functools.cache
def _counts(n_envs: int, size: int) -> Ints:
    """Return comb(v, size) for v below n_envs, cut to `MAX_SUBSETS`; read-only."""
    counts = np.array([min(comb(v, size), MAX_SUBSETS) for v in range(n_envs)], dtype=np.int64)
    counts.setflags(write=False)
    return counts


def shard_range(shard_index: int, n_shards: int, n_subsets: int) -> tuple[int, int]:
    """Return the half-open range ``[start, stop)`` of ranks that belongs to one shard.

    The ranges of all shards tile ``[0, n_subsets)`` and differ in length by at most one.
    """
    return shard_index * n_subsets // n_shards, (shard_index + 1) * n_subsets // n_shards


def spell_ranges(numbers: Iterable[int]) -> str:
    """Spell increasing numbers as Slurm's ``--array`` takes them: 0, 1, 2 and 5 as ``0-2,5``."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        first = runs.pop()[0] if runs and runs[-1][1] == number - 1 else number
        runs.append((first, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
