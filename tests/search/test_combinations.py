from itertools import combinations, pairwise
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.search.combinations import MAX_SUBSETS, rank, shard_range, spell_ranges, unrank

SIZES = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, min(n, 7))))


@pytest.mark.parametrize(("n_envs", "subset_size"), [(1, 1), (5, 1), (5, 5), (7, 3), (9, 6)])
def test_unrank_lists_subsets_in_lexicographic_order(n_envs, subset_size):
    ranks = np.arange(comb(n_envs, subset_size))
    assert unrank(ranks, n_envs, subset_size).tolist() == [list(c) for c in combinations(range(n_envs), subset_size)]


@given(SIZES, st.data())
def test_rank_inverts_unrank(size, data):
    n_envs, subset_size = size
    place = data.draw(st.integers(0, comb(n_envs, subset_size) - 1))
    (subset,) = unrank(np.array([place]), n_envs, subset_size)
    assert rank(subset.tolist(), n_envs) == place
    assert sorted(set(subset.tolist())) == subset.tolist()


def test_last_rank_that_fits_into_64_bits_is_unranked_exactly():
    n_envs, subset_size = 66, 33
    n_subsets = comb(n_envs, subset_size)
    assert n_subsets <= MAX_SUBSETS < 2 * n_subsets
    (last,) = unrank(np.array([n_subsets - 1]), n_envs, subset_size)
    assert last.tolist() == list(range(33, 66))


def test_unrank_of_no_ranks_is_empty():
    assert unrank(np.array([], dtype=np.int64), 5, 2).shape == (0, 2)


@given(st.integers(1, 200), st.integers(0, 10**12))
def test_shard_ranges_tile_the_whole_evenly(n_shards, n_subsets):
    ranges = [shard_range(index, n_shards, n_subsets) for index in range(n_shards)]
    assert ranges[0][0] == 0
    assert ranges[-1][1] == n_subsets
    assert all(before[1] == after[0] for before, after in pairwise(ranges))
    lengths = {stop - start for start, stop in ranges}
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(
    ("numbers", "spelled"), [([], ""), ([0], "0"), ([0, 1, 2, 5], "0-2,5"), ([3, 5, 6], "3,5-6"), (range(1000), "0-999")]
)
def test_ranges_are_spelled_as_slurm_takes_them(numbers, spelled):
    assert spell_ranges(numbers) == spelled


def test_few_large_subsets_of_many_environments_have_ranks():
    ranks = np.arange(comb(70, 68))
    subsets = unrank(ranks, 70, 68)
    assert [rank(subset, 70) for subset in subsets[::97].tolist()] == ranks[::97].tolist()
