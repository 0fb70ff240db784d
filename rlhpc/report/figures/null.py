"""What the same search finds where there is nothing to find."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.ticker import MaxNLocator

from rlhpc.report.figures.drawing import Floats, drawing, legend, log_axis
from rlhpc.report.scales import error_floor
from rlhpc.report.svg import FIRST, MUTED

N_BINS = 40  # over the width of the figure: one is about the width of the line that marks the table's own error


def null_histograms(nulls: Mapping[str, tuple[float, Floats]]) -> str:
    """Draw the best errors of tables without anything to find, and mark that of the true table, one panel a kind.

    Parameters
    ----------
    nulls : mapping of str to (float, array of shape (n_draws,))
        What was destroyed, from top to bottom: the true table's best error, and those of the draws; relative to guessing.
    """
    label = "Histograms: best error of the true table against " + "; ".join(
        f"{len(draws)} with {name}: {observed:.3g} against {np.median(draws):.3g} in the middle"
        for name, (observed, draws) in nulls.items()
    )
    with drawing("null", label, 0.9 + 1.1 * len(nulls), shape=(len(nulls), 1), share="x") as drawn:
        shown = np.concatenate([np.append(draws, observed) for observed, draws in nulls.values()])
        floor = error_floor(shown)
        shown = np.maximum(shown, floor)
        edges = np.geomspace(shown.min() / 1.02, shown.max() * 1.02, N_BINS + 1)
        for axes, (name, (observed, draws)) in zip(drawn.panels, nulls.items(), strict=True):
            axes.stairs(np.histogram(np.maximum(draws, floor), edges)[0], edges, fill=True, color=MUTED)
            axes.axvline(max(observed, floor), color=FIRST, linewidth=2)
            axes.set_title(name)
            axes.set_ylabel("draws")
            axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        log_axis(drawn.axes, "x", shown)
        drawn.panels[-1].set_xlabel("best CV MSE / MSE of guessing")
        legend(drawn.axes, [("|", FIRST, FIRST, "the true table"), ("s", MUTED, MUTED, "tables without anything to find")])
    return drawn.svg
