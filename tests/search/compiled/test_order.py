"""Subsets in order, held against itertools and against the plain functions of the package."""

from itertools import combinations, pairwise
from math import comb

import numpy as np
import pytest

from rlhpc.search import combinations as plain
from rlhpc.search.compiled.order import advance, rank_of, unrank
from rlhpc.search.compiled.table import make_table
from rlhpc.search.regression import make_rules

TABLES = [(1, 1), (4, 1), (5, 2), (6, 3), (7, 6), (7, 7), (9, 4)]  # numbers of columns and sizes


def chosen_of(n, size):
    """How many subsets of each size there are of each number of columns."""
    return np.array([[comb(v, j) for j in range(size + 1)] for v in range(n + 1)], dtype=np.int64)


def unranked(rank, n, size):
    subset = np.full(size, -1)
    unrank(rank, n, chosen_of(n, size), subset)
    return tuple(subset.tolist())


@pytest.mark.parametrize(("n", "size"), TABLES)
def test_subsets_by_rank_are_those_of_itertools_in_order(n, size):
    assert [unranked(rank, n, size) for rank in range(comb(n, size))] == list(combinations(range(n), size))


@pytest.mark.parametrize(("n", "size"), TABLES)
def test_the_rank_of_a_subset_is_its_place(n, size):
    ranks = [rank_of(np.array(subset), size, n, chosen_of(n, size)) for subset in combinations(range(n), size)]
    assert ranks == list(range(comb(n, size)))


@pytest.mark.parametrize(("n", "size"), [(57, 5), (57, 10), (66, 33), (200, 10)])
def test_large_ranks_are_those_of_the_plain_functions(n, size):
    n_subsets = comb(n, size)
    ranks = [0, 1, n_subsets // 2, n_subsets - 2, n_subsets - 1, *np.random.default_rng(0).integers(n_subsets, size=50).tolist()]
    for rank, subset in zip(ranks, plain.unrank(np.array(ranks), n, size).tolist(), strict=True):
        assert list(unranked(rank, n, size)) == subset
        assert rank_of(np.array(subset), size, n, chosen_of(n, size)) == plain.rank(subset, n) == rank


def test_the_rank_of_the_first_columns_alone_reads_no_other():
    assert rank_of(np.array([1, 3, 99]), 2, 5, chosen_of(5, 3)) == plain.rank([1, 3], 5)


@pytest.mark.parametrize(("n", "size"), TABLES)
def test_advancing_goes_through_all_subsets_and_says_what_changed(n, size):
    subset, seen = np.arange(size), list(combinations(range(n), size))
    for one, following in pairwise(seen):
        assert tuple(subset.tolist()) == one
        assert advance(subset, 0, n) == next(place for place in range(size) if one[place] != following[place])
    assert tuple(subset.tolist()) == seen[-1]
    assert advance(subset, 0, n) == -1
    assert tuple(subset.tolist()) == seen[-1]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_advancing_from_a_place_on_leaves_those_before(first):
    n, start = 8, [1, 3, 4, 6]
    subset, found = np.array(start), [tuple(start)]
    while advance(subset, first, n) >= 0 and len(found) <= comb(n, 4):
        found.append(tuple(subset.tolist()))
    later = [one for one in combinations(range(n), 4) if list(one[:first]) == start[:first] and one >= tuple(start)]
    assert found == later


def test_a_table_counts_subsets_as_these_functions_read_them():
    rng = np.random.default_rng(0)
    table = make_table(rng.normal(size=(9, 7)), rng.normal(size=9), [2], [0, 1, 3, 4, 5, 6], 3, make_rules(9))
    np.testing.assert_array_equal(table.n_choose, chosen_of(6, 3))


@pytest.mark.parametrize(("n_free", "size"), [(70, 68), (80, 79)])
def test_a_table_of_few_subsets_of_many_columns_is_made(n_free, size):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n_free + 2, n_free)), rng.normal(size=n_free + 2)
    table = make_table(X, y, [], range(n_free), size, make_rules(len(y)))
    subset = np.empty(size, dtype=np.int64)
    for rank in (0, 1, comb(n_free, size) - 1):
        unrank(rank, n_free, table.n_choose, subset)
        assert rank_of(subset, size, n_free, table.n_choose) == rank
