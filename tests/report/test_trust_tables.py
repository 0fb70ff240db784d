"""The rows of the tables on trust."""

import math

import pytest

from rlhpc.report.case_study import to_score
from rlhpc.report.trust_tables import (
    algo_rows,
    env_rows,
    improvement_rows,
    interval_of,
    null_rows,
    stability_rows,
)

EVERY_ROWS = [null_rows, stability_rows, env_rows, algo_rows, improvement_rows]
DASH = "\N{EN DASH}"


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


def test_probability_of_improvement_is_in_percent_with_its_interval(trust):
    rows = improvement_rows(trust)
    assert len(rows) == 6 * 5 / 2
    assert rows[0]["summary"] == {"value": "64.0", "interval": "58.0 to 71.0", "error": ""}
    places = [row["algo"] for row in algo_rows(trust)]
    assert [places.index(row["algo"]) for row in rows] == sorted(places.index(row["algo"]) for row in rows)
