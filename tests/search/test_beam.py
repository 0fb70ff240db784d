"""A beam search: what it finds, and what it says of itself."""

import itertools

import pytest

from rlhpc.search import beam
from rlhpc.search.settings import Settings
from rlhpc.search.whole import n_to_search, search


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(beam, "MAX_EXHAUSTIVE", 30)  # so that small tables have sizes with too many subsets


def listed(best):
    return [tuple(subset) for subset in best.subsets.tolist()]


def test_a_wide_beam_finds_what_an_exhaustive_search_finds(make_problem):
    problem = make_problem(n_algos=14, missing=0.05)
    for wide, whole in zip(search(problem, Settings(4, beam=1_000)), search(problem, Settings(4)), strict=True):
        assert listed(wide) == listed(whole)
        assert wide.cv_mse.tolist() == whole.cv_mse.tolist()
        assert wide.histogram.tolist() == whole.histogram.tolist()


def test_a_beam_of_one_is_a_greedy_search(make_problem):
    problem = make_problem(n_algos=14, n_envs=10)
    sizes = search(problem, Settings(5, beam=1, keep=100))
    for larger, smaller in itertools.pairwise(sizes[:-1]):
        assert {*listed(smaller)[0]} < {*listed(larger)[0]}
        assert larger.n_searched == 10 - smaller.subset_size


def test_sizes_with_many_subsets_are_called_not_exhaustive(make_problem):
    sizes = search(make_problem(n_algos=14), Settings(4, beam=3))
    assert [(best.subset_size, best.n_subsets, best.exhaustive) for best in sizes] == [
        (4, 70, False),
        (3, 56, False),
        (2, 28, True),
        (1, 8, True),
    ]
    assert all(best.n_searched == best.n_unsearchable + best.histogram.sum() for best in sizes)
    assert sizes[0].n_searched <= 3 * 5


def test_a_beam_wider_than_the_ranking_goes_on_from_all_of_it(make_problem):
    problem = make_problem(n_algos=14)
    short, long = (search(problem, Settings(4, beam=20, keep=keep)) for keep in (1, 100))
    assert [listed(best) for best in short] == [listed(best)[:1] for best in long]


def test_forced_environments_are_in_every_subset_of_a_beam(make_problem):
    problem = make_problem(n_algos=14, n_envs=10)
    sizes = search(problem, Settings(4, beam=5, forced=("Env 6",), excluded=("Env 0",)))
    assert all(6 in subset and 0 not in subset for best in sizes for subset in listed(best))


def test_progress_counts_no_more_than_is_foreseen(make_problem):
    problem, settings, done = make_problem(n_algos=14), Settings(4, beam=2), []
    search(problem, settings, report=done.append)
    assert 0 < sum(done) <= n_to_search(problem, settings)


def test_searching_a_beam_twice_is_equal_to_the_bit(make_problem):
    problem = make_problem(n_algos=14, missing=0.05)
    first, second = (search(problem, Settings(4, beam=4)) for _ in range(2))
    assert [best.cv_mse.tolist() for best in first] == [best.cv_mse.tolist() for best in second]
