"""Ends and ticks of axes, in the cases that data brings."""

import numpy as np
import pytest

from rlhpc.report.scales import (
    NAME_LENGTH,
    error_floor,
    error_limit,
    log_ticks,
    score_ticks,
    score_window,
    shorten,
    spaced,
    value_window,
)


def test_environments_lose_their_namespace_and_long_names_their_middle():
    assert shorten("dm_control/hopper-hop-v0") == "hopper-hop-v0"
    assert shorten("PPO w/ RND") == "PPO w/ RND"
    assert shorten("dm_control/cartpole-swingup_sparse-v0") == "cartpole-swingup_sparse-v0"
    long = shorten("a_very_long_environment_name_of_the_first_kind-v0")
    assert len(long) == NAME_LENGTH
    assert (long[:6], long[-7:]) == ("a_very", "kind-v0")


def test_one_hopeless_environment_does_not_stretch_the_axis():
    assert error_limit(np.array([0.1, 0.2, 1e9, np.inf]), guess=0.5) == pytest.approx(1.05 * 1.5)
    assert error_limit(np.array([0.1, 0.2]), guess=0.5) == pytest.approx(0.6)


def test_axis_of_errors_has_a_length_even_without_errors():
    assert error_limit(np.array([np.inf]), guess=0.0) > 0
    assert error_floor(np.array([0.0, np.inf, np.nan])) > 0


@pytest.mark.parametrize("values", [[1e-6, 1e6], [0.3, 0.4], [2.6, 4.0], [0.1, 0.1], [1e-3, 1.0], [0.0301, 0.0353]])
def test_logarithmic_axis_has_ticks_inside_its_ends(values):
    low, high, ticks = log_ticks(np.array(values))
    assert low < min(values) <= max(values) < high
    assert 2 <= len(ticks) <= 14
    assert ((ticks >= low) & (ticks <= high)).all()


@pytest.mark.parametrize("high", [0.05, 0.3, 1.0, 2.5, 4.0])
def test_scores_have_ticks_with_zero_among_them(high):
    ticks = score_ticks(0.0, high)
    assert ticks[0] == 0
    assert (np.log10(1 + ticks) <= high + 1e-9).all()


def test_scores_of_one_decade_have_more_ticks_than_three():
    assert score_ticks(0.0, np.log10(1 + 8.24)).tolist() == [0, 1, 2, 3, 5, 7]
    assert score_ticks(0.0, np.log10(1 + 40)).tolist() == [0, 1, 3, 10, 30]


def test_window_shows_zero_true_scores_and_what_is_near():
    assert score_window(np.array([1.0, 2.0]), [np.array([1.1, np.nan]), np.array([0.9, 2.3])]) == (0.0, 2.3)


def test_prediction_far_off_does_not_stretch_the_window():
    assert score_window(np.array([1.0, 2.0]), [np.array([-40.0, np.inf])]) == (0.0, 2.5)


def test_exact_predictions_are_drawn_left_of_all_others():
    assert 0 < error_floor(np.array([0.0, 0.3, 0.02])) < 0.02


def test_ticks_that_would_touch_are_left_out():
    assert spaced(np.array([5.0, 7.0, 7.5, 30.0, 100.0])) == [5.0, 30.0, 100.0]
    assert spaced(np.array([5.0, 7.0, 10.0])) == [5.0, 7.0, 10.0]
    assert spaced(np.array([4.0])) == [4.0]


def test_hopelessly_wide_interval_does_not_stretch_the_axis():
    low, high = value_window(np.array([10.0, 20.0]), np.array([9.0, -1e9]), np.array([np.nan, 1e9]))
    assert -1 <= low <= 0
    assert 30 <= high <= 31


@pytest.mark.parametrize("values", [[3.0], [0.0], [np.nan], [-2.0, -2.0]])
def test_axis_of_values_has_a_length_whatever_they_are(values):
    unknown = np.full(len(values), np.nan)
    low, high = value_window(np.array(values), unknown, unknown)
    assert low < high
