"""What a prediction says on a terminal."""

from dataclasses import replace

import pytest

from rlhpc.report.prediction import Bounded, Place, Prediction, SeedError
from rlhpc.report.prediction_text import describe, describe_budgets, describe_next, ordinal
from rlhpc.search.predictor import Env, Extension, Extensions, Origin, Predictor, Regression, SubsetFit

SEEDS = SeedError(
    {"Pong": 3, "Reacher": 3}, (), standard_error=0.0212, n_draws=1_000, seed=0, standard_error_error=0.0005, bound_error=0.001
)
PREDICTION = Prediction(
    subset=("Pong", "Reacher"),
    missing=(),
    score=Bounded(31.2, 12.4, 70.1),
    log_score=Bounded(1.5, 1.1, 1.9),
    level=0.9,
    asked_level=0.9,
    n_algos=12,
    n_own=0,
    place=Place(3, 2, 6, 8),
    seeds=SEEDS,
    clipped=(),
    extrapolated=(),
)
PREDICTOR = Predictor(
    origin=Origin("", "", "", ""),
    subset=("Pong", "Reacher"),
    envs=(Env("Pong", 0, 1, 0, 1, 100_000), Env("Reacher", 0, 1, 0, 1)),
    known={},
    n_seeds=None,
    rivals=(),
    fits=(SubsetFit(("Pong", "Reacher"), 0.0352, Regression((1.0, 1.0), 0.0), (), ()),),
    extensions=Extensions((Extension("Frostbite", 0.0021), Extension("Alien", 0.0035)), 12, 0.44, 0.39),
)


def test_score_place_and_what_they_rest_on_come_first():
    score, place, subset, rests, own, seeds = describe(PREDICTION).splitlines()
    assert score == "Benchmark score 31.2, 90 % interval 12.4 to 70.1; the random agent has 0, the reference 100"
    assert place == "Place 3rd of 8 (2nd to 6th): where the prediction stands among the others' true scores"
    assert subset == "Predicted from Pong, Reacher"
    assert rests.startswith("The interval rests on 12 algorithms, each predicted by a search without it; it holds for algorithms")
    assert own.startswith(f"{PREDICTION.n_own} of these subsets have all their scores given; the others count by the published")
    assert len(describe(replace(PREDICTION, n_own=6)).splitlines()) == 5
    assert seeds.startswith("Seeds: standard error 0.0212 ± 0.0005 in log10, by 1,000 draws, which leave the ends")
    assert seeds.endswith("uncertain by ± 0.001")
    exact = describe(replace(PREDICTION, seeds=replace(SEEDS, standard_error=0.0, standard_error_error=0.0, bound_error=0.0)))
    assert "Seeds: standard error 0 in log10, by 1,000 draws\n" in f"{exact}\n"


def test_a_level_that_was_lowered_is_told_with_what_it_would_take():
    told = describe(replace(PREDICTION, level=0.875, asked_level=0.95, n_algos=7))
    assert "87.5 % interval 12.4 to 70.1" in told
    assert "7 algorithms, each predicted by a search without it; 87.5 % is the most that these allow, 95 % takes 19." in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"seeds": replace(SEEDS, standard_error=None)},
            "One seed an environment: how far another would move this cannot be told",
        ),
        ({"seeds": replace(SEEDS, single=("Pong",))}, "One seed on Pong: how far another would move this cannot be told"),
        ({"seeds": replace(SEEDS, standard_error=0.5)}, "By these seeds alone the interval would be more than twice as wide"),
        ({"missing": ("Alien", "Hero")}, "No score on Alien, Hero: the best part of the subset predicts"),
        ({"clipped": ("Pong",)}, "Not above the random agent on Pong: counted as the random agent."),
        ({"extrapolated": ("Reacher",)}, "Beyond all known algorithms on Reacher: the prediction extrapolates"),
    ],
)
def test_each_caution_is_a_sentence_that_is_there_only_where_it_holds(change, told):
    assert told in describe(replace(PREDICTION, **change))
    assert told not in describe(PREDICTION)


def test_an_interval_that_holds_the_noise_of_seeds_is_not_called_too_narrow():
    """An interval of 50 % is 1.35 standard errors wide where there is nothing but noise."""
    noise = replace(SEEDS, standard_error=0.8 / 1.35)
    assert "too narrow. Take more seeds." not in describe(replace(PREDICTION, level=0.5, seeds=noise))


def test_places_are_spelled_as_english_does():
    expected = {
        1: "1st",
        2: "2nd",
        3: "3rd",
        4: "4th",
        11: "11th",
        12: "12th",
        13: "13th",
        21: "21st",
        102: "102nd",
        111: "111th",
    }
    assert {n: ordinal(n) for n in expected} == expected


def test_what_to_run_next_is_what_is_missing_and_what_would_add_most():
    missing, added, worth = describe_next(PREDICTOR, ["Reacher"]).splitlines()
    assert missing == "Run next: Reacher, which the subset has and your scores lack."
    assert added.endswith("by the CV MSE claimed with them (now 0.0352): Frostbite (0.00210), Alien (0.00350)")
    assert worth.startswith("One more, for 12 algorithms that had no part in choosing, lowered the MSE from 0.440 to 0.390.")
    assert describe_next(PREDICTOR, []).splitlines() == [added, worth]


def test_an_environment_that_helps_nobody_is_told():
    worse = replace(PREDICTOR, extensions=replace(PREDICTOR.extensions, extended_mse=0.44))
    assert "no part in choosing, did not lower the MSE: from 0.440 to 0.440." in describe_next(worse, [])
    unknown = replace(PREDICTOR, extensions=replace(PREDICTOR.extensions, n_compared=0, mse=None, extended_mse=None))
    assert "What that is worth is not known" in describe_next(unknown, [])
    assert "No environment can be added" in describe_next(replace(PREDICTOR, extensions=Extensions((), 0, None, None)), [])


def test_environments_that_make_it_worse_are_not_proposed():
    now = PREDICTOR.fits[0].cv_mse
    best = (Extension("Better", now / 2), Extension("Worse", now * 2))
    told = describe_next(replace(PREDICTOR, extensions=replace(PREDICTOR.extensions, best=best)), [])
    assert "Better" in told
    assert "Worse" not in told
    none = describe_next(replace(PREDICTOR, extensions=replace(PREDICTOR.extensions, best=best[1:])), [])
    assert none.startswith("No further environment lowers the claimed CV MSE")


def test_budgets_are_told_where_they_are_known():
    known, unknown = describe_budgets(PREDICTOR)
    assert known == "The known scores are of trainings of so many agent steps: 100,000 on Pong. Others are not comparable."
    assert unknown.startswith("The known scores on Reacher are not recorded to be all of one number of agent steps")
    known = replace(PREDICTOR, envs=tuple(replace(env, total_timesteps=5) for env in PREDICTOR.envs))
    assert len([*describe_budgets(known)]) == 1
