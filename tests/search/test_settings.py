import pytest

from rlhpc.errors import InputError
from rlhpc.search.settings import Settings


def test_all_wrong_values_are_named_at_once():
    with pytest.raises(InputError) as caught:
        Settings(subset_size=0, n_folds=1, fold_seed=-1, keep=0)
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert all(part in text for part in ("subset size 0", "number of folds 1", "fold seed -1", "number to keep 0"))


@pytest.mark.parametrize(
    ("subset_size", "shape", "words"),
    [
        (4, (9, 3), "more than the 3 environments"),
        (3, (3, 9), "not smaller than the number of algorithms, 3"),
        (40, (60, 80), "too many to search"),
    ],
)
def test_a_size_that_the_table_cannot_carry_is_refused(make_problem, subset_size, shape, words):
    with pytest.raises(InputError, match=words):
        Settings(subset_size).check(make_problem(*shape))


def test_an_intercept_counts_as_a_parameter(make_problem):
    problem = make_problem(6, 38)
    with pytest.raises(InputError, match=r"subset size 5 plus the intercept .* algorithms, 6.* at most 4"):
        Settings(5, fit_intercept=True).check(problem)
    Settings(4, fit_intercept=True).check(problem)


def test_the_largest_sizes_that_a_table_carries_pass(make_problem):
    Settings(6).check(make_problem(7, 38))
    Settings(3).check(make_problem(4, 3))


def test_wrong_rules_are_named_at_once():
    with pytest.raises(InputError) as caught:
        Settings(3, ridge=-1.0, fold_rule="random", rank_by="luck", beam=-1)
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    assert all(part in text for part in ("ridge -1.0", "fold rule 'random'", "rank by 'luck'", "beam -1"))


def test_environments_forced_and_excluded_at_once_or_too_many_are_named():
    with pytest.raises(InputError) as caught:
        Settings(2, forced=("Pong", "Krull", "Qbert"), excluded=("Krull",))
    assert caught.value.faults == (
        "Krull: forced into every subset and excluded from all. Leave out one of the two.",
        "3 environments are forced (Krull, Pong, Qbert): more than the subset size 2.",
    )


def test_too_wide_a_beam_and_too_long_a_ranking_are_refused():
    with pytest.raises(InputError) as caught:
        Settings(9, beam=10_001, keep=1_000_001)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "number to keep 1000001 is too large",
        "beam 10001 is out of range",
    ]
    Settings(9, beam=10_000, keep=1_000_000)


def test_the_order_of_environments_makes_no_other_settings():
    assert Settings(3, forced=("b", "a", "b"), excluded=("d", "c")) == Settings(3, forced=("a", "b"), excluded=("c", "d"))


def test_unknown_environments_are_named_with_the_nearest(make_problem):
    with pytest.raises(InputError) as caught:
        Settings(3, forced=("Env3",), excluded=("Pong",)).check(make_problem())
    assert caught.value.faults[0] == "there is no environment 'Env3' in the table. Did you mean 'Env 3'?"
    assert caught.value.faults[1].startswith("there is no environment 'Pong' in the table. Allowed: Env 0, Env 1")


def test_excluded_environments_do_not_count_as_candidates(make_problem):
    settings = Settings(3, excluded=tuple(f"Env {env}" for env in range(6)))
    with pytest.raises(InputError, match="more than the 2 environments that are not excluded, of 8: give at most 2"):
        settings.check(make_problem())


def test_sizes_end_at_the_number_of_forced_environments():
    assert [*Settings(4).sizes] == [4, 3, 2, 1]
    assert [*Settings(4, forced=("a", "b")).sizes] == [4, 3, 2]
    assert [*Settings(2, forced=("a", "b")).sizes] == [2]
