from rlhpc.search import estimate
from rlhpc.search.estimate import estimate_seconds
from rlhpc.search.settings import Settings


def test_a_search_of_moments_is_not_tried(make_problem):
    assert estimate_seconds(make_problem(), Settings(3)) == 0


def test_a_search_of_years_is_told_as_such_in_moments(make_problem):
    problem = make_problem(n_algos=40, n_envs=100)
    seconds = estimate_seconds(problem, Settings(12))
    assert seconds > 365 * 86_400
    assert 0 < estimate_seconds(problem, Settings(12), 3, 1_000) < seconds / 100


def test_a_beam_is_not_tried(make_problem):
    assert estimate_seconds(make_problem(n_algos=40, n_envs=100), Settings(12, beam=10)) == 0


def test_the_first_million_subsets_of_a_size_cost_nothing_to_ask(make_problem, monkeypatch):
    monkeypatch.setattr(estimate, "find", None)
    assert estimate_seconds(make_problem(n_algos=20, n_envs=25), Settings(6)) == 0
