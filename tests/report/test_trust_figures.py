"""What of trust.json is drawn, and that what is missing is not."""

import re

import numpy as np
import pytest

from rlhpc.report import trust_figures
from rlhpc.report.trust_figures import draw, held_out_intervals, held_out_y

FIGURE_OF = {"null": "null", "stability": "stability", "sample_size": "samples", "front": "front", "statistics": "profiles"}
ALWAYS = {"errors", "sizes"}


@pytest.fixture
def trust(found, make_report, full_trust):
    return full_trust(make_report(found).trust, found.problem)


def label(svg):
    return re.search(r'aria-label="([^"]*)"', svg)[1]


def test_everything_that_trust_holds_is_drawn(trust):
    assert draw(trust).keys() == trust_figures.FIGURES.keys() == ALWAYS | set(FIGURE_OF.values()) | {"intervals"}


@pytest.mark.parametrize("key", FIGURE_OF)
def test_what_is_missing_is_not_drawn_and_all_else_is(trust, key):
    gone = {FIGURE_OF[key]} | ({"intervals"} if key == "statistics" else set())
    expected = trust_figures.FIGURES.keys() - gone
    assert draw({**trust, key: None}).keys() == expected
    del trust[key]
    assert draw(trust).keys() == expected


def test_nothing_but_the_errors_of_the_search_is_drawn_without_redone_searches(found, make_report):
    assert draw({**make_report(found).trust, **dict.fromkeys(FIGURE_OF), "honest": None}).keys() == {"sizes"}


def test_median_of_all_subsets_stands_between_claimed_and_honest(trust):
    with_median = label(draw(trust)["errors"])
    assert re.search(r"claimed .*, unselected .* to .*, honest .*, guessing", with_median)
    for unselected in (None, {"low": None, "high": None}):
        assert label(draw({**trust, "unselected": unselected})["errors"]) == re.sub(r"unselected .*?, ", "", with_median)


def test_tables_on_which_nothing_could_be_searched_are_no_part_of_a_histogram(trust):
    draws = trust["null"]["permuted_columns"]["draws"]
    trust["null"] = {"shuffled_targets": None, "permuted_columns": {**trust["null"]["permuted_columns"], "draws": [None, *draws]}}
    assert f"{len(draws)} with permuted columns" in label(draw(trust)["null"])
    trust["null"]["permuted_columns"]["draws"] = [None]
    assert "null" not in draw(trust)


def test_most_often_chosen_environments_are_drawn(trust):
    names = [f"env {n}" for n in range(40)]
    way = {**trust["stability"][0], "envs": [{"env_id": name, "share": 1 / (place + 1)} for place, name in enumerate(names)]}
    drawn = draw({**trust, "stability": [way]})["stability"]
    assert [name for name in names if f">{name}<" in drawn] == names[: trust_figures.MOST_ENVS]


def test_one_point_makes_no_curve(trust):
    for key, figure in (("sample_size", "samples"), ("front", "front")):
        assert figure not in draw({**trust, key: {**trust[key], "points": trust[key]["points"][:1]}})
        assert figure not in draw({**trust, key: {**trust[key], "points": []}})


def test_algorithm_without_a_score_is_not_drawn(trust):
    algo = trust["statistics"]["algos"][0]
    algo["iqm"] = dict.fromkeys(("value", "low", "high", "bounds_standard_error"))
    del trust["statistics"]["profiles"]["algos"][algo["algo"]]
    drawn = draw(trust)
    assert "of 5 algorithms" in label(drawn["intervals"])
    assert "of 5 algorithms" in label(drawn["profiles"])


def test_held_out_predictions_are_none_if_there_is_none(trust):
    assert held_out_y(trust).shape == (6,)
    assert held_out_intervals(trust).shape == (6, 2)
    unknown = [{**one, "predicted_y": None, "low_y": None, "high_y": None} for one in trust["held_out"]]
    for held_out in (unknown, []):
        assert held_out_y({"held_out": held_out}) is None
        assert held_out_intervals({"held_out": held_out}) is None


def test_one_unknown_prediction_is_nan_and_leaves_the_others(trust):
    trust["held_out"][2] |= {"predicted_y": None, "low_y": None, "high_y": None}
    assert np.flatnonzero(np.isnan(held_out_y(trust))).tolist() == [2]
    assert np.isnan(held_out_intervals(trust)).sum() == 2
