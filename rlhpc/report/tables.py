"""The rows of the page's tables, and how their numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlhpc.report.case_study import STATISTICS, CaseStudy, to_score
from rlhpc.report.seeds import Interval
from rlhpc.results.normalise import normalise
from rlhpc.search.evaluation import OtherEnvs, SingleEnvs
from rlhpc.search.problem import Problem

UNKNOWN, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
Row = Mapping[str, object]


def number(value: float | None) -> str:
    """Write a number to three significant digits; a dash where it is not known."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        written = "-∞" if value < 0 else "∞"
    elif value == 0:
        written = "0"
    elif 1e-4 <= abs(value) < 999.5:
        written = f"{value:#.3g}".rstrip(".")
    else:
        written = f"{value:,.0f}" if 1 <= abs(value) < 1e7 else f"{value:.1e}"
    return written.replace("-", MINUS)


def spread(low: float | None, high: float | None) -> str:
    """Write the two ends between which a number lies; once if they read the same."""
    ends = number(low), number(high)
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def plus_minus(error: float | None) -> str:
    """Write an uncertainty behind its number; blank where there is none, or where it is exactly 0."""
    return f" ± {number(error)}" if error else ""


def drawn(error: float | None) -> str:
    """Write the Monte-Carlo error of a number behind it, to two digits; blank where there is none, or where it is exactly 0."""
    return f" ± {error:.2g}" if error else ""


def percent(value: float | None) -> str:
    """Write a percentage."""
    written = number(value)
    return written if written == UNKNOWN else f"{written} %"


def share(value: float | None) -> str:
    """Write a share, from 0 to 1, as a percentage."""
    return percent(None if value is None else 100 * value)


def level(value: float) -> str:
    """Write the level of an interval, from 0 to 1, as a percentage: 95 %, where a share would be 95.0 %."""
    return f"{100 * value:.3g} %"


def count(value: int) -> str:
    """Write a whole number."""
    return f"{value:,}"


def factor(mse: float | None) -> str:
    """Write a mean squared error of log10 scores as the factor by which predictions are typically off."""
    return UNKNOWN if mse is None or not math.isfinite(mse) else number(10 ** math.sqrt(min(mse, 1e4)))


@dataclass(frozen=True)
class ScoreCell:
    """One cell of the table of scores.

    Attributes
    ----------
    normalised : float
        NaN where missing.
    share : float
        Where between 0 (random) and 1 (reference) it lies; what lies beyond is cut off.
    interval : Interval or None
        Over seeds, where they were given.
    """

    normalised: float
    share: float
    interval: Interval | None


def single_rows(problem: Problem, singles: SingleEnvs, subset: Sequence[int]) -> list[Row]:
    """Describe how each environment alone predicts the benchmark score, the best first."""
    order = sorted(range(len(problem.env_ids)), key=lambda env: (singles.cv_mse[env], env))
    return [
        {
            "env_id": problem.env_ids[env],
            "chosen": env in subset,
            "cv_mse": singles.cv_mse[env],
            "r2": singles.r2[env],
            "relative_error": singles.relative_errors[env],
            "n_algos": singles.n_algos[env],
        }
        for env in order
    ]


def other_rows(problem: Problem, without: OtherEnvs, with_: OtherEnvs) -> list[Row]:
    """Describe how the subset predicts each other environment, the best without an intercept first."""
    order = sorted(range(len(without.columns)), key=lambda place: (without.cv_mse[place], place))
    return [
        {
            "env_id": problem.env_ids[without.columns[place]],
            "cv_mse": (without.cv_mse[place], with_.cv_mse[place]),
            "r2": (without.r2[place], with_.r2[place]),
            "n_algos": without.n_algos[place],
            "constant": without.constant[place],
        }
        for place in order
    ]


def case_rows(problem: Problem, study: CaseStudy, held_out: Mapping[str, float | None]) -> list[Row]:
    """Describe every algorithm's summaries; `held_out` holds its predicted score by a search without it."""
    true, predicted = to_score(study.y), to_score(study.fitted)
    return [
        {
            "algo": algo,
            "pairs": [(study.full[name][row], study.subset[name][row]) for name in STATISTICS],
            "true": true[row],
            "predicted": predicted[row],
            "held_out": held_out.get(algo),
        }
        for row, algo in enumerate(problem.algos)
    ]


def score_rows(problem: Problem, subset: Sequence[int], intervals: Mapping[tuple[str, str], Interval]) -> list[Row]:
    """Describe every environment's normalised scores, one cell an algorithm."""
    normalised = normalise(problem.scores, problem.random_scores, problem.reference_scores)
    return [
        {
            "env_id": env_id,
            "benchmark": problem.benchmarks[column],
            "chosen": column in subset,
            "cells": [
                _score_cell(float(value), intervals.get((env_id, algo)))
                for algo, value in zip(problem.algos, normalised[:, column], strict=True)
            ],
        }
        for column, env_id in enumerate(problem.env_ids)
    ]


def _score_cell(normalised: float, interval: Interval | None) -> ScoreCell:
    shown = normalised if interval is None else interval.mean
    return ScoreCell(shown, 0.0 if math.isnan(shown) else round(min(max(shown / 100, 0.0), 1.0), 3), interval)
