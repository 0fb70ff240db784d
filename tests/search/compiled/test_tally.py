"""The tally, held against a sorted list."""

import math
from itertools import combinations
from math import comb

import numpy as np
import pytest

from rlhpc.search.compiled.tally import (
    BIN_SHIFT,
    EXACT,
    N_BINS,
    N_KEPT,
    bin_edges,
    compared,
    keep,
    limit,
    make_tally,
    rank_in_problem,
)


def kept_in(tally):
    """What is kept, the best first."""
    n = tally.counts[N_KEPT]
    return sorted(zip(tally.errors[:n].tolist(), tally.ranks[:n].tolist(), strict=True))


@pytest.mark.parametrize("n_kept", [1, 2, 3, 10, 64, 500])
@pytest.mark.parametrize("n_values", [1, 7, 10_000])
def test_the_best_are_kept_as_a_sorted_list_keeps_them(n_kept, n_values):
    rng = np.random.default_rng(n_kept)
    tally, seen = make_tally(n_kept), []
    values = np.array([compared(value) for value in rng.lognormal(size=n_values)])
    for rank in rng.permutation(400).tolist():
        seen.append((float(rng.choice(values)), rank))
        keep(tally, *seen[-1])
        if rank % 7 == 0:
            assert kept_in(tally) == sorted(seen)[:n_kept]
    assert kept_in(tally) == sorted(seen)[:n_kept]
    assert tally.counts[N_KEPT] == min(n_kept, 400)


@pytest.mark.parametrize("order", [1, -1])
def test_equal_errors_are_kept_by_rank(order):
    tally = make_tally(5)
    for rank in list(range(40))[::order]:
        keep(tally, 0.25, rank)
    assert kept_in(tally) == [(0.25, rank) for rank in range(5)]


def test_the_limit_is_the_greatest_error_that_compares_equal_to_the_worst_kept():
    rng, tally = np.random.default_rng(1), make_tally(8)
    for rank in range(200):
        told = keep(tally, compared(float(rng.lognormal(sigma=20))), rank)
        assert told == limit(tally)
        if rank < 7:
            assert told == math.inf
        else:
            worst = max(kept_in(tally))[0]
            assert compared(told) == worst
            assert compared(math.nextafter(told, math.inf)) > worst


def test_the_limit_of_zeros_is_what_counts_as_zero():
    tally = make_tally(2)
    keep(tally, compared(1e-30), 5)
    assert keep(tally, compared(0.0), 3) == EXACT
    assert keep(tally, compared(9e-25), 1) == EXACT
    assert kept_in(tally) == [(0.0, 1), (0.0, 3)]
    assert keep(tally, compared(EXACT), 0) == EXACT
    assert kept_in(tally) == [(0.0, 1), (0.0, 3)]


def test_an_error_below_1e_24_is_zero():
    assert [compared(error) for error in (0.0, 5e-324, 1e-30, math.nextafter(1e-24, 0))] == [0.0] * 4
    assert compared(1e-24) == pytest.approx(1e-24, rel=1e-9)


def test_errors_are_compared_by_31_binary_digits():
    rng = np.random.default_rng(2)
    for error in (10.0 ** rng.uniform(-23, 200, 1000)).tolist():
        mantissa, exponent = math.frexp(error)
        assert compared(error) == math.ldexp(math.floor(mantissa * 2**32) / 2**32, exponent)
    assert compared(math.inf) == math.inf
    assert compared(1 + 2**-31) > compared(1 + 2**-32) == 1


def test_bins_follow_each_other_and_eight_of_them_double_an_error():
    first = np.array([1.0]).view(np.int64)[0] >> BIN_SHIFT
    for n in range(first - 200, first + 200):
        low, high = bin_edges(n)
        assert low < high == bin_edges(n + 1)[0]
        assert bin_edges(n + 8) == (2 * low, 2 * high)
    assert bin_edges(first) == (1.0, 1.125)
    assert bin_edges(0)[0] == 0.0
    assert len(make_tally(3).histogram) == N_BINS > np.array([1.7e308]).view(np.int64)[0] >> BIN_SHIFT


def test_a_subset_has_the_rank_of_its_places_in_order():
    places, size = np.array([4, 2, 0, 1, 5, 3]), 3
    n_choose = np.array([[comb(v, j) for j in range(size + 1)] for v in range(7)])
    sorted_subset, in_order = np.empty(size, dtype=np.int64), list(combinations(range(6), size))
    for subset in combinations(range(6), size):
        rank = rank_in_problem(np.array(subset), places, n_choose, sorted_subset)
        assert in_order[rank] == tuple(sorted(places[list(subset)].tolist())) == tuple(sorted_subset.tolist())


def test_a_tally_begins_with_nothing():
    tally = make_tally(4)
    assert (tally.histogram.sum(), tally.counts.tolist(), limit(tally)) == (0, [0, 0, 0], math.inf)
