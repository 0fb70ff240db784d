"""Algorithms compared over all environments: intervals of their summaries, and profiles of their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rlhpc.report.figures.drawing import ROW, SMALL, Floats, drawing, rows
from rlhpc.report.scales import score_ticks, shorten, value_window
from rlhpc.report.svg import FIRST, FOURTH, LINE, SECOND, THIRD

# Four colours, each solid and dashed: eight lines that print and eyes of every kind tell apart.
LINES = [(colour, line) for line in ("-", "--") for colour in (FIRST, SECOND, THIRD, FOURTH)]
MOST_BANDS = 4  # intervals of more lines cover each other


def algo_intervals(names: Sequence[str], summaries: Mapping[str, Floats]) -> str:
    """Draw summaries of every algorithm with their intervals, one panel a summary.

    Parameters
    ----------
    names : sequence of str, length n_algos
        From top to bottom.
    summaries : mapping of str to array of shape (n_algos, 3)
        From left to right: value, low and high end of its interval; NaN where unknown.
    """
    label = f"Dots: {' and '.join(summaries)} of {len(names)} algorithms, from {names[0]} on top to {names[-1]}"
    with drawing("intervals", label, 0.9 + ROW * len(names), shape=(1, len(summaries)), share="y") as drawn:
        for axes, (name, values) in zip(drawn.panels, summaries.items(), strict=True):
            low, high = value_window(*values.T)
            ends = np.clip(values[:, 1:], low, high)
            axes.hlines(np.arange(len(names)), ends[:, 0], ends[:, 1], color=FIRST, linewidth=2, alpha=0.6)
            (dots,) = axes.plot(values[:, 0], np.arange(len(names)), "o", color=FIRST, markersize=4)
            drawn.name(dots, [_interval(algo, name, *row) for algo, row in zip(names, values, strict=True)])
            axes.set_xlim(low, high)
            axes.locator_params(axis="x", nbins=4)
            axes.set_title(name)
        rows(drawn.axes, names)
    return drawn.svg


def _interval(algo: str, summary: str, value: float, low: float, high: float) -> str:
    """Say what a dot is, with its interval where there is one."""
    interval = f", interval {low:.3g} to {high:.3g}" if np.isfinite([low, high]).all() else ""
    return f"{algo}: {summary} {value:.3g}{interval}"


def performance_profiles(thresholds: Floats, profiles: Mapping[str, Floats]) -> str:
    """Draw the share of scores above each threshold, a line an algorithm, on an axis of log10(1 + score).

    Parameters
    ----------
    thresholds : array of shape (n_thresholds,)
        Normalised scores, ascending, above -1.
    profiles : mapping of str to array of shape (3, n_thresholds)
        Share, low and high end of its interval, NaN where unknown. The first `LINES` are coloured, all others grey.
    """
    names = list(profiles)
    label = f"Lines: share of scores above a threshold, of {len(names)} algorithms, {', '.join(names[: len(LINES)])} coloured"
    with drawing("profiles", label, 4.2) as drawn:
        axes, places = drawn.axes, np.log10(1 + thresholds)
        for name in names[len(LINES) :]:
            axes.plot(places, profiles[name][0], color=LINE, linewidth=1)
        styled = list(zip(names, LINES, strict=False))
        for name, (colour, line) in reversed(styled):  # the first on top
            share, low, high = profiles[name]
            if len(names) <= MOST_BANDS and np.isfinite(low).all():
                axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(places, share, color=colour, linestyle=line, linewidth=1.6)
        axes.set_ylim(0, 1.02)
        axes.set_xlim(places[0], places[-1])
        ticks = score_ticks(places[0], places[-1])
        axes.set_xticks(np.log10(1 + ticks), [f"{tick:g}" for tick in ticks])
        axes.grid(visible=True, axis="both")
        axes.set_xlabel("normalised score")
        axes.set_ylabel("share of scores above it")
        handles = axes.get_lines()[-len(styled) :][::-1]
        drawn.figure.legend(handles, [shorten(name) for name, _ in styled], loc="outside upper left", ncols=2, fontsize=SMALL)
    return drawn.svg
