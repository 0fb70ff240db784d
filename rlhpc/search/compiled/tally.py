"""The best subsets so far, and a histogram of the errors of all."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import compiled, inner
from rlhpc.search.compiled.lanes import bits, from_bits
from rlhpc.search.compiled.order import rank_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Errors are compared by their first 31 binary digits, a relative 5e-10, and equals by rank: rounding decides nothing here.
COMPARED = ~((1 << 21) - 1)
EXACT = 1e-24  # an error below is zero: predictions are off by the rounding of numbers around 1
BIN_SHIFT = 49  # leaves the exponent and three binary digits: eight bins from a power of two to the next
N_BINS = 1 << (63 - BIN_SHIFT)
N_KEPT, N_UNSEARCHABLE, N_RECOMPUTED = range(3)


class Tally(NamedTuple):
    """What a search found.

    Attributes
    ----------
    errors, ranks : arrays of shape (n_kept,)
        A heap, the worst on top, of the best subsets; ranks are those of the free columns in the order of the problem.
    histogram : array of shape (N_BINS,)
        Searchable subsets by the leading bits of their errors.
    counts : array of shape (3,)
        Subsets kept, not searchable, and computed anew because they are nearly collinear.
    """

    errors: Floats
    ranks: Ints
    histogram: Ints
    counts: Ints


def make_tally(n_kept: int) -> Tally:
    """Begin with nothing."""
    counts = (np.zeros(n, dtype=np.int64) for n in (N_BINS, 3))
    return Tally(np.empty(n_kept), np.empty(n_kept, dtype=np.int64), *counts)


def bin_edges(n: int) -> tuple[float, float]:
    """Return the errors between which a bin of the histogram lies."""
    low, high = np.array([n << BIN_SHIFT, (n + 1) << BIN_SHIFT], dtype=np.int64).view(np.float64).tolist()
    return low, high


@inner
def _is_worse(tally: Tally, place: int, error: float, rank: int) -> bool:
    """Tell whether what is kept at a place is worse than an error, or equal with a larger rank."""
    return bool(tally.errors[place] > error or (tally.errors[place] == error and tally.ranks[place] > rank))


@compiled
def rank_in_problem(subset: Ints, places: Ints, n_choose: Ints, sorted_subset: Ints) -> int:
    """Return the rank that a subset in the order of the search has in the order of the problem."""
    for i in range(len(subset)):
        place, j = places[subset[i]], i
        while j > 0 and sorted_subset[j - 1] > place:
            sorted_subset[j] = sorted_subset[j - 1]
            j -= 1
        sorted_subset[j] = place
    return rank_of(sorted_subset, len(subset), len(places), n_choose)


@compiled
def keep(tally: Tally, error: float, rank: int) -> float:
    """Keep an error if it is among the best so far; return what another must not exceed to be."""
    n, n_most = tally.counts[N_KEPT], len(tally.errors)
    place = 0
    if n < n_most:  # from the bottom up
        tally.counts[N_KEPT] = n + 1
        place = n
        while place > 0 and not _is_worse(tally, (place - 1) // 2, error, rank):
            up = (place - 1) // 2
            tally.errors[place], tally.ranks[place] = tally.errors[up], tally.ranks[up]
            place = up
    elif not _is_worse(tally, 0, error, rank):
        return limit(tally)
    else:  # in place of the top, and down
        while 2 * place + 1 < n:
            child = 2 * place + 1
            if child + 1 < n and _is_worse(tally, child + 1, tally.errors[child], tally.ranks[child]):
                child += 1
            if not _is_worse(tally, child, error, rank):
                break
            tally.errors[place], tally.ranks[place] = tally.errors[child], tally.ranks[child]
            place = child
    tally.errors[place], tally.ranks[place] = error, rank
    return limit(tally)


@compiled
def limit(tally: Tally) -> float:
    """Return what an error must not exceed to be kept: the greatest number that compares equal to the error on top."""
    if tally.counts[N_KEPT] < len(tally.errors):
        return math.inf
    return float(max(from_bits(bits(tally.errors[0]) | ~COMPARED), EXACT))


def compared_each(errors: Floats) -> Floats:
    """Cut errors, shape (n,), as `compared` does."""
    cut: Floats = (errors.view(np.int64) & COMPARED).view(np.float64)
    return np.where(errors < EXACT, 0.0, cut)


@compiled
def compared(error: float) -> float:
    """Cut an error to the digits by which errors are compared."""
    return 0.0 if error < EXACT else float(from_bits(bits(error) & COMPARED))
