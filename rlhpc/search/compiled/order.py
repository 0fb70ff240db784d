"""Subsets in lexicographic order: rank, unrank and the next; as `rlhpc.search.combinations`, in compiled code.

``n_choose[v, j]`` is the number of subsets of j of v columns; see `rlhpc.search.compiled.table.Table`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import compiled

Ints = NDArray[np.int64]


@compiled
def unrank(rank: int, n: int, n_choose: Ints, subset: Ints) -> None:
    """Write the subset of n columns that has a rank."""
    size, column = len(subset), 0
    for place in range(size):
        while n_choose[n - 1 - column, size - 1 - place] <= rank:
            rank -= n_choose[n - 1 - column, size - 1 - place]
            column += 1
        subset[place] = column
        column += 1


@compiled
def rank_of(subset: Ints, size: int, n: int, n_choose: Ints) -> int:
    """Return the rank of the first `size` columns of a subset among those of n."""
    rank = n_choose[n, size] - 1
    for place in range(size):
        rank -= n_choose[n - 1 - subset[place], size - place]
    return int(rank)


@compiled
def advance(subset: Ints, first: int, n: int) -> int:
    """Make ``subset[first:]`` the next of n columns; return the first place that changed, -1 at the end."""
    size = len(subset)
    place = size - 1
    while place >= first and subset[place] == n - size + place:
        place -= 1
    if place < first:
        return -1
    subset[place] += 1
    for later in range(place + 1, size):
        subset[later] = subset[later - 1] + 1
    return place
