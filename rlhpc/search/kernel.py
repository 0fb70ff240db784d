"""The kernel: the error of every subset in a range, at a cost that does not grow with the size of a subset.

For a subset S of columns, and a fold f of the rows that have every score of S, let X_f, y_f be the rows of f, and G_f, c_f the
sums of x x' and x y over all other rows. Least squares without f has the coefficients b_f = G_f^-1 c_f, and the error of S is

    E(S) = mean over f of mean((y_f - X_f b_f)^2).

Subsets are the paths of a tree: in lexicographic order, S and its successor differ in the last columns alone. *Sweeping* the
cross-products by one column x_p regresses everything else on it:

    c_j <- c_j - G_pj c_p / G_pp          G_ij <- G_ij - G_pi G_pj / G_pp
    y_f <- y_f - x_pf c_p / G_pp          x_jf <- x_jf - x_pf G_pj / G_pp

After the sweeps by all columns of S but two, the last two are left to solve for, and the swept y_f less their part *is* the
residual. A parent is swept once for all of its leaves, and a leaf costs the same at every k. Folds are the lanes of vector
instructions. No sum of squares is obtained as a difference, so that nothing cancels there. What does lose digits is a pivot G_pp
that sweeps have made small: below a share of 1e-5, the subset is computed anew by orthogonal transformations, and
counted. G_pp = 0 exactly, as of a column of zeros, is given the coefficient 0: the solution of least norm.

Missing scores: free columns with gaps come first in the order of the search. Each choice of them fixes rows and folds, and the
tree goes on over the columns without gaps. Where all columns of a subset but the last have gaps, its parent's cross-products
lose the rows that the last column lacks, and the k equations are solved for that one subset, at ten times the cost.

References: M. J. Garside, 1965, The best sub-set in multiple linear regression analysis (sweeping through all subsets).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rlhpc.search.compiled.exact import error_of
from rlhpc.search.compiled.front import Prices, again, is_beaten, no_prices, offer
from rlhpc.search.compiled.jit import compiled, inner
from rlhpc.search.compiled.lanes import bits
from rlhpc.search.compiled.last_complete import leaves
from rlhpc.search.compiled.last_gappy import gappy_leaves
from rlhpc.search.compiled.moments import build, sweep, take_rows
from rlhpc.search.compiled.order import advance, unrank
from rlhpc.search.compiled.rows import find_rows, weigh
from rlhpc.search.compiled.table import Table
from rlhpc.search.compiled.tally import (
    BIN_SHIFT,
    N_KEPT,
    N_RECOMPUTED,
    N_UNSEARCHABLE,
    Tally,
    compared,
    keep,
    limit,
    make_tally,
    rank_in_problem,
)
from rlhpc.search.compiled.work import Work, level_of, make_work

CHUNK = 2**16  # subsets that a thread takes at once: milliseconds, and many times what it costs to begin with them
SMALL_CHUNK = 2**12  # of less, a thread of its own costs more than it is worth


def search_range(
    table: Table,
    start: int,
    stop: int,
    n_kept: int,
    *,
    prices: Prices | None = None,
    n_threads: int = 1,
    report: Callable[[int], object] = lambda _: None,
) -> Tally:
    """Search a range of subsets; any division into ranges, and any number of threads, gives the same bits.

    Parameters
    ----------
    table : Table
    start, stop : int
        Half-open range of ranks in the order of the search, which is lexicographic in the columns of the table.
    n_kept : int
        How many of the best to keep.
    prices : Prices or None
        Its front is that of the range afterwards, if it was empty.
    n_threads : int
    report : callable
        Called with the number of subsets done since its last call; not by two threads at once.

    Returns
    -------
    Tally
        The best first.
    """
    length = min(CHUNK, max(SMALL_CHUNK, -(-(stop - start) // n_threads)))
    n_threads = min(n_threads, max(1, -(-(stop - start) // length)))
    chunks, lock, over = iter(range(start, stop, length)), threading.Lock(), threading.Event()

    def work_off() -> Tally:
        tally, work, own = make_tally(n_kept), make_work(table), no_prices() if prices is None else again(prices)
        try:
            while not over.is_set():
                with lock:
                    begin = next(chunks, stop)
                if begin >= stop:
                    break
                end = min(begin + length, stop)
                scan(table, begin, end, tally, work, own)
                with lock:
                    report(end - begin)
        except BaseException:
            over.set()
            raise
        if prices is not None:
            with lock:
                _offer_all(prices, own)
        return tally

    if n_threads == 1:
        return join_tallies([work_off()], n_kept)
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            return join_tallies([one.result() for one in [pool.submit(work_off) for _ in range(n_threads)]], n_kept)
        finally:
            over.set()


def join_tallies(tallies: list[Tally], n_kept: int) -> Tally:
    """Join what was found in several ranges: the best `n_kept` of all, in order, and sums."""
    if len(tallies) == 1:
        (one,), n_there = tallies, tallies[0].counts[N_KEPT]
        order = np.lexsort((one.ranks[:n_there], one.errors[:n_there]))
        return one._replace(errors=one.errors[order], ranks=one.ranks[order])
    errors = np.concatenate([one.errors[: one.counts[N_KEPT]] for one in tallies])
    ranks = np.concatenate([one.ranks[: one.counts[N_KEPT]] for one in tallies])
    order = np.lexsort((ranks, errors))[:n_kept]
    counts = np.sum([one.counts for one in tallies], axis=0)
    counts[N_KEPT] = len(order)
    return Tally(errors[order], ranks[order], np.sum([one.histogram for one in tallies], axis=0), counts)


def _offer_all(prices: Prices, own: Prices) -> None:
    """Put on a front what is on that of a part of the range."""
    found = own.front
    for place in range(found.counts[0]):
        offer(prices.front, found.costs[place], found.errors[place], found.ranks[place])
    prices.front.counts[1] += found.counts[1]


@compiled
def scan(table: Table, start: int, stop: int, tally: Tally, work: Work, prices: Prices) -> None:
    """Add the subsets from rank `start` to `stop` to a tally."""
    n_free, subset, rank = len(table.places), work.subset, start
    unrank(start, n_free, table.n_choose, subset)
    while rank < stop:
        n_gappy = 0
        while n_gappy < table.size and subset[n_gappy] < table.n_gappy:
            n_gappy += 1
        if n_gappy >= table.size - 1 and table.n_gappy and not table.rules.drawn:
            rank += _scan_gappy(table, stop - rank, tally, work, prices)
        else:
            rank += _scan_tree(table, n_gappy, stop - rank, tally, work, prices)
        advance(subset, 0, n_free)


@inner
def _scan_gappy(table: Table, n_most: int, tally: Tally, work: Work, prices: Prices) -> int:
    """Add the subset, and those after it that differ in the last column; return how many."""
    subset, columns, n_before = work.subset, work.columns, 1 + table.n_fixed
    last = table.size - 1
    for i in range(last):
        columns[n_before + i] = n_before + subset[i]
    n, first = n_before + last, subset[last]
    n_leaves = min(len(table.places) - first, n_most)
    n_rows = find_rows(table, columns, n, work.mask, work.row_in, work.weights)
    level = level_of(work, 0)
    take_rows(table, columns, n, work.mask, work.row_in, level.R, level.r)
    build(table, columns, n, n, level, work.bound)
    gappy_leaves(table, work, level, n, n_before + first, n_before + first + n_leaves, n_rows)
    _add(table, tally, work, first, n_leaves, False)
    if len(prices.costs):
        _price(table, work, prices, first, n_leaves)
    return int(n_leaves)


@inner
def _scan_tree(table: Table, n_gappy: int, n_most: int, tally: Tally, work: Work, prices: Prices) -> int:
    """Add the subset, and those after it that have the same columns with gaps, and with them rows and folds; return how many."""
    subset, columns = work.subset, work.columns
    n_complete, n_left = len(table.places) - table.n_gappy, table.size - n_gappy
    n = 1 + table.n_fixed
    for i in range(n_gappy):
        columns[n] = 1 + table.n_fixed + subset[i]
        n += 1
    n_rows = find_rows(table, columns, n, work.mask, work.row_in, work.weights)
    n_used = weigh(work.weights, n_rows, table.rules.in_sample)
    if n_rows <= table.n_fixed + table.size or n_used < 2:
        return _pass_over(table, n_gappy, n_most, tally, work)
    n_before = n if n_left else n - 1  # columns that every subset here has, but the last; the next are leaves
    if n_left:
        for i in range(n_complete):
            columns[n] = 1 + table.n_fixed + table.n_gappy + i
            n += 1
    level = level_of(work, 0)
    take_rows(table, columns, n, work.mask, work.row_in, level.R, level.r)
    n_pairs = n if n_left > 1 else n_before
    build(table, columns, n, n_pairs, level, work.bound)
    work.uncertain[0] = False
    for pivot in range(n_before - 1):
        work.uncertain[0] |= sweep(level, level, pivot, pivot <= 1, n, n_pairs, table.n_slots_each, work.bound, work.after_first)
    return _descend(table, n_gappy, n_before, n_most, tally, work, prices)


@inner
def _pass_over(table: Table, n_gappy: int, n_most: int, tally: Tally, work: Work) -> int:
    """Count the subset, and those after it that have the same columns with gaps, as not searchable; return how many."""
    subset, n_free, n_passed = work.subset, len(table.places), 0
    while n_passed < n_most:
        last = table.size - 1
        n_same = min(n_free - subset[last], n_most - n_passed) if n_gappy < table.size else 1
        n_passed += n_same
        if n_gappy == table.size:
            break
        subset[last] = n_free - 1
        if advance(subset, n_gappy, n_free) < 0:
            break
    tally.counts[N_UNSEARCHABLE] += n_passed
    return n_passed


@inner
def _descend(table: Table, n_gappy: int, n_before: int, n_most: int, tally: Tally, work: Work, prices: Prices) -> int:
    """Walk the tree over the columns without gaps, from the subset on; return how many subsets were added.

    Level d is swept by the first d columns of the subset after those with gaps; levels that the next subset shares stay.
    """
    subset, n_each, n_free = work.subset, table.n_slots_each, len(table.places)
    n = n_before + n_free - table.n_gappy
    n_left = table.size - n_gappy
    deepest, last, n_done, shared = max(n_left - 1, 0), table.size - 1, 0, 0
    while n_done < n_most:
        for depth in range(shared, deepest):
            pivot = n_before - 1 if depth == 0 else n_before + subset[n_gappy + depth - 1] - table.n_gappy
            first = n_before - 1 + depth <= 1  # of the pivots before, one is of zeros
            above, below = level_of(work, depth), level_of(work, depth + 1)
            uncertain = sweep(above, below, pivot, first, n, n, n_each, work.bound, work.after_first)
            work.uncertain[depth + 1] = work.uncertain[depth] or uncertain
        pivot = n_before - 1 if deepest == 0 else n_before + subset[last - 1] - table.n_gappy
        leaf = subset[last]
        n_leaves = min(n_free - leaf, n_most - n_done) if n_left else 1
        begin = n_before + leaf - table.n_gappy if n_left else n_before
        leaves(table, level_of(work, deepest), work, pivot, n_before - 1 + deepest <= 1, begin, begin + n_leaves)
        _add(table, tally, work, leaf, n_leaves, work.uncertain[deepest])
        if len(prices.costs):
            _price(table, work, prices, leaf, n_leaves)
        n_done += n_leaves
        if not n_left:
            break
        subset[last] = n_free - 1
        changed = advance(subset, n_gappy, n_free)
        if changed < 0:
            break
        shared = min(changed - n_gappy + 1, deepest)
    return n_done


@inner
def _add(table: Table, tally: Tally, work: Work, first: int, n_leaves: int, uncertain: bool) -> None:
    """Add the errors of the subsets that end with the free columns from `first` on; uncertain ones are computed exactly."""
    subset, columns, size, worst = work.subset, work.exact_columns, table.size, limit(tally)
    n_forced = len(columns) - size
    for i in range(n_leaves):
        subset[size - 1] = first + i
        error = work.errors[i]
        if uncertain or not error >= 0.0:
            for j in range(size):
                columns[n_forced + j] = 1 + table.n_fixed + subset[j]
            error = error_of(table.X_raw, table.there, table.y_raw, columns, table.rules, work.bench)
            tally.counts[N_RECOMPUTED] += 1
            work.errors[i] = error
        if not error < math.inf:
            tally.counts[N_UNSEARCHABLE] += 1
            continue
        tally.histogram[bits(error) >> BIN_SHIFT] += 1
        if error <= worst:
            rank = rank_in_problem(subset, table.places, table.n_choose, work.sorted_subset)
            worst = keep(tally, compared(error), rank)


@inner
def _price(table: Table, work: Work, prices: Prices, first: int, n_leaves: int) -> None:
    """Offer the front the subsets whose errors were added."""
    subset, front, spent = work.subset, prices.front, 0
    for group in range(len(prices.paid)):
        prices.paid[group] = prices.forced_paid[group]
    for place in range(table.size - 1):
        group = prices.groups[subset[place]]
        prices.paid[group] = max(prices.paid[group], prices.costs[subset[place]])
    for group in range(len(prices.paid)):
        spent += prices.paid[group]
    for i in range(n_leaves):
        leaf, error = first + i, work.errors[i]
        if not error < math.inf:
            continue
        cost, error = spent + max(prices.costs[leaf] - prices.paid[prices.groups[leaf]], 0), compared(error)
        if not is_beaten(front, cost, error):
            subset[table.size - 1] = leaf
            offer(front, cost, error, rank_in_problem(subset, table.places, table.n_choose, work.sorted_subset))
    subset[table.size - 1] = first + n_leaves - 1  # where the walk goes on from
