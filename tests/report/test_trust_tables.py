"""The rows of the tables on trust."""

import math

import pytest

from rlhpc.report.case_study import to_score
from rlhpc.report.trust_tables import (
    algo_rows,
    any_below_zero,
    env_rows,
    improvement_rows,
    interval_of,
    null_rows,
    readable_front,
    stability_rows,
)

EVERY_ROWS = [null_rows, stability_rows, env_rows, algo_rows, improvement_rows]
DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"


@pytest.fixture
def trust(found, make_report, full_trust):
    return full_trust(make_report(found).trust, found.problem)


@pytest.mark.parametrize("rows", EVERY_ROWS)
@pytest.mark.parametrize("value", [None, "absent"])
def test_what_trust_does_not_hold_has_no_rows(rows, value, trust):
    keys = ("null", "stability", "statistics")
    without = {
        key: None if value is None and key in keys else one for key, one in trust.items() if value is None or key not in keys
    }
    assert rows(trust)
    assert rows(without) == []


def test_null_that_was_not_drawn_has_no_row(trust):
    trust["null"]["permuted_columns"] = None
    assert [row["name"] for row in null_rows(trust)] == ["shuffled targets"]


def test_error_beside_a_way_covers_every_share_in_it(trust):
    for row in stability_rows(trust):
        assert row["standard_error"] == 0.5 / math.sqrt(row["n_searches"])


def test_environments_stand_by_how_often_they_were_chosen_and_unchosen_ones_have_zero():
    ways = [
        {"how": "without one", "n_searches": 4, "envs": [{"env_id": "a", "share": 0.5}, {"env_id": "b", "share": 0.5}]},
        {"how": "other folds", "n_searches": 4, "envs": [{"env_id": "c", "share": 1.0}, {"env_id": "b", "share": 0.25}]},
    ]
    rows = env_rows({"stability": ways, "subset": ["b"]})
    assert [(row["env_id"], row["shares"]) for row in rows] == [("c", [0.0, 1.0]), ("b", [0.5, 0.25]), ("a", [0.5, 0.0])]
    assert [row["chosen"] for row in rows] == [False, True, False]


def test_interval_is_written_in_benchmark_scores():
    assert interval_of({"low_y": 1.0, "high_y": 2.0}) == "9.00 to 99.0"
    assert to_score(1.0) == 9.0


def test_interval_goes_below_zero_where_the_prediction_may():
    one = {"predicted_y": -0.2, "low_y": -1.0, "high_y": 0.0}
    assert interval_of(one) == f"{MINUS}0.900 to 0"
    assert any_below_zero({"held_out": [{"predicted_y": None, "low_y": None}, one]})
    assert not any_below_zero({"held_out": [{"predicted_y": 0.2}, {"predicted_y": 0.2, "low_y": 0.0}]})


def test_no_interval_is_no_number():
    assert interval_of({"low_y": 1.0, "high_y": None}) == interval_of({}) == DASH


def test_algorithms_stand_by_iqm_and_one_without_a_score_comes_last(trust):
    trust["statistics"]["algos"][0]["iqm"] = dict.fromkeys(("value", "low", "high", "bounds_standard_error"))
    rows = algo_rows(trust)
    values = [row["iqm"]["value"] for row in rows]
    assert values[-1] is None
    assert values[:-1] == sorted(values[:-1], reverse=True)
    assert rows[-1]["summaries"][0] == {"value": DASH, "interval": "", "error": ""}


def test_summary_has_its_interval_and_the_error_of_that_where_there_is_one(trust):
    for row in algo_rows(trust):
        for one in row["summaries"]:
            assert bool(one["interval"]) == bool(one["error"]) == (row["n_seeds_min"] > 1)


def test_an_interval_without_a_width_is_not_written(trust):
    algo = trust["statistics"]["algos"][0]
    algo["iqm"] = dict.fromkeys(("value", "low", "high"), 1000.0) | {"bounds_standard_error": 0.0}
    assert algo_rows(trust)[0]["summaries"][0] == {"value": "1,000", "interval": "", "error": ""}


def test_an_error_of_exactly_zero_is_not_written(trust):
    trust["statistics"]["algos"][0]["iqm"] = {"value": 1000.0, "low": 900.0, "high": 1100.0, "bounds_standard_error": 0.0}
    assert algo_rows(trust)[0]["summaries"][0] == {"value": "1,000", "interval": "900 to 1,100", "error": ""}


@pytest.mark.parametrize(
    ("hours", "read"), [(640.0, (640.0, "hours")), (0.1, (0.1, "hours")), (0.05, (3.0, "minutes")), (0.001, (3.6, "seconds"))]
)
def test_short_costs_are_told_in_minutes_or_seconds(hours, read):
    points = [{"subset": ["A"], "cost": hours, "cv_mse": 0.1}, {"subset": ["B"], "cost": 4 * hours, "cv_mse": 0.05}]
    front = readable_front({"front": {"unit": "hours", "total": 10 * hours, "points": points}})
    assert (front["points"][0]["cost"], front["unit"]) == (pytest.approx(read[0]), read[1])
    assert (front["points"][1]["cost"], front["total"]) == (pytest.approx(4 * read[0]), pytest.approx(10 * read[0]))


def test_costs_that_are_no_hours_are_told_as_they_are():
    front = {"unit": "steps", "total": 1e-3, "points": [{"cost": 1e-3}]}
    assert readable_front({"front": front}) == front
    assert readable_front({"front": None}) is None


def test_probability_of_improvement_is_in_percent_with_its_interval(trust):
    rows = improvement_rows(trust)
    assert len(rows) == 6 * 5 / 2
    assert rows[0]["summary"] == {"value": "64.0", "interval": "58.0 to 71.0", "error": ""}
    places = [row["algo"] for row in algo_rows(trust)]
    assert [places.index(row["algo"]) for row in rows] == sorted(places.index(row["algo"]) for row in rows)
