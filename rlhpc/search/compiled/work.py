"""What a search writes on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.exact import Bench, make_bench
from rlhpc.search.compiled.jit import inner
from rlhpc.search.compiled.lanes import aligned
from rlhpc.search.compiled.table import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Level(NamedTuple):
    """Moments of columns, and their rows, after a regression of all on some pivots.

    Attributes
    ----------
    G : array of shape (n_columns, n_columns, n_lanes)
        Cross-products over the training rows of each fold; above the diagonal.
    c : array of shape (n_columns, n_lanes)
        Cross-products with y.
    R : array of shape (n_columns, n_slots)
        Residuals of the columns on the test rows.
    r : array of shape (n_slots,)
        Residuals of y.
    left, least : arrays of shape (n_lanes,)
        The product of the shares that are left of the pivots, and the least share that the first has left of one; see
        `rlhpc.search.compiled.moments.COLLINEAR`.
    """

    G: Floats
    c: Floats
    R: Floats
    r: Floats
    left: Floats
    least: Floats


class Work(NamedTuple):
    """What a search writes on.

    Attributes
    ----------
    levels : Level
        One for each column of a subset but the last, in a first dimension more; `left` and `least` also of the leaves.
    bound, after_first : arrays of shape (n_columns, n_lanes)
        What must be left of a pivot that is not nearly collinear; what the first pivot has left of a column.
    uncertain : array of shape (size + 1,)
        Whether a pivot of this level or above is.
    mask : array of shape (n_slots,)
        1 where a subset has a row.
    row_in : array of shape (n_slots,)
        Of drawn folds: the row in a slot, or -1.
    weights : array of shape (n_lanes,)
        Of a fold's sum of squares in the error.
    columns : array of shape (n_columns,)
        Of the table, in a level.
    subset, sorted_subset : arrays of shape (size,)
        Free columns in the order of the search; their places in increasing order.
    exact_columns : array of shape (n_forced + size,)
        The columns of a subset in the table.
    errors : array of shape (n_free,)
        Of the subsets with the same columns but the last.
    H, dropped, dropped_folds, but, rows_left : arrays
        Of subsets whose columns but the last have gaps; see `rlhpc.search.compiled.last_gappy`.
    bench : Bench
    """

    levels: Level
    bound: Floats
    after_first: Floats
    uncertain: Bools
    mask: Floats
    row_in: Ints
    weights: Floats
    columns: Ints
    subset: Ints
    sorted_subset: Ints
    exact_columns: Ints
    errors: Floats
    H: Floats
    dropped: Ints
    dropped_folds: Ints
    but: Floats
    rows_left: Floats
    bench: Bench


@inner
def level_of(work: Work, depth: int) -> Level:
    """Return the level of a depth of the tree."""
    G, c, R, r, left, least = work.levels
    return Level(G[depth], c[depth], R[depth], r[depth], left[depth], least[depth])


def make_work(table: Table) -> Work:
    """Make room for one thread's search of a table."""
    n_columns, n_slots = table.X_slots.shape
    n_algos, n_free = len(table.y), len(table.places)
    n_lanes, size, n_fixed = n_slots // table.n_slots_each, table.size, table.n_fixed
    n_exact = n_fixed - table.rules.intercept + size
    exact_columns = np.empty(n_exact, dtype=np.int64)
    exact_columns[: n_exact - size] = np.arange(1 + table.rules.intercept, 1 + n_fixed)
    but = aligned((n_lanes, n_lanes))
    but[:] = 1.0 if table.rules.in_sample else 1.0 - np.eye(n_lanes)
    return Work(
        levels=Level(
            G=aligned((size, n_columns, n_columns, n_lanes)),
            c=aligned((size, n_columns, n_lanes)),
            R=aligned((size, n_columns, n_slots)),
            r=aligned((size, n_slots)),
            left=aligned((size + 1, n_lanes)),
            least=aligned((size + 1, n_lanes)),
        ),
        bound=aligned((n_columns, n_lanes)),
        after_first=aligned((n_columns, n_lanes)),
        uncertain=np.zeros(size + 1, dtype=np.bool_),
        mask=aligned((n_slots,)),
        row_in=np.empty(n_slots, dtype=np.int64),
        weights=aligned((n_lanes,)),
        columns=np.arange(n_columns),
        subset=np.empty(size, dtype=np.int64),
        sorted_subset=np.empty(size, dtype=np.int64),
        exact_columns=exact_columns,
        errors=np.empty(n_free),
        H=aligned((n_fixed + size + 1, n_fixed + size + 2, n_lanes)),
        dropped=np.empty(n_algos, dtype=np.int64),
        dropped_folds=np.empty(n_algos, dtype=np.int64),
        but=but,
        rows_left=aligned((n_lanes,)),
        bench=make_bench(n_algos, n_exact),
    )
