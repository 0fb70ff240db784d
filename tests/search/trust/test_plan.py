"""What is redone, and how often."""

import pytest

from rlhpc.errors import InputError
from rlhpc.search import Settings
from rlhpc.search.trust import Plan, make_plan, why_no_figure


def test_every_fault_of_a_plan_is_told():
    with pytest.raises(InputError) as caught:
        Plan(n_outer_folds=1, n_pairs=-1, n_permutations=-5, n_resamples=10**9, seed=2**40)
    said = str(caught.value)
    assert all(
        text in said
        for text in (
            "pairs -1 is negative",
            "permutations -5",
            "resamples 1000000000 is too much",
            "1 outer fold",
            "seed 1099511627776 is out",
        )
    )
    assert len(caught.value.faults) == 5


def test_larger_searches_are_redone_less_often(make_problem):
    small, large = make_plan(make_problem(n_envs=8), Settings(3)), make_plan(make_problem(n_algos=20, n_envs=60), Settings(5))
    assert (small.n_permutations, large.n_permutations) == (5040, 200)
    assert large.n_pairs < small.n_pairs
    assert make_plan(make_problem(n_envs=8), Settings(3), n_permutations=7, seed=3) == Plan(0, 7, 20, 200, 200, 20, 3)


def test_all_orders_of_few_algorithms_are_tried():
    plan = Plan(n_permutations=5040)
    assert plan.all_orders(7)
    assert not plan.all_orders(8)
    assert not Plan(n_permutations=5039).all_orders(7)


def test_parts_leave_a_fifth_of_the_algorithms_to_predict():
    plan = Plan()
    assert plan.parts(9, 3) == ()
    assert plan.parts(10, 3) == (5, 7)
    assert plan.parts(62, 5) == (7, 10, 15, 20, 30, 40)
    assert Plan(n_subsamples=0).parts(62, 3) == ()


@pytest.mark.parametrize(
    ("n_algos", "subset_size", "intercept", "folds", "said"),
    [
        (3, 1, False, 0, "at least 4 algorithms, and there are 3"),
        (4, 3, False, 0, "Without one of the 4 algorithms, 3 are left: 3 parameters"),
        (5, 3, True, 0, "4 parameters would fit"),
        (5, 3, False, 0, None),
        (8, 4, False, 2, "Without 4 of the 8 algorithms, 4 are left"),
        (8, 3, False, 2, None),
    ],
)
def test_missing_figure_is_explained(make_problem, n_algos, subset_size, intercept, folds, said):
    settings = Settings(subset_size, fit_intercept=intercept)
    reason = why_no_figure(make_problem(n_algos=n_algos), settings, Plan(n_outer_folds=folds))
    assert reason is None if said is None else said in reason
