"""Parts of trust.json, held against plain counts."""

import math

import numpy as np
import pytest

from rlhpc.report import trust_parts
from rlhpc.search import Settings, subset_errors
from rlhpc.search.trust import BEST, Given, Kind, Plan, alike, hold_out_each, redo


def test_unselected_subsets_have_their_median_error_between_the_bounds(found):
    problem, settings = found.problem, found.settings
    part = trust_parts.unselected_part(found.head)
    pairs = np.array([(i, j) for i in range(5) for j in range(i + 1, 5)])
    errors = np.sort(subset_errors(problem, settings, pairs))
    assert part["low"] <= errors[4] <= part["high"]  # the lower of the middle two of 10
    for changed in ({"histogram": []}, {"exhaustive": False}, {"rank_by": "in_sample"}):  # a beam's are no sample of all
        assert trust_parts.unselected_part({**found.head, **changed}) is None


@pytest.mark.parametrize(
    ("n_subsets", "n_unsearchable", "n_ranked"), [(3, 0, "3 subsets"), (1, 0, "1 subset"), (12, 4, "8 subsets")]
)
def test_of_a_few_subsets_none_is_called_unselected(found, n_subsets, n_unsearchable, n_ranked):
    head = {**found.head, "n_subsets": n_subsets, "n_unsearchable": n_unsearchable}
    assert trust_parts.unselected_part(head) is None
    assert f"{n_ranked} in all, too few to tell" in trust_parts.too_few_subsets(head)
    assert not trust_parts.too_few_subsets(found.head)


def test_intervals_are_as_wide_as_residuals_of_the_others(found):
    held_out = hold_out_each(found.problem, found.settings)[BEST, 2]
    intervals, level = trust_parts.held_out_intervals(found.problem, held_out)
    residuals = [abs(one.predicted - found.problem.y[one.row]) for one in held_out]
    assert level == pytest.approx(5 / 6)  # the highest that 5 others allow
    for place, (one, (low, high)) in enumerate(zip(held_out, intervals, strict=True)):
        widest = max(residual for other, residual in enumerate(residuals) if other != place)
        assert (low, high) == pytest.approx((one.predicted - widest, one.predicted + widest))


def test_with_many_algorithms_intervals_have_the_level_asked_for(found):
    problem = found.problem
    rng = np.random.default_rng(0)
    many = type(problem)(
        **{
            **vars(problem),
            "X": rng.normal(1, 1, (40, 5)),
            "y": rng.normal(1, 1, 40),
            "scores": rng.normal(1, 1, (40, 5)),
            "algos": tuple(map(str, range(40))),
        }
    )
    held_out = hold_out_each(many, Settings(1))[BEST, 1]
    intervals, level = trust_parts.held_out_intervals(many, held_out)
    assert level == 0.9
    inside = [low <= many.y[one.row] <= high for one, (low, high) in zip(held_out, intervals, strict=True)]
    assert 33 <= sum(inside) <= 38


def test_without_predictions_there_are_no_intervals(found):
    intervals, level = trust_parts.held_out_intervals(found.problem, ())
    assert intervals == []
    assert math.isnan(level)


def alike_part(problem, subset):
    return trust_parts.alike_part(problem, alike(problem, subset))


def test_what_is_alike_is_named_and_told(found):
    problem = found.problem
    X, y = problem.X.copy(), problem.y.copy()
    X[2], y[0], y[1] = X[1] + 1e-6, X[0, 3], X[1, 4]
    part = alike_part(type(problem)(**{**vars(problem), "X": X, "y": y}), (3, 4))
    assert part["algos"][0]["algos"] == [*problem.algos[1:3]]
    own = [
        algo for algo, row, value in zip(problem.algos, X, y, strict=True) if any(abs(row[env] - value) < 1e-9 for env in (3, 4))
    ]
    assert own[:2] == [*problem.algos[:2]]
    assert [one["algo"] for one in part["targets"]] == own
    assert part["n_targets"] == len(own)
    assert f"{len(own)} of 6 targets" in part["told"][0]
    assert " and ".join(problem.algos[1:3]) in part["told"][1]
    far = type(problem)(**{**vars(problem), "y": problem.y + 50})
    assert alike_part(far, (3, 4)) == {"algos": [], "n_different": 6, "targets": [], "n_targets": 0, "told": []}


def test_seed_noise_counts_the_searches_that_choose_the_same(found):
    problem = found.problem
    seeds = problem.scores[:, None] + np.random.default_rng(0).normal(0, 3, (6, 4, 5))
    plan = Plan(n_permutations=0, n_resamples=30)

    def rescore(scores):
        return type(problem)(**{**vars(problem), "X": np.log10(1 + np.maximum(0, scores)), "scores": scores})

    given = Given(problem, found.settings, plan, rescore, seeds)
    redone = redo(given, [one for one in given.replicates if one.kind is Kind.RESAMPLED])
    part = trust_parts.seed_noise_part(given, redone, found.subset)
    same = sum(one.best.subset == found.subset for one in redone)
    assert part["same_subset_share"] == same / 30
    errors = sorted(one.best.cv_mse for one in redone)
    assert errors[0] <= part["cv_mse_low"] <= part["cv_mse_high"] <= errors[-1]
    assert f"of {len(redone)} searches choose the same subset" in part["told"]
    assert "±" in part["told"]
    assert "(30 of 30 scores are of several)" in part["told"]
    assert trust_parts.seed_noise_part(given, [], found.subset) is None


def test_seeds_that_change_nothing_leave_ends_without_an_error(found):
    seeds = np.repeat(found.problem.scores[:, None], 2, axis=1)
    given = Given(found.problem, found.settings, Plan(n_permutations=0, n_resamples=5), lambda _: found.problem, seeds)
    redone = redo(given, [one for one in given.replicates if one.kind is Kind.RESAMPLED])
    told = trust_parts.seed_noise_part(given, redone, found.subset)["told"]
    assert told.endswith(f"claim an MSE of {redone[0].best.cv_mse:.3g} to {redone[0].best.cv_mse:.3g}.")
