"""Errors of the subsets that differ in their last column, which has every score: the leaves of the tree."""

from __future__ import annotations

from rlhpc.search.compiled.jit import inner
from rlhpc.search.compiled.lanes import LANES, inverse, load, spread, total
from rlhpc.search.compiled.moments import is_lost, lose
from rlhpc.search.compiled.table import Table
from rlhpc.search.compiled.work import Level, Work

UNCERTAIN = -1.0  # in place of an error: nearly collinear


@inner
def leaves(table: Table, level: Level, work: Work, pivot: int, first_pivot: bool, first: int, last: int) -> None:
    """Write the errors of the subsets that end with `pivot` and one of the columns from `first` to `last`.

    The level holds the moments after a regression on all columns before `pivot`, so that two are left to solve for whatever the
    size of a subset. Residuals are formed directly: no difference of large sums cancels.
    """
    G, c, R, r, left, _ = level
    bound, after_first, weights, errors = work.bound, work.after_first, work.weights, work.errors
    below = Level(G, c, R, r, work.levels.left[table.size], work.levels.least[table.size])  # what the leaves have left
    pivot_is_lost = False
    for lane in range(0, len(left), LANES):
        pivot_is_lost |= is_lost(level, load(G[pivot, pivot], lane), pivot, first_pivot, lane, bound, after_first)
        lose(level, below, pivot, first_pivot, lane, bound, after_first)
    n_each, R_pivot = table.n_slots_each, R[pivot]
    n_blocks = c.shape[1] // LANES
    for j in range(first, last):
        error, uncertain, R_j = 0.0, pivot_is_lost, R[j]
        for block in range(n_blocks):
            lane = block * LANES
            one_by = inverse(load(G[pivot, pivot], lane))
            G_j = load(G[pivot, j], lane)
            gamma = G_j * one_by
            diagonal_j = load(G[j, j], lane) - gamma * G_j
            uncertain |= is_lost(below, diagonal_j, j, first_pivot, lane, bound, after_first)
            beta_j = (load(c[j], lane) - gamma * load(c[pivot], lane)) * inverse(diagonal_j)
            beta = load(c[pivot], lane) * one_by - gamma * beta_j
            squares = spread(0.0)
            for t in range(n_each):
                slot = (block * n_each + t) * LANES
                # residual = r - R[pivot] * beta - R[j] * beta_j
                residual = load(r, slot) - load(R_pivot, slot) * beta - load(R_j, slot) * beta_j
                squares = squares + residual * residual
            error += total(squares * load(weights, lane))
        errors[j - first] = UNCERTAIN if uncertain else error
