"""Errors of the subsets that differ in their last column, where all columns before have gaps: each with its own rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import inner
from rlhpc.search.compiled.lanes import LANES, any_below, inverse, load, share, smaller, spread, store, total
from rlhpc.search.compiled.last_complete import UNCERTAIN
from rlhpc.search.compiled.moments import COLLINEAR, bound_pivot, cross
from rlhpc.search.compiled.table import Table
from rlhpc.search.compiled.work import Level, Work

Floats = NDArray[np.float64]


@inner
def gappy_leaves(table: Table, work: Work, level: Level, n: int, first: int, last: int, n_rows: int) -> None:
    """Write the errors of the subsets of the level's columns and one of the table's from `first` to `last`; inf: not searchable.

    The level holds the moments of n columns, the first of them zeros, on their own rows, which no pivot has been subtracted
    from: only the rows that the last column lacks are taken out, and the few equations are solved for it anew.

    Parameters
    ----------
    table : Table
    work : Work
        ``weights``: the number of rows of each fold; ``mask``: these rows.
    level : Level
    n, first, last : int
    n_rows : int
        That the n columns share.
    """
    R, r, H, bound = level.R, level.r, work.H, work.bound
    n_each, in_sample = table.n_slots_each, table.rules.in_sample
    n_lanes = H.shape[2]
    for j in range(first, last):
        n_dropped, n_used = _drop(table, work, j)
        if n_rows - n_dropped <= table.n_fixed + table.size or n_used < 2:
            work.errors[j - first] = math.inf
            continue
        for slot in range(0, len(r), LANES):
            store(R[n], slot, load(table.X_slots[j], slot) * load(work.mask, slot))
        for a in range(1, n):  # the zeros of the last column, where it lacks a score, drop these rows here
            cross(R[a], R[n], H[a, n], n_each, 0.0, in_sample)
        cross(r, R[n], H[n, 0], n_each, 0.0, in_sample)
        whole = cross(R[n], R[n], H[n, n], n_each, table.ridge[j], in_sample)
        _take_out(work, level, n, n_dropped)
        bound_pivot(whole, table.floor[j], H[n, n], R[n], R[n], n_each, bound[n])
        uncertain = _solve(H, bound, n)
        error = 0.0
        for block in range(n_lanes // LANES):
            lane = block * LANES
            squares = spread(0.0)
            for t in range(n_each):
                slot = (block * n_each + t) * LANES
                # residual = r - R @ beta, on the rows of all
                residual = load(r, slot)
                for a in range(1, n + 1):
                    residual = residual - load(R[a], slot) * load(H[a, 0], lane)
                residual = residual * load(table.there_slots[j], slot)
                squares = squares + residual * residual
            error += total(squares) if in_sample else total(squares * inverse(load(work.rows_left, lane)))
        error /= n_rows - n_dropped if in_sample else n_used
        work.errors[j - first] = UNCERTAIN if uncertain else error


@inner
def _drop(table: Table, work: Work, column: int) -> tuple[int, int]:
    """Find the rows that a column lacks; return how many, and how many folds keep a row."""
    n_dropped = n_used = 0
    for lane in range(0, len(work.weights), LANES):
        store(work.rows_left, lane, load(work.weights, lane))
    for i in range(table.n_missing[column]):
        slot = table.missing_slots[column, i]
        if work.mask[slot] != 0.0:
            fold = table.missing_folds[column, i]
            work.dropped[n_dropped], work.dropped_folds[n_dropped] = slot, fold
            work.rows_left[fold] -= 1.0
            n_dropped += 1
    for fold in range(len(work.rows_left)):
        n_used += work.rows_left[fold] > 0.0
    return n_dropped, n_used


@inner
def _take_out(work: Work, level: Level, n: int, n_dropped: int) -> None:
    """Write the equations: H[a, b] for columns a <= b < n, H[a, 0] for y; without the rows that the last column, n, lacks."""
    G, c, R, r = level.G, level.c, level.R, level.r
    H, dropped, folds, but = work.H, work.dropped, work.dropped_folds, work.but
    for lane in range(0, c.shape[1], LANES):
        for a in range(1, n):
            with_y = load(c[a], lane)
            for i in range(n_dropped):
                # c[a] -= R[a, row] * r[row] in every fold but the row's own, which is not trained on it anyway
                with_y = with_y - spread(R[a, dropped[i]] * r[dropped[i]]) * load(but[folds[i]], lane)
            store(H[a, 0], lane, with_y)
            for b in range(a, n):
                with_b = load(G[a, b], lane)
                for i in range(n_dropped):
                    with_b = with_b - spread(R[a, dropped[i]] * R[b, dropped[i]]) * load(but[folds[i]], lane)
                store(H[a, b], lane, with_b)


@inner
def _solve(H: Floats, bound: Floats, n: int) -> bool:
    """Write the coefficient of column a to H[a, 0], by elimination; return whether a pivot is nearly collinear.

    H[0, 0] and H[0, n + 1] are what is left of the digits, and H[0, a] what the first pivot has left of column a; see
    `COLLINEAR`.
    """
    uncertain = False
    for lane in range(0, H.shape[2], LANES):
        store(H[0, 0], lane, spread(1.0))
        store(H[0, n + 1], lane, spread(1.0))
    _note_diagonal(H, 1, n)
    for pivot in range(1, n + 1):
        for lane in range(0, H.shape[2], LANES):
            diagonal, left, least = load(H[pivot, pivot], lane), load(H[0, 0], lane), load(H[0, n + 1], lane)
            before = load(H[0, pivot], lane)
            uncertain |= any_below(left * diagonal, load(bound[pivot], lane))
            uncertain |= any_below(left * diagonal * least, spread(COLLINEAR) * before)
            of_whole = share(spread(COLLINEAR) * before, load(bound[pivot], lane))
            store(H[0, 0], lane, of_whole if pivot == 1 else left * share(diagonal, before))
            store(H[0, n + 1], lane, least if pivot == 1 else smaller(least, of_whole))
            one_by = inverse(diagonal)
            store(H[pivot, n + 1], lane, one_by)
            for a in range(pivot + 1, n + 1):
                gamma = load(H[pivot, a], lane) * one_by
                for b in range(a, n + 1):
                    store(H[a, b], lane, load(H[a, b], lane) - gamma * load(H[pivot, b], lane))
                store(H[a, 0], lane, load(H[a, 0], lane) - gamma * load(H[pivot, 0], lane))
        if pivot == 1:
            _note_diagonal(H, 2, n)
    for a in range(n, 0, -1):
        for lane in range(0, H.shape[2], LANES):
            rest = load(H[a, 0], lane)
            for b in range(a + 1, n + 1):
                rest = rest - load(H[a, b], lane) * load(H[b, 0], lane)
            store(H[a, 0], lane, rest * load(H[a, n + 1], lane))
    return uncertain


@inner
def _note_diagonal(H: Floats, first: int, n: int) -> None:
    """Write H[a, a] to H[0, a]."""
    for a in range(first, n + 1):
        for lane in range(0, H.shape[2], LANES):
            store(H[0, a], lane, load(H[a, a], lane))
