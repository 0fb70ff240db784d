"""Predicted against true benchmark scores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from rlhpc.report.case_study import to_score
from rlhpc.report.figures.drawing import Drawing, Floats, drawing, legend
from rlhpc.report.scales import score_ticks, score_window
from rlhpc.report.svg import FIRST, LINE, MUTED, SECOND


def predicted_scores(
    algos: Sequence[str], true: Floats, fitted: Floats, held_out: Floats | None, intervals: Floats | None
) -> str:
    """Draw predicted against true benchmark scores, on axes of log10(1 + score).

    Parameters
    ----------
    algos : sequence of str, length n_algos
    true, fitted : array of shape (n_algos,)
        Log benchmark scores: the true ones, and by the regression on all algorithms.
    held_out : array of shape (n_algos,) or None
        By a search without the algorithm; what lies far off is drawn at the edge.
    intervals : array of shape (n_algos, 2) or None
        The ends of the interval of each held-out prediction, NaN where there is none; cut off at the edge.
    """
    with drawing("predicted", f"Scatter: predicted against true benchmark score of {len(true)} algorithms", 4.6) as drawn:
        axes = drawn.axes
        low, high = score_window(true, [fitted] if held_out is None else [fitted, held_out])
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1)
        if held_out is not None:
            inside = np.clip(held_out, low, high)
            if intervals is None:
                axes.vlines(true, np.clip(fitted, low, high), inside, color=LINE, linewidth=1)
            else:
                axes.vlines(true, *np.clip(intervals, low, high).T, color=SECOND, linewidth=1.2, alpha=0.6)
            style = {"marker": "D", "markerfacecolor": "none", "markeredgecolor": SECOND, "markersize": 6, "markeredgewidth": 1.3}
            _mark(drawn, "predicted without it", algos, true, held_out, inside, style)
        _mark(drawn, "fitted", algos, true, fitted, np.clip(fitted, low, high), {"marker": "o", "color": FIRST, "markersize": 5})
        _score_axes(axes, low, high)
        explained = [("o", FIRST, FIRST, "fitted with the algorithm"), ("D", "none", SECOND, "searched and fitted without it")]
        legend(axes, explained[: 1 if held_out is None else 2])
    return drawn.svg


def _mark(  # noqa: PLR0913, PLR0917  # what is drawn, where, and how
    drawn: Drawing, how: str, algos: Sequence[str], true: Floats, predicted: Floats, drawn_at: Floats, style: dict[str, Any]
) -> None:
    """Draw a marker for each algorithm with a prediction, which says in scores what it is."""
    there = np.isfinite(predicted)
    (markers,) = drawn.axes.plot(true[there], drawn_at[there], linestyle="", **style)
    scores = zip(itertools.compress(algos, there), to_score(true[there]), to_score(predicted[there]), strict=True)
    drawn.name(markers, [f"{algo}: {how} {score:.3g}, true {truth:.3g}" for algo, truth, score in scores])


def _score_axes(axes: Axes, low: float, high: float) -> None:
    """Make both axes ones of benchmark scores between two log benchmark scores."""
    margin = 0.05 * max(high - low, 0.1)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_aspect("equal")
    axes.grid(visible=True, axis="both")
    ticks = score_ticks(low, high)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.log10(1 + ticks), [f"{tick:g}" for tick in ticks])
    axes.set_xlabel("true benchmark score")
    axes.set_ylabel("predicted")
