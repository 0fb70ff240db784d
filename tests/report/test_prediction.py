"""Where a new algorithm stands: from raw scores to benchmark score, interval and place."""

from dataclasses import replace

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.report.prediction import Bounded, predict_benchmark, record
from rlhpc.results.normalise import log_score, normalise
from rlhpc.search.evaluation import predict
from rlhpc.search.predict import predict_log
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each


@pytest.fixture
def predictor(found):
    return make_predictor(found.problem, found.settings, found.subset, hold_out_each(found.problem, found.settings)[BEST, 2])


def test_a_known_algorithm_is_predicted_as_the_search_fits_it(found, predictor):
    problem = found.problem
    for row, fitted in enumerate(predict(problem, found.settings, found.subset)):
        scores = {problem.env_ids[column]: float(problem.scores[row, column]) for column in found.subset}
        prediction = predict_benchmark(predictor, scores, level=0.8)
        assert prediction.log_score.value == pytest.approx(fitted)
        assert prediction.score.value == pytest.approx(10**fitted - 1)
        assert (prediction.missing, prediction.subset) == ((), predictor.subset)


def test_seeds_count_by_their_mean_and_raw_scores_are_normalised(predictor):
    first, second = predictor.subset
    low, high = (next(env for env in predictor.envs if env.env_id == name) for name in (first, second))
    prediction = predict_benchmark(predictor, {second: 12.0, first: [3.0, 5.0, 10.0]}, level=0.8)
    logs = {
        env.env_id: float(log_score(normalise(np.array(score), env.random_score, env.reference_score)))
        for env, score in ((low, 6.0), (high, 12.0))
    }
    plain = predict_log(predictor, predictor.fits[0], logs, level=0.8)
    assert prediction.log_score.value == plain.point
    assert prediction.seeds.n_seeds == {first: 3, second: 1}
    assert prediction.seeds.single == (second,)
    assert prediction.log_score.lower < plain.lower
    assert prediction.log_score.upper > plain.upper


def test_single_seeds_leave_their_error_unknown_and_need_no_draws(predictor):
    one, other = (predict_benchmark(predictor, dict.fromkeys(predictor.subset, 5.0), seed=seed) for seed in (0, 1))
    assert one.seeds.standard_error is None
    assert one.seeds.bound_error == 0
    assert (one.log_score, one.seeds.single) == (other.log_score, predictor.subset)


def test_more_seeds_than_the_known_scores_have_do_not_widen_the_interval(predictor):
    scores = dict.fromkeys(predictor.subset, (4.0, 6.0))
    few, many = (predict_benchmark(replace(predictor, n_seeds=n_seeds), scores) for n_seeds in (2, 9))
    assert few.log_score == predict_benchmark(predictor, dict.fromkeys(predictor.subset, 5.0)).log_score
    assert few.seeds.standard_error == many.seeds.standard_error > 0
    assert many.log_score.upper > few.log_score.upper


def test_predicting_twice_is_equal_to_the_bit_in_any_order(predictor):
    scores = {env_id: [2.0 + place, 9.0] for place, env_id in enumerate(predictor.env_ids)}
    backwards = {env_id: scores[env_id][::-1] for env_id in reversed(scores)}
    assert predict_benchmark(predictor, scores, seed=7) == predict_benchmark(predictor, backwards, seed=7)
    assert predict_benchmark(predictor, scores, seed=7) != predict_benchmark(predictor, scores, seed=8)


def test_places_count_the_known_algorithms_above(predictor):
    known = sorted(predictor.known.values(), reverse=True)
    for scale in (0.5, 5.0, 50.0, 1e5):
        prediction = predict_benchmark(predictor, dict.fromkeys(predictor.subset, scale))
        place = prediction.place
        ends = prediction.log_score.value, prediction.log_score.upper, prediction.log_score.lower
        assert [place.place, place.best, place.worst] == [1 + len([y for y in known if y > max(end, 0)]) for end in ends]
        assert place.best <= place.place <= place.worst <= place.n_places == 7
    assert place.place == 1


def test_a_known_algorithm_does_not_count_beside_itself(found, predictor):
    best = int(found.problem.y.argmax())
    scores = {found.problem.env_ids[column]: float(found.problem.scores[best, column]) for column in found.subset}
    nameless, itself = (predict_benchmark(predictor, scores, algo=algo).place for algo in (None, found.problem.algos[best]))
    assert (nameless.n_places, itself.n_places) == (7, 6)
    assert itself.place <= nameless.place
    assert itself.place == 1 + sum(
        y > predict_benchmark(predictor, scores).log_score.value for y in np.sort(found.problem.y)[:-1]
    )


def test_nobody_is_placed_below_a_score_of_zero(predictor):
    below = replace(predictor, known={"a": 0.0, "b": 0.0, "c": 1.0})
    prediction = predict_benchmark(below, dict.fromkeys(predictor.subset, -1e6))
    assert prediction.score.value == 0.0
    assert (prediction.place.place, prediction.place.worst) == (2, 2)


def test_scores_on_all_environments_let_every_rival_predict(predictor):
    assert predict_benchmark(predictor, dict.fromkeys(predictor.env_ids, 5.0)).n_own == 6
    assert predict_benchmark(predictor, dict.fromkeys(predictor.subset, 5.0)).n_own < 6


def test_a_missing_score_is_told_and_the_residuals_are_no_smaller(predictor):
    first, second = predictor.subset
    prediction = predict_benchmark(predictor, {second: 5.0})
    assert (prediction.missing, prediction.subset) == ((first,), (second,))
    part = next(fit for fit in predictor.fits if fit.subset == (second,))
    assert all(own >= whole for own, whole in zip(part.residuals, predictor.fits[0].residuals, strict=True))


def test_scores_beyond_the_known_and_below_random_are_told(predictor):
    first, second = predictor.subset
    env = next(env for env in predictor.envs if env.env_id == first)
    for score, clipped, beyond in ((env.lowest, False, False), (env.highest + 1, False, True), (-5.0, True, True)):
        prediction = predict_benchmark(predictor, {first: score, second: 15.0})
        assert prediction.clipped == ((first,) if clipped else ())
        assert (first in prediction.extrapolated) == beyond


def test_too_high_a_level_is_lowered_and_no_bound_is_infinite(predictor):
    prediction = predict_benchmark(predictor, dict.fromkeys(predictor.subset, 5.0), level=0.99)
    assert (prediction.level, prediction.asked_level, prediction.n_algos) == (6 / 7, 0.99, 6)
    assert np.isfinite([prediction.log_score.lower, prediction.log_score.upper]).all()


def test_no_benchmark_score_is_below_zero_and_an_infinite_one_is_none_in_json(predictor):
    low = predict_benchmark(predictor, dict.fromkeys(predictor.subset, 0.0))
    assert low.score.lower == 0
    assert low.log_score.lower < 0
    high = replace(low, score=Bounded(1.0, 0.0, np.inf))
    assert record(high)["score"] == {"value": 1.0, "lower": 0.0, "upper": None}
    assert record(low)["score"]["upper"] == low.score.upper


def test_every_fault_is_told_at_once(predictor):
    with pytest.raises(InputError) as refused:
        predict_benchmark(predictor, {"Pnog": 1.0, predictor.subset[0]: []}, level=0.3, seed=-1, n_draws=1)
    assert len(refused.value.faults) == 5
