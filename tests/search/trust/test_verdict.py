"""The verdict follows its rule, clause by clause."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.search.trust import DO_NOT_USE, NO_FIGURE, PROMISING, RULE, SOUND, Honest, Null, judge

SOUND_ONE = Honest(
    n_predicted=30,
    n_closer=25,
    mse=0.1,
    mean_relative_error=10.0,
    median_relative_error=9.0,
    baseline_mse=0.4,
    baseline_mean_relative_error=50.0,
    r2=0.75,
    n_distinct_subsets=2,
)


def null(p):
    return Null(observed=0.1, draws=np.array([0.2, 0.3]), p=p, exact=False)


@pytest.mark.parametrize(
    ("changed", "claimed", "p", "verdict"),
    [
        ({}, 0.06, (0.01, 0.01), SOUND),
        ({}, 0.06, (0.05, 0.05), SOUND),
        ({}, 0.06, (0.051, 0.01), DO_NOT_USE),
        ({}, 0.06, (0.01, 0.051), DO_NOT_USE),
        ({"mse": 0.4}, 0.3, (0.01, 0.01), DO_NOT_USE),
        ({"mse": np.nan}, 0.3, (0.01, 0.01), DO_NOT_USE),
        ({}, 0.049, (0.01, 0.01), PROMISING),  # the honest error is more than twice the claimed one
        ({"mse": 0.21}, 0.2, (0.01, 0.01), PROMISING),  # more than half of guessing's
        ({"n_predicted": 19}, 0.06, (0.01, 0.01), PROMISING),
        ({"n_predicted": 20}, 0.06, (0.01, 0.01), SOUND),
        ({"mse": 0.004}, 1e-9, (0.01, 0.01), SOUND),  # so small that optimism does not matter
        ({"mse": 0.0041}, 1e-9, (0.01, 0.01), PROMISING),
        ({"n_predicted": 0}, 0.06, (0.01, 0.01), NO_FIGURE),
    ],
)
def test_verdict_follows_its_rule(changed, claimed, p, verdict):
    honest = replace(SOUND_ONE, **changed)
    assert judge(honest, claimed, [null(one) for one in p], honest.n_predicted) == verdict


def test_without_asking_for_chance_nothing_is_sound():
    assert judge(SOUND_ONE, 0.06, [null(0.01), null(0.01)], 30) == SOUND
    assert judge(SOUND_ONE, 0.06, [None, null(0.01)], 30) == judge(SOUND_ONE, 0.06, [null(0.01), None], 30) == PROMISING
    assert judge(SOUND_ONE, 0.06, [None, null(0.2)], 30) == DO_NOT_USE


def test_copies_of_few_algorithms_are_not_sound():
    nulls = [null(0.01), null(0.01)]
    assert [judge(SOUND_ONE, 0.06, nulls, n_different) for n_different in (19, 20)] == [PROMISING, SOUND]


def test_verdict_without_a_figure_is_no_figure():
    assert judge(None, 0.06, [], 30) == NO_FIGURE


def test_rule_names_every_verdict_and_its_numbers():
    assert all(f"'{verdict}'" in RULE for verdict in (NO_FIGURE, DO_NOT_USE, PROMISING, SOUND))
    assert all(number in RULE for number in ("0.05", "20 algorithms", "0.5 of guessing's", "2 times", "0.01 of guessing's"))
