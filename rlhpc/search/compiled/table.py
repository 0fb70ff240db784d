"""What a search reads: scores in the order of the search, and laid out by folds."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.combinations import MAX_SUBSETS
from rlhpc.search.compiled.exact import Rules
from rlhpc.search.compiled.lanes import LANES, aligned
from rlhpc.search.compiled.least_squares import EPS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEGLIGIBLE = 1e-20  # of squares: far above the square of the rank's cutoff
ROUNDING = 1e-18  # of squares: what is left when a mean was taken off is rounding, but for some digits


class Table(NamedTuple):
    """What a search reads.

    Columns are in the order of the search: one of zeros, so that every subset has a column before its first; the fixed ones,
    which are one of ones for an intercept and those of forced environments; the free ones with gaps, those with most gaps
    first; the free ones without.

    A slot is the place of a row in its fold. Slot ``(block * n_slots_each + t) * LANES + lane`` is for the t-th row of the fold
    ``block * LANES + lane``, so that lanes hold the t-th rows of as many folds; slots without a row hold zeros.

    Attributes
    ----------
    X, there : arrays of shape (n_columns, n_algos)
        Scores, and whether they are there; zero where not.
    y : array of shape (n_algos,)
    X_raw, y_raw : arrays of the shapes of X and y
        The same without the means taken off, for `exact`.
    X_slots, there_slots : arrays of shape (n_columns, n_slots)
        The same by slots; `there_slots` is 1 or 0.
    y_slots : array of shape (n_slots,)
    n_missing : array of shape (n_columns,)
    missing_slots, missing_folds : arrays of shape (n_columns, most missing)
        Where the missing scores of a column are.
    ridge : array of shape (n_columns,)
        What is added to the cross-product of a column with itself.
    floor : array of shape (n_columns,)
        A pivot below is uncertain, whatever its column: so small beside other columns that it may not count for the rank, or
        all rounding of a mean.
    places : array of shape (n_free,)
        Of the free columns among themselves in the order of the problem.
    n_choose : array of shape (n_free + 1, size + 1)
        Binomial coefficients; those of more than an int64 are of no subset that is searched.
    n_fixed, n_gappy, size, n_slots_each : int
        Fixed columns, free ones with gaps, free ones in a subset, slots of one fold.
    rules : Rules
    """

    X: Floats
    there: Bools
    y: Floats
    X_raw: Floats
    y_raw: Floats
    X_slots: Floats
    there_slots: Floats
    y_slots: Floats
    n_missing: Ints
    missing_slots: Ints
    missing_folds: Ints
    ridge: Floats
    floor: Floats
    places: Ints
    n_choose: Ints
    n_fixed: int
    n_gappy: int
    size: int
    n_slots_each: int
    rules: Rules


def make_table(X: Floats, y: Floats, forced: Sequence[int], free: Sequence[int], size: int, rules: Rules) -> Table:
    """Lay out scores for the search of all subsets of `size` free columns beside the forced ones.

    Parameters
    ----------
    X : array of shape (n_algos, n_envs)
        NaN where a score is missing.
    y : array of shape (n_algos,)
    forced, free : sequences of int
        Columns of X, in increasing order.
    size : int
        At least 1.
    rules : Rules
    """
    n_algos, n_gaps = len(y), np.isnan(X[:, list(free)]).sum(axis=0)
    places = np.argsort(-n_gaps, kind="stable")
    constant = np.ones((n_algos, 1 if rules.intercept else 0))
    scores = X[:, [*forced, *(free[place] for place in places)]]
    X_raw, y_raw = np.hstack([np.zeros((n_algos, 1)), constant, scores]).T, y
    if rules.intercept:
        scores, y = _centred(scores), _centred(y[:, None])[:, 0]
    columns = np.hstack([np.zeros((n_algos, 1)), constant, scores]).T
    there = ~np.isnan(columns)
    zeroed = np.where(there, columns, 0.0)
    row_in = _slots(rules.fold_of[n_algos], rules.n_folds)
    filled = row_in >= 0
    missing = _missing(there, row_in)
    n_fixed = constant.shape[1] + len(forced)
    penalised = np.arange(len(columns)) > constant.shape[1]
    return Table(
        X=np.ascontiguousarray(zeroed),
        there=np.ascontiguousarray(there),
        y=np.ascontiguousarray(y),
        X_raw=np.ascontiguousarray(np.where(there, X_raw, 0.0)),
        y_raw=np.ascontiguousarray(y_raw),
        X_slots=_aligned(np.where(filled, zeroed[:, row_in], 0.0)),
        there_slots=_aligned(np.where(filled, there[:, row_in], 0.0)),
        y_slots=_aligned(np.where(filled, y[row_in], 0.0)),
        n_missing=(~there).sum(axis=1),
        missing_slots=missing,
        missing_folds=_fold_in(missing, len(row_in) // _n_lanes(rules.n_folds)),
        ridge=np.where(penalised, rules.ridge, 0.0),
        floor=_floor(zeroed, np.where(there, X_raw, 0.0)),
        places=places,
        n_choose=_binomials(len(free), size),
        n_fixed=n_fixed,
        n_gappy=int(np.count_nonzero(n_gaps)),
        size=size,
        n_slots_each=len(row_in) // _n_lanes(rules.n_folds),
        rules=rules,
    )


@functools.cache
def _binomials(n_free: int, size: int) -> Ints:
    """Return comb(v, j) for v up to n_free and j up to size, cut to `MAX_SUBSETS`."""
    return np.array([[min(comb(v, j), MAX_SUBSETS) for j in range(size + 1)] for v in range(n_free + 1)], dtype=np.int64)


def _centred(columns: Floats) -> Floats:
    """Subtract the mean of each column, which an intercept makes up for: less is left to cancel.

    A difference within the rounding of the mean is zero, or a constant column would pass for a real one.
    """
    mean = np.nansum(columns, axis=0) / np.maximum(1, (~np.isnan(columns)).sum(axis=0))
    centred = columns - mean
    return np.where(np.abs(centred) <= 4 * len(columns) * EPS * np.abs(mean), 0.0, centred)


def _floor(columns: Floats, raw: Floats) -> Floats:
    """Return what a pivot of each column must be at least to be certain."""
    squares, raw_squares = (columns**2).sum(axis=1), (raw**2).sum(axis=1)
    floor = np.full(len(columns), NEGLIGIBLE * squares.max())
    floor[squares <= ROUNDING * raw_squares] = np.inf
    return floor


def _aligned(values: Floats) -> Floats:
    """Copy numbers to where lanes are read fast."""
    copy = aligned(values.shape)
    copy[:] = values
    return copy


def _n_lanes(n_folds: int) -> int:
    """Count the lanes that folds take: whole blocks of them."""
    return -(-n_folds // LANES) * LANES


def _slots(folds: Ints, n_folds: int) -> Ints:
    """Return the row in each slot, -1 where there is none."""
    n_slots_each = -(-len(folds) // n_folds)
    row_in = np.full((_n_lanes(n_folds) // LANES, n_slots_each, LANES), -1)
    for fold in range(n_folds):
        rows = np.flatnonzero(folds == fold)
        row_in[fold // LANES, : len(rows), fold % LANES] = rows
    return row_in.reshape(-1)


def _fold_in(slots: Ints, n_slots_each: int) -> Ints:
    """Return the fold that each slot belongs to."""
    return slots // (n_slots_each * LANES) * LANES + slots % LANES


def _missing(there: Bools, row_in: Ints) -> Ints:
    """Return the slots of the rows that each column lacks, shape (n_columns, most missing)."""
    if there.all():
        return np.zeros((len(there), 1), dtype=np.int64)
    slot_of = np.empty(there.shape[1], dtype=np.int64)
    slot_of[row_in[row_in >= 0]] = np.flatnonzero(row_in >= 0)
    missing = np.zeros((len(there), max(1, int((~there).sum(axis=1).max()))), dtype=np.int64)
    for column, present in enumerate(there):
        slots = slot_of[~present]
        missing[column, : len(slots)] = slots
    return missing
