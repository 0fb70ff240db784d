"""How numbers are written, and the order of rows."""

import numpy as np
import pytest

from rlhpc.report.seeds import Interval
from rlhpc.report.tables import (
    count,
    drawn,
    factor,
    level,
    number,
    other_rows,
    percent,
    plus_minus,
    score_rows,
    share,
    single_rows,
    spread,
)
from rlhpc.search.evaluation import evaluate_other_envs, evaluate_single_envs

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(("error", "written"), [(0.25, " ± 0.250"), (0.0, ""), (None, "")])
def test_an_uncertainty_of_exactly_zero_is_not_written(error, written):
    assert plus_minus(error) == written


@pytest.mark.parametrize(("error", "written"), [(0.000999, " ± 0.001"), (0.0138, " ± 0.014"), (0.0, ""), (None, "")])
def test_a_monte_carlo_error_has_two_digits(error, written):
    assert drawn(error) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0035279, "0.00353"),
        (0.01, "0.0100"),
        (0.0, "0"),
        (7.0, "7.00"),
        (123.4, "123"),
        (999.6, "1,000"),
        (12345.6, "12,346"),
        (1.5e9, "1.5e+09"),
        (2e-7, f"2.0e{MINUS}07"),
        (-0.831, f"{MINUS}0.831"),
        (-54321.0, f"{MINUS}54,321"),
        (np.inf, "∞"),
        (-np.inf, f"{MINUS}∞"),
        (np.nan, DASH),
        (None, DASH),
    ],
)
def test_number_has_three_digits_and_a_dash_where_unknown(value, written):
    assert number(value) == written


def test_percentages_and_factors():
    assert (percent(6.591), percent(None)) == ("6.59 %", DASH)
    assert (factor(1.0), factor(0.0), factor(None), factor(np.inf)) == ("10.0", "1.00", DASH, DASH)


def test_two_ends_are_written_once_if_they_read_the_same():
    assert spread(0.1, 0.2) == "0.100 to 0.200"
    assert spread(0.12345, 0.12349) == "0.123"
    assert spread(None, 0.2) == f"{DASH} to 0.200"


def test_shares_levels_and_counts():
    assert (share(0.0659), share(1.0), share(None)) == ("6.59 %", "100 %", DASH)
    assert (level(0.9), level(0.95), level(6 / 7)) == ("90 %", "95 %", "85.7 %")
    assert (count(7), count(8436)) == ("7", "8,436")


def test_rows_stand_in_the_order_of_errors(found):
    singles = single_rows(found.problem, evaluate_single_envs(found.problem, found.settings), found.subset)
    others = other_rows(found.problem, *[evaluate_other_envs(found.problem, found.settings, found.subset)] * 2)
    assert [row["cv_mse"] for row in singles] == sorted(row["cv_mse"] for row in singles)
    assert [row["cv_mse"][0] for row in others] == sorted(row["cv_mse"][0] for row in others)
    assert {row["env_id"] for row in singles if row["chosen"]} == set(found.ranking[0].subset)
    assert {row["env_id"] for row in others} == set(found.problem.env_ids) - set(found.ranking[0].subset)


def test_score_is_that_of_the_seeds_where_they_were_given(found):
    key = found.problem.env_ids[0], found.problem.algos[1]
    cells = score_rows(found.problem, (), {key: Interval(150.0, 3.0, ((1, ""), (2, "")))})[0]["cells"]
    assert (cells[1].normalised, cells[1].share) == (150.0, 1.0)
    assert cells[0].normalised == pytest.approx(found.problem.scores[0, 0])  # random is 0, the reference 100
    assert 0 <= cells[0].share <= 1
