"""Cross-products of columns over the training rows of every fold, and the sweep that regresses all columns on one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import inner
from rlhpc.search.compiled.lanes import LANES, any_below, inverse, load, share, smaller, spread, store, total
from rlhpc.search.compiled.table import Table
from rlhpc.search.compiled.work import Level

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# What sweeps leave of a pivot, as a share of the cross-product of its column with itself, tells what digits it lost. Its error
# is magnified in turn by later pivots that lose digits to it, so that shares are multiplied along the path: of the first pivot,
# the share that the fold which is held out has left of it; of each other, the share of what the first has left of it; and once
# the least share that the first pivot, which takes away what all columns have in common, has left of any. But for a factor of
# about the number of columns, the condition number of the cross-products, scaled, is at most 1 by this. Where less than the
# following is left, the subset is nearly collinear: `exact` computes it anew. An error of less than 1e-8 of the mean square of y
# may be right to fewer than nine digits all the same, until it is polished.
COLLINEAR = 1e-5
LEAST = 5e-324  # of the numbers above zero


@inner
def cross(a: Floats, b: Floats, out: Floats, n_each: int, ridge: float, in_sample: bool) -> float:
    """Write the cross-product of two columns over the training rows of each fold; return that over all rows."""
    n_blocks = len(out) // LANES
    whole = 0.0
    for block in range(n_blocks):
        held_out = spread(0.0)
        for t in range(n_each):
            slot = (block * n_each + t) * LANES
            held_out = held_out + load(a, slot) * load(b, slot)
        whole += total(held_out)
        store(out, block * LANES, held_out)
    for block in range(n_blocks):
        # out[fold] = a @ b - a[fold] @ b[fold] + ridge
        training = spread(whole + ridge)
        if not in_sample:
            training = training - load(out, block * LANES)
        store(out, block * LANES, training)
    return whole + ridge


@inner
def bound_pivot(whole: float, floor: float, diagonal: Floats, a: Floats, b: Floats, n_each: int, bound: Floats) -> None:
    """Write what must be left of a pivot that is not nearly collinear.

    That is 0 where the training rows of a fold hold nothing but zeros: the pivot 0 is exact there. It can also be what a large
    score in the held-out fold has left of small ones, which is not: then other folds have scores ``a * b`` too.
    """
    any_zero = False
    for lane in range(0, len(bound), LANES):
        store(bound, lane, spread(max(COLLINEAR * whole, floor)))
        any_zero |= any_below(load(diagonal, lane), spread(LEAST))
    if any_zero and _n_scoring_folds(a, b, n_each, len(bound)) < 2:
        for fold in range(len(bound)):
            if diagonal[fold] == 0.0:
                bound[fold] = 0.0


@inner
def _n_scoring_folds(a: Floats, b: Floats, n_each: int, n_lanes: int) -> int:
    """Count the folds that have a row where ``a * b`` is not zero."""
    n_scoring = 0
    for fold in range(n_lanes):
        first_slot = fold // LANES * n_each * LANES + fold % LANES
        for t in range(n_each):
            if a[first_slot + t * LANES] * b[first_slot + t * LANES] != 0.0:
                n_scoring += 1
                break
    return n_scoring


@inner
def take_rows(table: Table, columns: Ints, n: int, mask: Floats, row_in: Ints, R: Floats, r: Floats) -> None:
    """Copy the rows of a subset from the table: n columns to R, y to r; zero in all other slots."""
    if table.rules.drawn:
        for slot in range(len(r)):
            row = row_in[slot]
            r[slot] = table.y[row] if row >= 0 else 0.0
            for i in range(n):
                R[i, slot] = table.X[columns[i], row] if row >= 0 else 0.0
        return
    for slot in range(0, len(r), LANES):
        present = load(mask, slot)
        store(r, slot, load(table.y_slots, slot) * present)
        for i in range(n):
            store(R[i], slot, load(table.X_slots[columns[i]], slot) * present)


@inner
def build(table: Table, columns: Ints, n: int, n_pairs: int, level: Level, bound: Floats) -> None:
    """Write the moments of n columns, whose rows are in the level; cross-products of the first `n_pairs` columns with all."""
    G, c, R, r, left, least = level
    n_each, in_sample = table.n_slots_each, table.rules.in_sample
    for lane in range(0, len(left), LANES):
        store(left, lane, spread(1.0))
        store(least, lane, spread(1.0))
    for i in range(n):
        cross(R[i], r, c[i], n_each, 0.0, in_sample)
        whole = cross(R[i], R[i], G[i, i], n_each, table.ridge[columns[i]], in_sample)
        bound_pivot(whole, table.floor[columns[i]], G[i, i], R[i], R[i], n_each, bound[i])
        if i < n_pairs:
            for j in range(i + 1, n):
                cross(R[i], R[j], G[i, j], n_each, 0.0, in_sample)


@inner
def lose(source: Level, target: Level, pivot: int, first: bool, lane: int, bound: Floats, after_first: Floats) -> None:
    """Write what is left of the digits after a pivot; see `COLLINEAR`."""
    if first:
        diagonal = load(source.G[pivot, pivot], lane)
        store(target.left, lane, share(spread(COLLINEAR) * diagonal, load(bound[pivot], lane)))
        store(target.least, lane, spread(1.0))
    else:
        before = load(after_first[pivot], lane)
        of_whole = share(spread(COLLINEAR) * before, load(bound[pivot], lane))
        store(target.left, lane, load(source.left, lane) * share(load(source.G[pivot, pivot], lane), before))
        store(target.least, lane, smaller(load(source.least, lane), of_whole))


@inner
def is_lost(level: Level, diagonal: Any, pivot: int, first: bool, lane: int, bound: Floats, after_first: Floats) -> bool:
    """Tell whether too little of the digits is left with a pivot, which comes after those of the level; see `COLLINEAR`."""
    of_pivot = load(level.left, lane) * diagonal
    lost: bool = any_below(of_pivot, load(bound[pivot], lane))
    if not first:
        lost |= any_below(of_pivot * load(level.least, lane), spread(COLLINEAR) * load(after_first[pivot], lane))
    return lost


@inner
def sweep(
    source: Level,
    target: Level,
    pivot: int,
    first: bool,
    last: int,
    last_pair: int,
    n_each: int,
    bound: Floats,
    after_first: Floats,
) -> bool:
    """Regress y and the columns after `pivot`, up to `last`, on it; return whether it is nearly collinear.

    Cross-products of columns from `last_pair` on with others are not wanted any more, and not computed. What the `first` pivot of
    a path leaves of each column is written to `after_first`.
    """
    G, c, R, r, _, _ = source
    uncertain = False
    for block in range(c.shape[1] // LANES):
        lane, first_slot = block * LANES, block * n_each * LANES
        last_slot = first_slot + n_each * LANES
        diagonal = load(G[pivot, pivot], lane)
        uncertain |= is_lost(source, diagonal, pivot, first, lane, bound, after_first)
        lose(source, target, pivot, first, lane, bound, after_first)
        one_by = inverse(diagonal)
        c_pivot = load(c[pivot], lane)
        beta = c_pivot * one_by
        for slot in range(first_slot, last_slot, LANES):
            # r -= R[pivot] * beta
            store(target.r, slot, load(r, slot) - load(R[pivot], slot) * beta)
        for i in range(pivot + 1, last):
            G_i = load(G[pivot, i], lane)
            gamma = G_i * one_by
            # c[i] -= gamma * c[pivot]; G[i, j] -= gamma * G[pivot, j]; R[i] -= R[pivot] * gamma
            store(target.c[i], lane, load(c[i], lane) - gamma * c_pivot)
            diagonal_i = load(G[i, i], lane) - gamma * G_i
            store(target.G[i, i], lane, diagonal_i)
            if first:
                store(after_first[i], lane, diagonal_i)
            for slot in range(first_slot, last_slot, LANES):
                store(target.R[i], slot, load(R[i], slot) - load(R[pivot], slot) * gamma)
            if i < last_pair:
                for j in range(i + 1, last):
                    store(target.G[i, j], lane, load(G[i, j], lane) - gamma * load(G[pivot, j], lane))
    return uncertain
