"""Errors of the subsets that differ in their last column, which has every score: the leaves of the tree."""

from __future__ import annotations

from rlhpc.search.compiled.jit import compiled
from rlhpc.search.compiled.lanes import LANES, any_below, inverse, load, spread, store, total
from rlhpc.search.compiled.moments import lose
from rlhpc.search.compiled.table import Table
from rlhpc.search.compiled.work import Level, Work

UNCERTAIN = -1.0  # in place of an error: nearly collinear


@compiled
def leaves(table: Table, level: Level, work: Work, pivot: int, first_pivot: bool, first: int, last: int) -> None:
    """Write the errors of the subsets that end with `pivot` and one of the columns from `first` to `last`.

    The level holds the moments after a regression on all columns before `pivot`, so that two are left to solve for whatever the
    size of a subset. Residuals are formed directly: no difference of large sums cancels.
    """
    G, c, R, r, left, least = level
    bound, weights, errors = work.bound, work.weights, work.errors
    left_of_leaves = work.left[table.size]
    for lane in range(0, len(left), LANES):
        below = Level(G, c, R, r, left_of_leaves, work.least[table.size])
        lose(level, below, pivot, first_pivot, lane, bound, work.after_first)
        store(left_of_leaves, lane, load(left_of_leaves, lane) * load(work.least[table.size], lane))
    n_each, R_pivot = table.n_slots_each, R[pivot]
    n_blocks = c.shape[1] // LANES
    for j in range(first, last):
        error, uncertain, R_j = 0.0, False, R[j]
        for block in range(n_blocks):
            lane = block * LANES
            diagonal = load(G[pivot, pivot], lane)
            uncertain |= any_below(load(left, lane) * load(least, lane) * diagonal, load(bound[pivot], lane))
            one_by = inverse(diagonal)
            G_j = load(G[pivot, j], lane)
            gamma = G_j * one_by
            diagonal_j = load(G[j, j], lane) - gamma * G_j
            uncertain |= any_below(load(left_of_leaves, lane) * diagonal_j, load(bound[j], lane))
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
