"""trust.json: the figures of the search and of holding out, side by side."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rlhpc.report.trust_record import trust_record
from rlhpc.search.trust import BEST, NESTED, NO_FIGURE, hold_out_each, honest_errors


@pytest.fixture
def held_outs(found):
    return hold_out_each(found.problem, found.settings)


def test_claimed_and_honest_figures_are_those_of_search_and_trust(found, held_outs):
    record = trust_record(found, held_outs, "")
    honest = honest_errors(found.problem, held_outs[BEST, 2])
    assert record["subset"] == list(found.ranking[0].subset)
    assert record["claimed"]["cv_mse"] == found.ranking[0].cv_mse
    assert (record["honest"]["mse"], record["honest"]["baseline_mse"]) == (honest.mse, honest.baseline_mse)
    assert record["honest"]["optimism_factor"] == honest.mse / found.ranking[0].cv_mse
    assert record["guess_mse"] == pytest.approx(honest.baseline_mse)
    assert [one["algo"] for one in record["held_out"]] == list(found.problem.algos)
    assert [size["subset_size"] for size in record["sizes"]] == [2, 1]
    assert record["sizes"][0]["best"]["honest"] == record["honest"]


def test_each_choice_of_a_size_has_its_own_honest_errors(found, held_outs):
    worse = tuple(replace(one, predicted=one.predicted + 1.0) for one in held_outs[NESTED, 1])
    size = trust_record(found, {**held_outs, (NESTED, 1): worse}, "")["sizes"][1]
    nested, best = honest_errors(found.problem, worse), honest_errors(found.problem, held_outs[BEST, 1])
    assert nested.mse != best.mse
    assert (size["nested"]["honest"]["mse"], size["best"]["honest"]["mse"]) == (nested.mse, best.mse)
    assert size["nested"]["honest"]["optimism_factor"] == nested.mse / found.sizes[1][NESTED].cv_mse


def test_record_is_strict_json_whatever_the_figures(found, held_outs):
    ones = list(held_outs[BEST, 2])
    ones[0] = replace(ones[0], predicted=np.nan, subset=(), cv_mse=np.nan)
    ones[1] = replace(ones[1], predicted=400.0)
    record = trust_record(found, {**held_outs, (BEST, 2): tuple(ones)}, "")
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["held_out"][0]["predicted_score"] is None
    assert record["held_out"][1]["predicted_score"] is None
    assert record["honest"]["mean_relative_error"] is None


def test_without_holding_out_there_is_no_honest_figure_anywhere(found):
    record = trust_record(found, {}, "It would take too long.")
    assert (record["verdict"], record["honest"], record["held_out"]) == (NO_FIGURE, None, [])
    assert record["no_figure"] == "It would take too long."
    assert [size["best"]["honest"] for size in record["sizes"]] == [None, None]


def test_nothing_predicted_is_no_figure_with_its_reason(found, held_outs):
    ones = tuple(replace(one, predicted=np.nan) for one in held_outs[BEST, 2])
    record = trust_record(found, {**held_outs, (BEST, 2): ones}, "")
    assert record["verdict"] == NO_FIGURE
    assert "No algorithm that was left out has every score" in record["sentences"][0]


def test_exact_claim_has_no_finite_optimism(found, held_outs):
    exact = replace(found, ranking=(replace(found.ranking[0], cv_mse=0.0),))
    assert trust_record(exact, held_outs, "")["honest"]["optimism_factor"] is None


def test_a_beam_is_said_to_have_missed_perhaps(found, held_outs):
    head = {**found.head, "exhaustive": False, "n_searched": 1_200, "n_subsets": 5_000, "beam": 7}
    told = "The search was a beam of 7, 1,200 of 5,000 subsets: there may be a better one."
    assert trust_record(replace(found, head=head), held_outs, "")["sentences"][-1] == told
    assert not any("beam" in sentence for sentence in trust_record(found, held_outs, "")["sentences"])
