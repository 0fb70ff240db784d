"""Learning curves: scores of training episodes against agent steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rlhpc.report.figures.algos import LINES
from rlhpc.report.figures.drawing import SMALL, drawing
from rlhpc.report.learning_curves import LearningCurves
from rlhpc.report.scales import shorten
from rlhpc.report.svg import LINE

PANEL = 2.0  # inches of height


def learning_curves(curves: Sequence[LearningCurves], algos: Sequence[str]) -> str:
    """Draw the learning curves of some environments, one panel each.

    Parameters
    ----------
    curves : sequence of LearningCurves
    algos : sequence of str
        The first `LINES` are coloured, all others grey.
    """
    n_envs = len(curves)
    label = f"Lines: normalised score of training episodes against agent steps, in {', '.join(one.env_id for one in curves)}"
    with drawing("curves", label, 0.7 + PANEL * n_envs, shape=(n_envs, 1), share="none") as drawn:
        handles = {}
        for axes, one in zip(drawn.panels, curves, strict=True):
            for algo in algos[len(LINES) :]:
                if algo in one.scores:
                    axes.plot(*_known(one, algo), ".-", color=LINE, linewidth=1, markersize=3)
            for algo, (colour, line) in reversed(list(zip(algos, LINES, strict=False))):  # the first on top
                if algo in one.scores:
                    (handles[algo],) = axes.plot(
                        *_known(one, algo), ".", color=colour, linestyle=line, linewidth=1.4, markersize=4
                    )
            axes.set_title(shorten(one.env_id))
            axes.set_xlim(0, one.timesteps[-1] + one.timesteps[0])
            axes.ticklabel_format(axis="x", style="plain")
            axes.xaxis.set_major_formatter(lambda steps, _: f"{steps:,.0f}")
            axes.locator_params(axis="x", nbins=5)
            axes.grid(visible=True, axis="both")
            axes.set_ylabel("normalised score")
        drawn.panels[-1].set_xlabel("agent steps")
        shown = [algo for algo in algos if algo in handles]
        names = [shorten(algo) for algo in shown]
        drawn.figure.legend([handles[algo] for algo in shown], names, loc="outside upper left", ncols=2, fontsize=SMALL)
    return drawn.svg


def _known(one: LearningCurves, algo: str) -> tuple[np.ndarray, np.ndarray]:
    """Return agent steps and scores of the parts in which an episode ended: a line goes on across the others."""
    known = np.isfinite(one.scores[algo])
    return one.timesteps[known], one.scores[algo][known]
