"""Predictions and intervals, held against their definitions, and counted on new algorithms whose truth is known."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from statistics import NormalDist

import numpy as np
import pytest

from rlhpc.search import Problem, Settings, fit, search
from rlhpc.search.predict import SeedNoise, choose_fit, n_rivals_needed, predict_log
from rlhpc.search.predictor import Extensions, Origin, Predictor, Regression, Rival, SubsetFit
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each


@dataclass
class Made:
    """A problem, its best subset, and every algorithm predicted by a search without it."""

    problem: Problem
    settings: Settings

    def __post_init__(self):
        self.subset = tuple(search(self.problem, self.settings)[0].subsets[0].tolist())
        held_outs = hold_out_each(self.problem, self.settings)[BEST, self.settings.subset_size]
        self.held_outs = [one for one in held_outs if not np.isnan(one.predicted)]
        self.predictor = make_predictor(self.problem, self.settings, self.subset, held_outs)

    def logs(self, x, columns):
        """Log scores by name, of the columns that the predictor has a use for."""
        names = {self.problem.env_ids[column]: float(x[column]) for column in columns}
        return {name: log for name, log in names.items() if name in self.predictor.env_ids}


def slow_prediction(reference, made, x, given, subset, alpha):
    """Point, lower and upper bound from their definitions: `subset` predicts, and rivals that are among the `given` columns."""
    problem, fit_intercept = made.problem, made.settings.fit_intercept
    lows, highs = [], []

    def predict(scores, chosen, rows):
        coefficients, intercept, *_ = reference.in_sample(problem.X[rows], problem.y[rows], chosen, fit_intercept)
        return sum(scores[column] * coefficient for column, coefficient in zip(chosen, coefficients, strict=True)) + intercept

    for one in made.held_outs:
        others = [row for row in range(len(problem.y)) if row != one.row]
        residual = abs(problem.y[one.row] - one.predicted)
        if subset != made.subset:
            own = abs(problem.y[one.row] - predict(problem.X[one.row], subset, others))
            residual = residual if np.isnan(own) else max(residual, own)
        centre = predict(x, one.subset if given >= {*one.subset} else subset, others)
        lows.append(centre - residual)
        highs.append(centre + residual)
    n, point = len(lows), predict(x, subset, list(range(len(problem.y))))
    lower, upper = sorted(lows)[floor(alpha * (n + 1)) - 1], sorted(highs)[ceil((1 - alpha) * (n + 1)) - 1]
    return point, min(lower, point), max(upper, point)


@pytest.mark.parametrize("level", [0.8, 0.6])
@pytest.mark.parametrize("given", ["the subset", "all", "the subset and a rival's", "a part", "a part and all others"])
@pytest.mark.parametrize(("missing", "fit_intercept"), [(0.0, False), (0.06, True)])
def test_predictions_and_intervals_equal_their_definitions(make_problem, reference, missing, fit_intercept, given, level):
    problem = make_problem(n_algos=14, n_envs=7, missing=missing, seed=3)
    made = Made(problem, Settings(3, fit_intercept=fit_intercept))
    assert (len(made.held_outs) < 14) == bool(missing)
    rival = next(one.subset for one in made.held_outs if one.subset != made.subset)
    columns = {
        "the subset": {*made.subset},
        "all": {*range(7)},
        "the subset and a rival's": {*made.subset, *rival},
        "a part": {*made.subset[1:]},
        "a part and all others": {*range(7)} - {made.subset[0]},
    }[given]
    subset = made.subset
    if "part" in given:
        parts = [subset[1:], subset[1:2], subset[2:]]
        subset = min(parts, key=lambda part: reference.cv_mse(problem.X, problem.y, part, fit_intercept=fit_intercept))
    x = np.random.default_rng(1).uniform(0.5, 2, 7)
    logs = made.logs(x, columns)
    chosen = choose_fit(made.predictor, logs)
    found = predict_log(made.predictor, chosen, logs, level=level)
    expected = slow_prediction(reference, made, x, columns, subset, 1 - Fraction(str(level)))
    assert [problem.env_ids.index(name) for name in chosen.subset] == list(subset)
    assert (found.point, found.lower, found.upper) == pytest.approx(expected)
    assert found.n_own == sum(columns >= {*one.subset} for one in made.held_outs)
    assert given != "all" or found.n_own == len(made.held_outs)
    assert (found.level, found.standard_error, found.bound_error) == (level, 0, 0)


def test_the_part_of_least_cv_error_predicts_where_scores_are_missing(make_problem):
    made = Made(make_problem(n_algos=12, n_envs=6), Settings(3))
    chosen, *parts = made.predictor.fits
    for part in parts:
        inside = [fit for fit in parts if {*fit.subset} <= {*part.subset}]
        assert choose_fit(made.predictor, dict.fromkeys(part.subset)) is min(inside, key=lambda fit: fit.cv_mse)
    assert choose_fit(made.predictor, dict.fromkeys([*chosen.subset, "another"])) is chosen
    assert choose_fit(made.predictor, {"another": 1.0}) is None


def simple(residuals, centres=None):
    """A predictor of one environment, which is the prediction; without each algorithm, that and a constant."""
    centres = [0.0] * len(residuals) if centres is None else centres
    without = tuple(Regression((1.0,), centre) for centre in centres)
    chosen = SubsetFit(("E",), 0.1, Regression((1.0,), 0.0), without, tuple(residuals))
    rivals = tuple(Rival(f"algo{row}", ("F",), Regression((1.0,), 0.0)) for row in range(len(residuals)))
    return Predictor(Origin("", "", "", ""), ("E",), (), {}, None, rivals, (chosen,), Extensions((), 0, None, None))


def bounds(predictor, level, log=0.0, **noise):
    return predict_log(predictor, predictor.fits[0], {"E": log}, level=level, **noise)


@pytest.mark.parametrize(
    ("n", "level", "bound", "allowed"),
    [
        (9, 0.9, 9, 0.9),  # floor((1 - 0.9) * 10) is 0 in floats
        (8, 0.9, 8, 8 / 9),
        (4, 0.9, 4, 0.8),
        (4, 0.8, 4, 0.8),
        (18, 0.9, 18, 0.9),
        (19, 0.9, 18, 0.9),
        (99, 0.9, 90, 0.9),
        (99, 0.7, 70, 0.7),
        (9, 0.5, 5, 0.5),
    ],
)
def test_bounds_are_the_residuals_of_their_rank_and_the_level_is_what_so_many_allow(n, level, bound, allowed):
    found = bounds(simple(np.arange(n) + 1.0), level, log=2.0)
    assert (found.point, found.lower, found.upper, found.level) == (2.0, 2.0 - bound, 2.0 + bound, allowed)
    assert (n_rivals_needed(level) <= n) == (allowed == level)


def test_each_level_needs_so_many_rivals():
    assert [n_rivals_needed(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.85)] == [1, 4, 9, 19, 99, 6]


def test_the_interval_holds_the_point():
    found = bounds(simple([0.1] * 4, centres=[1.0] * 4), 0.8)
    assert (found.lower, found.point, found.upper) == (0.0, 0.0, 1.1)


def normal_noise(n_draws, scale, seed=0):
    deviations = np.random.default_rng(seed).normal(0, scale, n_draws)
    return SeedNoise({"E": deviations}, {"E": deviations})


def test_without_any_noise_left_the_interval_is_that_of_the_residuals_to_the_bit():
    predictor, noise = simple(np.random.default_rng(0).exponential(size=12)), normal_noise(100, 0.3)
    held = bounds(predictor, 0.9, noise=SeedNoise(noise.deviations, {"E": np.zeros(100)}), rng=np.random.default_rng(0))
    plain = bounds(predictor, 0.9)
    assert (held.lower, held.upper, held.bound_error) == (plain.lower, plain.upper, 0.0)
    assert held.standard_error == noise.deviations["E"].std(ddof=1)


def test_residuals_of_zero_leave_an_interval_of_the_noise_that_holds_its_level():
    """Quantiles of all sums of residuals and noise would hold 0.8: they count the noise on one side only."""
    found = bounds(simple([0.0] * 99), 0.9, noise=normal_noise(4_000, 0.3), rng=np.random.default_rng(1))
    held = NormalDist(0, 0.3).cdf(found.upper) - NormalDist(0, 0.3).cdf(found.lower)
    assert held == pytest.approx(0.9, abs=0.01)


def test_noise_that_is_drawn_twice_with_one_seed_is_the_same_and_with_another_about_the_same():
    predictor, noise = simple(np.random.default_rng(0).exponential(size=12)), normal_noise(1_000, 0.5)
    found = [bounds(predictor, 0.9, noise=noise, rng=np.random.default_rng(seed)) for seed in (0, 0, *range(1, 100))]
    assert found[0] == found[1] != found[2]
    for name in ("lower", "upper"):
        spread = np.std([getattr(one, name) for one in found[1:]], ddof=1)
        assert spread == pytest.approx(found[0].bound_error, rel=0.3)  # of a hundred: four standard errors


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_with_seed_noise_the_interval_holds_the_truth_as_often_as_it_says(scale):
    """Of 500 new algorithms; three standard errors of a share of 0.9 are 0.04. Residuals alone hold 0.87 and 0.55."""
    rng, held, plain = np.random.default_rng(5), 0, 0
    for _ in range(500):
        predictor = simple(np.abs(rng.normal(size=19)))
        log, truth = rng.normal(0, scale), rng.normal()  # what is predicted is off by both
        found = bounds(predictor, 0.9, log=log, noise=normal_noise(200, scale, seed=rng), rng=rng)
        held += found.lower <= truth <= found.upper
        without = bounds(predictor, 0.9, log=log)
        plain += without.lower <= truth <= without.upper
    assert held / 500 == pytest.approx(0.9, abs=0.04)
    assert plain < held
    assert plain / 500 < (0.6 if scale > 1 else 0.9)


def draw_algos(rng, n_algos, noise):
    """Log scores on 12 environments, three of which make the benchmark score, and some noise."""
    X = rng.normal(1.5, 0.2, size=(n_algos, 1)) + rng.normal(0, 0.5, size=(n_algos, 12))
    return X, X[:, [1, 4, 9]] @ np.array([0.5, 0.3, 0.2]) + rng.normal(0, noise, n_algos)


def shares_held(n_algos, noise, n_tables, n_new):
    """How often new algorithms lie in their intervals: by the subset, by all environments, by residuals in sample."""
    held = np.zeros(3)
    for table in range(n_tables):
        rng = np.random.default_rng(table)
        X, y = draw_algos(rng, n_algos, noise)
        names = {"algos": tuple(map(str, range(n_algos))), "env_ids": tuple(map(str, range(12)))}
        names |= {"benchmarks": ("b",) * 12, "action_spaces": ("Discrete",) * 12}
        problem = Problem(X=X, y=y, scores=X, random_scores=np.zeros(12), reference_scores=np.ones(12), **names)
        made = Made(problem, Settings(3))
        coefficients = fit(X, y, np.array([made.subset])).coefficients[0]
        rank = ceil(0.9 * (n_algos + 1))
        in_sample = np.sort(np.abs(X[:, made.subset] @ coefficients - y))[rank - 1]
        for x, truth in zip(*draw_algos(rng, n_new, noise), strict=True):
            for place, columns in enumerate((made.subset, range(12))):
                found = predict_log(made.predictor, made.predictor.fits[0], made.logs(x, columns), level=0.9)
                held[place] += found.lower <= truth <= found.upper
            held[2] += abs(x[list(made.subset)] @ coefficients - truth) <= in_sample
    return held / (n_tables * n_new)


def test_few_noisy_algorithms_are_held_as_often_as_the_level_says():
    """Of 50 new algorithms in each of 50 tables; three standard errors, of tables and of algorithms, are 0.045.

    Residuals of the chosen subset on the algorithms that it was chosen by would hold 0.77.
    """
    by_subset, by_all, in_sample = shares_held(20, 0.3, n_tables=50, n_new=50)
    assert by_subset == pytest.approx(0.9, abs=0.045)
    assert by_all == pytest.approx(0.9, abs=0.045)
    assert in_sample < 0.9 - 2 * 0.045


@pytest.mark.slow
def test_sixty_algorithms_are_held_as_often_as_the_level_says():
    """Of 1,000 new algorithms, 50 in each of 20 tables; three standard errors are 0.04."""
    by_subset, by_all, _ = shares_held(60, 0.1, n_tables=20, n_new=50)
    assert by_subset == pytest.approx(0.9, abs=0.04)
    assert by_all == pytest.approx(0.9, abs=0.04)


def test_held_out_algorithms_of_the_thesis_lie_in_intervals_made_without_them(thesis):
    """Of each algorithm, a predictor that never saw it; with six others the highest level is 6/7."""
    settings, held = Settings(3), 0
    for row in range(7):
        others = np.delete(np.arange(7), row)
        algos = tuple(thesis.algos[other] for other in others)
        parts = {"X": thesis.X[others], "y": thesis.y[others], "scores": thesis.scores[others], "algos": algos}
        made = Made(Problem(**{**vars(thesis), **parts}), settings)
        logs = made.logs(thesis.X[row], range(38))
        found = predict_log(made.predictor, choose_fit(made.predictor, logs), logs, level=0.9)
        assert (found.level, found.n_own) == (6 / 7, 6)
        held += found.lower <= thesis.y[row] <= found.upper
    assert held >= 5  # of seven; 6 are expected, with a standard error of one
