import time
from math import comb

import pytest

from rlhpc.search import estimate
from rlhpc.search.beam import most_extended
from rlhpc.search.candidates import candidates
from rlhpc.search.estimate import estimate_seconds
from rlhpc.search.settings import Settings


def test_a_search_of_moments_is_told_as_such(make_problem):
    assert 0 < estimate_seconds(make_problem(), Settings(3)) < 60


def test_a_search_of_years_is_told_as_such_in_moments(make_problem):
    assert estimate_seconds(make_problem(n_algos=40, n_envs=100), Settings(12)) > 365 * 86_400


def test_one_of_a_thousand_shards_takes_about_a_thousandth(make_problem, monkeypatch):
    monkeypatch.setattr(estimate, "find", lambda problem, settings, size, start, stop: time.sleep(0.002 * (stop - start)))
    problem = make_problem(n_algos=40, n_envs=100)
    assert 0 < estimate_seconds(problem, Settings(12), 3, 1_000) < estimate_seconds(problem, Settings(12)) / 100


@pytest.mark.parametrize(("n_shards", "n_subsets"), [(1, comb(20, 2) + 20), (7, comb(20, 2) // 7 + 20 // 7)])
def test_few_subsets_that_take_long_count(make_problem, monkeypatch, n_shards, n_subsets):
    monkeypatch.setattr(estimate, "find", lambda problem, settings, size, start, stop: time.sleep(0.002 * (stop - start)))
    assert 0.002 * n_subsets <= estimate_seconds(make_problem(n_algos=9, n_envs=20), Settings(2), 0, n_shards) < n_subsets


def test_a_beam_takes_as_long_as_all_that_it_extends(make_problem, monkeypatch):
    monkeypatch.setattr(estimate, "subset_errors", lambda problem, settings, subsets: time.sleep(0.001 * len(subsets)))
    problem, settings = make_problem(n_algos=40, n_envs=100), Settings(12, beam=10, forced=("Env 3",), excluded=("Env 7",))
    n_extended = sum(most_extended(settings, candidates(problem, settings, size)) for size in (12, 11, 10, 9, 8, 7, 6, 5))
    assert 0.001 * n_extended <= estimate_seconds(problem, settings) < n_extended


def test_a_beam_beyond_all_ranks_is_estimated(make_problem):
    assert estimate_seconds(make_problem(n_algos=90, n_envs=100), Settings(40, beam=2)) > 0


def test_more_shards_than_subsets_are_estimated(make_problem):
    assert estimate_seconds(make_problem(), Settings(1), 0, 1_000) == 0
