"""trust.json: the figures of the search and of searches redone, side by side."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.report.seeds import SeedScores
from rlhpc.report.trust_record import TrustInput, predictor_of, trust_record
from rlhpc.search.trust import BEST, NESTED, NO_FIGURE, Given, Kind, Plan, held_outs, honest_errors, redo

PLAN = Plan(n_permutations=20, n_fold_seeds=0, n_pairs=4)


@pytest.fixture(scope="module")
def trust(found):
    given = Given(found.problem, found.settings, PLAN)
    return TrustInput(given, redo(given, given.replicates))


def changed(trust, change, keys):
    """The searches without each algorithm, with what they chose changed."""

    def one(redone):
        if redone.replicate.kind is not Kind.WITHOUT:
            return redone
        chosen = tuple(change(c) if (c.choice, c.subset_size) in keys else c for c in redone.chosen)
        return replace(redone, chosen=chosen)

    return replace(trust, redone=[one(redone) for redone in trust.redone])


def test_claimed_and_honest_figures_are_those_of_search_and_trust(found, trust):
    record = trust_record(found, trust)
    every = held_outs(trust.given, trust.redone)
    honest = honest_errors(found.problem, every[BEST, 2])
    assert record["subset"] == list(found.ranking[0].subset)
    assert record["claimed"]["cv_mse"] == found.ranking[0].cv_mse
    assert (record["honest"]["mse"], record["honest"]["baseline_mse"]) == (honest.mse, honest.baseline_mse)
    assert record["honest"]["optimism_factor"] == honest.mse / found.ranking[0].cv_mse
    assert record["guess_mse"] == pytest.approx(honest.baseline_mse)
    assert [one["algo"] for one in record["held_out"]] == list(found.problem.algos)
    assert [size["subset_size"] for size in record["sizes"]] == [2, 1]
    assert record["sizes"][0]["best"]["honest"] == record["honest"]
    assert (record["null"]["shuffled_targets"]["n_draws"], record["null"]["permuted_columns"]) == (20, None)
    assert record["plan"]["n_permutations"] == 20
    assert [one["how"] for one in record["stability"]] == ["without one", "without two"]


def test_each_choice_of_a_size_has_its_own_honest_errors(found, trust):
    other = changed(trust, lambda chosen: replace(chosen, subset=((chosen.subset[0] + 1) % 5,)), {(NESTED, 1)})
    size = trust_record(found, other)["sizes"][1]
    every = held_outs(other.given, other.redone)
    nested, best = (honest_errors(found.problem, every[choice, 1]) for choice in (NESTED, BEST))
    assert nested.mse != best.mse
    assert (size["nested"]["honest"]["mse"], size["best"]["honest"]["mse"]) == (nested.mse, best.mse)
    assert size["nested"]["honest"]["optimism_factor"] == nested.mse / found.sizes[1][NESTED].cv_mse


def test_record_is_strict_json_whatever_the_figures(found, trust):
    nothing = changed(trust, lambda chosen: replace(chosen, subset=(), cv_mse=np.nan), {(BEST, 2)})
    some = replace(trust, redone=[nothing.redone[0], *trust.redone[1:]])
    record = trust_record(found, some)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["held_out"][0]["predicted_score"] is None
    assert record["held_out"][0]["low_y"] is None
    assert record["held_out"][1]["predicted_score"] is not None


def test_without_redoing_there_is_no_figure_anywhere(found, trust):
    record = trust_record(found, TrustInput(trust.given, (), "It would take too long."))
    assert (record["verdict"], record["honest"], record["held_out"]) == (NO_FIGURE, None, [])
    assert record["no_figure"] == "It would take too long."
    assert [size["best"]["honest"] for size in record["sizes"]] == [None, None]
    assert record["null"] == {"shuffled_targets": None, "permuted_columns": None}
    assert (record["stability"], record["sample_size"], record["seed_noise"]) == ([], None, None)


def test_nothing_predicted_is_no_figure_with_its_reason(found, trust):
    record = trust_record(found, changed(trust, lambda chosen: replace(chosen, subset=()), {(BEST, 2)}))
    assert record["verdict"] == NO_FIGURE
    assert "No algorithm that was left out has every score" in record["sentences"][0]


def test_exact_claim_has_no_finite_optimism(found, trust):
    exact = replace(found, ranking=(replace(found.ranking[0], cv_mse=0.0),))
    assert trust_record(exact, trust)["honest"]["optimism_factor"] is None


def test_a_reference_below_random_is_told_beside_the_verdict(found, trust):
    assert not any("below its random score" in sentence for sentence in trust_record(found, trust)["sentences"])
    scores = found.problem.random_scores
    turned = replace(found, problem=replace(found.problem, reference_scores=scores - [1.0] + 2.0 * (scores != scores[0])))
    told = [sentence for sentence in trust_record(turned, trust)["sentences"] if "below its random score" in sentence]
    assert len(told) == sum(scores == scores[0])


def test_a_beam_is_said_to_have_missed_perhaps(found, trust):
    head = {**found.head, "exhaustive": False, "n_searched": 1_200, "n_subsets": 5_000, "beam": 7}
    told = "The search was a beam of 7, 1,200 of 5,000 subsets: there may be a better one."
    assert trust_record(replace(found, head=head), trust)["sentences"][-1] == told
    assert not any("beam" in sentence for sentence in trust_record(found, trust)["sentences"])


def test_what_is_not_there_has_a_reason(found, trust):
    record = trust_record(found, trust)
    assert (record["statistics"], record["front"], record["coverage"]) == (None, None, None)
    assert {"statistics", "front", "seed_noise"} == record["why"].keys()
    assert "--scores" in record["why"]["statistics"]
    assert "--costs" in record["why"]["front"]
    none = trust_record(found, TrustInput(trust.given, (), "It would take too long."))
    assert none["why"]["null"] == "It would take too long."


def test_statistics_of_seeds_are_in_it(found, trust):
    scores = found.problem.scores[:, None] + np.random.default_rng(0).normal(0, 1, (6, 3, 5))
    record = trust_record(found, trust, SeedScores({}, (), scores, {}))
    assert [one["algo"] for one in record["statistics"]["algos"]] == list(found.problem.algos)
    assert "statistics" not in record["why"]


def test_predictor_has_the_subset_and_the_residuals_of_the_searches(found, trust):
    predictor = predictor_of(found, trust, None, "sound")
    assert predictor.origin.verdict == "sound"
    assert [env.env_id for env in predictor.envs if env.env_id in found.ranking[0].subset] == sorted(
        found.ranking[0].subset, key=[env.env_id for env in predictor.envs].index
    )
    with pytest.raises(InputError, match="It would take too long"):
        predictor_of(found, TrustInput(trust.given, (), "It would take too long."), None, "")
