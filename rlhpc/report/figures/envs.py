"""Environments: how well each predicts all, and how well a subset predicts each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlhpc.report.figures.drawing import ROW, Floats, drawing, legend, log_axis, note, rows
from rlhpc.report.scales import error_floor, error_limit
from rlhpc.report.svg import FIRST, INK, MUTED, PAGE, SECOND


def single_envs(names: Sequence[str], errors: Floats, chosen: Sequence[bool], guess: float) -> str:
    """Draw how well each environment alone predicts the benchmark score, the best on top.

    Parameters
    ----------
    names : sequence of str, length n_envs
    errors : array of shape (n_envs,)
        CV MSE; infinite ones get no bar.
    chosen : sequence of bool, length n_envs
        Whether an environment is in the subset.
    guess : float
        The error of predicting the mean of the others, drawn as a line.
    """
    order = np.argsort(errors, kind="stable")
    label = f"Bars: CV MSE of {len(names)} single environments; the best is {names[order[0]]}"
    with drawing("single", label, 1.3 + ROW * len(names)) as drawn:
        axes, sorted_errors = drawn.axes, errors[order]
        limit = error_limit(sorted_errors, guess)
        colours = [SECOND if chosen[env] else FIRST for env in order]
        widths = np.where(np.isinf(sorted_errors), 0, np.minimum(sorted_errors, limit))
        bars = axes.barh(np.arange(len(order)), widths, color=colours)
        drawn.name_bars(bars, [f"{names[env]}: CV MSE {errors[env]:.3g}" for env in order])
        for place, value in enumerate(sorted_errors):
            if np.isinf(value):
                note(axes, "too few scores", (0, place), MUTED)
            elif value > limit:
                note(axes, f"{value:.3g} →", (limit, place), PAGE)
        rows(axes, [names[env] for env in order])
        axes.axvline(guess, color=INK, linewidth=1, linestyle="--")
        axes.set_xlim(0, limit)
        axes.set_xlabel("CV MSE of the benchmark score")
        legend(axes, [("s", FIRST, FIRST, "environment"), ("s", SECOND, SECOND, "in the chosen subset")])
    return drawn.svg


def other_envs(names: Sequence[str], without_intercept: Floats, with_intercept: Floats) -> str:
    """Draw how well the subset predicts each other environment, the best on top.

    Parameters
    ----------
    names : sequence of str, length n_others
    without_intercept, with_intercept : array of shape (n_others,)
        CV MSE, at least one finite; infinite ones get no dot.
    """
    order = np.argsort(without_intercept, kind="stable")
    label = f"Dots: CV MSE of {len(names)} environments predicted from the subset, with and without an intercept"
    with drawing("others", label, 1.3 + ROW * len(names)) as drawn:
        axes, places = drawn.axes, np.arange(len(order))
        shown = np.concatenate([without_intercept, with_intercept])
        floor = error_floor(shown)
        pair = [
            np.where(np.isfinite(values), np.maximum(values, floor), np.nan)[order]
            for values in (without_intercept, with_intercept)
        ]
        axes.hlines(places, pair[0], pair[1], color=MUTED, linewidth=1)
        styles = (("o", FIRST, FIRST, "no intercept"), ("D", "none", SECOND, "with intercept"))
        for values, errors, (marker, face, edge, how) in zip(pair, (without_intercept, with_intercept), styles, strict=True):
            known = np.isfinite(values)
            style: dict[str, Any] = {"markerfacecolor": face, "markeredgecolor": edge, "markersize": 6, "markeredgewidth": 1.5}
            (dots,) = axes.plot(values[known], places[known], marker, **style)
            drawn.name(dots, [f"{names[env]}, {how}: CV MSE {errors[env]:.3g}" for env in order[known]])
        rows(axes, [names[env] for env in order])
        log_axis(axes, "x", shown, floor)
        axes.set_xlabel("CV MSE")
        legend(axes, styles)
    return drawn.svg
