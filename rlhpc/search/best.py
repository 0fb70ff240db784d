"""The best subsets of a size: found by the kernel, then computed anew exactly, and put in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError
from rlhpc.search.candidates import candidates
from rlhpc.search.compiled.front import Prices, make_prices
from rlhpc.search.compiled.table import make_table
from rlhpc.search.compiled.tally import N_BINS, N_RECOMPUTED, N_UNSEARCHABLE, compared_each
from rlhpc.search.costs import undominated, whole_costs
from rlhpc.search.kernel import search_range
from rlhpc.search.problem import Problem
from rlhpc.search.regression import cut, errors_by
from rlhpc.search.settings import Settings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN = 64  # more than are kept in the end: what the exact errors may still exchange


@dataclass(frozen=True, eq=False)
class Found:
    """What the kernel found in a range of the subsets of one size.

    Attributes
    ----------
    subset_size : int
    start, stop : int
        The half-open range searched, in the order of the search.
    n_unsearchable, n_recomputed : int
        Subsets in it that are not searchable, and that are nearly collinear and were computed by an exact method.
    ranks : array of shape (n,)
        Lexicographic ranks of the best, ordered by error, ties by rank.
    errors : array of shape (n,)
        What the search ranks by, to nine digits.
    histogram : array of shape (N_BINS,)
        Searchable subsets by error; see `rlhpc.search.compiled.tally.bin_edges`.
    front_ranks : array of shape (n_points,)
        Lexicographic ranks of the subsets that no other one in the range beats in cost and error, in increasing cost; none if
        costs do not matter.
    """

    subset_size: int
    start: int
    stop: int
    n_unsearchable: int
    n_recomputed: int
    ranks: Ints
    errors: Floats
    histogram: Ints
    front_ranks: Ints


@dataclass(frozen=True, eq=False)
class Best:
    """The best subsets of one size.

    Attributes
    ----------
    subset_size : int
    n_subsets : int
        There are, of this size; forced environments in all of them, and excluded ones in none.
    exhaustive : bool
        Whether every one of them was searched; of a beam, some were.
    n_searched, n_unsearchable, n_recomputed : int
        Subsets looked at; of these, not searchable; and nearly collinear, so that they were computed by an exact method.
    subsets : array of shape (n, subset_size)
        Columns; at most ``Settings.keep`` subsets, ordered by error, ties in lexicographic order.
    cv_mse : array of shape (n,)
    histogram : array of shape (N_BINS,)
        Searched subsets by what the search ranks by.
    front : array of shape (n_points, subset_size)
        Subsets that no other one of this size beats in cost and error, in increasing cost; none if costs do not matter.
    front_cv_mse : array of shape (n_points,)
    """

    subset_size: int
    n_subsets: int
    exhaustive: bool
    n_searched: int
    n_unsearchable: int
    n_recomputed: int
    subsets: Ints
    cv_mse: Floats
    histogram: Ints
    front: Ints
    front_cv_mse: Floats


def find(  # noqa: PLR0913  # all that a search may vary
    problem: Problem,
    settings: Settings,
    subset_size: int,
    start: int,
    stop: int,
    *,
    n_threads: int = 1,
    report: Callable[[int], object] = lambda _: None,
) -> Found:
    """Search a range of the subsets of one size; see `rlhpc.search.kernel.search_range`.

    Raises
    ------
    InputError
        If the cost front has too many points.
    """
    if start == stop:
        nothing = np.empty(0, dtype=np.int64), np.empty(0), np.zeros(N_BINS, dtype=np.int64), np.empty(0, dtype=np.int64)
        return Found(subset_size, start, stop, 0, 0, *nothing)
    chosen, rules = candidates(problem, settings, subset_size), settings.rules(len(problem.y), in_sample=_in_sample(settings))
    table = make_table(problem.X, problem.y, chosen.forced, chosen.free, chosen.n_free, rules)
    costs, prices = None if _in_sample(settings) else whole_costs(problem), None
    if costs is not None:
        searched = np.array(chosen.free, dtype=np.int64)[table.places]
        prices = make_prices(costs.amounts, costs.groups, chosen.forced, searched, chosen.n_free)
    n_kept = min(settings.keep + MARGIN, stop - start)
    tally = search_range(table, start, stop, n_kept, prices=prices, n_threads=n_threads, report=report)
    n_unsearchable, n_recomputed = int(tally.counts[N_UNSEARCHABLE]), int(tally.counts[N_RECOMPUTED])
    found = tally.ranks, tally.errors, tally.histogram, _front_ranks(prices)
    return Found(subset_size, start, stop, n_unsearchable, n_recomputed, *found)


def _front_ranks(prices: Prices | None) -> Ints:
    """Return the ranks of a front."""
    if prices is None:
        return np.empty(0, dtype=np.int64)
    n_points, n_lost = prices.front.counts.tolist()
    if n_lost:
        raise InputError(
            f"the cost front has more than {n_points:,} points: costs differ by too little. Round them, say to full hours."
        )
    return prices.front.ranks[:n_points].copy()


def _in_sample(settings: Settings) -> bool:
    return settings.rank_by == "in_sample"


def polish(problem: Problem, settings: Settings, parts: Sequence[Found], *, n_threads: int = 1) -> Best:
    """Join what was found in adjoining ranges, compute the errors of the best exactly, and order them.

    Parameters
    ----------
    problem : Problem
    settings : Settings
    parts : sequence of Found
        All of one size, in the order of their ranges, which are all there is.
    n_threads : int
    """
    chosen = candidates(problem, settings, parts[0].subset_size)
    ranks, errors = np.concatenate([part.ranks for part in parts]), np.concatenate([part.errors for part in parts])
    ranks = np.sort(ranks[np.lexsort((ranks, errors))[: settings.keep + MARGIN]])  # so that equals stay in this order
    subsets, errors = _order(problem, settings, chosen.subsets(ranks), n_threads, in_sample=_in_sample(settings))
    if _in_sample(settings):
        subsets, errors = _order(problem, settings, subsets[np.lexsort(subsets.T[::-1])], n_threads, in_sample=False)
    front, front_errors = subsets[:0], errors[:0]
    if any(len(part.front_ranks) for part in parts):
        on_front = chosen.subsets(np.sort(np.concatenate([part.front_ranks for part in parts])))
        front, front_errors = front_of(problem, on_front, subset_errors(problem, settings, on_front))
    return Best(
        parts[0].subset_size,
        chosen.n_subsets,
        exhaustive=True,
        n_searched=chosen.n_subsets,
        n_unsearchable=sum(part.n_unsearchable for part in parts),
        n_recomputed=sum(part.n_recomputed for part in parts),
        subsets=subsets,
        cv_mse=errors,
        histogram=np.sum([part.histogram for part in parts], axis=0),
        front=front,
        front_cv_mse=front_errors,
    )


def front_of(problem: Problem, subsets: Ints, errors: Floats) -> tuple[Ints, Floats]:
    """Return those of some subsets that no other one of them beats in cost and error, in increasing cost, with their errors.

    Parameters
    ----------
    problem : Problem
    subsets : array of shape (n_subsets, subset_size)
        In lexicographic order, if of equals the first is to stay.
    errors : array of shape (n_subsets,)
    """
    costs = whole_costs(problem)
    if costs is None or not len(subsets):
        return subsets[:0], errors[:0]
    best = undominated(costs.of(subsets), compared_each(errors))
    best = best[np.isfinite(errors[best])]
    return subsets[best], errors[best]


def _order(problem: Problem, settings: Settings, subsets: Ints, n_threads: int, *, in_sample: bool) -> tuple[Ints, Floats]:
    """Order subsets by their exact errors, and return the best of them with these."""
    rules = settings.rules(len(problem.y), in_sample=in_sample)
    errors = cut(errors_by(rules, problem.X, problem.y, subsets, n_threads=n_threads))
    order = np.argsort(errors, kind="stable")[: settings.keep]
    return subsets[order], errors[order]


def subset_errors(problem: Problem, settings: Settings, subsets: Ints, *, n_threads: int = 1) -> Floats:
    """Compute the CV errors of subsets of a problem, by the rules of a search; see `rlhpc.search.regression.cv_mse`."""
    return cut(errors_by(settings.rules(len(problem.y)), problem.X, problem.y, subsets, n_threads=n_threads))
