"""Prices of subsets, and the cost front so far: subsets that no other one beats in both cost and error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import compiled, inner

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

N_COST_BINS = 256  # two kilobytes, which stay in the cache
MOST_POINTS = 8_192  # of a front; random costs and errors of 10**8 subsets make some dozens


class Front(NamedTuple):
    """The cost front of the subsets seen so far, in increasing cost and decreasing error.

    One subset beats another if it costs no more, errs no more, and either of these is less or its rank is lower: of equals, the
    first stays. Errors are cut by `rlhpc.search.compiled.tally.compared`.

    Attributes
    ----------
    bounds : array of shape (N_COST_BINS,)
        The least error of what costs no more than the lower end of a bin of costs: what is above is beaten.
    costs, errors, ranks : arrays of shape (most points,)
        The first `counts[0]` are the front.
    counts : array of shape (2,)
        Points, and those that found no room.
    shift : int
        A cost, shifted by so many bits, is its bin.
    """

    bounds: Floats
    costs: Ints
    errors: Floats
    ranks: Ints
    counts: Ints
    shift: int


class Prices(NamedTuple):
    """What subsets cost, and the front of those seen so far.

    Apart from what every search reads and writes on: each array that the innermost functions take costs all searches.

    Attributes
    ----------
    costs : array of shape (n_free,), or (0,)
        Of the free columns in the order of the search, in whole units; none if costs do not matter.
    groups : array of the shape of `costs`
        Columns of one group are of one environment: a subset pays for the dearest of them alone.
    forced_paid : array of shape (n_groups,)
        What forced columns cost, by group.
    paid : array of shape (n_groups,)
        What a subset's columns but the last cost, by group; written on.
    front : Front
    """

    costs: Ints
    groups: Ints
    forced_paid: Ints
    paid: Ints
    front: Front


def make_prices(amounts: Ints, groups: Ints, forced: Sequence[int], searched: Ints, size: int) -> Prices:
    """Lay out what columns cost for a search.

    Parameters
    ----------
    amounts, groups : arrays of shape (n_envs,)
        In whole units, so that equal sums are equal; groups from 0.
    forced : sequence of int
        Columns that are in every subset.
    searched : array of shape (n_free,)
        The free columns in the order of the search.
    size : int
        Free columns in a subset.
    """
    paid = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    np.maximum.at(paid, groups[list(forced)], amounts[list(forced)])
    costs = amounts[searched]
    highest = int(paid.sum() + np.sort(costs)[-size:].sum())
    return Prices(costs, groups[searched], paid, paid.copy(), make_front(highest))


def no_prices() -> Prices:
    """Return prices of nothing, for searches that costs do not matter to."""
    nothing = np.empty(0, dtype=np.int64)
    return Prices(nothing, nothing, nothing, nothing, make_front(0, 0))


def again(prices: Prices) -> Prices:
    """Return the same prices for another thread, with a front of its own."""
    front = prices.front
    empty = front._replace(bounds=np.full(N_COST_BINS, math.inf), counts=np.zeros_like(front.counts))
    empty = empty._replace(costs=front.costs.copy(), errors=front.errors.copy(), ranks=front.ranks.copy())
    return prices._replace(paid=prices.paid.copy(), front=empty)


def make_front(highest_cost: int, n_most: int = MOST_POINTS) -> Front:
    """Begin with no point, for costs up to the highest."""
    shift = max(0, int(highest_cost).bit_length() - (N_COST_BINS.bit_length() - 1))
    ints = (np.zeros(n, dtype=np.int64) for n in (n_most, n_most, 2))
    costs, ranks, counts = ints
    return Front(np.full(N_COST_BINS, math.inf), costs, np.empty(n_most), ranks, counts, shift)


@inner
def is_beaten(front: Front, cost: int, error: float) -> bool:
    """Tell, at the cost of a look, whether something cheaper errs less; if not, `offer` decides."""
    return bool(error > front.bounds[cost >> front.shift])


@compiled
def offer(front: Front, cost: int, error: float, rank: int) -> None:
    """Put a subset on the front if nothing there beats it, and take off what it beats."""
    costs, errors, ranks = front.costs, front.errors, front.ranks
    n, low, high = front.counts[0], 0, front.counts[0]
    while low < high:  # to the first point that costs more
        middle = (low + high) // 2
        if costs[middle] > cost:
            high = middle
        else:
            low = middle + 1
    if low > 0:
        before = low - 1
        if errors[before] < error or (errors[before] == error and (costs[before] < cost or ranks[before] < rank)):
            return
        if costs[before] == cost:
            low = before
    end = low
    while end < n and errors[end] >= error:
        end += 1
    if end == low and n == len(costs):
        front.counts[1] += 1
        return
    move = 1 - (end - low)
    if move > 0:
        for i in range(n - 1, end - 1, -1):
            costs[i + move], errors[i + move], ranks[i + move] = costs[i], errors[i], ranks[i]
    elif move < 0:
        for i in range(end, n):
            costs[i + move], errors[i + move], ranks[i + move] = costs[i], errors[i], ranks[i]
    costs[low], errors[low], ranks[low] = cost, error, rank
    front.counts[0] = n + move
    first = -(-cost >> front.shift)  # the first bin that does not begin below the cost
    for i in range(first, N_COST_BINS):
        if front.bounds[i] <= error:
            break
        front.bounds[i] = error
