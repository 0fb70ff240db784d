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
    assert judge(replace(SOUND_ONE, **changed), claimed, tuple(null(one) for one in p)) == verdict


def test_nulls_that_were_not_drawn_do_not_count():
    assert judge(SOUND_ONE, 0.06, (None, None)) == judge(SOUND_ONE, 0.06) == SOUND


def test_verdict_without_a_figure_is_no_figure():
    assert judge(None, 0.06) == NO_FIGURE


def test_rule_names_every_verdict_and_its_numbers():
    assert all(f"'{verdict}'" in RULE for verdict in (NO_FIGURE, DO_NOT_USE, PROMISING, SOUND))
    assert all(number in RULE for number in ("0.05", "20 algorithms", "0.5 of guessing's", "2 times", "0.01 of guessing's"))
