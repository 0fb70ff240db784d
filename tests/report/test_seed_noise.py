"""Seeds that are drawn again, held against what is known of means."""

import math

import numpy as np
import pytest

from rlhpc.report.seed_noise import draw_noise, to_log
from rlhpc.results.normalise import log_score, normalise
from rlhpc.search.predictor import Env

PONG = Env("Pong", -20.7, 14.6, -21.0, 20.0)
REACHER = Env("reacher", 0.0, 1e6, 0.0, 1e6)


def drawn(seeds, n_known_seeds=None, n_draws=20_000, seed=0, envs=(PONG, REACHER)):
    logs = {env.env_id: float(to_log(env, np.mean(seeds[env.env_id]))) for env in envs}
    return draw_noise(envs, seeds, logs, n_known_seeds, n_draws, np.random.default_rng(seed)), logs


def test_log_scores_are_those_of_a_search():
    scores = np.array([-30.0, -20.7, 0.0, 14.6, 20.0])
    assert to_log(PONG, scores).tolist() == log_score(normalise(scores, -20.7, 14.6)).tolist()


def test_scores_too_extreme_to_be_normalised_are_not_finite():
    assert not np.isfinite(to_log(Env("narrow", 0.0, 1e-300, 0.0, 1.0), np.array([1e300]))).any()


def test_the_spread_of_draws_is_the_standard_error_of_the_mean():
    """Where the logarithm is all but a line; the spread of 20,000 draws is off by 0.5 % (one standard error)."""
    seeds = {"Pong": (10.0, 10.1, 10.4), "reacher": (612_000.0, 598_000.0)}
    noise, logs = drawn(seeds)
    for env in (PONG, REACHER):
        scores = np.array(seeds[env.env_id])
        error = scores.std(ddof=1) / math.sqrt(len(scores))
        slope = 100 / (env.reference_score - env.random_score) / 10 ** logs[env.env_id] / math.log(10)
        assert noise.deviations[env.env_id].std() == pytest.approx(slope * error, rel=0.02)
        assert abs(noise.deviations[env.env_id].mean()) < 0.05 * slope * error


def test_every_draw_is_a_mean_of_seeds():
    noise, logs = drawn({"Pong": (0.0, 10.0), "reacher": (5.0,)}, n_draws=50)
    possible = [(float(to_log(PONG, np.array(mean))) - logs["Pong"]) * math.sqrt(2) for mean in (0.0, 5.0, 10.0)]
    assert {*noise.deviations["Pong"].tolist()} == {*possible}


def test_one_seed_has_no_deviations():
    noise, _ = drawn({"Pong": (0.0, 10.0), "reacher": (5.0,)}, n_draws=50)
    assert noise.deviations.keys() == noise.extra.keys() == {"Pong"}


@pytest.mark.parametrize(("n_known_seeds", "share"), [(None, 1.0), (2, 0.0), (1, 0.0), (4, 0.5), (20, 0.9)])
def test_noise_that_the_known_scores_have_as_well_is_not_counted_twice(n_known_seeds, share):
    noise, _ = drawn({"Pong": (0.0, 10.0), "reacher": (5.0,)}, n_known_seeds, n_draws=50)
    assert noise.extra["Pong"] == pytest.approx(noise.deviations["Pong"] * math.sqrt(share))


def test_drawing_twice_is_equal_to_the_bit_whatever_the_order_of_seeds():
    every = [drawn({"Pong": pong, "reacher": (5.0, 7.0)}, seed=3)[0] for pong in ((1.0, 4.0, 9.0), (9.0, 1.0, 4.0))]
    other = drawn({"Pong": (1.0, 4.0, 9.0), "reacher": (5.0, 7.0)}, seed=4)[0]
    for env_id in ("Pong", "reacher"):
        assert every[0].deviations[env_id].tolist() == every[1].deviations[env_id].tolist()
        assert every[0].deviations[env_id].tolist() != other.deviations[env_id].tolist()


def test_environments_are_drawn_apart():
    noise, _ = drawn({"Pong": (0.0, 5.0, 10.0), "reacher": (0.0, 5e5, 1e6)})
    assert abs(np.corrcoef(noise.deviations["Pong"], noise.deviations["reacher"])[0, 1]) < 0.03
