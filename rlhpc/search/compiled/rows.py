"""Which rows a subset has, and what a fold of them weighs in the error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import inner
from rlhpc.search.compiled.lanes import LANES, load, spread, store, total
from rlhpc.search.compiled.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@inner
def find_rows(table: Table, columns: Ints, n_chosen: int, mask: Floats, row_in: Ints, weights: Floats) -> int:
    """Find the rows that have a score in every chosen column: in `mask`, or in `row_in` where folds are drawn on them.

    Write how many rows each fold has into `weights`, and return how many there are.
    """
    if table.rules.drawn:
        return _draw(table, columns, n_chosen, row_in, weights)
    there = table.there_slots
    for slot in range(0, len(mask), LANES):
        present = load(there[0], slot)
        for i in range(1, n_chosen):
            present = present * load(there[columns[i]], slot)
        store(mask, slot, present)
    n_rows, n_each = 0.0, table.n_slots_each
    for block in range(len(weights) // LANES):
        counts = spread(0.0)
        for t in range(n_each):
            counts = counts + load(mask, (block * n_each + t) * LANES)
        store(weights, block * LANES, counts)
        n_rows += total(counts)
    return int(n_rows)


@inner
def _draw(table: Table, columns: Ints, n_chosen: int, row_in: Ints, weights: Floats) -> int:
    """Draw folds on the rows that have a score in every chosen column."""
    n_rows, n_algos, n_each = 0, len(table.y), table.n_slots_each
    for row in range(n_algos):
        n_rows += _is_complete(table, columns, n_chosen, row)
    weights[:] = 0.0
    row_in[:] = -1
    place = 0
    for row in range(n_algos):
        if _is_complete(table, columns, n_chosen, row):
            fold = table.rules.fold_of[n_rows, place]
            row_in[(fold // LANES * n_each + int(weights[fold])) * LANES + fold % LANES] = row
            weights[fold] += 1.0
            place += 1
    return n_rows


@inner
def _is_complete(table: Table, columns: Ints, n_chosen: int, row: int) -> bool:
    """Tell whether a row has a score in every chosen column."""
    complete = True
    for i in range(1, n_chosen):
        complete &= table.there[columns[i], row]
    return complete


@inner
def weigh(weights: Floats, n_rows: int, in_sample: bool) -> int:
    """Make the numbers of rows in `weights` weights; return how many folds have any.

    The error is the mean over these folds of the mean square in each; in-sample, the mean square over all rows.
    """
    n_used = 0
    for fold in range(len(weights)):
        n_used += weights[fold] > 0.0
    for fold in range(len(weights)):
        if weights[fold] > 0.0:
            weights[fold] = 1.0 / n_rows if in_sample else 1.0 / (weights[fold] * n_used)
    return n_used
