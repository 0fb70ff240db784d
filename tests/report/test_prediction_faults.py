"""What predictions cannot be made of, told with what to do."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.report.prediction_faults import budget_faults, option_faults, score_faults
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each


@pytest.fixture
def predictor(found):
    held_outs = hold_out_each(found.problem, found.settings)[BEST, 2]
    return make_predictor(found.problem, found.settings, found.subset, held_outs, budgets={"Pong": 100_000})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((0.9, 0, 1_000), []),
        ((0.5, 0, 2), []),
        ((0.49, 0, 2), ["level 0.49 is out of range: give at least 0.5 and less than 1, such as 0.9."]),
        ((1.0, 0, 2), ["level 1.0 is out of range: give at least 0.5 and less than 1, such as 0.9."]),
        ((np.nan, -1, 1), ["level nan", "seed -1 is negative", "number of draws 1 is out of range: give 2 to 1,000,000."]),
        ((0.9, 0, 2_000_000), ["number of draws 2000000 is out of range"]),
    ],
)
def test_options_out_of_range_are_told_with_the_range(options, told):
    faults = [*option_faults(*options)]
    assert len(faults) == len(told)
    assert all(fault.startswith(beginning) for fault, beginning in zip(faults, told, strict=True))


def test_unknown_names_come_with_the_nearest_one(predictor):
    name = predictor.subset[0]
    (fault,) = score_faults(predictor, {name.lower() + "x": (1.0,)})
    assert fault.startswith(f"the predictor does not know the environment '{name.lower()}x'.")
    assert f"Did you mean '{name}'?" in fault


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ((), "has no score: give at least one"),
        ((1.0, np.nan), "has the scores 1.0, nan: give finite numbers"),
        ((np.inf,), "has the scores inf: give finite numbers"),
        ((1e305,), "has the scores 1e+305: give finite numbers, not beyond 1e+300."),
    ],
)
def test_scores_that_are_no_numbers_are_told(predictor, scores, told):
    (fault,) = score_faults(predictor, {predictor.subset[0]: scores})
    assert told in fault


def test_scores_too_extreme_to_be_normalised_are_told(predictor):
    first, *others = predictor.envs
    narrow = replace(predictor, envs=(replace(first, random_score=0.0, reference_score=1e-200), *others))
    (fault,) = score_faults(narrow, {first.env_id: (1e200,)})
    assert "too extreme to be normalised" in fault


def test_nothing_to_predict_from_names_the_subset(predictor):
    first, second = predictor.subset
    rest = "Give scores on all of these, or one of these at least."
    expected = [f"these scores predict nothing: the subset is '{first}', '{second}'. {rest}"]
    assert [*score_faults(predictor, {})] == expected
    other = next(name for name in predictor.env_ids if name not in predictor.subset)
    assert [*score_faults(predictor, {other: (1.0,)})] == expected


def test_of_a_large_subset_the_last_part_is_named(predictor):
    chosen, *_, last = predictor.fits
    (fault,) = score_faults(replace(predictor, fits=(chosen, last)), {})
    assert fault.endswith(f"Give scores on all of these, or at least on '{last.subset[0]}'.")


def test_another_budget_is_told_with_both_numbers_where_it_is_known(predictor):
    assert [*budget_faults(predictor, dict.fromkeys(predictor.env_ids, 100_000))] == []
    (fault,) = budget_faults(predictor, dict.fromkeys(predictor.env_ids, 5_000))
    assert fault == (
        "'Pong': the scores are of trainings of 5,000 agent steps, and those of the known algorithms of 100,000; they are not "
        "comparable. Give scores of 100,000 steps."
    )
    assert [*budget_faults(predictor, {})] == []
